"""What submitit runs on the host for one task of one job: the container as a child, its signals, its end.

May import: the standard library; submitit when the job is requeued. submitit pickles a ``JobTask``, read by the same
interpreter that wrote it: what it pins is the runner's own word, whether or not a node can see the user's key. The
child is told once that its time ends, gets its grace time, and then submitit requeues the job with ``scontrol``, on the
host, where that exists.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import Any

from nemo_partial_hydra.errors import ExitCode, JobError, RefusedError
from nemo_partial_hydra.jobs import files, folders, ranks
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import this_task
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths
from nemo_partial_hydra.jobs.outcome import keep_status
from nemo_partial_hydra.jobs.seal import Seals
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS
from nemo_partial_hydra.launchers.records import read_settings, sweep_of
from nemo_partial_hydra.launchers.settings import Settings, stamp
from nemo_partial_hydra.messages import say

from .payload import Child
from .rendezvous import rank_of

GRACE = 0.8
"""The part of ``signal_delay_s`` that the payload has to end by itself; the rest is for the requeue."""
NO_EXECUTABLE = 127
RECORD_S = 10
EARLY_S, START_S, START_SHARE, START_MOST_S = 60.0, 30.0, 0.05, 600.0


@dataclass(frozen=True)
class JobTask:
    """One task of a job; submitit calls it, and asks ``checkpoint`` what to run after a requeue.

    Parameters
    ----------
    submission : the directory of the submission, which has the settings.
    job : the job's directory.
    attempt : the number of the attempt, from 1.
    restarts : how often it was requeued.
    digest, settings : of job.yaml, and of what settings.json says: nothing else runs.
    place : the job's directory as the host that submitted it sees it, for the seals of what is recorded here.
    """

    submission: str
    job: str
    attempt: int
    restarts: int = 0
    digest: str | None = None
    settings: str | None = None
    place: str | None = None

    def __call__(self) -> None:
        paths, sent = self._paths(), SubmissionPaths(Path(self.submission))
        folders.refuse_foreign(sent.root, sent.directory)
        folders.refuse_foreign(paths.root, paths.directory)
        run = _Run(self, Settings(), paths)
        try:
            if self.digest is None or self.settings is None:
                raise RefusedError(
                    f"{paths.job}: was sent by a version that did not say which file is to run; send it again: "
                    f"nemo-hydra retry {quote(str(paths.directory))}"
                )
            run.settings = read_settings(sent, self.settings)
        except (JobError, RefusedError) as error:
            sys.exit(run.refused(str(error)))
        _await_record(paths, run.settings)
        code = run.run()
        if code:
            sys.exit(code)

    def _paths(self) -> JobPaths:
        seals = None if self.place is None else Seals(self.place)
        return JobPaths(Path(self.job), sweep_of(SubmissionPaths(Path(self.submission))), seals)

    def checkpoint(self) -> Any:
        """Return what is submitted again; called by submitit before it requeues."""
        from submitit.helpers import DelayedSubmission

        paths = self._paths()
        requeues = self.restarts + 1
        status = dataclasses.replace(
            states.read_to_write(paths), state=states.SUBMITTED, attempt=self.attempt, ended=None, exit_code=None,
            error=None, requeues=requeues, reason=f"stopped before its time ended and requeued ({requeues})",
        )  # fmt: skip
        states.write_status(paths, status)
        # A scheduler tells by its own counter that a job was started again; without one it is another attempt.
        attempt = self.attempt if this_task(os.environ).id is not None else self.attempt + 1
        return DelayedSubmission(dataclasses.replace(self, restarts=requeues, attempt=attempt))


def _await_record(paths: JobPaths, settings: Settings) -> None:
    """Wait until the submitting process has written the job's id into status.json: it must not write after the job."""
    end = time.monotonic() + RECORD_S
    queued = CLUSTERS.named(settings.cluster).run is None
    while queued and time.monotonic() < end:
        status = states.read_status(paths)
        if status.state != states.SUBMITTED or status.job_id is not None:
            return
        time.sleep(0.1)


