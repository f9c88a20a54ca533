"""What SLURM's queue and accounting print about jobs: their records, and which of them are ours.

May import: the standard library only. The readers of SLURM's texts are pure. Columns are parted by a control character,
since names and paths may hold any other one.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.status import seconds_between
from nemo_partial_hydra.launchers.clusters.base import Record
from nemo_partial_hydra.launchers.records import TOKEN, SentJob, Submission

TITLE = "SLURM"
SEPARATOR = "\x1f"
QUEUE = SEPARATOR.join(["%i", "%T", "%V", "%S", "%e", "%r", "%N", "%j", "%o", "%k"])
ACCOUNTS = ("JobID", "State", "Submit", "Start", "End", "ExitCode", "NodeList", "JobName", "SubmitLine",
            "Comment")  # fmt: skip
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "CONFIGURING")
STOPPED = {
    "SUSPENDED": ("has suspended it", "scontrol resume"),
    "STOPPED": ("has stopped it", "scancel -s CONT"),
}
RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
ENDS = {
    "CANCELLED": (states.CANCELLED, "cancelled"),
    "TIMEOUT": (states.TIMEOUT, "ended by SLURM at its time limit"),
    "DEADLINE": (states.TIMEOUT, "ended by SLURM at its deadline"),
    "PREEMPTED": (states.CANCELLED, "preempted by a job of higher priority, and not requeued"),
    "OUT_OF_MEMORY": (states.LOST, "out of memory: see mem_gb"),
    "NODE_FAIL": (states.LOST, "its node failed"),
    "BOOT_FAIL": (states.LOST, "its node did not boot"),
    "REVOKED": (states.UNKNOWN, "another cluster of the federation has started it: ask there"),
    "FAILED": (states.FAILED, "ended with an error before it could say why"),
    "COMPLETED": (states.LOST, "ended without writing how it went"),
}
"""What SLURM's ends mean for a job that says nothing itself; a state that is not known here is no end."""
LINGERING = ("COMPLETED", "PREEMPTED")
SKEW_S = 600.0
"""How far the clocks of the submit host and of the controller may be apart."""
_SIGKILL = 9
_TASKS = re.compile(r"^(\d+)_\[([\d,:-]+)(?:%\d+)?\]$")
_HELD = re.compile(r"held|hold", re.IGNORECASE)  # JobHeldUser, "job requeued in held state", JobHoldMaxRequeue
_EMPTY = ("", "None", "N/A", "Unknown", "(null)", "None assigned")


def record(
    state: str,
    submitted: str | None = None,
    *,
    node: str = "",
    exit_code: int | None = None,
    exit_signal: int | None = None,
    **more: Any,
) -> Record:
    """Return what SLURM says of one job or task.

    Parameters
    ----------
    state : SLURM's own name, like ``PENDING`` or ``OUT_OF_MEMORY``.

    Other parameters are fields of ``Record``.
    """
    end, why = ENDS.get(state, (None, ""))
    # A shell says 137; srun, which starts the tasks, ends with the bare number of the signal that ended one.
    killed = exit_signal == _SIGKILL or exit_code in (_SIGKILL, 128 + _SIGKILL)
    if state == "FAILED" and killed:
        end, why = states.LOST, "killed with SIGKILL: often the memory limit; see mem_gb"
    elif state == "NODE_FAIL" and node:
        why = f"its node failed ({node})"
    return Record(
        state, state in WAITING, end, why, state in LINGERING, submitted, node=node, exit_code=exit_code,
        exit_signal=exit_signal, **more,
    )  # fmt: skip


Table = Mapping[str, Sequence[Record]]
"""Records by SLURM's spelling of the job; several where the job was requeued, or its number given out again."""


def queue_records(text: str) -> dict[str, list[Record]]:
    """Read what ``squeue -o QUEUE`` prints."""
    found: dict[str, list[Record]] = defaultdict(list)
    times = _Times()
    for job, state, submitted, started, ended, reason, node, name, command, comment in _rows(text, 10):
        made = record(
            state, submitted=times[submitted], started=times[started], ended=times[ended],
            reason=_reason(job, state, reason), node="" if node in _EMPTY else node, name=name, command=command,
            comment=comment,
        )  # fmt: skip
        for each in tasks(job):
            found[each].append(made)
    return dict(found)


