"""Which process runs an attempt of a job: exactly one, on whatever node, and again after the cluster requeued it.

May import: the standard library only. A claim is a file that is made once (see ``files.write_once``) and never removed.
A dead attempt's claim does no harm: a retry is a new attempt, and the same job of the cluster, started again, takes
over from itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from nemo_partial_hydra.errors import JobError, RefusedError

from . import files, folders, seal
from .job_id import JobId, this_task
from .layout import JobPaths
from .seal import Origin
from .status import last_attempt, now

JOIN_SECONDS = 120.0  # longer than NFS keeps a directory's old listing
_MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Holder:
    """Who runs an attempt: a process on a host.

    Attributes
    ----------
    host, pid, birth : the process, and what tells it from another one of the same number.
    slurm : the record of the cluster's job that it is a task of, or None; files of format 1 call it so.
    restart : how often the cluster has started that job again.
    since : when it took the attempt.
    origin : whether the claim is known to be this user's own word: only then may the process be told anything.
    """

    host: str
    pid: int
    slurm: Mapping[str, Any] | None = None
    restart: int = 0
    since: str = ""
    birth: str = ""
    origin: Origin = field(default=Origin("no claim"), compare=False)

    def spell(self) -> str:
        """Spell it for a message."""
        found = self.job_id
        return f"process {self.pid} on {self.host}" if found is None else f"{found.title} job {found} on {self.host}"

    @property
    def job_id(self) -> JobId | None:
        """The cluster's job that the process is a task of."""
        return JobId.of(self.slurm)

    def alive(self) -> bool | None:
        """Whether the process still exists; None where that cannot be known from here."""
        if self.host != os.uname().nodename or not self.birth:
            return None
        return _birth(self.pid) == self.birth


def myself(environment: Mapping[str, str]) -> Holder:
    """Return this process as the holder of a claim."""
    pid, task = os.getpid(), this_task(environment)
    record = task.id.record() if task.id is not None else None
    return Holder(os.uname().nodename, pid, record, task.restarts, now(), _birth(pid) or "unknown")


def _birth(pid: int) -> str | None:
    """Return what tells a process from another one of the same number; None if there is no such process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else f"{boot}/{fields[19]}"
    except (OSError, IndexError):
        return None


def holder(paths: JobPaths, attempt: int) -> Holder | None:
    """Return who holds an attempt, the last one if it was requeued; None if nobody has claimed it."""
    last: Path | None = None
    with contextlib.suppress(OSError):
        first = paths.claim(attempt)
        numbered = [(_restart_of(name), first.with_name(name)) for name in folders.names(paths.root, first.parent)]
        found = sorted((number, path) for number, path in numbered if number is not None)
        last = found[-1][1] if found else None
    if last is None:
        return None
    try:
        text, owner = files.read_owned(paths.root, last, _MAX_BYTES)
        data = json.loads(text.decode("utf-8"))
        known = {name: data[name] for name in _KINDS if name in data}
        if not all(type(value) in _KINDS[name] for name, value in known.items()):
            raise TypeError(last)
        place, tail, key_at = _seal_of(paths, last, attempt)
        origin = seal.judged(data, seal.CLAIM, f"{place}/{tail}", key_at, root=paths.root, path=last, owner=owner)
        return Holder(**known, origin=origin)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        # A claim all the same: without it two processes might run.
        return Holder("an unknown host", 0, origin=Origin("it cannot be read"))


def _seal_of(paths: JobPaths, file: Path, attempt: int) -> tuple[str, str, seal.KeyAt]:
    """Return the place of a job, a claim's path below it, and what gives the claim's key."""
    tail = os.fspath(file)[len(os.fspath(paths.directory)) + 1 :]
    return paths.sealed_by.place, tail, paths.sealed_by.key_at(tail, attempt)


_KINDS: dict[str, tuple[type, ...]] = {
    "host": (str,), "pid": (int,), "slurm": (dict, type(None)), "restart": (int,), "since": (str,), "birth": (str,),
}  # fmt: skip


def _restart_of(name: str) -> int | None:
    if name == "claim":
        return 0
    head, dot, number = name.partition(".")
    return int(number) if head == "claim" and dot and number.isascii() and number.isdigit() else None


def take(paths: JobPaths, attempt: int, me: Holder) -> None:
    """Claim an attempt for this process.

    Raises
    ------
    RefusedError
        If another process has claimed it, or a later attempt was sent since.
    JobError
        If the claim cannot be written.
    """
    last = last_attempt(paths)
    if last > attempt:  # the cluster has started an old job again: by hand, or since its site has it so
        raise RefusedError(
            f"{paths.directory}: attempt {attempt} does not run again: attempt {last} was sent since; see "
            f"nemo-hydra status {quote(str(paths.directory))}"
        )
    try:
        folders.make(paths.root, paths.attempt(attempt))
        if _write(paths, attempt, 0, me):
            return
        now_holds = _seen(paths, attempt)
        mine = now_holds is not None and me.slurm is not None and now_holds.slurm == me.slurm
        if mine and now_holds is not None and now_holds.restart < me.restart:
            if _write(paths, attempt, me.restart, me):
                return
            now_holds = holder(paths, attempt)
    except OSError as error:
        raise JobError(f"{paths.claim(attempt)}: cannot be written: {error.strerror or error}") from error
    who = "another process" if now_holds is None else now_holds.spell()
    raise RefusedError(
        f"{paths.directory}: attempt {attempt} is or was run by {who}; if that one is dead, try again with "
        f"nemo-hydra retry {quote(str(paths.directory))}"
    )


def _seen(paths: JobPaths, attempt: int, seconds: float = JOIN_SECONDS) -> Holder | None:
    """Return who holds an attempt that somebody has claimed, as the file's making has told.

    Over NFS this host may list the directory as it was before: until it sees the claim it does not know whether that is
    this very job, before the cluster started it again.
    """
    end = time.monotonic() + seconds
    while True:
        found = holder(paths, attempt)
        if found is not None or time.monotonic() > end:
            return found
        time.sleep(0.2)


def wait_for(paths: JobPaths, attempt: int, me: Holder, seconds: float = JOIN_SECONDS) -> None:
    """Wait until the first task of this process's job has claimed an attempt.

    Raises
    ------
    RefusedError
        If it has not within the time: it was refused, or died.
    """
    end = time.monotonic() + seconds
    while True:
        found = holder(paths, attempt)
        if found is not None and found.slurm == me.slurm and found.restart == me.restart:
            return
        if time.monotonic() > end:
            raise RefusedError(f"{paths.directory}: the first task of this job has not claimed attempt {attempt}")
        time.sleep(0.2)


def _write(paths: JobPaths, attempt: int, restart: int, me: Holder) -> bool:
    """Write a claim, sealed where this process has the key of the attempt; return whether nobody had before."""
    file = paths.claim(attempt, restart)
    place, tail, key_at = _seal_of(paths, file, attempt)
    data = {name: getattr(me, name) for name in _KINDS}
    made = seal.sealed(data, seal.CLAIM, f"{place}/{tail}", key_at(f"{place}/{tail}"))
    return files.write_once(paths.root, file, json.dumps(made).encode())
