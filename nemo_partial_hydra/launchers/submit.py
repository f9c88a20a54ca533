"""Submit the jobs of a sweep to any cluster: check, claim, send, record.

May import: the standard library and the clusters. Order is everything here: a job is claimed for one submission (by
making its attempt's directory, which is atomic) and said to be submitted before the cluster hears of it, since it may
run before the cluster has answered; what could not be sent is given back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import itertools
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from nemo_partial_hydra.errors import ClusterError, JobError, RefusedError
from nemo_partial_hydra.jobs import files, folders, seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import holder
from nemo_partial_hydra.jobs.job import file_digest
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths, SweepPaths
from nemo_partial_hydra.messages import say

from .clusters.base import Array, Cluster, Task
from .clusters.registry import CLUSTERS, Clusters
from .parallel import together
from .preflight import check as preflight
from .preflight.report import Report
from .records import SentJob, Submission, numbers, subdir_of, write_settings, write_submission
from .settings import Settings, stamp
from .worker.task import JobTask

_MINE = 0o755
"""The permissions of a submission's directories, whatever the umask: submitit and SLURM open by path what is run."""


Chosen = tuple[JobPaths, int]
"""A job and the number of the attempt that is sent."""
Taken = tuple[JobPaths, int, bytes | None]
"""A job that was claimed, the attempt, and what was in its status.json before."""


def submit(
    sweep: SweepPaths,
    jobs: Sequence[JobPaths],
    settings: Settings,
    *,
    secrets: Mapping[str, str] | None = None,
    attempts: Mapping[JobPaths, int] | None = None,
    digests: Mapping[JobPaths, str] | None = None,
    after: str | None = None,
    report: Report | None = None,
    clusters: Clusters = CLUSTERS,
) -> Submission:
    """Submit jobs as one array, or as several where the cluster's arrays are smaller.

    On a cluster without a queue they are only claimed and recorded: see ``wait``.

    Parameters
    ----------
    sweep : the sweep that the jobs belong to; the submission is recorded there.
    jobs : which of its jobs.
    settings : the launcher's settings.
    secrets : values of ``settings.secrets``: they are handed to the cluster's command and written nowhere.
    attempts : the number of each job's attempt; 1 where it is not given.
    digests : of each job.yaml as it was checked: no other file runs. Where it is not given, of the file as it is now.
    after : a dependency, as ``Cluster.dependency`` returned it.
    report : what ``check`` found, where that was asked already.
    clusters : where ``settings.cluster`` is looked up.

    Raises
    ------
    UsageError, ClusterError
        If something is known to go wrong: all of it, and nothing was submitted.
    RefusedError
        If a job was submitted or run already, or the key that tells own records from those of others is not safe.
    """
    refuse_foreign(sweep, jobs)
    unsealed = seal.require_key()
    report = report or check(sweep, settings, after, clusters)
    report.check()
    cluster = clusters.named(settings.cluster)
    if unsealed:
        say(seal.note(unsealed), file=sys.stderr)
    chosen = [(job, (attempts or {}).get(job, 1)) for job in jobs]
    pinned = {job: (digests or {}).get(job) or file_digest(job) for job in jobs}
    with claimed(sweep, chosen, settings, after, pinned) as (paths, submission):
        if cluster.run is not None:
            return submission
        whole = Array(
            settings, submitit_folder(paths, settings), len(chosen), tasks_of(paths, sweep, submission), after,
            secrets=secrets or {},
        )  # fmt: skip
        sent = _send(cluster, paths, submission, whole, report.max_array)
    together(lambda one: note_sent(*one), list(zip(jobs, sent.jobs, strict=True)))
    return sent


def refuse_foreign(sweep: SweepPaths, jobs: Sequence[JobPaths]) -> None:
    """Refuse to send jobs of a directory that somebody else owns: whoever owns it decides what is run there.

    Raises
    ------
    RefusedError, JobError
        Naming the directory.
    """
    folders.refuse_foreign(sweep.directory, sweep.directory)
    for job in jobs:
        folders.refuse_foreign(job.root, job.directory)


