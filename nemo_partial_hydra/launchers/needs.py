"""What the jobs of a pipeline wait for.

May import: the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.steps_before import StepsBefore


def needs_of(paths: JobPaths, head: Head) -> list[tuple[str, JobPaths]]:
    """Return the steps that a job waits for: their names and their jobs' files; none where it is no step."""
    if head.step is None:
        return []
    before = StepsBefore(paths, head.subdir, head.step)
    return [(name, before.job(name)) for name in head.step.needs]


def run_of(
    jobs: Iterable[JobPaths],
    needs: Callable[[JobPaths], Iterable[JobPaths]],
    heads: Mapping[JobPaths, Head],
    most: int | None = None,
) -> list[JobPaths]:
    """Return some steps of a pipeline with all that they need, in an order in which they run.

    Parameters
    ----------
    needs : gives the jobs that one waits for.
    heads : what the jobs' files say; others are left out.
    most : so many are added at most; files of others may have each job of a sweep need all of them.
    """
    open_ = list(jobs)
    found = dict.fromkeys(open_)
    limit = None if most is None else len(found) + most
    while open_ and (limit is None or len(found) < limit):
        for need in needs(open_.pop()):
            if need in heads and need not in found:
                found[need] = None
                open_.append(need)
    return sorted(found, key=lambda one: step.number if (step := heads[one].step) is not None else 0)
