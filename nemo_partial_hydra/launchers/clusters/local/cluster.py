"""This machine as a cluster of the launchers: jobs are processes, run by the process that sends them.

May import: the standard library; submitit, inside functions. A job that waits is cancelled by taking its attempt:
whoever comes to run it then finds it taken. A process is told to end only if the claim that names it is this user's.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import JobError, RefusedError, UsageError
from nemo_partial_hydra.jobs import claim, files
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import LOCAL, JobId
from nemo_partial_hydra.launchers.clusters.base import Array, Ended, Refusal, Running, Subject, Views
from nemo_partial_hydra.launchers.clusters.waits import Wait
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.records import Submission
from nemo_partial_hydra.launchers.settings import Settings

from . import liveness


@dataclass(frozen=True)
class LocalAnswers:
    """What this machine knows of its processes: it can always be asked."""

    unasked: Sequence[str] = ()
    queue_failed: bool = False

    def views(self, subject: Subject) -> Views:
        """Return whether the process of a job exists."""
        alive = liveness.alive(subject.paths, subject.own, subject.sent, subject.submission)
        return Views(alive=alive, cluster="this machine")


@dataclass(frozen=True)
class Local:
    """This machine."""

    name = LOCAL
    launcher = "submitit_apptainer_local"
    title = "this machine"
    programs = ("", "kill")
    find = surroundings = None

    def run(self, running: Running, ended: Ended, look: Callable[[], None]) -> Submission:
        """Run the jobs of a submission and wait for them."""
        from .run import run

        return run(running, ended, look)

    def preflight(self, settings: Settings, directory: str, script: Callable[[], str], report: Report) -> None:
        """Refuse what more than one machine would be needed for."""
        if settings.resource("nodes", 1) > 1:
            report.settings([("nodes", "this machine is one node; use hydra/launcher=submitit_apptainer")])

    def dependency(self, directory: str, settings: Settings) -> str | None:
        """Refuse: there is no queue in which a job could wait for others."""
        raise UsageError("--after: jobs on this machine are not in SLURM's queue; use submitit_apptainer")

    def behind(self, waits: Sequence[Wait]) -> str:
        """Return nothing: steps are run one after the other."""
        return ""

    def script(self, array: Array) -> str:
        """Return nothing: there is no script."""
        return ""

    def submit(self, array: Array) -> list[JobId]:
        """Refuse: jobs are started by ``run``, so many at a time."""
        raise NotImplementedError("jobs on this machine are run, not submitted")

    def query(self, ids: Sequence[JobId], *, brief: bool = False) -> LocalAnswers:
        """Return answers that look at the processes when they are read."""
        return LocalAnswers()

    def cancel(self, subjects: Sequence[Subject]) -> list[Refusal | None]:
        """Take jobs that wait, and tell those that run by a signal."""
        return [_cancel(each) for each in subjects]


def _cancel(subject: Subject) -> Refusal | None:
    paths, own = subject.paths, subject.own
    if own.state == states.SUBMITTED:
        try:
            claim.take(paths, own.attempt, claim.myself({}))
        except RefusedError:
            own = states.read_status(paths)  # it has started meanwhile
        else:
            states.write_status(paths, states.cancelled(states.read_to_write(paths)))
            return None
    found = liveness.runner(paths, own)
    if found is None or found.alive() is None:
        where = found.host if found is not None else own.host or "an unknown host"
        return Refusal(f"it runs on {where}: cancel it there")
    if not found.origin.mine or found.pid < 2:
        return Refusal(
            f"the claim that names its process is not known to be yours ({found.origin.why or found.pid}); find the "
            f"process by its command: pgrep -af {shlex.quote(str(paths.directory))}"
        )
    if found.alive() is False:
        return Refusal("its process has ended meanwhile", over=True)
    with contextlib.suppress(JobError):  # on a full disk the runner takes the signal for what it is
        files.write(paths.root, paths.notice(own.attempt), states.CANCELLED)
    try:
        os.kill(found.pid, signal.SIGTERM)
    except ProcessLookupError:
        return Refusal("its process has ended meanwhile", over=True)
    except PermissionError:
        return Refusal(f"process {found.pid} is another user's")
    return None
