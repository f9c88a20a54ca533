"""The one state of a job, from its own word, the queue's and the accounting's: a pure function.

May import: the standard library only. The job's own word comes first where it is final; else that of whoever knows
better. What nobody could be asked about stays the job's own word, and is said to be no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers.clusters.slurm.queue import Known

FINAL = (states.DONE, states.FAILED)
"""Own words after which nothing comes."""
TOLD = (states.CANCELLED, states.TIMEOUT)
"""Own words of a job that was told to end; the cluster may have requeued it."""
_SIGKILL = 9
ENDS = {
    "CANCELLED": (states.CANCELLED, "cancelled"),
    "TIMEOUT": (states.TIMEOUT, "ended by SLURM at its time limit"),
    "DEADLINE": (states.TIMEOUT, "ended by SLURM at its deadline"),
    "PREEMPTED": (states.CANCELLED, "preempted by a job of higher priority, and not requeued"),
    "OUT_OF_MEMORY": (states.LOST, "out of memory: see mem_gb"),
    "NODE_FAIL": (states.LOST, "its node failed"),
    "BOOT_FAIL": (states.LOST, "its node did not boot"),
    "REVOKED": (states.LOST, "SLURM gave it to another cluster"),
    "FAILED": (states.FAILED, "ended with an error before it could say why"),
    "COMPLETED": (states.LOST, "ended without writing how it went"),
}


@dataclass(frozen=True)
class Views:
    """What is known of a job besides its own word.

    Attributes
    ----------
    slurm : whether it was sent to SLURM, under a number that is known.
    queue, accounts : what SLURM says of it; None where it says nothing.
    queue_asked, accounts_asked : whether SLURM could be asked.
    array_known : whether SLURM has records of other tasks of its array.
    begun : whether a process has ever taken it.
    alive : whether its process, or the one that will start it, exists on this machine; None where that is not known.
    """

    slurm: bool = False
    queue: Known | None = None
    accounts: Known | None = None
    queue_asked: bool = False
    accounts_asked: bool = False
    array_known: bool = False
    begun: bool = True
    alive: bool | None = None


@dataclass(frozen=True)
class Merged:
    """The state of a job.

    Attributes
    ----------
    state : one of ``jobs.status.STATES``.
    reason : why, where that is not the job's own word; empty where there is nothing to say.
    active : whether it may still run or start: such a job must not be tried again.
    unsure : whether the state is only the job's own word, since SLURM could not be asked.
    said : SLURM's record that it was taken from, or that adds to it.
    """

    state: str
    reason: str = ""
    active: bool = False
    unsure: bool = False
    said: Known | None = None


def merge(own: str, views: Views) -> Merged:
    """Return the one state of a job.

    Parameters
    ----------
    own : the job's own word, the state in its status.json.
    views : what else is known.
    """
    queue, said = views.queue, views.queue or views.accounts
    lives = queue is not None and queue.state not in ENDS  # a state that is not known here is no end
    if own in FINAL or own == states.FROZEN:
        return Merged(own, said=said)
    if own in TOLD:
        if queue is not None and queue.waits:
            return Merged(states.SUBMITTED, f"requeued after it was told to end{_because(queue)}", True, said=queue)
        return Merged(own, active=lives, said=said)
    if queue is not None and lives:
        if queue.waits:
            again = "started again by SLURM; " if own == states.RUNNING else ""
            return Merged(states.SUBMITTED, f"{again}waits{_because(queue)}", True, said=queue)
        return Merged(states.RUNNING, "" if own == states.RUNNING else "it starts", True, said=queue)
    if own == states.LOST:
        return Merged(own, said=said)
    if views.slurm:
        return _gone(own, views)
    if views.alive is False:
        return Merged(states.LOST, _LOST_HERE[own], said=said)
    return Merged(own, active=True)


_LOST_HERE = {
    states.RUNNING: "its process is gone, and wrote nothing",
    states.SUBMITTED: "the process that submitted it ended before it was started or had a number",
}


def _because(known: Known) -> str:
    return f": {known.reason}" if known.reason else ""


def _gone(own: str, views: Views) -> Merged:
    """Return the state of a job that is not in the queue, as far as that can be known, and has said nothing final."""
    # The accounting first, where it has heard of the end: it has the exit code.
    for known in (views.accounts, views.queue):
        if known is not None and known.state in ENDS:
            return _ended(known)
    if not views.queue_asked:
        known = views.accounts
        if known is None:
            return Merged(own, active=True, unsure=True)
        state = states.RUNNING if known.runs else states.SUBMITTED
        return Merged(state, "by SLURM's accounting", active=True, unsure=True, said=known)
    if views.accounts is not None:
        text = f"SLURM's controller does not know it any more, though accounting has it as {views.accounts.state}"
        return Merged(states.LOST, text, said=views.accounts)
    if views.array_known and not views.begun:
        # Of single tasks that are cancelled before they start neither queue nor accounting keeps a record.
        return Merged(states.CANCELLED, "cancelled before it started: SLURM has its array, and it no more")
    if views.accounts_asked:
        return Merged(states.LOST, "SLURM does not know it any more, and it wrote nothing")
    text = "SLURM's queue does not have it any more, it wrote nothing, and accounting cannot be asked how it ended"
    return Merged(states.LOST, text, unsure=True)


def _ended(known: Known) -> Merged:
    state, reason = ENDS[known.state]
    # A shell says 137; srun, which starts the tasks, ends with the bare number of the signal that ended one.
    killed = known.exit_signal == _SIGKILL or known.exit_code in (_SIGKILL, 128 + _SIGKILL)
    if known.state == "FAILED" and killed:
        state, reason = states.LOST, "killed with SIGKILL: often the memory limit; see mem_gb"
    elif known.state == "NODE_FAIL" and known.node:
        reason = f"its node failed ({known.node})"
    return Merged(state, reason, said=known)
