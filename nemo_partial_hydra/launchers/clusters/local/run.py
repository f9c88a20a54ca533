"""Jobs on this machine without a queue: submitit's local executor, so many at a time.

May import: the standard library; submitit, inside functions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import LOCAL, JobId
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers.clusters import allocation
from nemo_partial_hydra.launchers.clusters.base import Ended, Running
from nemo_partial_hydra.launchers.clusters.variables import variables
from nemo_partial_hydra.launchers.records import Submission, write_submission
from nemo_partial_hydra.launchers.settings import Settings

if TYPE_CHECKING:
    from nemo_partial_hydra.launchers.clusters.executor import LocalExecutor

POLL_S = 0.1


def run(given: Running, ended: Ended, look: Callable[[], None]) -> Submission:
    """Run jobs on this machine, ``array_parallelism`` at a time, and wait for them.

    Parameters
    ----------
    given : the submission; no job is started before.
    ended : called for every job that has ended.
    look : called between the looks at the processes.
    """
    sent = given.submission
    executor = _executor(given.settings, Path(str(sent.folder)))
    chosen = [(paths, job.attempt) for paths, job in zip(given.jobs, sent.jobs, strict=True)]
    waiting, running = list(range(len(chosen))), dict[int, Any]()
    outer = allocation.outer(os.environ, within=True)
    with variables({**dict.fromkeys(outer), **given.secrets}), _terminable():
        try:
            while waiting or running:
                while waiting and len(running) < given.settings.resource("array_parallelism", 1):
                    index = waiting.pop(0)
                    running[index] = executor.submit(given.tasks[index])
                    sent = _started(sent, index, int(running[index].job_id))
                    write_submission(given.paths, sent)
                for index in [index for index, each in running.items() if each.done()]:
                    del running[index]
                    ended(chosen[index][0], _final(*chosen[index]))
                look()
                time.sleep(POLL_S)
        except BaseException:
            _stop(running.values(), [chosen[index] for index in waiting])
            raise
    return sent


def _executor(settings: Settings, folder: Path) -> LocalExecutor:
    """Return the executor that runs jobs on this machine."""
    from nemo_partial_hydra.launchers.clusters.executor import LocalExecutor, host_python

    executor = LocalExecutor(folder, settings.resource("max_num_timeout", 0), python=host_python(settings))
    names = ("timeout_min", "tasks_per_node", "gpus_per_node", "signal_delay_s", "stderr_to_stdout")
    given = {key: settings.resources[key] for key in names if settings.resources.get(key) is not None}
    if settings.host_lines:
        given["setup"] = list(settings.host_lines)
    executor.update_parameters(**given)
    return executor


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
    jobs[index] = dataclasses.replace(jobs[index], id=JobId(pid=pid, cluster=LOCAL))
    return dataclasses.replace(sent, jobs=tuple(jobs))


def _final(job: JobPaths, attempt: int) -> states.Status:
    """Return how a job ended; one whose host process died before it could write it is lost."""
    status = states.read_status(job)
    if status.state in (states.SUBMITTED, states.RUNNING, states.FROZEN):
        status = dataclasses.replace(
            states.read_to_write(job),
            state=states.LOST,
            ended=states.now(),
            reason="its process ended without writing how it went",
        )
        states.write_status(job, status)
    return status


def _stop(running: Any, waiting: Iterable[tuple[JobPaths, int]]) -> None:
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
