"""The files of a job store: what each is called, which jobs a directory has, and how a file is written.

May import: the standard library only. No other module spells a file name::

    DIR/multirun.yaml
    DIR/<job>/{job.yaml,status.json,result.json}
    DIR/<job>/attempts/<n>/{out.log,err.log,claim,notice}
    DIR/submissions/<n>/{submission.json,settings.json,script.sh}
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nemo_partial_hydra.errors import JobError

JOB, STATUS, RESULT = "job.yaml", "status.json", "result.json"
ATTEMPTS, SUBMISSIONS, MULTIRUN = "attempts", "submissions", "multirun.yaml"
_NUMBER = re.compile(rb"^num: (\d+)$", re.MULTILINE)
_HEAD = 4096  # bytes of job.yaml in which its number stands


@dataclass(frozen=True)
class JobPaths:
    """The files of one job; ``directory`` is absolute and the working directory of what runs."""

    directory: Path

    @property
    def job(self) -> Path:
        """What runs; it never changes."""
        return self.directory / JOB

    @property
    def status(self) -> Path:
        """How it goes or went."""
        return self.directory / STATUS

    @property
    def result(self) -> Path:
        """What the recipe returned."""
        return self.directory / RESULT

    def attempt(self, number: int) -> Path:
        """Return the directory of one attempt, from 1."""
        return self.directory / ATTEMPTS / str(number)

    def out(self, attempt: int) -> Path:
        """Return the file of an attempt's standard output."""
        return self.attempt(attempt) / "out.log"

    def err(self, attempt: int) -> Path:
        """Return the file of an attempt's standard error."""
        return self.attempt(attempt) / "err.log"

    def task_error(self, attempt: int, task: int) -> Path:
        """Return the file that a task other than the first leaves when it fails."""
        return self.attempt(attempt) / f"task-{task}.json"

    def notice(self, attempt: int) -> Path:
        """Return the file in which a launcher says why it ends an attempt, before it sends the signal.

        It holds one word, a state: ``timeout`` or ``cancelled``.
        """
        return self.attempt(attempt) / "notice"

    def claim(self, attempt: int, restart: int = 0) -> Path:
        """Return the file that the process makes which runs an attempt; ``restart`` counts requeues by the cluster."""
        return self.attempt(attempt) / (f"claim.{restart}" if restart else "claim")


@dataclass(frozen=True)
class SubmissionPaths:
    """The files that one submission of a sweep leaves: what was sent, and with which settings."""

    directory: Path

    @property
    def record(self) -> Path:
        """Which jobs were sent where, under which ids."""
        return self.directory / "submission.json"

    @property
    def settings(self) -> Path:
        """The launcher's settings."""
        return self.directory / "settings.json"

    @property
    def script(self) -> Path:
        """The batch script as it was sent."""
        return self.directory / "script.sh"


@dataclass(frozen=True)
class SweepPaths:
    """The files of a sweep; ``directory`` is absolute."""

    directory: Path

    @property
    def multirun(self) -> Path:
        """The sweep's own config, as Hydra writes it."""
        return self.directory / MULTIRUN

    @property
    def submissions(self) -> Path:
        """The directory of all submissions."""
        return self.directory / SUBMISSIONS

    def submission(self, number: int) -> SubmissionPaths:
        """Return the files of one submission, from 1."""
        return SubmissionPaths(self.submissions / str(number))

    def job(self, subdir: str) -> JobPaths:
        """Return the files of a job by its place in the sweep (``hydra.sweep.subdir``)."""
        return JobPaths(self.directory / subdir)


def job_paths(directory: str | os.PathLike[str]) -> JobPaths:
    """Return the files of the job in a directory, which need not exist yet."""
    return JobPaths(Path(os.path.abspath(directory)))


def sweep_paths(directory: str | os.PathLike[str]) -> SweepPaths:
    """Return the files of the sweep in a directory, which need not exist yet."""
    return SweepPaths(Path(os.path.abspath(directory)))


def find_jobs(directory: str | os.PathLike[str]) -> list[JobPaths]:
    """Return the job of a job's directory, or all jobs of a sweep's, by their numbers.

    Raises
    ------
    JobError
        If there is no such directory, or no job in it.
    """
    root = os.path.abspath(directory)
    if not os.path.isdir(root):
        raise JobError(f"{directory}: there is no such directory")
    if os.path.isfile(os.path.join(root, JOB)):
        return [JobPaths(Path(root))]
    found: list[str] = []

    def unreadable(error: OSError) -> None:
        raise JobError(f"{error.filename}: {error.strerror}")

    for folder, below, files in os.walk(root, onerror=unreadable):
        if JOB in files:
            found.append(folder)
            below.clear()
        below[:] = [name for name in below if name != SUBMISSIONS and not name.startswith(".")]
    if not found:
        raise JobError(f"{directory}: no job is frozen there: neither it nor a directory below it has {JOB}")
    return [JobPaths(Path(folder)) for _, folder in sorted((_number(folder), folder) for folder in found)]


def _number(folder: str) -> tuple[int, ...]:
    """Return what jobs are sorted by: the number of the default directory's name, or else that in job.yaml."""
    name = os.path.basename(folder)
    if name.isascii() and name.isdigit():
        return (int(name),)
    try:
        with open(os.path.join(folder, JOB), "rb") as file:
            found = _NUMBER.search(file.read(_HEAD))
    except OSError:
        found = None  # whoever reads the job says what is wrong with it
    return (int(found.group(1)),) if found else (2**63,)
