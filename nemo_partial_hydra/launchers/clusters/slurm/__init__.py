"""SLURM as a cluster.

May import: what the launchers may; submitit, inside functions.

| question | module |
|---|---|
| the protocol, for SLURM | ``cluster`` |
| SLURM's commands, and what they print | ``commands`` |
| what is checked before a submission | ``preflight`` |
| can the cluster ever run what is asked for | ``resources`` |
| which cluster is asked | ``identity`` |
| how is an array made, how is it sent once | ``executor``, ``sending`` |
| how many jobs does SLURM take | ``limits`` |
| which variables of the shell count beside the settings | ``environment`` |
| which arrays have which tokens | ``tokens`` |
| what do the queue and the accounting say of jobs | ``answers``, ``queue`` |
| jobs that wait for another sweep | ``dependency`` |
"""
