"""Jobs while they are waited for: a live table with a progress bar on a terminal, a line for each change elsewhere.

May import: the standard library; rich, inside functions.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.layout import JobPaths, below
from nemo_partial_hydra.launchers.clusters.base import Subject
from nemo_partial_hydra.launchers.parallel import Pace
from nemo_partial_hydra.messages import escaped, say

from . import table
from .entries import Entry, Overview
from .look import Watch, head
from .merge import Merged

T = TypeVar("T")
ROWS = 12
"""How many jobs the live table shows at most: those that run, then those that failed, then those that wait."""
_FIRST = (
    states.RUNNING, states.FAILED, states.LOST, states.UNKNOWN, states.TIMEOUT, states.CANCELLED, states.SUBMITTED,
)  # fmt: skip


class Board:
    """What somebody sees who waits for jobs; ``__call__`` says that one has ended, ``look`` is called now and then."""

    def __init__(self, jobs: Sequence[JobPaths]) -> None:
        self.jobs = {job: states.read_status(job) for job in jobs}
        self.known = {job: status.state for job, status in self.jobs.items()}
        self.ended: set[JobPaths] = set()
        self.live: Any = None
        self._heads: dict[JobPaths, Head] = {}
        self._pace = Pace()

    def __enter__(self) -> Board:
        if sys.stdout.isatty():
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
        text = f"[{len(self.ended)}/{len(self.jobs)}] {_name(job)} {ending(job, status)}"
        if self.live is None:
            say(text, flush=True)
        elif status.state != states.DONE:
            self.live.console.print(escaped(text), markup=False, highlight=False, soft_wrap=True)

    def look(self) -> None:
        """Read how the others go; of very many not each time, so that most of the time is left to the jobs."""
        if self._pace.waits():
            return
        with self._pace:
            self._read()

    def _read(self) -> None:
        for job in self.jobs.keys() - self.ended:
            status = states.read_status(job)
            self.jobs[job] = status
            if status.state != self.known[job]:
                self.known[job] = status.state
                again = f": {status.reason}" if status.reason else ""
                if self.live is None and (
                    status.state == states.RUNNING or (status.state == states.SUBMITTED and again)
                ):
                    say(f"{_name(job)} {status.state}{again}", flush=True)

    def _shown(self) -> Any:
        columns = [column for column in table.COLUMNS if column.live]

        def cells(job: JobPaths) -> list[str]:
            if job not in self._heads:
                self._heads[job] = head(job)
            status = self.jobs[job]
            entry = Entry(job, self._heads[job], Merged(status.state), Subject(job, status))
            return table.row(entry, states.now(), columns)

        found = [(status.state, job) for job, status in list(self.jobs.items())]
        return shown(found, cells, [column.head for column in columns])


def _name(job: JobPaths) -> str:
    """Return how a job is called where its file is not read: by its place in the sweep."""
    return below(job.root, job.directory) or job.directory.name


def ending(job: JobPaths, status: states.Status) -> str:
    """Say in one line how a job ended."""
    parts = [status.state]
    took = states.seconds_between(status.started, status.ended)
    if took is not None:
        parts.append(f"in {took:.1f} s")
    if status.state != states.DONE:
        parts.append(f"exit code {status.exit_code}" if status.exit_code is not None else "")
        parts.append((status.why.splitlines() or [""])[0])
        parts.append(str(job.err(status.attempt, status.task)))
    return "; ".join(part for part in parts if part)


def live(made: Any) -> Any:
    """Return rich's live display of what a function makes."""
    from rich.console import Console
    from rich.live import Live

    # Without a new thread of rich's no output of ours may come in between; with it the running times go on.
    return Live(get_renderable=made, console=Console(), refresh_per_second=2, transient=False)


def shown(
    jobs: Sequence[tuple[str, T]], row: Callable[[T], Sequence[str]], heads: Sequence[str], notes: Sequence[str] = ()
) -> Any:
    """Make the live table: the rows that matter most now, a progress bar, the counts.

    Parameters
    ----------
    jobs : the state of each, and what ``row`` makes its cells of: only those of a few are made.
    """
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    place = list(heads).index(table.STATE.head)
    made = Table(*heads, box=None, pad_edge=False, header_style="bold")
    urgent = sorted((each for each in jobs if each[0] in _FIRST), key=lambda each: _FIRST.index(each[0]))
    for state, each in urgent[:ROWS]:
        cells = [Text(cell, overflow="ellipsis", no_wrap=True) for cell in row(each)]
        cells[place].stylize(table.COLOURS[state])
        made.add_row(*cells)
    counts = Counter(state for state, _ in jobs)
    counted = {state: counts[state] for state in states.STATES if counts[state]}
    over = sum(number for state, number in counted.items() if state in (states.DONE, *states.RETRIED, states.UNKNOWN))
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=max(1, len(jobs)), completed=over, width=40), Text(table.counted(counted)))
    hidden = len(urgent) - ROWS
    more = [Text(f"... and {hidden} more", style="dim")] if hidden > 0 else []
    return Group(*([made] if urgent else []), *more, line, *map(Text, notes))


def changes(before: Mapping[str, str], found: Overview) -> Iterator[str]:
    """Yield a line for every job whose state is another one than before."""
    for entry in found.entries:
        state = table.STATE.value(entry, found.time)
        if before.get(entry.name) != state:
            code = table.exit_code(entry) if entry.state in states.RETRIED else ""
            why = "" if entry.state == states.DONE else table.one_line(entry.reason)
            parts = [f"{entry.name} {state}", f"attempt {entry.attempt}" if entry.attempt > 1 else ""]
            spent = table.TIME.value(entry, found.time) if entry.state in (states.DONE, *states.RETRIED) else ""
            yield table.one_line("; ".join(filter(None, [*parts, entry.id, spent, code, why])))


def watch(jobs: Watch, seconds: float) -> Overview:
    """Show the jobs of a directory until none of them is in a queue or runs; return the last overview."""
    found = jobs.look()
    said = list(table.notes(found))
    with _terminal(lambda: (found, said)) as display:
        before: dict[str, str] = {}
        unasked: Sequence[str] = ()
        while True:
            if display is None:
                for line in changes(before, found):
                    say(line, flush=True)
                if found.unasked != unasked:
                    say(*said, sep="\n", flush=True)
            before = {entry.name: table.STATE.value(entry, found.time) for entry in found.entries}
            unasked = found.unasked
            if found.over:
                return found
            time.sleep(seconds)
            found = jobs.look()
            said = list(table.notes(found))


@contextmanager
def _terminal(latest: Any) -> Iterator[Any]:
    if not sys.stdout.isatty():
        yield None
        return

    def made() -> Any:
        found, said = latest()
        jobs = [(entry.state, entry) for entry in found.entries]
        heads = [column.head for column in table.COLUMNS]
        return shown(jobs, lambda entry: table.row(entry, states.now()), heads, said)

    display = live(made)
    with display:
        yield display
