"""What SLURM says about jobs that were sent: one call of ``squeue`` and one of ``sacct``, whatever their number.

May import: the standard library only. The readers of SLURM's texts are pure. Columns are parted by a control character,
since names and paths may hold any other one.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from nemo_partial_hydra.jobs.status import seconds_between
from nemo_partial_hydra.launchers.preflight.report import Ask
from nemo_partial_hydra.launchers.records import SentJob, Submission

from . import commands

SEPARATOR = "\x1f"
QUEUE = SEPARATOR.join(["%i", "%T", "%V", "%S", "%e", "%r", "%N", "%j", "%o"])
ACCOUNTS = ("JobID", "State", "Submit", "Start", "End", "ExitCode", "NodeList", "JobName", "SubmitLine")
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "CONFIGURING")
RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
PATIENCE_S = 15.0
"""So long an answer is waited for: SLURM's own patience with a controller that is down is up to a minute."""
SKEW_S = 600.0
"""How far the clocks of the submit host and of the controller may be apart."""
_TASKS = re.compile(r"^(\d+)_\[([\d,:-]+)(?:%\d+)?\]$")
_EMPTY = ("", "None", "N/A", "Unknown", "(null)", "None assigned")


@dataclass(frozen=True)
class Known:
    """What SLURM says of one job or task.

    Attributes
    ----------
    state : SLURM's own name, like ``PENDING`` or ``OUT_OF_MEMORY``.
    submitted, started, ended : times, ISO 8601 UTC; None where it has none.
    reason : why it waits, or has ended so; empty where there is none.
    node : where it runs or ran.
    exit_code, exit_signal : what its script ended with; the queue does not say.
    name, command : what tells that it is ours: its name, and the line or script that it was submitted with.
    """

    state: str
    submitted: str | None = None
    started: str | None = None
    ended: str | None = None
    reason: str = ""
    node: str = ""
    exit_code: int | None = None
    exit_signal: int | None = None
    name: str = ""
    command: str = ""

    @property
    def waits(self) -> bool:
        """Whether it is still to start, for the first time or again."""
        return self.state in WAITING

    @property
    def runs(self) -> bool:
        """Whether it has started and not ended."""
        return self.state in RUNNING


Table = Mapping[str, Sequence[Known]]
"""Records by SLURM's spelling of the job; several where the job was requeued, or its number given out again."""


@dataclass(frozen=True)
class Answers:
    """What was asked, and what came of it.

    Attributes
    ----------
    queue, accounts : the records; None where SLURM could not be asked, or was not.
    unasked : why not, a text for people each.
    """

    queue: Table | None = None
    accounts: Table | None = None
    unasked: Sequence[str] = field(default=())


def ask_soon(command: Sequence[str]) -> commands.Answer:
    """Run one of SLURM's commands for somebody who waits for it."""
    return commands.ask(command, seconds=PATIENCE_S)


def ask_all(ids: Sequence[str], ask: Ask = ask_soon) -> Answers:
    """Ask the queue and the accounting about arrays and jobs, both at once."""
    with ThreadPoolExecutor(2) as pool:
        queued = pool.submit(_queue, ids, ask)
        accounted = pool.submit(_accounts, ids, ask)
        queue, accounts = queued.result(), accounted.result()
    unasked = [why for why in (queue, accounts) if isinstance(why, str)]
    return Answers(
        None if isinstance(queue, str) else queue, None if isinstance(accounts, str) else accounts, tuple(unasked)
    )


def _queue(ids: Sequence[str], ask: Ask) -> Table | str:
    answer = ask(["squeue", "-h", "-r", "-t", "all", "-j", ",".join(ids), "-o", QUEUE])
    if answer.code == 0 or "Invalid job id" in answer.err:
        return queue_records(answer.out)
    return f"squeue: {answer.complaint}"


def _accounts(ids: Sequence[str], ask: Ask) -> Table | str:
    line = ["sacct", "-n", "-P", "-X", "-D", f"--delimiter={SEPARATOR}", "-j", ",".join(ids), "-o"]
    answer = ask([*line, ",".join(ACCOUNTS)])
    if answer.code != 0 and "Invalid field" in answer.err + answer.out:  # SLURM before 21.08 keeps no SubmitLine
        answer = ask([*line, ",".join(ACCOUNTS[:-1])])
    return account_records(answer.out) if answer.code == 0 else f"sacct: {answer.complaint}"


def queue_records(text: str) -> dict[str, list[Known]]:
    """Read what ``squeue -o QUEUE`` prints."""
    found: dict[str, list[Known]] = defaultdict(list)
    for job, state, submitted, started, ended, reason, node, name, command in _rows(text, 9):
        made = Known(
            state, utc(submitted), utc(started), utc(ended), "" if reason in _EMPTY else reason,
            "" if node in _EMPTY else node, name=name, command=command,
        )  # fmt: skip
        for each in tasks(job):
            found[each].append(made)
    return dict(found)


