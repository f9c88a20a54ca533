"""status.json: how a job goes or went, written by whoever knows: the launcher, the job itself, ``nemo-hydra``.

May import: the standard library only. A reader takes what it understands: a file of a newer version, or a damaged one,
is no reason to fail a listing of a thousand jobs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import files, folders, seal
from .job_id import JobId
from .layout import STATUS, JobPaths
from .seal import MINE, Origin

FORMAT = 1
MAX_BYTES = 1 << 20
FROZEN, SUBMITTED, RUNNING = "frozen", "submitted", "running"
DONE, FAILED, CANCELLED, TIMEOUT, LOST = "done", "failed", "cancelled", "timeout", "lost"
UNKNOWN = "unknown"
"""Of a job that left the queue without a word of its own, where nobody keeps accounts: it may be done, or dead."""
STATES = (FROZEN, SUBMITTED, RUNNING, DONE, FAILED, CANCELLED, TIMEOUT, LOST, UNKNOWN)
RETRIED = (FAILED, CANCELLED, TIMEOUT, LOST)
"""The states from which a job may be tried again."""


@dataclass(frozen=True)
class Status:
    """How a job goes or went.

    Attributes
    ----------
    state : one of ``STATES``.
    attempt : the attempt that it speaks of, from 1.
    submitted, started, ended : times, ISO 8601 UTC.
    host, pid : where it runs or ran.
    slurm : the record of the cluster's id of it, ``{"job": "123", "task": 0}``, or None; files of format 1 call it so.
    exit_code : that of the process that ran the recipe.
    error : ``{"type", "message", "where"}``, or None.
    requeues : how often the cluster has started this attempt again.
    reason : why it is in this state, for people.
    """

    state: str = FROZEN
    attempt: int = 1
    submitted: str | None = None
    started: str | None = None
    ended: str | None = None
    host: str | None = None
    pid: int | None = None
    slurm: Mapping[str, Any] | None = None
    exit_code: int | None = None
    error: Mapping[str, Any] | None = None
    requeues: int = 0
    reason: str | None = None

    @property
    def job_id(self) -> JobId | None:
        """What the cluster calls it."""
        return JobId.of(self.slurm)

    @property
    def task(self) -> int:
        """Which of the job's processes failed, as far as that is known: its log has more."""
        number = (self.error or {}).get("task")
        return number if isinstance(number, int) and number > 0 else 0

    @property
    def why(self) -> str:
        """Why it is in its state, in the words of the error if there is one; empty where there is nothing to say."""
        if not self.error:
            return self.reason or ""
        which = f" (task {self.task})" if self.task else ""
        return ": ".join(filter(None, (self.error.get("type"), self.error.get("message")))) + which

    def sent_as(self, job_id: JobId | None) -> Status:
        """Return the same with the cluster's id."""
        return dataclasses.replace(self, slurm=None if job_id is None else job_id.record())


def now() -> str:
    """Return the time as it is written into files: ISO 8601, UTC, to the millisecond."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cancelled(status: Status) -> Status:
    """Return the status of a job that was cancelled before it started."""
    return dataclasses.replace(status, state=CANCELLED, ended=now(), reason="cancelled before it started")


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return the seconds between two written times; None if one of them is not known or no time."""
    if start is None or end is None:
        return None
    try:
        first, last = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end))
        return (last - first).total_seconds()
    except (ValueError, TypeError):
        return None


def read_status(paths: JobPaths) -> Status:
    """Read how a job goes; a job without status.json is frozen, one whose file cannot be understood is lost."""
    return _read(paths)[0]


def read_record(paths: JobPaths, judge: Callable[[Status], bool] = lambda status: True) -> tuple[Status, Origin]:
    """Read how a job goes, and whether this user wrote so; of a job without status.json nobody wrote anything.

    ``judge`` says of which statuses that is wanted: it is a third of the work. The origin of others is unknown.
    """
    status, data, owner, file = _read(paths)
    if data is None:
        return status, MINE if owner is None else Origin(str(status.reason))
    if not judge(status):
        return status, _UNKNOWN
    seals = paths.sealed_by
    key_at = seals.key_at(STATUS, data.get("attempt"))
    whose = -1 if owner is None else owner
    return status, seal.judged(
        data, seal.STATUS, f"{seals.place}/{STATUS}", key_at, root=paths.root, path=file, owner=whose
    )


