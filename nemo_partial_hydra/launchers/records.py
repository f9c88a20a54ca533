"""What a submission leaves in the sweep's directory: its settings, and which job became which task.

May import: the standard library only. Both are sealed (see ``jobs.seal``): ids are cancelled, and settings used again,
only of what this user wrote in this place. What a submission pins is in it as digests, which need no key to be checked.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from nemo_partial_hydra.errors import JobError, RefusedError
from nemo_partial_hydra.jobs import files, folders, seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths, SweepPaths, below
from nemo_partial_hydra.jobs.seal import MINE, Origin

from .settings import Settings, from_record

FORMAT = 1
Batch = tuple[str, int]
"""An array's token, and how many jobs are in it."""


@dataclass(frozen=True)
class SentJob:
    """One job of a submission.

    Attributes
    ----------
    subdir : its place below the sweep's directory.
    attempt : which attempt was sent, from 1.
    id : what the cluster calls it; None while it is being sent.
    digest : that of its job.yaml as it was checked; None in records of older versions.
    """

    subdir: str
    attempt: int
    id: JobId | None = None
    digest: str | None = None

    @property
    def spelled(self) -> str:
        """The id as it is shown; an empty text on this machine."""
        return str(self.id or "")

    def on(self, cluster_name: str) -> SentJob:
        """Return the same with the name of the cluster that has it."""
        if self.id is None:
            return self
        return dataclasses.replace(self, id=dataclasses.replace(self.id, cluster_name=cluster_name))


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
    settings : the digest of its settings; None in records of older versions.
    cluster_name : the cluster that it was sent to, by that cluster's own name; None where there is none, and in records
        of older versions.
    batches : the token of each array and how many of the jobs are in it, in their order; written before the cluster
        hears of any, so that an array whose id nobody has written down is found by it. None where there are no tokens.
    environment : the variables of the shell that added to what the settings ask for, and the option of each.
    tasks : how many processes each of its jobs has; 1 in records of older versions.
    claiming : whether its jobs are still being claimed for it: it says nothing about them yet.
    written : when whoever sends it last wrote it down; None in records of older versions.
    origin : whether the record is known to be this user's own word.
    left : why not all jobs were sent that were to be; not in the record, which has those that were.
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
    settings: str | None = None
    cluster_name: str | None = None
    batches: Sequence[Batch] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tasks: int = 1
    claiming: bool = False
    written: str | None = field(default=None, compare=False)
    origin: Origin = field(default=MINE, compare=False)
    left: str = field(default="", compare=False)

    @property
    def arrays(self) -> list[str]:
        """The ids of the arrays and single jobs in the cluster's queue, in their order."""
        return list(dict.fromkeys(job.id.job for job in self.jobs if job.id and job.id.pid is None))

    @property
    def unsettled(self) -> bool:
        """Whether it has not come to its end: jobs are being claimed, or an array was sent whose id is not known."""
        return self.claiming or (bool(self.batches) and any(job.id is None for job in self.jobs))


def write_submission(paths: SubmissionPaths, submission: Submission) -> None:
    """Write submission.json.

    Raises
    ------
    JobError
        If it cannot be written; also where it could not be read again, which is said before a job is claimed for it.
    """
    jobs = [{**vars(job), "id": job.id.record() if job.id else None} for job in submission.jobs]
    data = {name: value for name, value in vars(submission).items() if name not in ("origin", "left")}
    data["written"] = states.now()
    most = files.MAX_BYTES // 2 if submission.claiming else files.MAX_BYTES  # ids will come to it
    _write(paths.root, paths.record, seal.SUBMISSION, {"format": FORMAT, **data, "jobs": jobs}, most)


def read_submission(paths: SubmissionPaths) -> Submission:
    """Read submission.json; ``origin`` says whether it may be acted on.

    Raises
    ------
    JobError
        If there is none, or it is damaged.
    """
    data, origin = _read(paths.root, paths.record, seal.SUBMISSION)
    try:
        jobs = tuple(map(_sent_job, data["jobs"]))
        known = {name: data[name] for name in _KINDS if name in data}
        for name, value in known.items():
            _expect(name, value, _KINDS[name])
        cluster = known.get("cluster_name")
        if cluster is not None:
            if not _CLUSTER_NAME.fullmatch(cluster):
                raise ValueError(f"cluster_name cannot be {cluster!r}")
            jobs = tuple(job.on(cluster) for job in jobs)
        known["batches"] = tuple(map(_batch, data.get("batches") or ()))
        return Submission(**{**known, "number": int(paths.directory.name)}, jobs=jobs, origin=origin)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JobError(f"{paths.record}: the file is damaged: {error}") from None


_TEXT, _NUMBER = (str, type(None)), (int, type(None))
_KINDS: Mapping[str, tuple[type, ...]] = {
    "cluster": (str,), "name": (str,), "created": (str,), "user": (str,), "host": (str,), "after": _TEXT,
    "directory": _TEXT, "folder": _TEXT, "pid": _NUMBER, "settings": _TEXT, "cluster_name": _TEXT, "claiming": (bool,),
    "written": _TEXT,
    "environment": (dict,), "tasks": (int,),
}  # fmt: skip
# Both become arguments of the cluster's commands.
_CLUSTER_NAME = re.compile(r"\w[\w.,-]{0,199}", re.ASCII)
TOKEN = re.compile(r"nph-[0-9a-f]{16}")


