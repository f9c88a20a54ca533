"""Send jobs as there is room for them: never more at once than are wanted or taken, until all were sent.

May import: the standard library and PyYAML. Each part is a submission of its own, made as any other, and what was not
sent is as frozen as before: whoever is interrupted here goes on with the same command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths

from .clusters.base import Full
from .clusters.registry import CLUSTERS, Clusters
from .parallel import Pace
from .records import Submission
from .status.look import Watch

POLL_S = 3.0
AGAIN_S = 60.0
"""So long after a refusal it is tried again at the latest: others' jobs may have ended. At first it is sooner, since a
job says that it is done before the cluster has made room."""
_SHARE = 10  # with many jobs, a tenth of the room is waited for, so that each submission has some


def follow(
    sweep: SweepPaths,
    jobs: Sequence[JobPaths],
    submit: Callable[[Sequence[JobPaths]], Submission],
    said: Callable[[Submission], None],
    waits: Callable[[str], None] = lambda why: None,
    *,
    most: int = 0,
    clusters: Clusters = CLUSTERS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Submission]:
    """Send jobs in their order until all were sent; return the submissions.

    Parameters
    ----------
    jobs : of the sweep, none of which was sent.
    submit : sends some; it may send fewer than it is given.
    said, waits : are told of each submission, and once why none can be made yet.
    most : so many of the sweep are in the queue at once, waiting or running; 0 for as many as the cluster takes.
    """
    left, sent = list(jobs), list[Submission]()
    queued = _queued(sweep, None, clusters)  # those that others, or an earlier command, have sent count too
    next_try, pause, pace = clock(), POLL_S, Pace(POLL_S, clock)
    while left:
        room = len(left) if not most else most - len(queued)
        if room >= _worth(most, len(left)) and clock() >= next_try:
            why = ""
            try:
                made = submit(left[:room])
            except Full as full:
                why = str(full).partition("\n")[0]
                if not sent and pause == POLL_S:
                    waits(why)
            else:
                sent.append(made)
                queued += left[: len(made.jobs)]
                left = left[len(made.jobs) :]
                why = made.left
                said(made)
            if why:
                next_try, pause = clock() + pause, min(2 * pause, AGAIN_S)
        if left:
            sleep(max(POLL_S, pace.waits()))
            with pace:
                still = _queued(sweep, queued, clusters)
            if len(still) < len(queued):
                next_try, pause = clock(), POLL_S
            queued = still
    return sent


def _worth(most: int, left: int) -> int:
    """Return how much room is worth a submission."""
    return max(1, min(most // _SHARE, left))


def _queued(sweep: SweepPaths, jobs: Sequence[JobPaths] | None, clusters: Clusters) -> list[JobPaths]:
    """Return those of some jobs, or of all of a sweep, that wait or run as far as is known."""
    if jobs is not None and not jobs:
        return []
    found = Watch(str(sweep.directory), clusters=clusters, jobs=jobs).look(brief=True)
    going = (states.SUBMITTED, states.RUNNING, states.UNKNOWN)
    return [entry.paths for entry in found.entries if entry.merged.queued or entry.merged.state in going]