_UNKNOWN = Origin("it was not asked whose word it is")


def read_to_write(paths: JobPaths) -> Status:
    """Read how a job goes, to write it again with more: of a record of somebody else only what cannot mislead.

    Else that would be sealed as this user's own word. A process without a key seals nothing, and keeps all.
    """
    status, origin = read_record(paths)
    if origin.mine or paths.sealed_by.key_of(status.attempt) is None:
        return status
    return Status(status.state, status.attempt, status.submitted, status.started, requeues=status.requeues)


def _read(paths: JobPaths) -> tuple[Status, dict[str, Any] | None, int | None, Path]:
    """Return a status, what its file says where that is an object, whose it is (None where there is none), and it."""
    why, attempt, file = "", True, paths.status
    try:
        text, owner = files.read_owned(paths.root, file, MAX_BYTES)
        data = json.loads(text.decode("utf-8"))
        why = "" if isinstance(data, dict) else "is damaged: it is no JSON object"
    except FileNotFoundError:
        return Status(), None, None, file
    except OSError as error:
        why, attempt = f"cannot be read: {error.strerror or error}", False
    except (ValueError, RecursionError):
        why = "is damaged or half-written"
    if why:
        number = last_attempt(paths) if attempt else 1
        return Status(LOST, number, reason=f"{file.name} {why}"), None, -1, file
    known = {
        name: value
        for name, value in data.items()
        if name in _KINDS and isinstance(value, _KINDS[name]) and not isinstance(value, bool)
    }
    if "error" in known:
        known["error"] = error_of(known["error"])
    status = Status(**known)
    if data.get("state") not in STATES:
        reason = f"the state {data.get('state')!r} is not known here"
        status = dataclasses.replace(status, state=LOST, reason=reason)
    return status, data, owner, file


def error_of(data: Any) -> Mapping[str, Any] | None:
    """Return what a record says of an error, if it is what ``outcome.error_record`` writes; None otherwise."""
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in ("type", "message")):
        return None
    where = data.get("where")
    return {**data, "where": list(map(str, where)) if isinstance(where, list) else []}


_TEXT, _NUMBER, _OBJECT = (str, type(None)), (int, type(None)), (dict, type(None))
_KINDS: dict[str, Any] = {
    "state": str,
    "attempt": int,
    "submitted": _TEXT,
    "started": _TEXT,
    "ended": _TEXT,
    "host": _TEXT,
    "pid": _NUMBER,
    "slurm": _OBJECT,
    "exit_code": _NUMBER,
    "error": _OBJECT,
    "requeues": int,
    "reason": _TEXT,
}


def last_attempt(paths: JobPaths) -> int:
    """Return the number of the last attempt that has a directory; 1 if none has."""
    with contextlib.suppress(OSError):
        names = folders.names(paths.root, paths.attempt(1).parent)
        return max((int(name) for name in names if name.isascii() and name.isdigit()), default=1)
    return 1


def write_status(paths: JobPaths, status: Status, *, durable: bool = True) -> bool:
    """Write how a job goes; what an older attempt still has to say does not replace the word of a newer one.

    Parameters
    ----------
    durable : as for :func:`.files.write`.

    Returns
    -------
    Whether it was written.

    Raises
    ------
    JobError
        If it cannot be written; the old file stays whole.
    """
    if read_status(paths).attempt > status.attempt:
        return False
    files.write(paths.root, paths.status, encode(status, paths), durable=durable)
    return True


def encode(status: Status, paths: JobPaths | None = None) -> str:
    """Write a status as the text of a job's status.json, sealed where this process has the key of the attempt."""
    data: dict[str, Any] = {"format": FORMAT, **vars(status)}
    if paths is not None:
        seals = paths.sealed_by
        data = seal.sealed(data, seal.STATUS, f"{seals.place}/{STATUS}", seals.key_of(status.attempt))
    return json.dumps(data, indent=1) + "\n"
