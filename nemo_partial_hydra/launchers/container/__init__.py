"""How one job is run in Apptainer."""
