"""Claim jobs for a submission, record it, and give back what was not sent.

May import: the standard library only. A submission is recorded before it claims a job, and its arrays' tokens before
the cluster hears of one: whenever its process dies, the next command knows what may have been sent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from nemo_partial_hydra.errors import JobError, RefusedError
from nemo_partial_hydra.jobs import files, folders
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import holder
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths, SweepPaths

from .parallel import together
from .records import Batch, SentJob, Submission, numbers, subdir_of, write_settings, write_submission
from .settings import Settings, stamp

_MINE = 0o755
"""The permissions of a submission's directories, whatever the umask: submitit and SLURM open by path what is run."""


Chosen = tuple[JobPaths, int]
"""A job and the number of the attempt that is sent."""
Taken = tuple[JobPaths, int, bytes | None]
"""A job that was claimed, the attempt, and what was in its status.json before."""


@dataclass
class Progress:
    """How far the sending of a submission has come.

    Attributes
    ----------
    ids : what the cluster calls the jobs that were sent, in their order.
    count : how many jobs it has, or may have: these are not given back, whatever happens.
    batches : the token of each array and how many of the jobs are in it, as they are sent.
    """

    ids: list[JobId] = field(default_factory=list)
    count: int = 0
    batches: Sequence[Batch] = ()


def submitit_folder(paths: SubmissionPaths, settings: Settings) -> Path:
    """Return where submitit, or what else sends the jobs, keeps its own files of a submission."""
    return Path(settings.submitit_folder) if settings.submitit_folder else paths.directory / "submitit"


def record_ids(paths: SubmissionPaths, submission: Submission, ids: Sequence[JobId | None]) -> Submission:
    """Write the cluster's ids, as far as they are known, into the record."""
    known = [*ids, *[None] * (len(submission.jobs) - len(ids))]
    jobs = tuple(dataclasses.replace(job, id=each) for job, each in zip(submission.jobs, known, strict=True))
    names = {each.cluster_name for each in ids if each is not None} - {None}
    name = names.pop() if len(names) == 1 else submission.cluster_name
    sent = dataclasses.replace(submission, jobs=jobs, cluster_name=name)
    write_submission(paths, sent)
    return sent


@contextlib.contextmanager
def claimed(
    sweep: SweepPaths,
    chosen: Sequence[Chosen],
    settings: Settings,
    after: str | None,
    pinned: Mapping[JobPaths, str] | None = None,
    *,
    progress: Progress | None = None,
    cluster_name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[SubmissionPaths, Submission]]:
    """Claim jobs for a new submission and say that they are submitted; give them back if they could not be sent.

    Parameters
    ----------
    pinned : the digests of the jobs' files, for the record.
    progress : which arrays there are to be, and which jobs the cluster has, or may have; the others are given back.
    cluster_name, environment : where the jobs are sent, and what variables of the shell have added; for the record.
    """
    progress = progress or Progress()
    taken: dict[JobPaths, Taken] = {}
    settings = dataclasses.replace(settings, image_stamp=stamp(settings.container.image))
    paths = new_directory(sweep)
    submission = None
    try:
        if not settings.submitit_folder:
            folders.make(paths.root, submitit_folder(paths, settings), mode=_MINE)
        jobs = [SentJob(subdir_of(sweep, job), attempt, digest=(pinned or {}).get(job)) for job, attempt in chosen]
        submission = dataclasses.replace(
            _intended(sweep, paths, settings), jobs=tuple(jobs), after=after, cluster_name=cluster_name,
            batches=tuple(progress.batches), environment=environment or {},
        )  # fmt: skip
        write_submission(paths, submission)
        # Of two submissions at once the one that has the first job goes on: else each could take some and both give up.
        for part in (chosen[:1], chosen[1:]):
            together(lambda one: taken.update({one[0]: (*one, claim(*one))}), part)
        submission = dataclasses.replace(submission, claiming=False)
        write_submission(paths, submission)
        yield paths, submission
    except BaseException:
        # In their order, whichever was claimed first.
        give_back([taken[job] for job, _ in chosen[progress.count :] if job in taken])
        if progress.count and submission is not None:
            submission = dataclasses.replace(submission, batches=progress.batches)
            keep_only(paths, submission, progress.ids, range(progress.count))
        else:
            withdraw(paths)
        raise


def _intended(sweep: SweepPaths, paths: SubmissionPaths, settings: Settings) -> Submission:
    """Return the record of a submission before it has claimed a job; its settings are written."""
    return Submission(
        number=int(paths.directory.name),
        cluster=settings.cluster,
        name=settings.name,
        created=states.now(),
        user=getpass.getuser(),
        host=socket.gethostname(),
        directory=str(sweep.directory),
        folder=str(submitit_folder(paths, settings)),
        pid=os.getpid(),
        settings=write_settings(paths, settings),
        tasks=settings.tasks,
        claiming=True,
    )


def keep_only(paths: SubmissionPaths, submission: Submission, ids: Sequence[JobId | None], kept: Sequence[int]) -> None:
    """Take all but some jobs out of a record; nothing of the others was sent.

    Parameters
    ----------
    ids : of all jobs, as far as they are known.
    kept : the indexes of those that stay: all of an array, or none.
    """
    known = [*ids, *[None] * (len(submission.jobs) - len(ids))]
    batches, start = [], 0
    for token, count in submission.batches:
        if start in kept:
            batches.append((token, count))
        start += count
    jobs = tuple(submission.jobs[index] for index in kept)
    record_ids(paths, dataclasses.replace(submission, jobs=jobs, batches=batches), [known[index] for index in kept])


def next_number(sweep: SweepPaths) -> int:
    """Return the number that the next submission gets."""
    try:
        return max(numbers(sweep), default=0) + 1
    except OSError:
        return 1  # who makes the directory says what is wrong


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


def note_sent(paths: JobPaths, attempt: int, job_id: JobId) -> None:
    """Put the cluster's id into status.json; a job that starts at once waits for it (see ``task``)."""
    status = states.read_to_write(paths)
    begun = files.exists(paths.root, paths.claim(attempt))
    if status.state == states.SUBMITTED and status.job_id is None and not begun:
        states.write_status(paths, status.sent_as(job_id), durable=False)  # the record has it


def withdraw(paths: SubmissionPaths) -> None:
    """Take away the directory of a submission of which nothing was sent."""
    with contextlib.suppress(OSError):
        folders.remove(paths.root, paths.directory, whole=True)
        folders.remove(paths.root, paths.directory.parent)  # where it was the first one
