"""Where jobs can run, one folder a cluster.

May import: what the launchers may. Outside of this folder nothing knows which cluster it is.

| question | module |
|---|---|
| what is a cluster | ``base`` |
| what do the jobs of an array wait for | ``waits`` |
| which clusters are there | ``registry`` |
| what do submitit's executors have in common | ``executor`` |
| which job is this process inside of; what do started programs get | ``allocation``, ``variables`` |
| SLURM | ``slurm`` |
| this machine | ``local`` |
"""
