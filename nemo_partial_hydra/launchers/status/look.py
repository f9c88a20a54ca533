"""How the jobs of a directory go: each job's own word, completed by what SLURM and this machine know.

May import: the standard library and PyYAML (through ``jobs.job``). Recipes are not read. SLURM is asked once, before
the jobs' own words are read for the last time: so a job that SLURM saw end has had its say.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import holder
from nemo_partial_hydra.jobs.job import Head, read_head
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, find_jobs, sweep_paths
from nemo_partial_hydra.jobs.placeholders import sweep_of
from nemo_partial_hydra.launchers.clusters.local import liveness
from nemo_partial_hydra.launchers.clusters.slurm import queue as queues
from nemo_partial_hydra.launchers.preflight.report import Ask
from nemo_partial_hydra.launchers.records import SentJob, Submission, submissions

from . import merge
from .entries import Entry, Overview

ASK_AGAIN_S = 3600.0
"""So long after a job was told to end the queue is asked whether it was requeued."""


def overview(directory: str, ask: Ask = queues.ask_soon, *, only: Sequence[int] = ()) -> Overview:
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

    def look(self, ask: Ask = queues.ask_soon) -> Overview:
        """Look how they go now."""
        sent = Sent(self.sweep)
        before = {paths: _own(paths, sent) for paths in self.jobs}
        sent_there = (job for own, job, _ in before.values() if job and job.spelled and _asked(own))
        ids = dict.fromkeys(str((job.id or {})["job"]) for job in sent_there)
        answers = queues.ask_all(list(ids), ask) if ids else queues.Answers()
        arrays = queues.arrays(answers.queue, answers.accounts)
        entries = []
        for paths, first in before.items():
            own, job, submission = _own(paths, sent) if ids and _asked(first[0]) else first
            views = _views(paths, own, job, submission, answers, arrays)
            entries.append(Entry(paths, self.heads[paths], own, merge.merge(own.state, views), job, submission))
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
    if own.state in merge.TOLD:
        ago = states.seconds_between(own.ended, states.now())
        return ago is None or ago < ASK_AGAIN_S
    return own.state in (states.SUBMITTED, states.RUNNING, states.LOST)


def _views(
    paths: JobPaths,
    own: states.Status,
    job: SentJob | None,
    submission: Submission | None,
    answers: queues.Answers,
    arrays: queues.Table,
) -> merge.Views:
    if job is None or not job.spelled:
        return merge.Views(alive=liveness.alive(paths, own, job, submission))
    sender = queues.Sender.of(submission, own.submitted)
    queue = queues.record_of(answers.queue, job, sender)
    accounts = queues.record_of(answers.accounts, job, sender)
    if queue is None and accounts is None:
        queue = queues.never_started(answers.queue, job, sender)
        accounts = queues.never_started(answers.accounts, job, sender)
    asked = (answers.queue is not None, answers.accounts is not None)
    if queue is not None or accounts is not None or own.state != states.SUBMITTED:
        return merge.Views(True, queue, accounts, *asked)
    known, begun = queues.array_known(arrays, job, sender), holder(paths, own.attempt) is not None
    return merge.Views(True, None, None, *asked, array_known=known, begun=begun)


def _head(paths: JobPaths) -> Head:
    """Read what a job is; a damaged one is listed all the same."""
    try:
        return read_head(paths)
    except JobError as error:
        name = paths.directory.name
        return Head("", num=int(name) if name.isascii() and name.isdigit() else -1, overrides=(f"({error})",))
