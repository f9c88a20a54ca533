"""A real one-machine cluster, SLURM with accounting and Apptainer, and the tests that need one.

``python -m tests.cluster.lab up`` starts it, ``down`` stops it.  Nothing here imports the package under test.
"""
