"""Wait for the jobs of a submission on SLURM and say how each ended.

May import: the standard library only. status.json is the first word, since the job itself wrote it; where it says
nothing final, ``squeue`` does (one call for all jobs, with those that ended lately), and ``sacct`` after it.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.outcome import keep_status

from .clusters.slurm import commands
from .clusters.slurm.queue import RUNNING, WAITING
from .preflight.report import Ask
from .records import SentJob, Submission, read_settings
from .status.merge import ENDS

POLL_S = 1.5
FILE_S, FILE_DONE_S = 1.5, 30.0
"""How long a status.json may come after SLURM says that the job has ended, and has ended well: file systems of clusters
are lazy, but who waits is to hear of a failure within 5 s."""
FINAL = (states.DONE, states.FAILED, states.CANCELLED, states.TIMEOUT, states.LOST)
ENDED = (states.DONE, states.FAILED)
"""The states after which nothing comes: one that was told to stop may be requeued, then SLURM still knows it."""
ACTIVE = (*WAITING, *RUNNING, "PREEMPTED")
Ended = Callable[[JobPaths, states.Status], None]


def wait(
    sweep: SweepPaths,
    submission: Submission,
    ended: Ended,
    *,
    ask: Ask = commands.ask,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Wait for all jobs of a submission.

    Parameters
    ----------
    ended : called for every job that has ended, in the order in which that is seen.
    ask : runs one of SLURM's commands.
    look : called between the questions.
    """
    # The first task of a job writes its status; of several tasks it may be the first to end.
    several = read_settings(sweep.submission(submission.number)).tasks > 1
    enough = () if several else ENDED
    pending = {job.spelled: job for job in submission.jobs}
    gone: dict[str, float] = {}
    asking = _Asking(submission.arrays, ask)
    while pending:
        look()
        for spelled, job in list(pending.items()):
            status = states.read_status(sweep.job(job.subdir))
            if status.state in enough and status.attempt >= job.attempt:
                del pending[spelled]
                ended(sweep.job(job.subdir), status)
        if not pending:
            return
        known = asking.answer()
        if known is not None:
            now = time.monotonic()
            for spelled, job in list(pending.items()):
                state = known.get(spelled)
                patience = FILE_DONE_S if state == "COMPLETED" else FILE_S
                if state in ACTIVE:
                    gone.pop(spelled, None)
                elif now - gone.setdefault(spelled, now) >= patience:
                    del pending[spelled]
                    ended(sweep.job(job.subdir), settle(sweep, job, state, ask))
        time.sleep(POLL_S)


class _Asking:
    """Asks for the queue beside the waiting: a controller that is down keeps ``squeue`` for a minute, the jobs' own
    files can be read all the same."""

    def __init__(self, ids: Sequence[str], ask: Ask) -> None:
        self._ids, self._ask = ids, ask
        self._thread: threading.Thread | None = None
        self._known: dict[str, str] | None = None
        self._error: Exception | None = None

    def answer(self) -> dict[str, str] | None:
        """Return a new answer; None while there is none, or where SLURM cannot be asked."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._thread.join(POLL_S)
        if self._thread.is_alive():
            return None
        self._thread = None
        if self._error is not None:
            raise self._error
        return self._known

    def _run(self) -> None:
        try:
            self._known = queue(self._ids, self._ask)
        except Exception as error:  # raised where it is waited for
            self._error = error


def queue(ids: Iterable[str], ask: Ask = commands.ask) -> dict[str, str] | None:
    """Return the state of every task that SLURM still knows; None where it cannot be asked now."""
    answer = ask(["squeue", "-h", "-r", "-t", "all", "-j", ",".join(ids), "-o", "%i|%T"])
    if answer.code != 0 and "Invalid job id" not in answer.err:
        return None
    rows = [line.strip().split("|") for line in answer.out.splitlines() if "|" in line]
    return {row[0]: row[1] for row in rows}


def settle(sweep: SweepPaths, job: SentJob, state: str | None, ask: Ask = commands.ask) -> states.Status:
    """Write how a job ended that did not say so itself, by SLURM's word."""
    paths = sweep.job(job.subdir)
    status = states.read_status(paths)
    if status.state in FINAL and status.attempt >= job.attempt:
        return status
    if state is None:
        answer = ask(["sacct", "-n", "-P", "-X", "-j", job.spelled, "-o", "State"])
        state = answer.out.split()[0] if answer.code == 0 and answer.out.split() else None
    end, reason = ENDS.get(state or "", (states.LOST, "SLURM does not know it any more, and it wrote nothing"))
    final = dataclasses.replace(status, state=end, attempt=job.attempt, ended=states.now(), reason=reason)
    keep_status(paths, final)
    return final
