"""What is known of the jobs of a sweep at one moment: one entry a job, and all of them as JSON data.

May import: the standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.job_id import LOCAL
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.seal import MINE, Origin
from nemo_partial_hydra.launchers.clusters.base import Subject
from nemo_partial_hydra.launchers.log_tail import last_lines
from nemo_partial_hydra.launchers.records import Submission
from nemo_partial_hydra.launchers.selection import Pick, picked

from . import merge


@dataclass(frozen=True)
class Entry:
    """How one job goes.

    Attributes
    ----------
    paths, head : its files, and what job.yaml says of it.
    merged : its state.
    subject : its own status, and as what it was sent.
    queue_failed : whether the queue of its cluster was asked in vain.
    origin : whether its status.json is known to be this user's own word.
    """

    paths: JobPaths
    head: Head
    merged: merge.Merged
    subject: Subject
    queue_failed: bool = False
    origin: Origin = MINE

    @property
    def not_yours(self) -> str:
        """Why what is shown of it is not known to be this user's own word; empty where it is."""
        return self.origin.why or self.subject.origin.why

    @property
    def exchanged(self) -> str:
        """The digest of the job.yaml that was sent, where another file is known to be there now; else empty."""
        sent = self.subject.sent
        known = sent.digest if sent is not None and self.subject.origin.mine else None
        return known if known is not None and self.head.digest not in ("", known) else ""

    @property
    def own(self) -> states.Status:
        """Its own status, from status.json."""
        return self.subject.own

    @property
    def submission(self) -> Submission | None:
        """The submission that it was sent with, or None."""
        return self.subject.submission

    @property
    def state(self) -> str:
        """Its one state."""
        return self.merged.state

    @property
    def attempt(self) -> int:
        """The attempt that all this is about."""
        return self.own.attempt

    @property
    def name(self) -> str:
        """How it is called in lists: by its number, and by its directory where that is another name."""
        folder = self.paths.directory.name
        if self.head.step is not None:
            return self.head.title
        return str(self.head.num) if folder == str(self.head.num) else f"{self.head.num} ({folder})"

    @property
    def id(self) -> str:
        """Its id in the cluster's queue; empty where it has none."""
        return str(self.subject.id or "")

    @property
    def cluster(self) -> str:
        """The name of the cluster that is asked about it: this machine where no queue has it."""
        return self.subject.id.cluster if self.subject.id is not None else LOCAL

    @property
    def started(self) -> str | None:
        """When this attempt started."""
        record = self.merged.record
        return self.own.started or (record.started if record and self.state != states.SUBMITTED else None)

    @property
    def ended(self) -> str | None:
        """When it ended; None while it has not."""
        if self.state in (states.FROZEN, states.SUBMITTED, states.RUNNING):
            return None
        return self.own.ended or (self.merged.record.ended if self.merged.record else None)

    def seconds(self, now: str) -> float | None:
        """Return how long it has run."""
        if self.state in (states.FROZEN, states.SUBMITTED):
            return None
        found = states.seconds_between(self.started, now if self.state == states.RUNNING else self.ended)
        return None if found is None else max(0.0, found)

    @property
    def exit_code(self) -> int | None:
        """What it ended with."""
        record = self.merged.record
        if self.own.exit_code is not None or record is None or self.state not in states.RETRIED:
            return self.own.exit_code
        return 128 + record.exit_signal if record.exit_signal else record.exit_code or None

    @property
    def reason(self) -> str:
        """Why it is in this state, in one line; empty where there is nothing to say."""
        if self.merged.reason and (self.state != self.own.state or self.state == states.SUBMITTED):
            return self.merged.reason
        return self.own.why or self.merged.reason

    @property
    def node(self) -> str | None:
        """Where it runs or ran."""
        return self.own.host or (self.merged.record.node or None if self.merged.record else None)


@dataclass(frozen=True)
class Overview:
    """How all jobs of a directory go.

    Attributes
    ----------
    directory : as it was given.
    sweep : the sweep that they belong to.
    time : when that was so, ISO 8601 UTC.
    entries : the jobs, by their numbers.
    unasked : what of the clusters could not be asked, and why, a text each.
    problems : which records of submissions cannot be read, and why, a text each.
    notes : what was done about submissions that had been cut off, and what else is to be known, a text each.
    """

    directory: str
    sweep: SweepPaths
    time: str
    entries: Sequence[Entry]
    unasked: Sequence[str] = field(default=())
    problems: Sequence[str] = field(default=())
    notes: Sequence[str] = field(default=())

    def refuse_problems(self) -> None:
        """Refuse to act on jobs of which it is not known as what they were sent.

        Raises
        ------
        JobError
            If a record of a submission cannot be read.
        """
        if self.problems:
            raise JobError("\n".join(self.problems))

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, of the states that occur, in their order."""
        found = Counter(entry.state for entry in self.entries)
        return {state: found[state] for state in states.STATES if found[state]}

    @property
    def unsure(self) -> list[Entry]:
        """The jobs whose state is no more than what they wrote themselves, because the cluster could not be asked."""
        return [entry for entry in self.entries if entry.merged.unsure]

    @property
    def over(self) -> bool:
        """Whether no job is in a queue or runs."""
        return not any(entry.state in (states.SUBMITTED, states.RUNNING) for entry in self.entries)

    def chosen(self, numbers: Sequence[Pick]) -> list[Entry]:
        """Return the jobs that are named, or all if none is.

        Raises
        ------
        UsageError
            If there is no such job.
        """
        if not numbers:
            return list(self.entries)
        return picked(((entry.head, entry) for entry in self.entries), numbers, self.directory)


def records(found: Overview) -> dict[str, Any]:
    """Return an overview as JSON data; ``docs/status.md`` says what each field is."""
    return {
        "directory": str(found.sweep.directory),
        "time": found.time,
        "counts": found.counts,
        "unasked": list(found.unasked),
        "problems": list(found.problems),
        "notes": list(found.notes),
        "jobs": [_record(entry, found.time) for entry in found.entries],
    }


def _record(entry: Entry, now: str) -> dict[str, Any]:
    failed = entry.state in states.RETRIED
    record, own = entry.merged.record, entry.own
    more: Mapping[str, Any] = {"log": None, "tail": []}
    if failed:
        log, lines = last_lines(entry.paths, entry.attempt, entry.own.task)
        more = {"log": str(log), "tail": lines}
    return {
        "num": entry.head.num,
        "step": entry.head.step.name if entry.head.step else None,
        "directory": str(entry.paths.directory),
        "overrides": list(entry.head.overrides),
        "state": entry.state,
        "own": own.state,
        "unsure": entry.merged.unsure,
        "attempt": entry.attempt,
        "requeues": own.requeues,
        "submitted": own.submitted,
        "started": entry.started,
        "ended": entry.ended,
        "seconds": entry.seconds(now),
        "slurm": entry.id or None,
        "slurm_state": record.state if record else None,
        "host": entry.node,
        "exit_code": entry.exit_code,
        "error": own.error if failed else None,
        "reason": entry.reason or None,
        "not_yours": entry.not_yours or None,
        "exchanged": bool(entry.exchanged),
        "submission": entry.submission.number if entry.submission else None,
        **more,
    }


def failures(entries: Iterable[Entry]) -> list[Entry]:
    """Return the jobs that ended otherwise than well."""
    return [entry for entry in entries if entry.state in states.RETRIED]
