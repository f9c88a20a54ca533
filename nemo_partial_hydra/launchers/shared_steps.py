"""Steps of pipelines that do not depend on what is swept: they run once, and the other jobs of the sweep share them.

May import: the standard library. Two steps are one where their names, their recipes and the jobs they wait for or read
are the same.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Mapping, Sequence

from nemo_partial_hydra.jobs.job import Job
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.step import Step

Placed = tuple[JobPaths, Job]


def shared(runs: Sequence[Sequence[Placed]]) -> tuple[list[Placed], list[Placed]]:
    """Leave out the steps that an earlier run of the pipeline has.

    Parameters
    ----------
    runs : the jobs of each run, in an order in which they can run; a job that is no step stands alone.

    Returns
    -------
    The jobs that are left, and the last one of each run. Each run has at least one of its own.
    """
    kept: list[Placed] = []
    ends: list[Placed] = []
    known: dict[object, int] = {}  # by what makes two steps one: where the first of them is in ``kept``
    for run in runs:
        places: dict[str, int] = {}
        own = 0
        for index, (paths, job) in enumerate(run):
            step = _moved(job, {name: kept[at][1].subdir for name, at in places.items()})
            key = None if step is None else _key(job, step)
            last = index == len(run) - 1
            if key is not None and key in known and not (last and not own):
                at = known[key]
                kept[at] = _wanted_also(kept[at], step)
            else:
                at = len(kept)
                kept.append((paths, dataclasses.replace(job, step=step)))
                known.setdefault(key, at) if key is not None else None
                own += 1
            if step is not None:
                places[step.name] = at
            if last:
                ends.append(kept[at])
    by_place = {paths: (paths, job) for paths, job in kept}
    return kept, [by_place[paths] for paths, _ in ends]


def _moved(job: Job, places: Mapping[str, str]) -> Step | None:
    """Return what a job says of its step, with the places at which the other steps are."""
    if job.step is None:
        return None

    def there(names: Mapping[str, str]) -> dict[str, str]:
        return {name: posixpath.relpath(places[name], job.subdir) for name in names}

    return dataclasses.replace(job.step, needs=there(job.step.needs), reads=there(job.step.reads))


def _key(job: Job, step: Step) -> object:
    others = sorted((name, step.place(job.subdir, name)) for name in {**step.needs, **step.reads})
    return step.name, job.hash, step.after, tuple(step.needs), tuple(others)


def _wanted_also(placed: Placed, step: Step | None) -> Placed:
    paths, job = placed
    if job.step is None or step is None:
        return placed
    wanted = tuple(dict.fromkeys((*job.step.wanted_by, *step.wanted_by)))
    return paths, dataclasses.replace(job, step=dataclasses.replace(job.step, wanted_by=wanted))
