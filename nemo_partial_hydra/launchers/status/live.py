"""Jobs while they are waited for: a live table with a progress bar on a terminal, a line for each change elsewhere.

May import: the standard library; rich, inside functions.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import read_head
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers.clusters.slurm import queue
from nemo_partial_hydra.launchers.preflight.report import Ask

from . import table
from .entries import Overview
from .look import Watch

ROWS = 12
"""How many jobs the live table shows at most: those that run, then those that failed, then those that wait."""
_FIRST = (states.RUNNING, states.FAILED, states.LOST, states.TIMEOUT, states.CANCELLED, states.SUBMITTED)


class Board:
    """What somebody sees who waits for jobs; ``__call__`` says that one has ended, ``look`` is called now and then."""

    def __init__(self, jobs: Sequence[JobPaths]) -> None:
        self.jobs = {job: states.read_status(job) for job in jobs}
        self.known = {job: status.state for job, status in self.jobs.items()}
        self.ended: set[JobPaths] = set()
        self.live: Any = None

    def __enter__(self) -> Board:
        if sys.stdout.isatty():
            self.names = {job: _overrides(job) for job in self.jobs}
            self.live = live(self._shown)
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, job: JobPaths, status: states.Status) -> None:
        """Say that a job has ended, and how."""
        self.ended.add(job)
        self.jobs[job] = status
        text = f"[{len(self.ended)}/{len(self.jobs)}] {job.directory.name} {said(job, status)}"
        if self.live is None:
            print(text, flush=True)
        elif status.state != states.DONE:
            self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def look(self) -> None:
        """Read how the others go."""
        for job in self.jobs.keys() - self.ended:
            status = states.read_status(job)
            self.jobs[job] = status
            if status.state != self.known[job]:
                self.known[job] = status.state
                again = f": {status.reason}" if status.reason else ""
                if self.live is None and (
                    status.state == states.RUNNING or (status.state == states.SUBMITTED and again)
                ):
                    print(f"{job.directory.name} {status.state}{again}", flush=True)

    def _shown(self) -> Any:
        rows = [
            (job.directory.name, status.state, _spent(status), self.names[job]) for job, status in self.jobs.items()
        ]
        return shown(rows, ("JOB", "STATE", "TIME", "OVERRIDES"))


def said(job: JobPaths, status: states.Status) -> str:
    """Say in one line how a job ended."""
    parts = [status.state]
    took = states.seconds_between(status.started, status.ended)
    if took is not None:
        parts.append(f"in {took:.1f} s")
    if status.state != states.DONE:
        parts.append(f"exit code {status.exit_code}" if status.exit_code is not None else "")
        error = status.error or {}
        parts.append(f"{error['type']}: {error['message']}".splitlines()[0] if error else (status.reason or ""))
        parts.append(str(job.err(status.attempt)))
    return "; ".join(part for part in parts if part)


def _spent(status: states.Status) -> str:
    end = states.now() if status.state == states.RUNNING else status.ended
    return table.duration(states.seconds_between(status.started, end))


def _overrides(job: JobPaths) -> str:
    try:
        return " ".join(read_head(job).overrides)
    except JobError as error:
        return f"({error})"


def live(made: Any) -> Any:
    """Return rich's live display of what a function makes."""
    from rich.console import Console
    from rich.live import Live

    # Without a new thread of rich's no output of ours may come in between; with it the running times go on.
    return Live(get_renderable=made, console=Console(), refresh_per_second=2, transient=False)


def shown(rows: Sequence[tuple[str, ...]], heads: Sequence[str], notes: Sequence[str] = ()) -> Any:
    """Make the live table: the rows that matter most now, a progress bar, the counts."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    made = Table(*heads, box=None, pad_edge=False, header_style="bold")
    at = {state: place for place, state in enumerate(_FIRST)}
    urgent = sorted((each for each in rows if _state(each) in at), key=lambda each: at[_state(each)])
    for each in urgent[:ROWS]:
        cells = [Text(cell, overflow="ellipsis", no_wrap=True) for cell in each]
        cells[1].stylize(table.COLOURS[_state(each)])
        made.add_row(*cells)
    counts = Counter(_state(each) for each in rows)
    counted = {state: counts[state] for state in states.STATES if counts[state]}
    over = sum(number for state, number in counted.items() if state in (states.DONE, *states.RETRIED))
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=max(1, len(rows)), completed=over, width=40), Text(table.counted(counted)))
    hidden = len(urgent) - ROWS
    more = [Text(f"... and {hidden} more", style="dim")] if hidden > 0 else []
    return Group(*([made] if urgent else []), *more, line, *map(Text, notes))


def _state(cells: Sequence[str]) -> str:
    return cells[1].rstrip("?")


def changes(before: Mapping[str, str], found: Overview) -> Iterator[str]:
    """Yield a line for every job whose state is another one than before."""
    for entry in found.entries:
        cells = table.row(entry, found.time)
        if before.get(entry.name) != cells[1]:
            code = table.exit_code(entry) if entry.state in states.RETRIED else ""
            why = "" if entry.state == states.DONE else table.one_line(entry.reason)
            parts = [f"{entry.name} {cells[1]}", f"attempt {entry.attempt}" if entry.attempt > 1 else ""]
            spent = cells[3] if entry.state in (states.DONE, *states.RETRIED) else ""
            yield "; ".join(filter(None, [*parts, entry.id, spent, code, why]))


def watch(jobs: Watch, seconds: float, *, ask: Ask = queue.ask_soon) -> Overview:
    """Show the jobs of a directory until none of them is in a queue or runs; return the last overview."""
    found = jobs.look(ask)
    with _terminal(lambda: found) as display:
        before: dict[str, str] = {}
        unasked: Sequence[str] = ()
        while True:
            if display is None:
                for line in changes(before, found):
                    print(line, flush=True)
                if found.unasked != unasked:
                    print(*table.notes(found), sep="\n", flush=True)
            before = {entry.name: table.row(entry, found.time)[1] for entry in found.entries}
            unasked = found.unasked
            if found.over:
                return found
            time.sleep(seconds)
            found = jobs.look(ask)


@contextmanager
def _terminal(latest: Any) -> Iterator[Any]:
    if not sys.stdout.isatty():
        yield None
        return

    def made() -> Any:
        found = latest()
        rows = [table.row(entry, states.now()) for entry in found.entries]
        return shown(rows, table.HEADS, list(table.notes(found)))

    display = live(made)
    with display:
        yield display
