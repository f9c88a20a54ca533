"""How the jobs of a directory go: each job's own status, completed by what their clusters and this machine know.

May import: the standard library and PyYAML (through ``jobs.job``). Recipes are not read. A cluster is asked once,
before the jobs' own statuses are read for the last time: so a job that the cluster saw end has written its own.
"""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import JobError, UsageError
from nemo_partial_hydra.jobs import seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.job import read_head
from nemo_partial_hydra.jobs.job_id import LOCAL, JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, below, find_jobs, sweep_paths
from nemo_partial_hydra.jobs.placeholders import sweep_of
from nemo_partial_hydra.jobs.seal import Origin, Seals
from nemo_partial_hydra.launchers import adoption
from nemo_partial_hydra.launchers.clusters.base import Answers, Subject, Views
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS, Clusters
from nemo_partial_hydra.launchers.needs import needs_of
from nemo_partial_hydra.launchers.records import SentJob, Submission, submissions
from nemo_partial_hydra.launchers.selection import Pick, picked

from . import merge
from .entries import Entry, Overview

ASK_AGAIN_S = 7 * 86_400.0
"""So long after a job failed or was told to end the queue is asked whether it was requeued."""
OTHERS_S = 14 * 86_400.0
"""So long after the first task of a job was done the queue is asked whether others run: longer than jobs may take."""


def overview(directory: str, clusters: Clusters = CLUSTERS, *, only: Sequence[Pick] = ()) -> Overview:
    """Look how the jobs of a sweep's directory go, or the one of a job's.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    clusters : where the jobs' clusters are looked up.
    only : the numbers of jobs that are wanted; none for all.

    Raises
    ------
    JobError
        If there is no job.
    UsageError
        If there is none of such a number.
    """
    return Watch(directory, only, clusters=clusters).look()


class Watch:
    """The jobs of a directory, to be looked at again and again; what never changes is read once.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    only : the numbers of jobs that are wanted; none for all.
    clusters : where the jobs' clusters are looked up.
    jobs : the jobs of the sweep that are wanted, where they are known: then what their files say of them is not read.
    patient : whether a job that has just ended is given time for its own word to be seen; who waits gives it that.

    Raises
    ------
    JobError
        If there is no job.
    UsageError
        If there is none of such a number.
    """

    def __init__(
        self,
        directory: str,
        only: Sequence[Pick] = (),
        *,
        clusters: Clusters = CLUSTERS,
        jobs: Sequence[JobPaths] | None = None,
        patient: bool = True,
    ) -> None:
        self.directory, self.clusters, self.patient = directory, clusters, patient
        key = seal.user_key()  # looked up once for all
        self.jobs = [
            dataclasses.replace(paths, seals=Seals(paths.sealed_by.place, None, key))
            for paths in (find_jobs(directory) if jobs is None else jobs)
        ]
        self.heads = {paths: head(paths) if jobs is None else Head("") for paths in self.jobs}
        first = self.jobs[0]
        alone = jobs is None and len(self.jobs) == 1 and str(first.directory) == os.path.abspath(directory)
        whole = sweep_of(first.directory, self.heads[first].subdir) if alone else directory
        self.sweep = sweep_paths(whole)
        if only:  # of one job in ten thousand only that is looked at
            self.keep(only)

    def keep(self, only: Sequence[Pick]) -> None:
        """Look only at these jobs from now on.

        Raises
        ------
        UsageError
            If there is none of such a number or name.
        """
        self.jobs = picked(((self.heads[paths], paths) for paths in self.jobs), only, self.directory)

    def look(self, *, every: bool = False, brief: bool = False) -> Overview:
        """Look how they go now.

        Parameters
        ----------
        every : ask also about jobs whose own status is final.
        brief : ask the clusters only what may be asked every other second.
        """
        sent = SentJobs(self.sweep)
        settled = adoption.settle(self.sweep, sent.submissions, self.clusters)
        if settled.lines:
            sent = SentJobs(self.sweep)
        before = {paths: _subject(paths, sent, lambda own: not (every or _open(own))) for paths in self.jobs}
        going = {paths for paths, (each, _) in before.items() if every or _open(each.own) or _others_may_run(each)}
        asked = [before[paths][0].id for paths in going]
        answers = self._ask([each for each in asked if each is not None], brief)
        entries = []
        for paths, (first, whose) in before.items():
            subject, origin = _subject(paths, sent) if paths in going else (first, whose)
            job = subject.id
            name = job.cluster if job is not None else LOCAL
            if name not in answers:
                answers[name] = self._query(name, [], brief)
            views = _sending(answers[name].views(subject), subject, settled)
            views = views if self.patient else dataclasses.replace(views, settling=False)
            merged = merge.merge(subject.own.state, views)
            failed = answers[name].queue_failed or bool(views.elsewhere)
            entries.append(Entry(paths, self.heads[paths], _because_of_needs(paths, self.heads[paths], merged, subject),
                                 subject, failed, origin))  # fmt: skip
        # A job that failed has said so itself: only whether it will run again is not known then.
        open_too = {each.cluster for each in entries if each.own.state != states.FAILED}
        unasked = tuple(text for name, each in answers.items() if name in open_too for text in each.unasked)
        notes = (*settled.lines, *(text for each in answers.values() for text in getattr(each, "notes", ())))
        return Overview(self.directory, self.sweep, states.now(), entries, unasked, tuple(sent.problems), notes)

    def _ask(self, ids: Iterable[JobId], brief: bool) -> dict[str, Answers]:
        """Ask each cluster once about all jobs that were sent there."""
        wanted: Mapping[str, list[JobId]] = defaultdict(list)
        for each in ids:
            wanted[each.cluster].append(each)
        return {name: self._query(name, found, brief) for name, found in wanted.items()}

    def _query(self, name: str, ids: Sequence[JobId], brief: bool) -> Answers:
        try:
            cluster = self.clusters.named(name)
        except UsageError as error:
            return _NoAnswers((str(error),), name)
        return cluster.query(ids, brief=brief)


