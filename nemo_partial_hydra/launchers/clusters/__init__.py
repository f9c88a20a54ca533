"""Where jobs can run, one folder a cluster."""