def check(sweep: SweepPaths, settings: Settings, after: str | None = None, clusters: Clusters = CLUSTERS) -> Report:
    """Look for all that would go wrong; notes on what only may are printed."""
    made = preflight.check(
        settings,
        str(sweep.directory),
        lambda: script(sweep, settings, 1, after=after, clusters=clusters),
        clusters=clusters,
    )
    for note in made.notes:
        say(f"Note: {note}", file=sys.stderr)
    return made


def script(
    sweep: SweepPaths,
    settings: Settings,
    count: int,
    *,
    number: int = 1,
    after: str | None = None,
    clusters: Clusters = CLUSTERS,
) -> str:
    """Return the batch script of an array of so many jobs, exactly as it is sent; empty where there is none."""
    folder = submitit_folder(sweep.submission(number), settings)
    return clusters.named(settings.cluster).script(Array(settings, folder, count, after=after))


def submitit_folder(paths: SubmissionPaths, settings: Settings) -> Path:
    """Return where submitit, or what else sends the jobs, keeps its own files of a submission."""
    return Path(settings.submitit_folder) if settings.submitit_folder else paths.directory / "submitit"


def tasks_of(paths: SubmissionPaths, sweep: SweepPaths, submission: Submission) -> list[Task]:
    """Return what runs each job of a submission on its host."""
    jobs = [(sweep.job(each.subdir), each) for each in submission.jobs]
    return [
        JobTask(
            str(paths.directory), str(job.directory), each.attempt, digest=each.digest, settings=submission.settings,
            place=job.sealed_by.place,
        )
        for job, each in jobs
    ]  # fmt: skip