def account_records(text: str) -> dict[str, list[Known]]:
    """Read what ``sacct -o ACCOUNTS`` prints, also without the last column."""
    found: dict[str, list[Known]] = defaultdict(list)
    for job, state, submitted, started, ended, exits, node, name, command in _rows(text, 9):
        code, _, number = exits.partition(":")
        made = Known(
            state.partition(" ")[0],  # "CANCELLED by 1000"
            utc(submitted), utc(started), utc(ended), "", "" if node in _EMPTY else node,
            int(code) if code.isdigit() else None, int(number) if number.isdigit() else None, name, command,
        )  # fmt: skip
        for each in tasks(job):
            found[each].append(made)
    return dict(found)


def _rows(text: str, count: int) -> Iterable[list[str]]:
    for line in text.split("\n"):
        fields = line.split(SEPARATOR)
        if len(fields) > 1:
            yield [*(one.strip() for one in fields[:count]), *[""] * (count - len(fields))]


def tasks(job: str) -> list[str]:
    """Spell out the tasks that one record stands for: ``7_[0-2,5%3]`` is four of them."""
    match = _TASKS.match(job)
    if match is None:
        return [job]
    found: list[int] = []
    for part in match.group(2).split(","):
        span, _, step = part.partition(":")
        first, dash, last = span.partition("-")
        if first.isdigit() and (not dash or last.isdigit()):
            found += range(int(first), int(last if dash else first) + 1, int(step or 1))
    return [f"{match.group(1)}_{number}" for number in found]


def folded(jobs: Iterable[str]) -> list[str]:
    """Spell jobs as short as SLURM's commands take them: four tasks are ``7_[0-2,5]``."""
    arrays: dict[str, list[int]] = {}
    for job in jobs:
        array, _, task = job.partition("_")
        arrays.setdefault(array, [])
        if task.isdigit():
            arrays[array].append(int(task))
    return [_spelled(array, sorted(set(numbers))) for array, numbers in arrays.items()]


def _spelled(array: str, numbers: Sequence[int]) -> str:
    if len(numbers) < 2:
        return f"{array}_{numbers[0]}" if numbers else array
    return f"{array}_[{_spans(numbers)}]"


def _spans(numbers: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)


def utc(text: str) -> str | None:
    """Write one of SLURM's times, which are local, as it is written into files; None for none."""
    if text in _EMPTY:
        return None
    try:
        found = datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
    except ValueError:
        return None
    return found.isoformat(timespec="seconds").replace("+00:00", "Z")


def arrays(*tables: Table | None) -> Table:
    """Return the records of tasks by their arrays, alike ones once."""
    found: dict[str, dict[tuple[str, str, str | None], Known]] = defaultdict(dict)
    for table in tables:
        for name, known in (table or {}).items():
            array, _, task = name.partition("_")
            if task:
                found[array].update({(one.command, one.name, one.submitted): one for one in known})
    return {array: list(known.values()) for array, known in found.items()}


def array_known(table: Table, job: SentJob, sender: Sender) -> bool:
    """Whether there are records of other tasks of a job's array, in what ``arrays`` returns."""
    array = str((job.id or {}).get("job", ""))
    return job.spelled != array and any(ours(one, sender) for one in table.get(array, ()))


@dataclass(frozen=True)
class Sender:
    """What a record of SLURM's has to agree with: when, in which directory and by which name a job was submitted."""

    since: str | None = None
    folder: str | None = None
    name: str | None = None

    @staticmethod
    def of(submission: Submission | None, submitted: str | None = None) -> Sender:
        """Return what is known of a submission; without its record there is the job's own word."""
        if submission is None:
            return Sender(submitted)
        return Sender(submission.created, submission.folder, submission.name)


def record_of(table: Table | None, job: SentJob, sender: Sender) -> Known | None:
    """Return what a table says of a job: its last record that is ours; None if there is none."""
    if table is None or not job.spelled:
        return None
    found = [one for one in table.get(job.spelled, ()) if ours(one, sender)]
    return max(enumerate(found), key=lambda one: (one[1].submitted or "", one[0]))[1] if found else None


def never_started(table: Table | None, job: SentJob, sender: Sender) -> Known | None:
    """Return the record of a whole array that says that its tasks were cancelled before they started.

    It is asked for tasks without a record of their own, and nothing else is taken from it: accounting shows
    ``7|COMPLETED`` for a moment when an array has ended, before its tasks appear.
    """
    array = str((job.id or {}).get("job", ""))
    if table is None or not job.spelled or job.spelled == array:
        return None
    return next((one for one in table.get(array, ()) if one.state == "CANCELLED" and ours(one, sender)), None)


def ours(known: Known, sender: Sender) -> bool:
    """Whether a record is of the job that was submitted, and not of another one with the same number.

    SLURM gives numbers out again after its controller has lost its state, and when they have run out.
    """
    if sender.folder and known.command not in _EMPTY:
        return f"{sender.folder}/" in known.command
    # Accounting calls "allocation" what it has not heard of in full.
    if sender.name is not None and known.name not in ("", "allocation", sender.name):
        return False
    ago = seconds_between(sender.since, known.submitted)
    return ago is None or ago >= -SKEW_S
