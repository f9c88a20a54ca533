"""SLURM as a cluster.

May import: what the launchers may; submitit, inside functions.

| question | module |
|---|---|
| the protocol, for SLURM | ``cluster`` |
| SLURM's commands, and what they print | ``commands`` |
| what is checked before a submission | ``preflight`` |
| can the cluster ever run what is asked for | ``resources`` |
| how is an array submitted | ``executor`` |
| what do the queue and the accounting say of jobs | ``queue`` |
| jobs that wait for another sweep | ``dependency`` |
"""
