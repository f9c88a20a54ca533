"""The job or allocation of SLURM that this process is inside of: jobs that it starts must not take that for their own.

May import: the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OUTER = re.compile(r"(?:SLURM|SLURMD|SRUN|SUBMITIT|PMI|PMIX)_\w+")
# They say where SLURM is, and how its commands are to speak.
_OF_SLURM = frozenset(
    "SLURM_CONF SLURM_CONF_SERVER SLURM_CLUSTERS SLURM_JWT SLURM_TIME_FORMAT SLURM_BITSTR_LEN SLURM_DEBUG_FLAGS".split()
)
# What tells each process of a job, or of the program that started it there, which one it is.
_OF_TASK = frozenset("MASTER_ADDR MASTER_PORT RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK NODE_RANK".split())
_DEVICES = frozenset("CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ZE_AFFINITY_MASK".split())


def outer(environment: Mapping[str, str], *, within: bool = False) -> tuple[str, ...]:
    """Return the variables of an environment that belong to such a job; none where it is in none.

    Parameters
    ----------
    within : whether what is started stays within the job: then it keeps the job's devices.
    """
    if "SLURM_JOB_ID" not in environment:
        return ()
    names = _OF_TASK if within else _OF_TASK | _DEVICES
    return tuple(name for name in environment if name not in _OF_SLURM and (_OUTER.fullmatch(name) or name in names))
