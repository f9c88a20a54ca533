"""Merging job states: one state from a job's own status, its cluster's queue and accounting, or this machine.

May import: the standard library only. The job's own status counts first where it is final; else whoever knows
better. What nobody could be asked about keeps the job's own state, and is marked so.
"""

from __future__ import annotations

from dataclasses import dataclass

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers.clusters.base import Record, Views

FINAL = (states.DONE, states.FAILED)
"""States that a job writes itself and after which nothing comes, unless the cluster starts a failed one again."""
TOLD = (states.CANCELLED, states.TIMEOUT)
"""States of a job that was told to end; the cluster may have requeued it."""


@dataclass(frozen=True)
class Merged:
    """The state of a job.

    Attributes
    ----------
    state : one of ``jobs.status.STATES``.
    reason : why, where the job's own status does not say it; empty where there is nothing to say.
    active : whether it may still run or start: such a job must not be tried again.
    unsure : whether the state is only what the job wrote itself, since the cluster could not be asked.
    record : the cluster's record that it was taken from, or that adds to it.
    queued : whether the queue still has it, waiting or running.
    """

    state: str
    reason: str = ""
    active: bool = False
    unsure: bool = False
    record: Record | None = None
    queued: bool = False


def merge(own: str, views: Views) -> Merged:
    """Return the one state of a job.

    Parameters
    ----------
    own : the state that the job wrote itself, in its status.json.
    views : what else is known.
    """
    queue, record = views.queue, views.queue or views.accounts
    lives = queue is not None and queue.end is None  # a state that is not known is no end
    if views.sending and own not in FINAL:
        return Merged(own, views.sending, active=True, unsure=bool(views.elsewhere))
    if own == states.DONE and views.several and queue is not None and queue.runs:
        return Merged(states.RUNNING, _OTHERS_RUN, active=True, record=queue, queued=True)
    if own == states.FAILED and queue is not None and queue.waits:
        # By hand (scontrol requeue), or because the site has RequeueExit: it will run again.
        reason = f"requeued after it failed{_because(queue)}"
        return Merged(states.SUBMITTED, reason, active=True, record=queue, queued=True)
    if own in FINAL or own == states.FROZEN:
        others_run = own == states.FAILED and views.several and lives
        return Merged(own, active=others_run, record=record, queued=lives)
    if own in TOLD:
        if queue is not None and queue.waits:
            reason = f"requeued after it was told to end{_because(queue)}"
            return Merged(states.SUBMITTED, reason, active=True, record=queue, queued=True)
        return Merged(own, active=lives, record=record, queued=lives)
    if queue is not None and lives:
        if queue.waits:
            again = f"started again by {views.cluster}; " if own == states.RUNNING else ""
            return Merged(states.SUBMITTED, f"{again}waits{_because(queue)}", active=True, record=queue, queued=True)
        return Merged(
            states.RUNNING, queue.reason or ("" if own == states.RUNNING else "it starts"), active=True, record=queue,
            queued=True,
        )  # fmt: skip
    if own == states.LOST:
        return Merged(own, views.elsewhere, unsure=bool(views.elsewhere), record=record)
    if views.queued:
        return _gone(own, views)
    if own == states.UNKNOWN:
        return Merged(own)
    if views.alive is False:
        return Merged(states.LOST, _LOST_HERE[own], record=record)
    return Merged(own, active=True)


_OTHERS_RUN = "its first task is done, others still run"
_LOST_HERE = {
    states.RUNNING: "its process is gone, and wrote nothing",
    states.SUBMITTED: "the process that submitted it ended before it was started or had a number",
}


def _because(known: Record) -> str:
    return f": {known.reason}" if known.reason else ""


def _gone(own: str, views: Views) -> Merged:
    """Return the state of a job that is not in the queue, as far as that can be known, and has said nothing final."""
    # The accounting first, where it has heard of the end: it has the exit code.
    for known in (views.accounts, views.queue):
        if known is not None and known.end == states.UNKNOWN and own == states.RUNNING:
            return Merged(own, known.why, active=True, unsure=True, record=known)
        if known is not None and known.end is not None:
            if views.settling:
                text = f"{views.cluster} has it as {known.state}; what it wrote last is not seen here yet"
                return Merged(own, text, active=True, record=known)
            return Merged(known.end, known.why, record=known)
    cluster = views.cluster
    if not views.queue_asked:
        known = views.accounts
        if known is None:
            return Merged(own, views.elsewhere, active=True, unsure=True)
        state = states.SUBMITTED if known.waits else states.RUNNING
        return Merged(state, f"by {cluster}'s accounting", active=True, unsure=True, record=known)
    if views.array_known and not views.begun:
        # Of single tasks that are cancelled before they start neither queue nor accounting keeps a record of its own.
        return Merged(states.CANCELLED, f"cancelled before it started: {cluster} has its array, and it no more")
    if views.young:
        text = f"{cluster} does not show it yet: it was sent a moment ago"
        return Merged(own, text, active=own != states.UNKNOWN)
    if views.accounts is not None:
        text = f"{cluster}'s controller does not know it any more, though accounting has it as {views.accounts.state}"
        return Merged(states.LOST, text, record=views.accounts)
    if views.accounts_asked:
        return Merged(states.LOST, f"{cluster} does not know it any more, and it wrote nothing")
    why = "this cluster keeps no accounts" if views.accounts_off else "accounting cannot be asked now"
    text = f"{cluster}'s queue does not have it any more, it wrote nothing, and how it ended nobody knows: {why}"
    return Merged(states.UNKNOWN, text)
