"""Submit the jobs of a sweep to any cluster: check, claim, send, record.

May import: the standard library and the clusters. Order is everything here: a job is claimed for one submission (by
making its attempt's directory, which is atomic) and said to be submitted before the cluster hears of it, since it may
run before the cluster has answered; what could not be sent is given back.
"""

from __future__ import annotations

import dataclasses
import itertools
import shlex
import sys
from collections.abc import Mapping, Sequence

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs import files, folders, seal
from nemo_partial_hydra.jobs.job import file_digest
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths, SweepPaths
from nemo_partial_hydra.messages import say

from .claims import (
    Progress,
    claimed,
    note_sent,
    record_ids,
    submitit_folder,
)
from .clusters.base import Array, Cluster, Full, Task, Unsettled
from .clusters.registry import CLUSTERS, Clusters
from .parallel import Pace, together
from .preflight import check as preflight
from .preflight.report import Report
from .records import Batch, Submission, new_token, read_submission
from .settings import Settings
from .worker.task import JobTask


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
    unsealed, cluster = seal.require_key(), clusters.named(settings.cluster)
    report = report or check(sweep, settings, after, clusters)
    report.check()
    if unsealed:
        say(seal.note(unsealed), file=sys.stderr)
    chosen = [(job, (attempts or {}).get(job, 1)) for job in jobs]
    pinned = {job: (digests or {}).get(job) or file_digest(job) for job in jobs}
    sizes = [len(part) for part in parts(len(chosen), report.max_array)]
    progress = Progress(batches=[(new_token(), size) for size in sizes] if cluster.find is not None else [])
    claims = claimed(
        sweep, chosen, settings, after, pinned,
        progress=progress, cluster_name=report.cluster_name, environment=report.environment,
    )  # fmt: skip
    try:
        with claims as (paths, submission):
            if cluster.run is not None:
                return submission
            whole = _whole(sweep, paths, settings, submission, secrets or {}, report)
            sent = _send(cluster, paths, submission, whole, sizes, progress, jobs)
    except Full as full:
        sent = _partly(paths, progress, full)
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


def _partly(paths: SubmissionPaths, progress: Progress, full: Full) -> Submission:
    """Return the submission of those jobs that were sent before the cluster took no more."""
    if not progress.ids:
        raise Full(f"{full}\nNothing was submitted.", full.room) from None
    return dataclasses.replace(read_submission(paths), left=str(full))


def _whole(
    sweep: SweepPaths,
    paths: SubmissionPaths,
    settings: Settings,
    submission: Submission,
    secrets: Mapping[str, str],
    report: Report,
) -> Array:
    """Return all jobs of a submission as if one array had room for them."""
    return Array(
        settings, submitit_folder(paths, settings), len(submission.jobs), tasks_of(paths, sweep, submission),
        submission.after, secrets=secrets, cluster_name=report.cluster_name, plain=report.plain,
    )  # fmt: skip


def _send(
    cluster: Cluster,
    paths: SubmissionPaths,
    submission: Submission,
    whole: Array,
    sizes: Sequence[int],
    progress: Progress,
    jobs: Sequence[JobPaths],
) -> Submission:
    """Send the jobs in arrays of these sizes, or in smaller ones where no more fit.

    The ids of each are written down as soon as they are known: in the files of its ``jobs``, which wait for that when
    they start, and in the record, with many arrays not after each of them.

    Raises
    ------
    Full
        If no more of them fit now; those in ``progress`` were sent.
    """
    ids, waiting = progress.ids, list(sizes)
    at_once = whole.settings.resource("array_parallelism", whole.count)
    pace = Pace()
    while waiting:
        index, size = len(sizes) - len(waiting), waiting[0]
        # Arrays know nothing of each other: where the limit binds, each waits for the one before it.
        behind = ids[-1] if ids and at_once < whole.count else None
        token = progress.batches[index][0] if progress.batches else ""
        tasks = [whole.tasks[i] for i in range(len(ids), len(ids) + size)]
        array = dataclasses.replace(whole, count=size, tasks=tasks, behind=behind, token=token)
        with files.open_log(paths.root, paths.script) as file:
            file.write(cluster.script(array).encode())
        try:
            if token:
                progress.count = len(ids) + size  # from now on the cluster may have it
            ids += cluster.submit(array)
        except Full as full:
            progress.count = len(ids)
            fitting = full.room if full.room and full.room < size else size // 2
            if not fitting:
                raise
            waiting[:1] = [fitting, size - fitting]
            sizes = [*sizes[:index], *waiting]
            progress.batches = _split(progress.batches, index, fitting)
            submission = record_ids(paths, dataclasses.replace(submission, batches=progress.batches), ids)
            continue
        except ClusterError as error:
            if not isinstance(error, Unsettled):
                progress.count = len(ids)
            more = f"\n{len(ids)} of {whole.count} jobs were sent before" if ids else ""
            later = f"\nAsk again: nemo-hydra status {shlex.quote(str(paths.root))}"
            raise type(error)(f"{error}{more}{later if isinstance(error, Unsettled) else ''}") from None
        waiting.pop(0)
        progress.count = len(ids)
        if not (token and waiting and pace.waits()):  # an array whose id is not written down is found by its token
            with pace:
                submission = record_ids(paths, submission, ids)
        new = range(len(ids) - size, len(ids))
        together(lambda each: note_sent(*each), [(jobs[i], submission.jobs[i].attempt, ids[i]) for i in new])
    return submission


def _split(batches: Sequence[Batch], index: int, first: int) -> list[Batch]:
    """Return the batches with one made two; the first of them has its token, which no array has."""
    if not batches:
        return []
    token, count = batches[index]
    return [*batches[:index], (token, first), (new_token(), count - first), *batches[index + 1 :]]
