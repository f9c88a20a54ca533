"""The output of a job: as far as it is there, or followed until the job ends, from attempt to attempt.

May import: the standard library and PyYAML (through ``status.look``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.messages import say

from .selection import Pick
from .status.entries import Entry
from .status.look import Watch
from .status.table import one_line


class Output(Protocol):
    """Where output is written: bytes of a log, as they are or as a terminal may show them."""

    def write(self, data: bytes, /) -> Any:
        """Write some."""

    def flush(self) -> Any:
        """Have it appear."""


LOOK_S, ASK_S = 0.3, 4.0
"""How often the files of a job are looked at, and its cluster is asked, while its output is followed."""
SETTLE_S = 1.0
_PART = 1 << 16
_OVER = (states.DONE, *states.RETRIED)


def attempt_of(entry: Entry, attempt: int | None, task: int = 0) -> int:
    """Return the attempt whose output is shown: the one that is asked for, or the last that has any.

    Parameters
    ----------
    entry : the job.
    attempt : the one that is asked for, or None.
    task : which of the job's processes.

    Raises
    ------
    JobError
        If there is no output, saying why.
    """
    paths = entry.paths
    if attempt is not None:
        if _there(paths, attempt, task):
            return attempt
        known = [number for number in range(1, states.last_attempt(paths) + 1) if _there(paths, number, task)]
        have = f"there is that of attempt {', '.join(map(str, known))}" if known else "there is none of any attempt"
        raise JobError(f"{paths.directory}: attempt {attempt} has no output{_of(task)}; {have}")
    for number in range(max(entry.attempt, states.last_attempt(paths)), 0, -1):
        if _there(paths, number, task):
            return number
    if task and any(_there(paths, number, 0) for number in range(1, states.last_attempt(paths) + 1)):
        raise JobError(
            f"{paths.directory}: there is no output{_of(task)}; jobs with nodes or tasks_per_node have tasks"
        )
    raise JobError(f"{paths.directory}: no output yet: {why_none(entry)}")


def why_none(entry: Entry) -> str:
    """Say why a job has no output, and where it will be."""
    where = f"its output will be in {entry.paths.out(entry.attempt)} and {entry.paths.err(entry.attempt).name}"
    as_what = f" as {entry.id}" if entry.id else ""
    reason = f" ({entry.reason})" if entry.reason else ""
    if entry.state == states.FROZEN:
        return "the job is frozen and was never submitted: nemo-hydra submit, or nemo-hydra run"
    if entry.state in (states.SUBMITTED, states.RUNNING):
        return f"the job is {entry.state}{as_what}{reason} and has not started; {where}"
    return f"the job is {entry.state}{as_what}{reason} and wrote nothing"


def _of(task: int) -> str:
    return f" of task {task}" if task else ""


def _there(paths: JobPaths, attempt: int, task: int) -> bool:
    return any(files.exists(paths.root, log) for log in (paths.out(attempt, task), paths.err(attempt, task)))


def show(paths: JobPaths, attempt: int, out: Output, names: tuple[str, ...], task: int = 0) -> None:
    """Write the output of one attempt: standard output, then standard error, each after a line that names its file."""
    for path in kinds(paths, attempt, names, task):
        if files.exists(paths.root, path) and (files.size(paths.root, path) or len(names) == 1):
            if len(names) > 1:
                out.write(f"==> {path} <==\n".encode())
            with files.open_read(paths.root, path) as file:
                while part := file.read(_PART):
                    out.write(part)
    out.flush()


def kinds(paths: JobPaths, attempt: int, names: tuple[str, ...], task: int) -> list[Path]:
    """Return the logs of an attempt, or of one of its tasks, by their kinds, ``out`` and ``err``."""
    return [getattr(paths, name)(attempt, task) for name in names]


class Follower:
    """The output of one job while it grows."""

    def __init__(self, watch: Watch, number: Pick, out: Output, names: tuple[str, ...], task: int = 0) -> None:
        self.watch, self.number, self.out, self.names, self.task = watch, number, out, names, task
        self.entry = self._look()
        self.shown: Path | None = None

    def _look(self) -> Entry:
        return self.watch.look().chosen([self.number])[0]

    def follow(self, say: Callable[[str], None] = lambda text: say(text, file=sys.stderr, flush=True)) -> str:
        """Write what there is and what comes until the job ends; return its state.

        Raises
        ------
        JobError
            If it was never submitted.
        """
        if self.entry.state == states.FROZEN:
            raise JobError(f"{self.entry.paths.directory}: no output: {why_none(self.entry)}")
        attempt = self.entry.attempt
        while True:
            if not _there(self.entry.paths, attempt, self.task) and self.entry.state not in _OVER:
                say(f"waiting: {why_none(self.entry)}")
            self._attempt(attempt)
            following = max(states.read_status(self.entry.paths).attempt, self.entry.attempt)
            if following == attempt:
                reason = (
                    ""
                    if self.entry.state == states.DONE or not self.entry.reason
                    else f": {one_line(self.entry.reason)}"
                )
                say(f"job {self.entry.name}: {self.entry.state}{reason}")
                return self.entry.state
            attempt = following
            say(f"--- attempt {attempt} ---")

    def _attempt(self, attempt: int) -> None:
        """Write the output of an attempt until it ends."""
        paths = self.entry.paths
        places = dict.fromkeys(kinds(paths, attempt, self.names, self.task), 0)
        asked = time.monotonic()
        while True:
            for path, place in places.items():
                places[path] = self._more(path, place)
            own = states.read_status(paths)
            if own.state in (states.DONE, states.FAILED) or own.attempt > attempt:
                over = True
            elif time.monotonic() - asked >= ASK_S or own.state in states.RETRIED:
                self.entry, asked = self._look(), time.monotonic()
                over = self.entry.state in _OVER and not self.entry.merged.active
            else:
                over = False
            if over:
                if self.entry.own.state != own.state or self.entry.attempt != own.attempt:
                    self.entry = self._look()
                for path, place in places.items():
                    self._more(path, place)
                return
            time.sleep(LOOK_S if own.state not in states.RETRIED else SETTLE_S)

    def _more(self, path: Path, place: int) -> int:
        """Write what a log has beyond a place; return the new place."""
        try:
            root = self.entry.paths.root
            if files.size(root, path) <= place:
                return place
            with files.open_read(root, path) as file:
                file.seek(place)
                if len(self.names) > 1 and self.shown != path:
                    self.out.write(f"==> {path} <==\n".encode())
                    self.shown = path
                while part := file.read(_PART):
                    self.out.write(part)
                    place += len(part)
            self.out.flush()
        except FileNotFoundError:
            return place
        except OSError as error:
            raise JobError(f"{path}: cannot be read: {error.strerror or error}") from None
        return place