def _because_of_needs(paths: JobPaths, head: Head, merged: merge.Merged, subject: Subject) -> merge.Merged:
    """Add why a step was cancelled by its cluster: what it needs has failed."""
    if head.step is None or merged.state != states.CANCELLED or subject.own.state == states.CANCELLED:
        return merged
    needs = {name: states.read_status(need).state for name, need in needs_of(paths, head)}
    bad = ", ".join(f"{name}, which is {state}" for name, state in needs.items() if state != states.DONE)
    return dataclasses.replace(merged, reason=f"it needs {bad}") if bad else merged


def _sending(views: Views, subject: Subject, settled: adoption.Settled) -> Views:
    """Add what is known of a job without an id, which its submission may or may not have sent."""
    if subject.id is not None or subject.submission is None:
        return views
    number = subject.submission.number
    if number in settled.sending:
        return dataclasses.replace(views, sending=settled.sending[number])
    if number in settled.unsure:
        text = f"it is not known whether it was sent: {settled.unsure[number]}"
        return dataclasses.replace(views, sending=text, elsewhere=text)
    return views


@dataclass(frozen=True)
class _NoAnswers:
    """What a cluster says that this installation does not know."""

    unasked: Sequence[str]
    name: str
    queue_failed: bool = True

    def views(self, subject: Subject) -> Views:
        return Views(True, cluster=self.name)


class SentJobs:
    """As what each job of a sweep was sent, attempt by attempt: by this user's own records, where a job is in any."""

    def __init__(self, sweep: SweepPaths) -> None:
        self.sweep = sweep
        self._jobs: dict[tuple[str, int], tuple[SentJob, Submission]] = {}
        self._last: dict[str, int] = {}
        self.problems: list[str] = []
        self.submissions = submissions(sweep, self.problems)
        found = [each for each in self.submissions if not each.claiming]  # else nobody has its jobs yet
        mine = {job.subdir for each in found if each.origin.mine for job in each.jobs}
        for submission in found:
            for job in submission.jobs:
                if submission.origin.mine or job.subdir not in mine:
                    self._jobs[job.subdir, job.attempt] = job, submission
                    self._last[job.subdir] = max(job.attempt, self._last.get(job.subdir, 0))

    def of(self, paths: JobPaths, attempt: int | None = None) -> tuple[SentJob, Submission] | None:
        """Return as what an attempt of a job was sent, by default the last; None if it was not."""
        subdir = below(self.sweep.directory, paths.directory)
        if subdir is None:
            return None
        return self._jobs.get((subdir, self._last.get(subdir, 0) if attempt is None else attempt))


def _subject(
    paths: JobPaths, sent: SentJobs, judge: Callable[[states.Status], bool] = lambda own: True
) -> tuple[Subject, Origin]:
    """Return a job's own status, of its last attempt, and as what that was sent; and whose word the status is."""
    own, origin = states.read_record(paths, judge)
    record = sent.of(paths, None if own.state == states.FROZEN else own.attempt)
    if record is None:
        made = SentJob(paths.directory.name, own.attempt, own.job_id) if own.job_id else None
        return Subject(paths, own, made, origin=origin), origin
    job, submission = record
    known = submission.origin
    if own.state == states.FROZEN and job.spelled:  # its status.json is gone, or could not be written
        own = states.Status(states.SUBMITTED, job.attempt, submission.created).sent_as(job.id)
        origin = known
    elif own.job_id is not None and (not job.spelled or (origin.mine and not known.mine)):  # cut off, or of others
        job, known = dataclasses.replace(job, id=own.job_id), origin
        job = job if submission.cluster_name is None else job.on(submission.cluster_name)
    return Subject(paths, own, job, submission, known), origin


def _open(own: states.Status) -> bool:
    """Whether the cluster has to be asked about a job."""
    if own.state in (*merge.TOLD, states.FAILED):
        ago = states.seconds_between(own.ended, states.now())
        return ago is None or ago < ASK_AGAIN_S
    return own.state in (states.SUBMITTED, states.RUNNING, states.LOST, states.UNKNOWN)


def _others_may_run(subject: Subject) -> bool:
    """Whether a job that is done by its first task may have others that are not."""
    if subject.own.state != states.DONE or subject.submission is None or subject.submission.tasks == 1:
        return False
    ago = states.seconds_between(subject.own.ended, states.now())
    return ago is None or ago < OTHERS_S


def head(paths: JobPaths) -> Head:
    """Read what a job is; a damaged one is listed all the same."""
    try:
        return read_head(paths)
    except JobError as error:
        name = paths.directory.name
        return Head("", num=int(name) if name.isascii() and name.isdigit() else -1, overrides=(f"({error})",))