def _reason(job: str, state: str, text: str) -> str:
    """Return why a job does not go on, and what lets it where somebody has to; empty where there is nothing to say."""
    if state in STOPPED:
        what, command = STOPPED[state]
        return f"{TITLE} {what}; it goes on when who did so lets it, or by {command} {job}"
    if text in _EMPTY:
        return ""
    if state in WAITING and _HELD.search(text):
        who = "who runs the cluster can release it" if "Admin" in text else f"scontrol release {job} lets it start"
        return f"{text}; {who}"
    return text


def account_records(text: str) -> dict[str, list[Record]]:
    """Read what ``sacct -o ACCOUNTS`` prints, also without the last columns."""
    found: dict[str, list[Record]] = defaultdict(list)
    times = _Times()
    for job, state, submitted, started, ended, exits, node, name, command, comment in _rows(text, 10):
        code, _, number = exits.partition(":")
        made = record(
            state.partition(" ")[0],  # "CANCELLED by 1000"
            submitted=times[submitted], started=times[started], ended=times[ended],
            node="" if node in _EMPTY else node, exit_code=int(code) if code.isdigit() else None,
            exit_signal=int(number) if number.isdigit() else None, name=name, command=command, comment=comment,
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


def utc(text: str) -> str | None:
    """Write one of SLURM's times, which are local, as it is written into files; None for none."""
    if text in _EMPTY:
        return None
    try:
        found = datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
    except ValueError:
        return None
    return found.isoformat(timespec="seconds").replace("+00:00", "Z")


class _Times(dict[str, "str | None"]):
    """Times as they are written into files, by SLURM's; those of an array are few."""

    def __missing__(self, text: str) -> str | None:
        self[text] = found = utc(text)
        return found


def arrays(*tables: Table | None) -> Table:
    """Return the records of tasks by their arrays, alike ones once."""
    found: dict[str, dict[tuple[str, str, str | None], Record]] = defaultdict(dict)
    for table in tables:
        for name, known in (table or {}).items():
            array, _, task = name.partition("_")
            if task:
                found[array].update({(one.command, one.name, one.submitted): one for one in known})
    return {array: list(known.values()) for array, known in found.items()}


def array_known(table: Table, job: SentJob, sender: Sender) -> bool:
    """Whether there are records of other tasks of a job's array, in what ``arrays`` returns."""
    array = job.id.job if job.id else ""
    return job.spelled != array and any(ours(one, sender) for one in table.get(array, ()))


@dataclass(frozen=True)
class Sender:
    """What a record of SLURM's has to agree with: when, in which directory, by which name and with which tokens a job
    was submitted."""

    since: str | None = None
    folder: str | None = None
    name: str | None = None
    tokens: Collection[str] = ()

    @staticmethod
    def of(submission: Submission | None, submitted: str | None = None) -> Sender:
        """Return what is known of a submission; without its record there is the job's own status."""
        if submission is None:
            return Sender(submitted)
        tokens = frozenset(token for token, _ in submission.batches)
        return Sender(submission.created, submission.folder, submission.name, tokens)


def record_of(table: Table | None, job: SentJob, sender: Sender) -> Record | None:
    """Return what a table says of a job: its last record that is ours; None if there is none."""
    if table is None or not job.spelled:
        return None
    found = [one for one in table.get(job.spelled, ()) if ours(one, sender)]
    return max(enumerate(found), key=lambda one: (one[1].submitted or "", one[0]))[1] if found else None


def never_started(table: Table | None, job: SentJob, sender: Sender) -> Record | None:
    """Return the record of a whole array that says that its tasks were cancelled before they started.

    It is asked for tasks without a record of their own, and nothing else is taken from it: accounting shows
    ``7|COMPLETED`` for a moment when an array has ended, before its tasks appear.
    """
    array = job.id.job if job.id else ""
    if table is None or not job.spelled or job.spelled == array:
        return None
    return next((one for one in table.get(array, ()) if one.state == "CANCELLED" and ours(one, sender)), None)


def ours(known: Record, sender: Sender) -> bool:
    """Whether a record is of the job that was submitted, and not of another one with the same number.

    SLURM gives numbers out again after its controller has lost its state, and when they have run out.
    """
    # Also where a wrapper has sent another script, or under another name.
    if sender.tokens and any(
        token in sender.tokens
        for text in (known.comment, known.name, known.command)
        if "nph-" in text
        for token in TOKEN.findall(text)
    ):
        return True
    if sender.folder and known.command not in _EMPTY:
        return f"{sender.folder}/" in known.command
    # Accounting calls "allocation" what it has not heard of in full.
    if sender.name is not None and known.name not in ("", "allocation", sender.name):
        return False
    ago = seconds_between(sender.since, known.submitted)
    return ago is None or ago >= -SKEW_S
