"""Sending frozen jobs to a cluster and into Apptainer, or running them on this machine.

| question | module |
|---|---|
| what Hydra calls | ``sweep`` (with ``freeze``), ``launch`` |
| what ``nemo-hydra submit`` calls | ``arguments``, ``send`` |
| what the launchers' settings are | ``settings`` |
| how jobs are submitted to any cluster, and recorded | ``submit``, ``records``, ``dry_run`` |
| what a cluster is, and which there are | ``clusters.base``, ``registry``; ``slurm``, ``local`` |
| what can go wrong before submission | ``preflight``, ``clusters.slurm.preflight`` |
| how one job is run in its container | ``container.command``, ``enter`` (inside it), ``bind`` (what is bound) |
| what runs on the host, around the container | ``worker.task``, ``worker.payload`` |
| how jobs go | ``status.look``, ``entries``, ``merge``; shown by ``status.table`` and ``live`` |
| wait for their ends, read their output | ``wait``; ``logs``, ``log_tail`` |
| cancel, try again | ``cancel``; ``retry`` |
| an export that runs in an image | ``export_job`` |

Only ``freeze``, ``sweep`` and ``launch`` import Hydra, only ``clusters.executor`` submitit; others inside
functions.
"""
