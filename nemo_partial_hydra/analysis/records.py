"""One record a job: where it is, how it ended, the values that differ between the jobs, its metrics.

May import: what ``swept`` and ``metrics`` do, PyYAML. States are what jobs wrote themselves: no cluster is asked.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import DialectError, JobError, UsageError
from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import read_head
from nemo_partial_hydra.jobs.layout import JobPaths, find_jobs
from nemo_partial_hydra.messages import nearest, one_of

from .metrics import Choice, metrics_of
from .swept import differing, short_names, values_of

SWEEP, JOB, STATE, SECONDS = "sweep", "job", "state", "seconds"
OWN = (SWEEP, JOB, STATE, SECONDS)
StrPath = str | os.PathLike[str]
_OVERRIDES = Path(".hydra") / "overrides.yaml"


@dataclass(frozen=True)
class Found:
    """What was found of one job."""

    sweep: str
    name: int | str
    state: str
    seconds: float | None
    given: Mapping[str, Any]
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """The results of jobs.

    Attributes
    ----------
    records : one mapping a job, each with all columns; None where a job has nothing.
    swept : the columns of values that differ between the jobs, by their full keys.
    metrics : the columns of what the jobs returned or logged.
    notes : what could not be read, and why, a text each.
    """

    records: Sequence[dict[str, Any]]
    swept: Mapping[str, str]
    metrics: Sequence[str]
    notes: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        several = len({record[SWEEP] for record in self.records}) > 1
        return [*(OWN if several else OWN[1:]), *self.swept.values(), *self.metrics]


def read(directories: Iterable[StrPath], choice: Choice) -> Results:
    """Read the results of all jobs of some sweeps.

    Parameters
    ----------
    directories : of sweeps or of single jobs, also of jobs that Hydra itself ran.
    choice : which step of what a job logged counts.

    Raises
    ------
    JobError
        If a directory has no job.
    UsageError
        If no directory is given, or no job has the metric whose best step is to count.
    """
    notes: list[str] = []
    found = [job for directory in directories for job in _jobs(os.fspath(directory), choice, notes)]
    if not found:
        raise UsageError("name the directory of a sweep")
    keys = differing([job.given for job in found])
    metrics = [*dict.fromkeys(name for job in found for name in job.metrics)]
    swept = short_names(keys, {*OWN, *metrics})
    named = {name: name if name not in {*OWN, *swept.values()} else f"result.{name}" for name in metrics}
    records = [
        {
            **dict(zip(OWN, (job.sweep, job.name, job.state, job.seconds), strict=True)),
            **{swept[key]: job.given.get(key) for key in keys},
            **{column: job.metrics.get(name) for name, column in named.items()},
        }
        for job in found
    ]
    made = Results(records, swept, [*named.values()], list(dict.fromkeys(notes)))
    return made if choice.metric is None else ordered(made, choice.metric, largest=choice.largest)


def ordered(found: Results, column: str, *, largest: bool = False) -> Results:
    """Return the same in the order of a column: numbers, then texts, then what has nothing.

    Raises
    ------
    UsageError
        If there is no such column; with the nearest one.
    """
    (column,) = known_columns(found, [column])

    def rank(record: Mapping[str, Any]) -> tuple[int, float, str]:
        value = record[column]
        if isinstance(value, (bool, int, float)) and not math.isnan(value):
            return 0, -value if largest else value, ""
        return (3 if value is None else 2 if isinstance(value, float) else 1), 0.0, str(value)

    records = sorted(found.records, key=rank)
    return dataclasses.replace(found, records=records)


def known_columns(found: Results, names: Sequence[str]) -> list[str]:
    """Return names of columns as they are, a value that differs also by its full key.

    Raises
    ------
    UsageError
        If there is no such column; with the nearest one.
    """
    known = {**found.swept, **{name: name for name in [*OWN, *found.columns]}}
    for name in names:
        if name not in known:
            meant = nearest(name, found.columns) or f"; there is {one_of(found.columns, 40)}"
            raise UsageError(f"there is no column '{name}'{meant}")
    return [known[name] for name in names]


def top(found: Results, count: int | None) -> Results:
    """Return the first so many results, or all."""
    return found if count is None else dataclasses.replace(found, records=found.records[:count])


def _jobs(directory: str, choice: Choice, notes: list[str]) -> Iterable[Found]:
    try:
        jobs = find_jobs(directory)
    except JobError:
        jobs = _of_hydra(directory)
        if not jobs:
            raise
    sweep = os.path.normpath(directory)
    for paths in jobs:
        read = metrics_of(paths, choice)
        notes += read.notes
        frozen = files.has(paths.root, paths.job)
        status = states.read_status(paths)
        name, overrides = _head(paths, notes) if frozen else (_place(paths), _overrides(paths, notes))
        seconds = states.seconds_between(status.started, status.ended)
        state = status.state if frozen else ""
        yield Found(sweep, name, state, seconds, values_of(overrides), read.values)


def _head(paths: JobPaths, notes: list[str]) -> tuple[int | str, Sequence[str]]:
    try:
        head = read_head(paths)
    except JobError as error:
        notes.append(str(error))
        return paths.directory.name, ()
    return head.num if head.step is None else head.title, head.overrides


def _place(paths: JobPaths) -> int | str:
    place = os.path.relpath(paths.directory, paths.root)
    return int(place) if place.isascii() and place.isdigit() else place


def _of_hydra(directory: str) -> list[JobPaths]:
    """Return the jobs of a sweep that Hydra itself ran, or the one of a run."""
    root = Path(os.path.abspath(directory))
    folders = [root]
    if not files.has(root, root / _OVERRIDES):
        folders = sorted((path.parent.parent for path in root.glob(f"*/{_OVERRIDES}")), key=_natural)
    return [JobPaths(folder, root) for folder in folders if files.has(root, folder / _OVERRIDES)]


def _natural(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isascii() and path.name.isdigit() else 1 << 62), path.name


def _overrides(paths: JobPaths, notes: list[str]) -> list[str]:
    try:
        found = load(files.read_text(paths.root, paths.directory / _OVERRIDES), str(_OVERRIDES))
    except (OSError, UnicodeDecodeError, JobError, DialectError) as error:
        notes.append(f"{paths.directory / _OVERRIDES}: {error}")
        return []
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
