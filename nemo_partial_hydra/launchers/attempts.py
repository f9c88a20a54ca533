"""The number of a job's next attempt, where somebody else may try the job again at the same moment.

May import: the standard library only.
"""

from __future__ import annotations

import time

from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths

from .claims import taken_by

CLAIM_SECONDS = 2.0  # from taking an attempt to saying so in status.json are milliseconds


def next_attempt(paths: JobPaths, known: int, taken: int, seconds: float = CLAIM_SECONDS) -> int:
    """Return the number of a job's next attempt.

    Parameters
    ----------
    known : the attempt that the job's status told of when it was looked at.
    taken : the last attempt that somebody had taken before. One that the status does not tell of is waited for: whoever
        takes an attempt says so at once, unless that process died.

    Raises
    ------
    RefusedError
        If somebody else is trying the job again at this moment.
    """
    end = time.monotonic() + seconds
    while taken > known and time.monotonic() < end:
        now = states.read_status(paths)
        if now.attempt >= taken:
            raise RefusedError(f"{paths.directory}: {taken_by(paths, taken, now)}")
        time.sleep(0.05)
    return max(known, taken) + 1
