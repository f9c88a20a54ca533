"""What is known of jobs that were sent: one call of ``squeue`` and one of ``sacct``, whatever their number.

May import: the standard library only. Only the cluster that has the jobs is asked: what another one says about the same
numbers is no answer.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import holder
from nemo_partial_hydra.jobs.status import seconds_between
from nemo_partial_hydra.launchers.clusters.base import Record, Subject, Views

from . import commands, identity
from .commands import Ask
from .queue import (
    ACCOUNTS,
    QUEUE,
    SEPARATOR,
    SKEW_S,
    TITLE,
    Sender,
    Table,
    account_records,
    array_known,
    arrays,
    never_started,
    queue_records,
    record_of,
)

PATIENCE_S = 15.0
"""So long an answer is waited for: SLURM's own patience with a controller that is down is up to a minute."""
WORD = 100_000
"""So many characters of ids a command is given at most; with more it is called again."""
YOUNG_S = 60.0
"""So long after a submission a job that nobody knows is not called lost: a controller may be behind."""
SETTLE_S = 60.0
"""So long after its end what a job wrote last may not be seen on other hosts: NFS keeps what it knew of a directory."""
_NO_ACCOUNTS = ("accounting storage is disabled", "accounting_storage/none", "is not on PATH")
_ELSEWHERE = "asked from another cluster"
_NO_NAME = "sent by a version that wrote down no cluster's name, so this cluster is taken to have these jobs"


@dataclass(frozen=True)
class At:
    """Which cluster is asked: the name of the one that has the jobs, and of the one that answers on this host."""

    name: str | None = None
    own: str | None = None

    @property
    def reach(self) -> list[str]:
        """The options with which SLURM's commands ask it."""
        return identity.reach(self.name, self.own)


_HERE = At()


@dataclass(frozen=True)
class SlurmAnswers:
    """What one cluster was asked, and what came of it.

    Attributes
    ----------
    queue, accounts : the records; None where SLURM could not be asked, or was not.
    unasked : why not, a text for people each.
    queue_failed : whether ``squeue`` is among them.
    accounts_off : whether it keeps no accounts.
    elsewhere : that it is another cluster which answers here; empty where it is not.
    notes : what else is to be known about the answers.
    """

    queue: Table | None = None
    accounts: Table | None = None
    unasked: Sequence[str] = field(default=())
    queue_failed: bool = False
    accounts_off: bool = False
    elsewhere: str = ""
    notes: Sequence[str] = field(default=())

    @functools.cached_property
    def _arrays(self) -> Table:
        return arrays(self.queue, self.accounts)

    @functools.cached_property
    def _queued_arrays(self) -> Table:
        return arrays(self.queue)

    @functools.cached_property
    def _senders(self) -> dict[tuple[int, str | None], Sender]:
        return {}

    def _sender(self, subject: Subject) -> Sender:
        """Return what records have to agree with, made once for all jobs of a submission: it may have many arrays."""
        submission = subject.submission
        if submission is None:
            return Sender.of(None, subject.own.submitted)
        key = submission.number, submission.folder
        if key not in self._senders:
            self._senders[key] = Sender.of(submission)
        return self._senders[key]

    def views(self, subject: Subject) -> Views:
        """Return what is known of a job."""
        job, own = subject.sent, subject.own
        more: dict[str, Any] = {
            "queued": True,
            "queue_asked": self.queue is not None,
            "accounts_asked": self.accounts is not None,
            "cluster": TITLE,
            "accounts_off": self.accounts_off,
            "elsewhere": self.elsewhere,
            "several": subject.submission is not None and subject.submission.tasks > 1,
        }
        if job is None:
            return Views(**more)
        sender = self._sender(subject)
        queue, accounts = record_of(self.queue, job, sender), record_of(self.accounts, job, sender)
        if queue is None and accounts is None:
            queue, accounts = (never_started(table, job, sender) for table in (self.queue, self.accounts))
        # Accounting does not hear of tasks that are cancelled in an array.
        stale = accounts is not None and accounts.waits
        more.update(young=queue is None and self.queue is not None and _young(subject))
        more.update(settling=any(_settles(known, subject) for known in (accounts, queue) if known is not None))
        if queue is not None or own.state != states.SUBMITTED or (accounts is not None and not stale):
            return Views(queue=queue, accounts=accounts, **more)
        known = array_known(self._queued_arrays if stale else self._arrays, job, sender)
        begun = holder(subject.paths, own.attempt) is not None
        return Views(accounts=accounts, array_known=known, begun=begun, **more)


def _young(subject: Subject) -> bool:
    """Whether a job was sent so lately that SLURM may be behind."""
    submission = subject.submission
    age = seconds_between(submission.created if submission else subject.own.submitted, states.now())
    here = submission is None or submission.host == socket.gethostname()
    return age is not None and age < YOUNG_S + (0 if here else SKEW_S)  # the clock is then another one


