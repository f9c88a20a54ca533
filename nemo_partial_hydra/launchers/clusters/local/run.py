"""Jobs on this machine without SLURM: submitit's local executor, so many at a time.

May import: the standard library; submitit, inside functions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.records import Submission, write_submission
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.submit import Chosen, check, claimed, submitit_folder
from nemo_partial_hydra.launchers.worker.task import JobTask

POLL_S = 0.1
Ended = Callable[[JobPaths, states.Status], None]


def run(
    sweep: SweepPaths,
    jobs: Sequence[JobPaths],
    settings: Settings,
    *,
    secrets: Mapping[str, str] | None = None,
    attempts: Mapping[JobPaths, int] | None = None,
    ended: Ended = lambda paths, status: None,
    look: Callable[[], None] = lambda: None,
    report: Report | None = None,
) -> Submission:
    """Run jobs on this machine, ``array_parallelism`` at a time, and wait for them.

    Parameters
    ----------
    sweep, jobs, settings, secrets, attempts, report : as for :func:`submission.submit`.
    ended : called for every job that has ended.
    look : called between the looks at the processes.

    Raises
    ------
    UsageError
        If something is known to go wrong: all of it, and nothing was started.
    RefusedError
        If a job was submitted or run already.
    """
    (report or check(sweep, settings)).check()
    chosen = [(job, (attempts or {}).get(job, 1)) for job in jobs]
    with claimed(sweep, chosen, settings, None) as (paths, submission):
        sent: Submission = submission
    from nemo_partial_hydra.launchers.clusters.slurm import executor as executors

    executor = executors.local(settings, submitit_folder(paths, settings))
    waiting, running = list(enumerate(chosen)), dict[int, Any]()
    with executors.variables(secrets or {}), _terminable():
        try:
            while waiting or running:
                while waiting and len(running) < settings.resource("array_parallelism", 1):
                    index, (job, attempt) = waiting.pop(0)
                    running[index] = executor.submit(JobTask(str(paths.directory), str(job.directory), attempt))
                    sent = _started(sent, index, int(running[index].job_id))
                    write_submission(paths, sent)
                for index in [index for index, each in running.items() if each.done()]:
                    del running[index]
                    ended(chosen[index][0], _final(*chosen[index]))
                look()
                time.sleep(POLL_S)
        except BaseException:
            _stop(running.values(), [one for _, one in waiting])
            raise
    return sent


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM end the sweep as Ctrl-C does, so that its jobs do not outlive it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may have handlers
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _started(sent: Submission, index: int, pid: int) -> Submission:
    jobs = list(sent.jobs)
    jobs[index] = dataclasses.replace(jobs[index], id={"pid": pid})
    return dataclasses.replace(sent, jobs=tuple(jobs))


def _final(job: JobPaths, attempt: int) -> states.Status:
    """Return how a job ended; one whose host process died without a word is lost."""
    status = states.read_status(job)
    if status.state in (states.SUBMITTED, states.RUNNING, states.FROZEN):
        status = dataclasses.replace(
            status, state=states.LOST, ended=states.now(), reason="its process ended without writing how it went"
        )
        states.write_status(job, status)
    return status


def _stop(running: Any, waiting: Sequence[Chosen]) -> None:
    """Stop what runs and say of what waits that it was cancelled."""
    for job, attempt in waiting:
        states.write_status(
            job, states.Status(states.CANCELLED, attempt, ended=states.now(), reason="cancelled before it started")
        )
    for each in running:
        each.cancel(check=False)
    for each in running:
        end = time.monotonic() + 10
        with contextlib.suppress(KeyboardInterrupt):
            while not each.done() and time.monotonic() < end:
                time.sleep(POLL_S)
