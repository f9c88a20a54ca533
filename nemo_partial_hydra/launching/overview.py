"""How the jobs of a directory go: each job's own word, completed by what SLURM and this machine know.

May import: the standard library and PyYAML (through ``jobs.job``). Recipes are not read. SLURM is asked once, before
the jobs' own words are read for the last time: so a job that SLURM saw end has had its say.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import JobError, UsageError, one_of
from ..jobs import status as states
from ..jobs.job import Head, read_head
from ..jobs.layout import JobPaths, SweepPaths, find_jobs, sweep_paths
from ..jobs.tokens import sweep_of
from . import here, merging, queues, slurm
from .preflight import Ask
from .records import SentJob, Submission, submissions

ASK_AGAIN_S = 3600.0
"""So long after a job was told to end the queue is asked whether it was requeued."""


@dataclass(frozen=True)
class Entry:
    """How one job goes.

    Attributes
    ----------
    paths, head : its files, and what job.yaml says of it.
    own : its own word.
    merged : its state.
    sent : as what it was sent, or None.
    submission : the submission that it was sent with, or None.
    """

    paths: JobPaths
    head: Head
    own: states.Status
    merged: merging.Merged
    sent: SentJob | None = None
    submission: Submission | None = None

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
        return str(self.head.num) if folder == str(self.head.num) else f"{self.head.num} ({folder})"

    @property
    def id(self) -> str:
        """Its id as SLURM spells it; empty where it has none."""
        return self.sent.spelled if self.sent else ""

    @property
    def started(self) -> str | None:
        """When this attempt started."""
        said = self.merged.said
        return self.own.started or (said.started if said and self.state != states.SUBMITTED else None)

    @property
    def ended(self) -> str | None:
        """When it ended; None while it has not."""
        if self.state in (states.FROZEN, states.SUBMITTED, states.RUNNING):
            return None
        return self.own.ended or (self.merged.said.ended if self.merged.said else None)

    def seconds(self, now: str) -> float | None:
        """Return how long it has run."""
        if self.state in (states.FROZEN, states.SUBMITTED):
            return None
        found = states.seconds_between(self.started, now if self.state == states.RUNNING else self.ended)
        return None if found is None else max(0.0, found)

    @property
    def exit_code(self) -> int | None:
        """What it ended with."""
        said = self.merged.said
        if self.own.exit_code is not None or said is None or self.state not in states.RETRIED:
            return self.own.exit_code
        return 128 + said.exit_signal if said.exit_signal else said.exit_code or None

    @property
    def reason(self) -> str:
        """Why it is in this state, in one line; empty where there is nothing to say."""
        error = self.own.error or {}
        if self.merged.reason and (self.state != self.own.state or self.state == states.SUBMITTED):
            return self.merged.reason
        if error:
            return f"{error.get('type')}: {error.get('message')}"
        return self.own.reason or self.merged.reason

    @property
    def node(self) -> str | None:
        """Where it runs or ran."""
        return self.own.host or (self.merged.said.node or None if self.merged.said else None)


@dataclass(frozen=True)
class Overview:
    """How all jobs of a directory go.

    Attributes
    ----------
    directory : as it was given.
    sweep : the sweep that they belong to.
    time : when that was so, ISO 8601 UTC.
    entries : the jobs, by their numbers.
    unasked : what of SLURM could not be asked, and why, a text each.
    """

    directory: str
    sweep: SweepPaths
    time: str
    entries: Sequence[Entry]
    unasked: Sequence[str] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, of the states that occur, in their order."""
        found = Counter(entry.state for entry in self.entries)
        return {state: found[state] for state in states.STATES if found[state]}

    @property
    def unsure(self) -> list[Entry]:
        """The jobs whose state is no more than their own word, because SLURM could not be asked."""
        return [entry for entry in self.entries if entry.merged.unsure]

    @property
    def over(self) -> bool:
        """Whether no job is in a queue or runs."""
        return not any(entry.state in (states.SUBMITTED, states.RUNNING) for entry in self.entries)

    def chosen(self, numbers: Sequence[int]) -> list[Entry]:
        """Return the jobs with these numbers, or all if none is given.

        Raises
        ------
        UsageError
            If there is no job of a number.
        """
        known = {entry.head.num: entry for entry in self.entries}
        for number in numbers:
            if number not in known:
                raise UsageError(f"{self.directory}: there is no job {number}; there are {one_of(known)}")
        return [known[number] for number in dict.fromkeys(numbers)] if numbers else list(self.entries)


def overview(directory: str, ask: Ask = slurm.ask, *, only: Sequence[int] = ()) -> Overview:
    """Look how the jobs of a sweep's directory go, or the one of a job's.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    ask : runs one of SLURM's commands.
    only : the numbers of jobs that are wanted; none for all.

    Raises
    ------
    JobError
        If there is no job.
    UsageError
        If there is none of such a number.
    """
    return Watch(directory, only).look(ask)


