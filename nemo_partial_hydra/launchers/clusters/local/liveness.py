"""Jobs on this machine without a queue: whether what runs them, or is going to, still exists.

May import: the standard library only; Linux's ``/proc``.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import Holder, holder
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers.records import SentJob, Submission


def alive(paths: JobPaths, own: states.Status, job: SentJob | None, submission: Submission | None) -> bool | None:
    """Whether the process that runs a job, or is going to, exists; None where that cannot be known from here."""
    if own.state == states.RUNNING:
        found = runner(paths, own)
        running = found.alive() if found is not None else None
        return True if running is False and _controller(job, submission) else running
    if own.state == states.SUBMITTED and submission is not None and submission.host == socket.gethostname():
        return _controller(job, submission) or launcher(submission)
    return None


def runner(paths: JobPaths, own: states.Status) -> Holder | None:
    """Return the process that runs a job, as it has written it down."""
    found = holder(paths, own.attempt)
    return found if found is not None and found.job_id is None else None


def _controller(job: SentJob | None, submission: Submission | None) -> bool:
    """Whether submitit's process for a job exists; its command line names the submission's directory."""
    number = job.id.pid if job and job.id else None
    if number is None or submission is None or submission.folder is None:
        return False
    return submission.folder.encode() in command_line(number)


def launcher(submission: Submission) -> bool:
    """Whether the process exists that sends the jobs of a submission, or starts them one after the other."""
    if submission.pid is None:
        return True  # an old record: nothing says that it is gone
    begun = _begun(submission.pid)
    age = states.seconds_between(submission.created, states.now())
    return begun is not None and age is not None and begun >= age - 1  # it is older than what it wrote


def command_line(pid: int) -> bytes:
    """Return the command line of a process; empty if there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _begun(pid: int) -> float | None:
    """Return how many seconds ago a process started; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, IndexError, ValueError):
        return None
    if fields[0] in ("Z", "X"):
        return None
    return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