def parts(count: int, size: int) -> list[range]:
    """Split so many jobs into arrays of at most ``size``, as even as they go."""
    number = -(-count // size)
    bounds = [count * each // number for each in range(number + 1)]
    return [range(low, high) for low, high in itertools.pairwise(bounds)]


def next_number(sweep: SweepPaths) -> int:
    """Return the number that the next submission gets."""
    try:
        return max(numbers(sweep), default=0) + 1
    except OSError:
        return 1  # who makes the directory says what is wrong


def _send(cluster: Cluster, paths: SubmissionPaths, submission: Submission, whole: Array, size: int) -> Submission:
    """Send the jobs in arrays of at most ``size``; write down the ids of each as soon as they are known."""
    ids: list[JobId] = []
    at_once = whole.settings.resource("array_parallelism", whole.count)
    for part in parts(whole.count, size):
        # Arrays know nothing of each other: where the limit binds, each waits for the one before it.
        behind = ids[-1] if ids and at_once < whole.count else None
        array = dataclasses.replace(whole, count=len(part), tasks=[whole.tasks[i] for i in part], behind=behind)
        with files.open_log(paths.root, paths.script) as file:
            file.write(cluster.script(array).encode())
        try:
            ids += cluster.submit(array)
        except ClusterError as error:
            if not ids:
                raise
            record_ids(paths, submission, ids)
            raise _PartlySent(f"{error}\n{len(ids)} of {whole.count} jobs were sent before", len(ids)) from None
        record_ids(paths, submission, ids)
    return record_ids(paths, submission, ids)


class _PartlySent(ClusterError):
    """The cluster took some arrays of a submission and then no more."""

    def __init__(self, text: str, count: int) -> None:
        super().__init__(text)
        self.count = count


def record_ids(paths: SubmissionPaths, submission: Submission, ids: Sequence[JobId]) -> Submission:
    """Write the cluster's ids, as far as they are known, into the record."""
    known = [*ids, *[None] * (len(submission.jobs) - len(ids))]
    jobs = tuple(dataclasses.replace(job, id=each) for job, each in zip(submission.jobs, known, strict=True))
    sent = dataclasses.replace(submission, jobs=jobs)
    write_submission(paths, sent)
    return sent


@contextlib.contextmanager
def claimed(
    sweep: SweepPaths,
    chosen: Sequence[Chosen],
    settings: Settings,
    after: str | None,
    pinned: Mapping[JobPaths, str] | None = None,
) -> Iterator[tuple[SubmissionPaths, Submission]]:
    """Claim jobs for a new submission and say that they are submitted; give them back if they could not be sent.

    ``pinned`` has the digests of the jobs' files, for the record.
    """
    taken: dict[JobPaths, Taken] = {}
    settings = dataclasses.replace(settings, image_stamp=stamp(settings.container.image))
    paths = new_directory(sweep)
    try:
        if not settings.submitit_folder:
            folders.make(paths.root, submitit_folder(paths, settings), mode=_MINE)
        # Of two submissions at once the one that has the first job goes on: else each could take some and both give up.
        for part in (chosen[:1], chosen[1:]):
            together(lambda one: taken.update({one[0]: (*one, claim(*one))}), part)
        submission = Submission(
            number=int(paths.directory.name),
            cluster=settings.cluster,
            name=settings.name,
            created=states.now(),
            user=getpass.getuser(),
            host=socket.gethostname(),
            jobs=tuple(
                SentJob(subdir_of(sweep, job), attempt, digest=(pinned or {}).get(job)) for job, attempt in chosen
            ),
            after=after,
            directory=str(sweep.directory),
            folder=str(submitit_folder(paths, settings)),
            pid=os.getpid(),
            settings=write_settings(paths, settings),
        )
        write_submission(paths, submission)
        yield paths, submission
    except _PartlySent as error:
        give_back([taken[job] for job, _ in chosen[error.count :]])  # in their order, whichever was claimed first
        raise
    except BaseException:
        give_back(list(taken.values()))
        _remove(paths)
        raise


def new_directory(sweep: SweepPaths) -> SubmissionPaths:
    """Make the directory of a new submission."""
    number = next_number(sweep)
    try:
        while True:
            paths = sweep.submission(number)
            try:
                folders.make(paths.root, paths.directory, new=True, mode=_MINE)
                return paths
            except FileExistsError:
                number += 1  # somebody else submits at this moment
    except OSError as error:
        raise JobError(f"{sweep.submissions}: cannot be made: {error.strerror or error}") from error


def claim(job: JobPaths, attempt: int) -> bytes | None:
    """Take an attempt of a job for this submission and say so in status.json; return what was in there before.

    Raises
    ------
    RefusedError
        If the attempt was submitted or run already.
    """
    before = None
    with contextlib.suppress(OSError):
        before = files.read(job.root, job.status, states.MAX_BYTES)
    try:
        folders.make(job.root, job.attempt(attempt), new=True)
    except FileExistsError:
        raise RefusedError(f"{job.directory}: {taken_by(job, attempt, states.read_status(job))}") from None
    except OSError as error:
        raise JobError(f"{job.attempt(attempt)}: cannot be made: {error.strerror or error}") from error
    try:
        # Not durable: of a host that dies before the record is written nothing was submitted.
        states.write_status(job, states.Status(states.SUBMITTED, attempt, submitted=states.now()), durable=False)
    except BaseException:  # nobody knows yet that it is taken
        give_back([(job, attempt, before)])
        raise
    return before


def taken_by(job: JobPaths, attempt: int, before: states.Status) -> str:
    """Say why an attempt cannot be submitted."""
    ran = holder(job, attempt)
    if before.state in states.RETRIED:
        return f"attempt {attempt} is {before.state}; to try again: nemo-hydra retry {quote(str(job.directory))}"
    where = f" as {before.job_id}" if before.job_id else (f" by {ran.spell()}" if ran else "")
    return f"is {before.state} already{where}; nothing is submitted twice"


def give_back(taken: Sequence[Taken]) -> None:
    """Undo ``claim`` for jobs that were not sent."""
    for job, attempt, before in taken:
        with contextlib.suppress(OSError):
            files.remove(job.root, job.status)
        if before is not None:
            files.write(job.root, job.status, before)  # with the seal that it had, or without
        for path in (job.attempt(attempt), job.attempt(attempt).parent):
            with contextlib.suppress(OSError):
                folders.remove(job.root, path)  # only where it is empty


def note_sent(paths: JobPaths, job: SentJob) -> None:
    """Put the cluster's id into status.json; a job that starts at once waits for it (see ``task``)."""
    status = states.read_to_write(paths)
    begun = files.exists(paths.root, paths.claim(job.attempt))
    if status.state == states.SUBMITTED and status.job_id is None and not begun:
        states.write_status(paths, status.sent_as(job.id), durable=False)  # the record has it


def _remove(paths: SubmissionPaths) -> None:
    with contextlib.suppress(OSError):
        folders.remove(paths.root, paths.directory, whole=True)
        folders.remove(paths.root, paths.directory.parent)  # where it was the first one