class Watch:
    """The jobs of a directory, to be looked at again and again; what never changes is read once."""

    def __init__(self, directory: str, only: Sequence[int] = ()) -> None:
        self.directory, self.only = directory, only
        self.jobs = find_jobs(directory)
        self.heads = {paths: _head(paths) for paths in self.jobs}
        alone = len(self.jobs) == 1 and str(self.jobs[0].directory) == os.path.abspath(directory)
        first = self.jobs[0]
        whole = sweep_of(first.directory, self.heads[first].subdir) if alone else directory
        self.sweep = sweep_paths(whole)

    def keep(self, number: int) -> None:
        """Look only at the job of this number from now on."""
        self.jobs = [paths for paths in self.jobs if self.heads[paths].num == number]

    def look(self, ask: Ask = slurm.ask) -> Overview:
        """Look how they go now."""
        sent = Sent(self.sweep)
        before = {paths: _own(paths, sent) for paths in self.jobs}
        sent_there = (job for own, job, _ in before.values() if job and job.spelled and _asked(own))
        ids = dict.fromkeys(str((job.id or {})["job"]) for job in sent_there)
        answers = queues.ask_all(list(ids), ask) if ids else queues.Answers()
        entries = []
        for paths, first in before.items():
            own, job, submission = _own(paths, sent) if answers.queue is not None and _asked(first[0]) else first
            views = _views(paths, own, job, submission, answers)
            entries.append(Entry(paths, self.heads[paths], own, merging.merge(own.state, views), job, submission))
        found = Overview(self.directory, self.sweep, states.now(), entries, answers.unasked)
        return dataclasses.replace(found, entries=found.chosen(self.only)) if self.only else found


class Sent:
    """As what each job of a sweep was sent, attempt by attempt."""

    def __init__(self, sweep: SweepPaths) -> None:
        self.sweep = sweep
        self._jobs: dict[tuple[str, int], tuple[SentJob, Submission]] = {}
        self._last: dict[str, int] = {}
        for submission in submissions(sweep):
            for job in submission.jobs:
                self._jobs[job.subdir, job.attempt] = job, submission
                self._last[job.subdir] = max(job.attempt, self._last.get(job.subdir, 0))

    def of(self, paths: JobPaths, attempt: int | None = None) -> tuple[SentJob, Submission] | None:
        """Return as what an attempt of a job was sent, by default the last; None if it was not."""
        try:
            subdir = str(paths.directory.relative_to(self.sweep.directory))
        except ValueError:
            return None
        return self._jobs.get((subdir, self._last.get(subdir, 0) if attempt is None else attempt))


Own = tuple[states.Status, SentJob | None, Submission | None]


def _own(paths: JobPaths, sent: Sent) -> Own:
    """Return a job's own word about its last attempt, and as what that was sent."""
    own = states.read_status(paths)
    record = sent.of(paths, None if own.state == states.FROZEN else own.attempt)
    if record is None:
        job = SentJob(paths.directory.name, own.attempt, own.slurm) if own.slurm and "job" in own.slurm else None
        return own, job, None
    job, submission = record
    if own.state == states.FROZEN and job.spelled:  # its status.json is gone, or could not be written
        own = states.Status(states.SUBMITTED, job.attempt, submission.created, slurm=job.id)
    if not job.spelled and own.slurm and "job" in own.slurm:  # the record was cut off
        job = dataclasses.replace(job, id=own.slurm)
    return own, job, submission


def _asked(own: states.Status) -> bool:
    """Whether SLURM has to be asked about a job."""
    if own.state in merging.TOLD:
        ago = states.seconds_between(own.ended, states.now())
        return ago is None or ago < ASK_AGAIN_S
    return own.state in (states.SUBMITTED, states.RUNNING, states.LOST)


def _views(
    paths: JobPaths, own: states.Status, job: SentJob | None, submission: Submission | None, answers: queues.Answers
) -> merging.Views:
    if job is None or not job.spelled:
        return merging.Views(alive=here.alive(paths, own, job, submission))
    sender = queues.Sender.of(submission, own.submitted)
    queue = queues.record_of(answers.queue, job, sender)
    accounts = queues.record_of(answers.accounts, job, sender)
    if queue is None and accounts is None:
        queue = queues.never_started(answers.queue, job, sender)
        accounts = queues.never_started(answers.accounts, job, sender)
    asked = (answers.queue is not None, answers.accounts is not None)
    return merging.Views(True, queue, accounts, *asked)


def _head(paths: JobPaths) -> Head:
    """Read what a job is; a damaged one is listed all the same."""
    try:
        return read_head(paths)
    except JobError as error:
        name = paths.directory.name
        return Head("", num=int(name) if name.isascii() and name.isdigit() else -1, overrides=(f"({error})",))


def tail(path: Path, lines: int = 5, size: int = 4000) -> list[str]:
    """Return the last lines of a log; none if there is no log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.strip().splitlines()[-lines:]]


def last_lines(paths: JobPaths, attempt: int, lines: int = 5) -> tuple[Path, list[str]]:
    """Return the log that says most about a failure, and its last lines: standard error, or else standard output."""
    for path in (paths.err(attempt), paths.out(attempt)):
        found = tail(path, lines)
        if found:
            return path, found
    return paths.err(attempt), []


def records(found: Overview) -> dict[str, Any]:
    """Return an overview as JSON data; ``docs/status.md`` says what each field is."""
    return {
        "directory": str(found.sweep.directory),
        "time": found.time,
        "counts": found.counts,
        "unasked": list(found.unasked),
        "jobs": [_record(entry, found.time) for entry in found.entries],
    }


def _record(entry: Entry, now: str) -> dict[str, Any]:
    failed = entry.state in states.RETRIED
    said, own = entry.merged.said, entry.own
    more: Mapping[str, Any] = {"log": None, "tail": []}
    if failed:
        log, lines = last_lines(entry.paths, entry.attempt)
        more = {"log": str(log), "tail": lines}
    return {
        "num": entry.head.num,
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
        "slurm_state": said.state if said else None,
        "host": entry.node,
        "exit_code": entry.exit_code,
        "error": own.error if failed else None,
        "reason": entry.reason or None,
        "submission": entry.submission.number if entry.submission else None,
        **more,
    }


def failures(entries: Iterable[Entry]) -> list[Entry]:
    """Return the jobs that ended otherwise than well."""
    return [entry for entry in entries if entry.state in states.RETRIED]
