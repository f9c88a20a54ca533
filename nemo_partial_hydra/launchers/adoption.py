"""Submissions whose process died before it had written down what became of them: adopted, or given back.

May import: the standard library and the clusters. Each was recorded, with its arrays' tokens, before a job was claimed
and before the cluster heard of it. What the cluster has is written down; the jobs of what it has not are as if they had
never been sent.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import holder
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import SweepPaths
from nemo_partial_hydra.messages import say

from . import claims
from .clusters.base import Find, Found
from .clusters.local import liveness
from .clusters.registry import CLUSTERS, Clusters
from .records import SentJob, Submission, submissions

SENDING_S = 1800.0
"""So long after it was last heard of a process on another host may still be sending: ``sbatch`` may take twenty minutes
where it is tried again, and clocks of hosts may be ten minutes apart."""


@dataclass(frozen=True)
class Settled:
    """What was done about such submissions.

    Attributes
    ----------
    lines : what was done, for people.
    sending : of submissions that somebody is still sending, that it is so; by their numbers.
    unsure : of those whose cluster could not be asked, why.
    """

    lines: Sequence[str] = ()
    sending: Mapping[int, str] = field(default_factory=dict)
    unsure: Mapping[int, str] = field(default_factory=dict)


NOTHING = Settled()


def settle_and_say(sweep: SweepPaths, clusters: Clusters = CLUSTERS) -> None:
    """Settle what is not, before jobs are sent, and say what was done."""
    problems: list[str] = []
    for line in settle(sweep, submissions(sweep, problems), clusters).lines:
        say(line, file=sys.stderr)


def settle(sweep: SweepPaths, given: Sequence[Submission], clusters: Clusters = CLUSTERS) -> Settled:
    """Look what became of submissions that are not settled, and write it down.

    Parameters
    ----------
    given : the sweep's submissions. Only records that are this user's own are acted on.
    clusters : where their clusters are looked up.
    """
    if not any(each.unsettled for each in given):
        return NOTHING
    lines: list[str] = []
    sending: dict[int, str] = {}
    unsure: dict[int, str] = {}
    for each in given:
        if not each.unsettled:
            continue
        if not each.origin.mine:
            unsure[each.number] = f"the record of its submission is not known to be yours ({each.origin.why})"
            continue
        if _goes_on(each):
            sending[each.number] = f"is being sent by process {each.pid} on {each.host}"
            continue
        others = {
            (job.subdir, job.attempt) for other in given if other is not each for job in other.jobs
            if not other.claiming or _goes_on(other)
        }  # fmt: skip
        with contextlib.suppress(JobError, OSError):  # who only reads the sweep sees it as it is
            why = _settle(sweep, each, others, clusters, lines)
            if why:
                unsure[each.number] = why
    return Settled(lines, sending, unsure)


def _goes_on(submission: Submission) -> bool:
    """Whether somebody still sends a submission, or may."""
    if submission.host != socket.gethostname():
        age = states.seconds_between(submission.written or submission.created, states.now())
        return age is None or age < SENDING_S
    return liveness.launcher(submission) or _called([token for token, _ in submission.batches])


def _called(tokens: Sequence[str]) -> bool:
    """Whether a command runs that names one of these: ``sbatch`` goes on when who called it is killed."""
    marks = [token.encode() for token in tokens]
    with contextlib.suppress(OSError):
        numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return any(mark in line for line in map(liveness.command_line, numbers) for mark in marks)
    return False


def _settle(
    sweep: SweepPaths,
    submission: Submission,
    others: Collection[tuple[str, int]],
    clusters: Clusters,
    lines: list[str],
) -> str:
    """Settle one submission; return why that cannot be done, or an empty text."""
    paths, number = sweep.submission(submission.number), submission.number
    if submission.claiming:
        _undo(sweep, submission.jobs, others)
        claims.withdraw(paths)
        lines.append(f"Submission {number} was cut off before anything was sent: its jobs are as they were before.")
        return ""
    find = clusters.named(submission.cluster).find if submission.cluster in _names(clusters) else None
    if find is None:
        return f"there is no cluster '{submission.cluster}' here that could be asked"
    found, ids, missing = _found(submission, find)
    new = [each for each in ids if each is not None and each not in {job.id for job in submission.jobs}]
    if new:
        recorded = claims.record_ids(paths, submission, ids)
        for job in recorded.jobs:
            if job.id is not None:
                claims.note_sent(sweep.job(job.subdir), job.attempt, job.id)
        arrays = ", ".join(dict.fromkeys(each.job for each in new))
        lines.append(
            f"Submission {number}: {len(new)} jobs are in the queue or were, as {arrays}. Who sent them was cut off "
            "before that was written down; now it is."
        )
    lines += found.notes
    if not missing or found.why:
        return found.why if missing else ""
    _undo(sweep, [submission.jobs[index] for index in missing], others)
    kept = [index for index in range(len(ids)) if index not in set(missing)]
    if kept:
        claims.keep_only(paths, submission, ids, kept)
    else:
        claims.withdraw(paths)
    title = clusters.named(submission.cluster).title
    lines.append(
        f"Submission {number} was cut off before {title} had {len(missing)} of its jobs: they can be sent again."
    )
    return ""


def _names(clusters: Clusters) -> set[str]:
    return {each.name for each in clusters}


def _found(submission: Submission, find: Find) -> tuple[Found, list[JobId | None], list[int]]:
    """Ask for the arrays without an id; return the answer, the ids of all jobs, and which jobs have none."""
    ids: list[JobId | None] = [job.id for job in submission.jobs]
    spans: dict[str, range] = {}
    start = 0
    for token, count in submission.batches:
        span = range(start, min(start + count, len(ids)))
        start += count
        if any(ids[index] is None for index in span):
            spans[token] = span
    found = find(list(spans), submission.cluster_name, submission.created)
    for token, span in spans.items():
        array = found.ids.get(token)
        if array is not None:
            single = dict(submission.batches)[token] == 1
            for task, index in enumerate(span):
                ids[index] = array if single else JobId(
                    array.job, task, cluster=array.cluster, cluster_name=array.cluster_name
                )  # fmt: skip
    return found, ids, [index for index, each in enumerate(ids) if each is None]


def _undo(sweep: SweepPaths, jobs: Sequence[SentJob], others: Collection[tuple[str, int]]) -> None:
    """Give jobs back that were claimed and not sent, unless somebody has them."""
    for job in jobs:
        paths = sweep.job(job.subdir)
        status = states.read_status(paths)
        claimed = status.state == states.SUBMITTED and status.attempt == job.attempt and status.job_id is None
        if (job.subdir, job.attempt) in others or holder(paths, job.attempt) is not None:
            continue
        if job.attempt == 1 and (claimed or status.state == states.FROZEN):
            claims.give_back([(paths, 1, None)])
        elif claimed:
            reason = "the process that sent it again ended before the cluster had it"
            states.write_status(
                paths, states.Status(states.LOST, job.attempt, status.submitted, ended=states.now(), reason=reason)
            )
