"""What a submission leaves in the sweep's directory: its settings, and which job became which task.

May import: the standard library only.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.jobs import files, folders
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths, SweepPaths

from .settings import Settings, from_record

FORMAT = 1


@dataclass(frozen=True)
class SentJob:
    """One job of a submission.

    Attributes
    ----------
    subdir : its place below the sweep's directory.
    attempt : which attempt was sent, from 1.
    id : what the cluster calls it; None while it is being sent.
    """

    subdir: str
    attempt: int
    id: JobId | None = None

    @property
    def spelled(self) -> str:
        """The id as it is shown; an empty text on this machine."""
        return str(self.id or "")


@dataclass(frozen=True)
class Submission:
    """One submission of a sweep, or of some of its jobs.

    Attributes
    ----------
    number : from 1; its directory has this name.
    cluster : the cluster's name.
    name : the array's name.
    created, user, host : when, by whom and from where.
    jobs : what was sent.
    after : the dependency, as it was sent.
    directory, folder : where the sweep, and submitit's files of it, were then; the sweep may have been moved since.
    pid : the process that submitted it, and on this machine runs it.
    """

    number: int
    cluster: str
    name: str
    created: str
    user: str
    host: str
    jobs: Sequence[SentJob] = ()
    after: str | None = None
    directory: str | None = None
    folder: str | None = None
    pid: int | None = None

    @property
    def arrays(self) -> list[str]:
        """The ids of the arrays and single jobs in the cluster's queue, in their order."""
        return list(dict.fromkeys(job.id.job for job in self.jobs if job.id and job.id.pid is None))


def write_submission(paths: SubmissionPaths, submission: Submission) -> None:
    """Write submission.json."""
    jobs = [{**vars(job), "id": job.id.record() if job.id else None} for job in submission.jobs]
    data = {"format": FORMAT, **vars(submission), "jobs": jobs}
    files.write(paths.root, paths.record, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_submission(paths: SubmissionPaths) -> Submission:
    """Read submission.json.

    Raises
    ------
    JobError
        If there is none, or it is damaged.
    """
    data = _read(paths.root, paths.record)
    known = {each.name for each in dataclasses.fields(Submission)}
    try:
        jobs = tuple(SentJob(job["subdir"], job["attempt"], JobId.of(job.get("id"))) for job in data["jobs"])
        return Submission(**{key: value for key, value in data.items() if key in known and key != "jobs"}, jobs=jobs)
    except (KeyError, TypeError) as error:
        raise JobError(f"{paths.record}: the file is damaged: {error}") from None


def submissions(sweep: SweepPaths, problems: list[str] | None = None) -> list[Submission]:
    """Return a sweep's submissions in their order; one that was cut off before its record was written is left out.

    Parameters
    ----------
    problems : gets what is wrong with those that cannot be read, instead of an error.

    Raises
    ------
    JobError
        If one cannot be read.
    """
    found = []
    try:
        for number in numbers(sweep):
            paths = sweep.submission(number)
            try:
                if _recorded(paths):
                    found.append(read_submission(paths))
            except JobError as error:
                if problems is None:
                    raise
                problems.append(str(error))
    except OSError as error:
        text = f"{sweep.submissions}: cannot be read: {error.strerror or error}"
        if problems is None:
            raise JobError(text) from None
        problems.append(text)
    return found


def _recorded(paths: SubmissionPaths) -> bool:
    try:
        return files.has(paths.root, paths.record)
    except OSError as error:
        raise JobError(f"{paths.record}: cannot be read: {error.strerror or error}") from None


def numbers(sweep: SweepPaths) -> list[int]:
    """Return the numbers of the submissions that a sweep has directories of, in their order."""
    names = folders.names(sweep.directory, sweep.submissions)
    return sorted(int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 10)


def write_settings(paths: SubmissionPaths, settings: Settings) -> None:
    """Write settings.json, without the value of any secret."""
    files.write(paths.root, paths.settings, json.dumps(settings.record(), indent=1, ensure_ascii=False) + "\n")


def read_settings(paths: SubmissionPaths) -> Settings:
    """Read settings.json.

    Raises
    ------
    JobError
        If there is none, or it is damaged.
    """
    try:
        return from_record(_read(paths.root, paths.settings))
    except (KeyError, TypeError, AttributeError) as error:
        raise JobError(f"{paths.settings}: the file is damaged: {error}") from None


def subdir_of(sweep: SweepPaths, job: JobPaths) -> str:
    """Return a job's place below the sweep's directory."""
    try:
        return str(job.directory.relative_to(sweep.directory))
    except ValueError:
        raise JobError(f"{job.directory}: lies outside the sweep {sweep.directory}") from None


def sweep_of(submission: SubmissionPaths) -> Path:
    """Return the directory of the sweep that a submission belongs to."""
    return submission.directory.parent.parent


def _read(root: Path, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(files.read_text(root, path))
    except FileNotFoundError:
        raise JobError(f"{path}: there is no such file") from None
    except OSError as error:
        raise JobError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise JobError(f"{path}: the file is damaged: {error}") from None
    if not isinstance(data, dict):
        raise JobError(f"{path}: the file is damaged: it is no JSON object")
    return data
