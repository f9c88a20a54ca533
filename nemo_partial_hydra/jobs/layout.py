"""The files of a job store: what each is called, which jobs a directory has, and how a file is written.

May import: the standard library only. No other module spells a file name, and ``files`` opens them, below ``root``::

    DIR/multirun.yaml
    DIR/<job>/{job.yaml,job.yaml.sig,status.json,result.json}
    DIR/<job>/attempts/<n>/{out.log,err.log,claim,notice}
    DIR/submissions/<n>/{submission.json,settings.json,script.sh}
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from nemo_partial_hydra.errors import JobError

from . import files, folders
from .seal import Seals, place_of

JOB, STATUS, RESULT = "job.yaml", "status.json", "result.json"
ATTEMPTS, SUBMISSIONS, MULTIRUN = "attempts", "submissions", "multirun.yaml"
_NUMBER = re.compile(rb"^num: (\d+)$", re.MULTILINE)
_STEP = re.compile(rb"^step:\n(?:  .*\n)*?  number: (\d+)$", re.MULTILINE)
_HEAD = 4096  # bytes of job.yaml in which its number stands
_DEPTH = 32  # so many directories below a sweep's jobs are looked for
_LONG = 19  # digits that are no number of a job


@dataclass(frozen=True)
class JobPaths:
    """The files of one job; ``directory`` is absolute and the working directory of what runs.

    ``sweep`` is the directory that it was found below, if it was not named itself: from there on no link is followed.
    ``seals`` is what seals its records, where a process is told that; see ``sealed_by``.
    """

    directory: Path
    sweep: Path | None = field(default=None, compare=False)
    seals: Seals | None = field(default=None, compare=False, repr=False)

    @property
    def root(self) -> Path:
        """The directory that the user named; see ``files``."""
        return self.sweep or self.directory

    @property
    def sealed_by(self) -> Seals:
        """What seals its records, and tells whether they are this user's: by default the user's own key."""
        return self.seals or Seals(place_of(self.root, self.directory))

    @property
    def job(self) -> Path:
        """What runs; it never changes."""
        return self.directory / JOB

    @property
    def signature(self) -> Path:
        """Who has signed it."""
        return self.directory / f"{JOB}.sig"

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

    def out(self, attempt: int, task: int = 0) -> Path:
        """Return the file of the standard output of an attempt, or of one of its tasks."""
        return self.attempt(attempt) / (f"out.{task}.log" if task else "out.log")

    def err(self, attempt: int, task: int = 0) -> Path:
        """Return the file of the standard error of an attempt, or of one of its tasks."""
        return self.attempt(attempt) / (f"err.{task}.log" if task else "err.log")

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
    def root(self) -> Path:
        """The directory of the sweep."""
        return self.directory.parent.parent

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
        return JobPaths(self.directory / subdir, self.directory)


def job_paths(directory: str | os.PathLike[str], sweep: str | os.PathLike[str] | None = None) -> JobPaths:
    """Return the files of the job in a directory, which need not exist yet."""
    return JobPaths(Path(os.path.abspath(directory)), None if sweep is None else Path(os.path.abspath(sweep)))


def sweep_paths(directory: str | os.PathLike[str]) -> SweepPaths:
    """Return the files of the sweep in a directory, which need not exist yet."""
    return SweepPaths(Path(os.path.abspath(directory)))


def below(directory: Path, path: Path) -> str | None:
    """Return the place of a path below a directory, ``.`` for that itself; None if it is outside.

    Both are absolute and in their shortest form, so that texts are compared: of ten thousand jobs it is asked again and
    again.
    """
    top, full = os.fspath(directory), os.fspath(path)
    if full == top:
        return "."
    return full[len(top) :].lstrip("/") if full.startswith(top.rstrip("/") + "/") else None


def find_jobs(directory: str | os.PathLike[str]) -> list[JobPaths]:
    """Return the job of a job's directory, or all jobs of a sweep's, by their numbers.

    What stands where a job should and is none is among them: a link out of the sweep, a directory that cannot be read.
    Whoever reads it says so; left out it would be missed by nobody. A link to a job of the same sweep is no other job.

    Raises
    ------
    JobError
        If there is no such directory, or no job in it.
    """
    root = Path(os.path.abspath(directory))
    if not root.is_dir():
        raise JobError(f"{directory}: there is no such directory")
    try:
        if files.has(root, root / JOB):
            return [JobPaths(root)]
        found = _Search(root).found()
    except OSError as error:
        raise JobError(f"{error.filename or directory}: {error.strerror}") from None
    if not found:
        raise JobError(f"{directory}: no job is frozen there: neither it nor a directory below it has {JOB}")
    jobs = [JobPaths(folder, root) for folder in found]
    return sorted(jobs, key=lambda job: (_number(job), job.directory))


class _Search:
    """Looks for the jobs below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs: list[Path] = []
        self.links: list[Path] = []

    def found(self) -> list[Path]:
        """Return the directories."""
        below = [self.root]
        for _ in range(_DEPTH):
            below = [each for folder in below for each in self._folders(folder)]
        known = {folders.identity(job) for job in self.jobs} - {None} if self.links else set()
        return [*self.jobs, *(link for link in self.links if folders.identity(link) not in known)]

    def _folders(self, folder: Path) -> list[Path]:
        """Look at a directory that is no job; return those in it that are none either."""
        try:
            entries = folders.entries(self.root, folder)
        except OSError:
            if folder == self.root:
                raise
            self.jobs.append(folder)
            return []
        entries = [each for each in entries if each.name != SUBMISSIONS and not each.name.startswith(".")]
        jobs = folders.having(self.root, folder, [name for name, kind in entries if kind == stat.S_IFDIR], JOB)
        below: list[Path] = []
        for name, kind in entries:
            path = folder / name
            if kind == stat.S_IFDIR:
                (self.jobs if name in jobs else below).append(path)
            elif (_digits(name) and kind != stat.S_IFREG) or (kind == stat.S_IFLNK and folders.identity(path / JOB)):
                self.links.append(path)
        return below


def _digits(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _number(job: JobPaths) -> tuple[int, int]:
    """Return what jobs are sorted by: the number of the default directory's name, or else what job.yaml says."""
    name = job.directory.name
    if _digits(name):
        return (int(name) if len(name) < _LONG else 2**63), 0
    try:
        with files.open_read(job.root, job.job) as file:
            head = file.read(_HEAD)
    except OSError:
        return 2**63, 0  # whoever reads the job says what is wrong with it
    return _found(_NUMBER, head, 2**63), _found(_STEP, head, 0)


def _found(pattern: re.Pattern[bytes], head: bytes, otherwise: int) -> int:
    found = pattern.search(head)
    return int(found.group(1)) if found and len(found.group(1)) < _LONG else otherwise
