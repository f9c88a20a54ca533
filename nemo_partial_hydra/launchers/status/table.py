"""The jobs of a sweep as text: a line each, what is to know about those that failed, and one line that counts.

May import: the standard library; rich, inside functions, on a terminal only: a thousand lines are to be there at once.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import folded
from nemo_partial_hydra.launchers.log_tail import last_lines
from nemo_partial_hydra.messages import escaped, one_of

from .entries import Entry, Overview, failures
from .pipelines import Run, counts, runs_of

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
COLOURS = {
    states.DONE: "green", states.RUNNING: "cyan", states.SUBMITTED: "blue", states.FAILED: "red", states.LOST: "red",
    states.TIMEOUT: "yellow", states.CANCELLED: "yellow", states.FROZEN: "dim", states.UNKNOWN: "magenta",
}  # fmt: skip
DETAILS = 20
"""Of so many jobs that failed the last lines of their logs are shown."""


@dataclass(frozen=True)
class Column:
    """One column of the table: its head, what it shows of a job at a time, and whether who waits for jobs sees it."""

    head: str
    value: Callable[[Entry, str], str]
    live: bool = False


def _state(entry: Entry, now: str) -> str:
    return entry.state + ("?" if entry.merged.unsure else "") + ("*" if entry.not_yours else "")


def _attempt(entry: Entry, now: str) -> str:
    again = f" (requeued {entry.own.requeues})" if entry.own.requeues else ""
    return "" if entry.state == states.FROZEN else f"{entry.attempt}{again}"


STATE, TIME = Column("STATE", _state, True), Column("TIME", lambda entry, now: duration(entry.seconds(now)), True)
COLUMNS = (
    Column("JOB", lambda entry, now: entry.name, True),
    STATE,
    Column("TRY", _attempt),
    TIME,
    Column("STARTED", lambda entry, now: local_time(entry.started)),
    Column("ENDED", lambda entry, now: local_time(entry.ended)),
    Column("SLURM", lambda entry, now: entry.id),
    Column("OVERRIDES", lambda entry, now: " ".join(map(one_line, entry.head.overrides)), True),
)


def lines(found: Overview, *, colour: bool = False) -> Iterator[str]:
    """Yield an overview line by line: a line a job, of pipelines a line a run."""
    runs = runs_of(found)
    if runs:
        heads = ["JOB", STATE.head, "STEPS", TIME.head, "OVERRIDES"]
        blocks = [(_row_of(run, found.time), run.state, run.own) for run in runs]
    else:
        heads = [column.head for column in COLUMNS]
        blocks = [(row(entry, found.time), entry.state, [entry]) for entry in found.entries]
    widths = [max(map(len, column)) for column in zip(heads, *(cells for cells, _, _ in blocks), strict=True)]
    yield _joined(heads, widths)
    details = {id(entry) for entry in failures(found.entries)[:DETAILS]}
    for cells, state, entries in blocks:
        yield _joined(cells, widths, state if colour else None)
        for entry in entries:
            yield from _more(entry, widths[0] + 2, full=id(entry) in details, name=entry.name if runs else "")
    yield ""
    yield _summary(found, runs)
    yield from notes(found)


def _row_of(run: Run, now: str) -> list[str]:
    """Return the cells of a run of a pipeline."""
    steps = [f"{name} {_state(entry, now)}" for name, entry in run.words()]
    left = len(run.steps) - len(steps)
    more = [f"... and {left} more"] if left else []
    overrides = " ".join(map(one_line, run.overrides))
    return [str(run.num), run.state, "  ".join([*steps, *more]), duration(run.seconds(now)), overrides]


def _more(entry: Entry, indent: int, *, full: bool, name: str) -> Iterator[str]:
    """Yield what is to know about a job besides its line."""
    if entry.state in states.RETRIED:
        yield from _failure(entry, indent, full=full, name=name)
    elif entry.reason and entry.state != states.DONE:
        yield " " * indent + (f"{name}: " if name else "") + one_line(entry.reason)


def _steps(found: Overview) -> str:
    total = len(found.entries)
    spelled = ", ".join(f"{number} {state}" for state, number in found.counts.items())
    return f"{total} step{'' if total == 1 else 's'}: {spelled}"


def _joined(cells: Sequence[str], widths: Sequence[int], state: str | None = None) -> str:
    """Put the cells of a row side by side; with a state the second one is painted."""
    shown = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = _painted(cell, state) if state is not None and index == 1 else cell
        shown.append(text + " " * (width - len(cell)))
    return "  ".join(shown).rstrip()


def row(entry: Entry, now: str, columns: Sequence[Column] = COLUMNS) -> list[str]:
    """Return the cells of one job."""
    return [one_line(column.value(entry, now)) for column in columns]


def _failure(entry: Entry, indent: int, *, full: bool, name: str = "") -> Iterator[str]:
    """Yield why a job failed: the reason, the exit code, and the last lines of its log."""
    space = " " * indent
    yield space + (f"{name}: " if name else "") + "; ".join(filter(None, [one_line(entry.reason), exit_code(entry)]))
    if full:
        log, last = last_lines(entry.paths, entry.attempt, entry.own.task)
        if last:
            yield escaped(f"{space}{log}:")
            yield from (f"{space}  | {plain(line)}" for line in last)


def exit_code(entry: Entry) -> str:
    """Spell the exit code of a job that failed, where its reason does not have it; empty where it is not known."""
    text = f"exit code {entry.exit_code}"
    return "" if entry.exit_code is None or text in entry.reason else text


def summary(found: Overview) -> str:
    """Return the line that counts: ``4 jobs: 2 done, 1 running, 1 failed``."""
    return _summary(found, runs_of(found))


def _summary(found: Overview, runs: Sequence[Run]) -> str:
    return f"{counted(counts(runs))} ({_steps(found)})" if runs else counted(found.counts)


def counted(counts: Mapping[str, int]) -> str:
    """Spell how many jobs are in which state."""
    total = sum(counts.values())
    return f"{total} job{'' if total == 1 else 's'}: " + ", ".join(f"{n} {state}" for state, n in counts.items())


def notes(found: Overview) -> Iterator[str]:
    """Yield what could not be asked, and what that means for the states."""
    for text in (*found.notes, *found.problems):
        yield one_line(text)
    for why in found.unasked:
        yield f"Could not be asked: {one_line(why)}"
    unsure = [entry.name for entry in found.unsure]
    if unsure:
        said = ", ".join(unsure[:10]) + (f", ... ({len(unsure)} in all)" if len(unsure) > 10 else "")
        yield one_line(f"So these states (marked ?) are no more than what the jobs themselves have said: {said}")
    exchanged = [entry.name for entry in found.entries if entry.exchanged]
    if exchanged:
        names = one_of(exchanged, 10)
        yield one_line(f"Sent with another job.yaml than the one that is there now, which is what is shown: {names}")
    others: dict[str, list[str]] = {}
    for entry in found.entries:
        if entry.not_yours:
            others.setdefault(entry.not_yours, []).append(entry.name)
    if others:
        yield "Not known to be yours (marked *), so it is shown, and cancel and retry take no ids and settings from it:"
        yield from (one_line(f"  {one_of(names, 10)}: {why}") for why, names in others.items())


def one_line(text: str) -> str:
    """Return a text as one line that a terminal shows as it is: no line breaks, colours or control characters."""
    return text if text.isprintable() else escaped(" ".join(_ANSI.sub("", text).split()))


def plain(line: str) -> str:
    """Return a line of a log without colours and control characters; of a progress bar its last form."""
    shown = _ANSI.sub("", line.rpartition("\r")[2])
    return "".join(each for each in shown if each.isprintable() or each == "\t")


def duration(seconds: float | None) -> str:
    """Spell a duration: ``7 s``, ``3:07``, ``1:02:03``, ``2-01:02:03``."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def local_time(text: str | None) -> str:
    """Spell a written time as the reader's clock shows it."""
    if text is None:
        return ""
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return ""
    return found.astimezone().strftime("%m-%d %H:%M:%S")


def ids(entries: Sequence[Entry]) -> str:
    """Spell the ids of jobs in their queue, folded; empty where none has one."""
    return ", ".join(folded(entry.id for entry in entries if entry.id))


def _painted(text: str, state: str) -> str:
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(COLOURS[state]).render(text, color_system=ColorSystem.STANDARD)