def new_token() -> str:
    """Return a token that no other array has."""
    return f"nph-{os.urandom(8).hex()}"


def _batch(data: Any) -> Batch:
    token, count = data
    if not (isinstance(token, str) and TOKEN.fullmatch(token) and type(count) is int and count > 0):
        raise ValueError(f"batches cannot have {data!r}")
    return token, count


def _sent_job(data: Mapping[str, Any]) -> SentJob:
    for name, kinds in (("subdir", (str,)), ("attempt", (int,))):
        _expect(f"jobs.{name}", data[name], kinds)
    _expect("jobs.digest", data.get("digest"), _TEXT)
    return SentJob(data["subdir"], data["attempt"], JobId.of(data.get("id")), data.get("digest"))


def _expect(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if type(value) not in kinds:
        raise TypeError(f"{name} cannot be {value!r}")


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


def write_settings(paths: SubmissionPaths, settings: Settings) -> str:
    """Write settings.json, without the value of any secret; return the digest of what it says."""
    data = json.loads(json.dumps(settings.record()))  # as they are read
    _write(paths.root, paths.settings, seal.SETTINGS, data)
    return seal.content_digest(data)


def read_settings(paths: SubmissionPaths, digest: str | None = None) -> Settings:
    """Read settings.json.

    Parameters
    ----------
    digest : that of the settings that are wanted: what is to run was sent with them. None takes whatever is there.

    Raises
    ------
    JobError
        If there is none, or it is damaged.
    RefusedError
        If it says something else than what was submitted.
    """
    data, _ = _read(paths.root, paths.settings, seal.SETTINGS)
    found = seal.content_digest(data)
    if digest is not None and found != digest:
        raise RefusedError(
            f"{paths.settings}: are other settings than those that were submitted: their digest is {found}, that of "
            f"those which were sent {digest}; send the jobs again: nemo-hydra retry {quote(str(paths.root))}"
        )
    return _settings(paths, data)


def own_settings(paths: SubmissionPaths) -> tuple[Settings | None, str]:
    """Read settings.json for another submission, if this user wrote it here; else None, and why not.

    Settings decide what runs on this host: ``setup`` lines, the executable, what recipes may name.
    """
    try:
        data, origin = _read(paths.root, paths.settings, seal.SETTINGS)
        return (_settings(paths, data), "") if origin.mine else (None, f"{paths.settings}: {origin.why}")
    except JobError as error:
        return None, str(error)


def _settings(paths: SubmissionPaths, data: Mapping[str, Any]) -> Settings:
    try:
        return from_record(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise JobError(f"{paths.settings}: the file is damaged: {error}") from None


def subdir_of(sweep: SweepPaths, job: JobPaths) -> str:
    """Return a job's place below the sweep's directory."""
    found = below(sweep.directory, job.directory)
    if found is None:
        raise JobError(f"{job.directory}: lies outside the sweep {sweep.directory}")
    return found


def sweep_of(submission: SubmissionPaths) -> Path:
    """Return the directory of the sweep that a submission belongs to."""
    return submission.directory.parent.parent


def _write(root: Path, path: Path, kind: str, data: Mapping[str, Any], most: int = files.MAX_BYTES) -> None:
    made = _text(seal.sealed(data, kind, seal.place_of(root, path), seal.user_key())).encode()
    if len(made) > most:
        raise JobError(
            f"{path}: a submission of so many jobs has too large a record ({len(made):,} bytes, at most {most:,}); "
            f"submit some of them at a time: nemo-hydra submit {quote(str(root))} 0-99999"
        )
    files.write(root, path, made)


def _text(data: Mapping[str, Any]) -> str:
    """Write a record as JSON: a line for each field, and for each job. Python's own indenting is ten times slower."""

    def spelled(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n  " + ",\n  ".join(map(_PLAIN.encode, value)) + "\n ]"
        return _PLAIN.encode(value)

    return "{\n" + ",\n".join(f" {_PLAIN.encode(name)}: {spelled(value)}" for name, value in data.items()) + "\n}\n"


_PLAIN = json.JSONEncoder(ensure_ascii=False)


def _read(root: Path, path: Path, kind: str) -> tuple[dict[str, Any], Origin]:
    try:
        text, owner = files.read_owned(root, path)
        data = json.loads(text.decode("utf-8"))
    except FileNotFoundError:
        raise JobError(f"{path}: there is no such file") from None
    except OSError as error:
        raise JobError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise JobError(f"{path}: the file is damaged: {error}") from None
    if not isinstance(data, dict):
        raise JobError(f"{path}: the file is damaged: it is no JSON object")
    place = seal.place_of(root, path)
    origin = seal.judged(data, kind, place, lambda there: seal.user_key(), root=root, path=path, owner=owner)
    return data, origin
