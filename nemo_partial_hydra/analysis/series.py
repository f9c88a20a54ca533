"""The metrics that a job has logged: Lightning's ``metrics.csv``, and TensorBoard's event files.

May import: the standard library; tensorboard, where there are its files and it is installed. A job's files are foreign
data: no link is followed, and each file is read up to a limit.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import files

CSV, EVENTS = "metrics.csv", "events.out.tfevents."
STEPS = ("step", "epoch")
MAX_BYTES = 64 << 20
_DEPTH, _MOST = 6, 2000  # directories below a job's, and entries of one that are looked at
_SKIPPED = frozenset({"attempts", ".hydra", "checkpoints", ".git"})


@dataclass
class Series:
    """The values of one metric over the steps of a run, in the order of the steps."""

    points: dict[float, float] = field(default_factory=dict)

    @property
    def last(self) -> float:
        """The step with the last value."""
        return max(self.points)

    def best(self, *, largest: bool) -> float:
        """Return the step with the best value, the first of equal ones; a value that is no number is the worst."""
        sign = -1 if largest else 1
        worst = math.inf

        def rank(step: float) -> tuple[float, float]:
            value = self.points[step]
            return (worst if math.isnan(value) else sign * value), step

        return min(self.points, key=rank)

    def at(self, step: float) -> float:
        """Return the value at a step, or the last one before it; where there is none, the first."""
        before = [each for each in self.points if each <= step]
        return self.points[max(before) if before else min(self.points)]


@dataclass
class Logged:
    """What a job has logged.

    Attributes
    ----------
    series : the metrics by name.
    notes : what could not be read, and why, a text each.
    """

    series: dict[str, Series] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def logged(root: Path, directory: Path) -> Logged:
    """Read what a job has logged below its directory.

    Parameters
    ----------
    root : the directory from which on no link is followed.
    directory : the job's.
    """
    out = Logged()
    events: list[Path] = []
    for path in _found(directory):
        if path.name != CSV:
            events.append(path)
            continue
        try:
            _read_csv(files.read_text(root, path, MAX_BYTES), out.series)
        except (OSError, ValueError, JobError) as error:
            out.notes.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    if events:
        _read_events(root, events, out)
    return out


def _found(directory: Path) -> Iterator[Path]:
    """Yield the files of metrics below a directory, of several runs of a logger those of the last.

    Nearer ones come later: of two with the same steps these count.
    """
    level = [os.fspath(directory)]
    found: list[Path] = []
    for _ in range(_DEPTH):
        below: list[str] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    for _, entry in zip(range(_MOST), entries):  # noqa: B905  # the first of them
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name not in _SKIPPED:
                                below.append(entry.path)
                        elif entry.name == CSV or entry.name.startswith(EVENTS):
                            found.append(Path(entry.path))
            except OSError:
                continue  # what cannot be listed has no metrics for this user
        level = sorted(below)
    newest = {path.parent.parent: path.parent for path in sorted(found, key=_version) if _version(path) >= 0}
    kept = [path for path in found if _version(path) < 0 or newest[path.parent.parent] == path.parent]
    return iter(sorted(kept, key=lambda path: (-len(path.parts), path)))


def _version(path: Path) -> int:
    """Return the number of a run in Lightning's loggers, ``version_3``; -1 of what has none."""
    match = re.fullmatch(r"version_([0-9]{1,9})", path.parent.name)
    return int(match[1]) if match else -1


def _read_csv(text: str, series: dict[str, Series]) -> None:
    """Read a table with a row a step, in which most cells may be empty."""
    rows = csv.reader(io.StringIO(text))
    heads = next(rows, [])
    steps = [heads.index(name) for name in STEPS if name in heads]
    columns = [(index, name) for index, name in enumerate(heads) if name not in STEPS]
    points = {name: series.setdefault(name, Series()).points for _, name in columns}
    for number, row in enumerate(rows):
        step = float(number)
        for index in steps:
            found = _number(row[index]) if index < len(row) else None
            if found is not None:
                step = found
                break
        for index, name in columns:
            value = _number(row[index]) if index < len(row) else None
            if value is not None:
                points[name][step] = value
    for name, found_points in points.items():
        if not found_points:
            del series[name]


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return None


def _read_events(root: Path, paths: list[Path], out: Logged) -> None:
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.util import tensor_util
    except ImportError:
        out.notes.append(f"{paths[0]}: event files are read where tensorboard is installed: pip install tensorboard")
        return
    for path in paths:
        try:
            with files.open_read(root, path) as file:
                if os.fstat(file.fileno()).st_size > MAX_BYTES:
                    out.notes.append(f"{path}: it has more than {MAX_BYTES >> 20} MB")
                    continue
                # By its descriptor: the reader would follow a link at the path, and wait for a pipe.
                events = 0
                for event in EventFileLoader(f"/proc/self/fd/{file.fileno()}").Load():
                    events += 1
                    for value in event.summary.value:
                        _note_scalar(value, event.step, tensor_util.make_ndarray, out.series)
            if not events:  # the first says the version of the file
                out.notes.append(f"{path}: it is no event file, or cut off at its beginning")
        except Exception as error:  # a foreign reader of a foreign file may raise anything
            out.notes.append(f"{path}: {type(error).__name__}: {error}")


def _note_scalar(value: Any, step: int, array: Callable[[Any], Any], series: dict[str, Series]) -> None:
    if value.HasField("tensor"):
        numbers = array(value.tensor)
        if numbers.size == 1:
            series.setdefault(value.tag, Series()).points[float(step)] = float(numbers.item())
