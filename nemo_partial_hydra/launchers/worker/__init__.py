"""What runs on the host around one job: the task that the cluster starts, and its payload."""
