"""Sending frozen jobs to SLURM and into Apptainer, or running them on this machine.

| question | module |
|---|---|
| how is one job run in its container | ``apptainer`` |
| what the launchers' settings are | ``settings`` |
| what runs on the host, around the container | ``task`` |
| what can go wrong before submission | ``preflight``, with ``slurm`` and ``paths`` |
| submit, record, dry run | ``submission``, ``executors`` |
| wait for jobs | ``waiting`` |

Importing any of these imports neither submitit nor Hydra; functions do.
"""
