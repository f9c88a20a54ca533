"""Sending frozen jobs to SLURM and into Apptainer, or running them on this machine.

| question | module |
|---|---|
| how is one job run in its container | ``apptainer``, ``enter`` (inside it), ``code`` (what is bound) |
| what the launchers' settings are | ``settings`` |
| what runs on the host, around the container | ``task``, ``child`` |
| what can go wrong before submission | ``preflight``, from ``slurm`` (what it says), ``fitting`` and ``host`` |
| how are jobs submitted, and recorded | ``submission``, ``executors`` (submitit), ``records``, ``after``, ``dry_run`` |
| how are they run without SLURM | ``local`` |
| wait for their ends, and show how they go meanwhile | ``waiting``, ``board`` |
| how do they go, asked later | ``overview``, ``entries``; what SLURM says ``queues``, this machine ``here`` |
| which one state is that | ``merging`` |
| how is it shown | ``table``, ``logs`` |
| cancel, try again | ``cancelling``; ``retrying``, with the settings that were ``kept`` |
| what Hydra and ``nemo-hydra submit`` call | ``hydra``, ``launchers`` |

Only ``hydra`` imports Hydra, only ``executors`` submitit; the others import them inside functions, if at all.
"""