def _settles(known: Record, subject: Subject) -> bool:
    """Whether a job has ended well so lately that its own word may be on its way; by its cluster's clock."""
    if known.state != "COMPLETED":
        return False
    age = seconds_between(known.ended, states.now())
    # What was sent before it was submitted, by these two clocks, tells how far the other is behind at least.
    sent = subject.submission.created if subject.submission else subject.own.submitted
    behind = min(0.0, seconds_between(sent, known.submitted) or 0.0)
    return age is not None and age + max(behind, -SKEW_S) < SETTLE_S


@dataclass(frozen=True)
class ManyAnswers:
    """What several clusters have answered, by their names."""

    given: Mapping[str | None, SlurmAnswers]

    @property
    def unasked(self) -> Sequence[str]:
        """What could not be asked, and why."""
        return [text for each in self.given.values() for text in each.unasked]

    @property
    def notes(self) -> Sequence[str]:
        """What else is to be known about the answers."""
        return [text for each in self.given.values() for text in each.notes]

    @property
    def queue_failed(self) -> bool:
        """Whether one of the queues was asked in vain."""
        return any(each.queue_failed for each in self.given.values())

    def views(self, subject: Subject) -> Views:
        """Return what is known of a job to the cluster that has it."""
        name = subject.id.cluster_name if subject.id is not None else None
        return self.given.get(name, SlurmAnswers()).views(subject)


Answers = SlurmAnswers | ManyAnswers


def ask_soon(command: Sequence[str]) -> commands.Answer:
    """Run one of SLURM's commands for somebody who waits for it."""
    return commands.ask(command, seconds=PATIENCE_S)


def ask_all(ids: Sequence[str], ask: Ask = ask_soon, at: At = _HERE) -> SlurmAnswers:
    """Ask the queue and the accounting about arrays and jobs, both at once."""
    with ThreadPoolExecutor(2) as pool:
        queued = pool.submit(_queue, ids, ask, at)
        accounted = pool.submit(_accounts, ids, ask, at)
        queue, accounts = queued.result(), accounted.result()
    failed, more = isinstance(queue, str), isinstance(accounts, str)
    elsewhere = queue if isinstance(queue, str) and queue.startswith(_ELSEWHERE) else ""
    texts = [elsewhere] if elsewhere else [why for why in (queue, accounts) if isinstance(why, str)]
    return SlurmAnswers(
        None if isinstance(queue, str) else queue,
        None if isinstance(accounts, str) else accounts,
        tuple(texts),
        failed,
        more and any(text in str(accounts) for text in _NO_ACCOUNTS),
        elsewhere,
        _notes(at),
    )


def ask_queue(ids: Sequence[str], ask: Ask = ask_soon, at: At = _HERE) -> SlurmAnswers:
    """Ask the queue alone: accounting is for those who ask now and then."""
    queue = _queue(ids, ask, at)
    if not isinstance(queue, str):
        return SlurmAnswers(queue, notes=_notes(at))
    elsewhere = queue if queue.startswith(_ELSEWHERE) else ""
    return SlurmAnswers(unasked=(queue,), queue_failed=True, elsewhere=elsewhere)


def _notes(at: At) -> tuple[str, ...]:
    return () if at.name is not None else (_NO_NAME,)


def _queue(ids: Sequence[str], ask: Ask, at: At) -> Table | str:
    found: dict[str, list[Record]] = {}
    for some in words(ids):
        answer = ask(["squeue", *at.reach, "-h", "-r", "-t", "all", "-j", some, "-o", QUEUE])
        if at.reach and identity.unreached(answer):
            return f"{identity.another(str(at.name), at.own)}; ask from a host of {at.name}"
        if answer.code != 0 and "Invalid job id" not in answer.err:
            return f"squeue: {answer.complaint}"
        found.update(queue_records(answer.out))
    return found


def _accounts(ids: Sequence[str], ask: Ask, at: At) -> Table | str:
    found: dict[str, list[Record]] = {}
    for some in words(ids):
        line = ["sacct", *at.reach, "-n", "-P", "-X", "-D", f"--delimiter={SEPARATOR}", "-j", some, "-o"]
        answer = ask([*line, ",".join(ACCOUNTS)])
        if answer.code != 0 and "Invalid field" in answer.err + answer.out:  # SLURM before 21.08 keeps no SubmitLine
            answer = ask([*line, ",".join(ACCOUNTS[:-2])])
        if answer.code != 0:
            return f"sacct: {answer.complaint}"
        found.update(account_records(answer.out))
    return found


def words(ids: Sequence[str]) -> list[str]:
    """Return ids as lists that commands take: Linux has no argument of more than 128 KB, that is 16,000 ids or more."""
    made: list[list[str]] = []
    length = WORD
    for each in ids:
        length += len(each) + 1
        if length > WORD:
            made.append([])
            length = len(each)
        made[-1].append(each)
    return [",".join(some) for some in made]