class _Run:
    """One run of one task, from the start of its container to its end."""

    def __init__(self, task: JobTask, settings: Settings, paths: JobPaths) -> None:
        self.task = task
        self.settings = settings
        self.paths = paths
        self.rank = rank_of(os.environ)
        self.usr = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        self.requeue: Any = signal.getsignal(self.usr)  # submitit's own handler

    def run(self) -> int:
        """Run the payload; return the exit code of the task."""
        image = self.settings.container.image
        if self.settings.image_stamp is not None and stamp(image) != self.settings.image_stamp:
            gone = "is gone" if image is not None and not os.path.exists(image) else "was replaced since"
            return self.refused(f"the image {image} {gone}; submit the job again")
        sweep = sweep_of(SubmissionPaths(Path(self.task.submission)))
        again = max(self.task.restarts, this_task(os.environ).restarts)
        if again and self._first_is_done():  # as it was requeued: those that wait for it would be cancelled
            say(f"{self.paths.directory}: the job was done when it was requeued", file=sys.stderr)
            return 0
        try:
            child = Child(
                self.settings, self.paths, self.task.attempt, sweep=sweep, digest=self.task.digest, restarts=again,
                rank=self.rank,
            )  # fmt: skip
        except OSError as error:
            name = error.filename or self.settings.container.executable
            return self._not_started(f"{name}: {error.strerror} on {os.uname().nodename}")
        with child.watching((self.usr, signal.SIGTERM, signal.SIGINT)):
            return self._follow(child)

    def _follow(self, child: Child) -> int:
        """Wait for the child's end; pass on what the cluster says meanwhile."""
        while True:
            event = child.wait()
            if event is None:
                return self._ended(child)
            if event == self.usr:
                return self._time_is_over(child, event)
            child.tell(self.settings.stop_signal, states.CANCELLED)  # cancelled, or Ctrl-C: who sent it also ends it
            child.cancelled = True

    def _time_is_over(self, child: Child, event: int) -> int:
        """Stop the payload, and let submitit requeue the job or say that it may not."""
        from submitit.core.utils import UncompletedJobError

        delay = self.settings.resource("signal_delay_s", 30)
        end = time.monotonic() + delay * GRACE
        handler = getattr(self.requeue, "__self__", None)
        if handler is not None:  # submitit takes the last fifth of the time, or ten minutes, for its end
            limit = self.settings.resource("timeout_min", 0) * 60.0
            over = time.time() - getattr(handler, "_start_time", 0.0) >= full_time(limit, delay)
            handler.has_timed_out = lambda: over
        child.tell(self.settings.stop_signal, states.TIMEOUT)
        code = child.finish(delay * GRACE)
        if self.rank != 0:
            if code and self._first_is_done():  # nobody is left to requeue the job
                self._over(states.TIMEOUT, code, f"task {self.rank} ran until its time was over, the first one is done")
                return code
            files.open_log(self.paths.root, child.stopped()).close()
            return 0  # srun ends all tasks when one fails, and the first one still has to requeue the job
        while time.monotonic() < end and not child.others_stopped(self.settings.tasks):
            time.sleep(0.2)
        try:
            self.requeue(event, _NO_FRAME)
        except UncompletedJobError as error:
            self._over(states.TIMEOUT, code, f"stopped {delay} s before its time ended: {_why(error)}")
        except (subprocess.SubprocessError, OSError) as error:
            why = _not_requeued(error)
            self._over(states.TIMEOUT, code, f"stopped {delay} s before its time ended, and not requeued: {why}")
        return code or ExitCode.FAILED

    def _ended(self, child: Child) -> int:
        code = child.code
        status = states.read_status(self.paths)
        if self.rank != 0:
            if code and self._first_is_done():
                state, what = (states.CANCELLED, "was cancelled") if child.cancelled else (states.FAILED, "failed")
                self._over(state, code, f"task {self.rank} {what} after the first one was done; see {child.err}")
            elif code and not child.cancelled and not ranks.left(self.paths, self.task.attempt, self.rank):
                self._leave(child.explain(started=child.came_up()))
            return code
        if status.attempt != self.task.attempt or status.state not in (states.SUBMITTED, states.RUNNING):
            return code  # the runner has said how it went
        if code == ExitCode.REFUSED and status.state == states.RUNNING:
            return code  # another process runs it
        other = ranks.failure(self.paths, self.task.attempt) if child.cancelled else None
        if other is not None:  # the cluster ended this task for it
            self._over(states.FAILED, ExitCode.FAILED, other.reason, other.error)
        elif child.cancelled:
            self._over(states.CANCELLED, code, "cancelled while it ran")
        else:
            self._over(states.FAILED, code, child.explain(started=status.state == states.RUNNING))
        return code or ExitCode.FAILED

    def _first_is_done(self) -> bool:
        status = states.read_status(self.paths)
        return status.state == states.DONE and status.attempt == self.task.attempt

    def _leave(self, reason: str) -> None:
        """Leave for the first task why this one has failed."""
        error = {"type": "", "message": reason, "where": []}
        ranks.keep(self.paths, self.task.attempt, self.rank, error)

    def refused(self, reason: str) -> int:
        """Say that what is there is not what was submitted; return the exit code of the task."""
        return self._not_started(reason, ExitCode.REFUSED)

    def _not_started(self, reason: str, code: int = NO_EXECUTABLE) -> int:
        if self.rank == 0:
            self._over(states.FAILED, code, f"the job did not start: {reason}")
        else:
            self._leave(f"it did not start: {reason}")
        say(reason, file=sys.stderr)
        return code

    def _over(self, state: str, code: int, reason: str, error: Mapping[str, Any] | None = None) -> None:
        status = states.read_to_write(self.paths)
        keep_status(
            self.paths,
            dataclasses.replace(
                status,
                state=state,
                attempt=self.task.attempt,
                ended=states.now(),
                exit_code=int(code),
                requeues=self.task.restarts,
                reason=reason,
                error=error,
            ),
        )


_NO_FRAME: FrameType | None = None


def full_time(limit: float, delay: float) -> float:
    """Return after how many seconds a job that is told to end has had its time; one that is told earlier gives way.

    SLURM tells a job up to a minute before it would have to, and the job's time begins before this process does.
    """
    return limit - delay - EARLY_S - START_S - min(START_SHARE * limit, START_MOST_S)


def _not_requeued(error: Exception) -> str:
    """Say that the cluster did not take the job back: its command's own words are in submitit's log."""
    if isinstance(error, subprocess.CalledProcessError):
        line = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
        return (
            f"'{line}' ended with {error.returncode}; the site may not allow it (JobRequeue=0), or a setting "
            "(no-requeue)"
        )
    return str(error)


def _why(error: Exception) -> str:
    return str(error).removeprefix("Job not requeued because: ").rstrip(".")
