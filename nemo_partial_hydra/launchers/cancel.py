"""Cancel the jobs of a sweep that wait or run: on SLURM by one call of ``scancel``, on this machine by a signal.

May import: the standard library and PyYAML (through ``overview``). A job that waits on this machine is cancelled by
taking its attempt: whoever comes to run it then finds it taken.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from nemo_partial_hydra.atomic import write_atomic
from nemo_partial_hydra.errors import ClusterError, JobError, RefusedError
from nemo_partial_hydra.jobs import claim
from nemo_partial_hydra.jobs import status as states

from .clusters.local import liveness
from .clusters.slurm import commands, queue
from .preflight.report import Ask
from .status import table
from .status.entries import Entry
from .status.look import overview

_ABOUT = re.compile(r"job id (\d+(?:_\S+)?):? *(.*)")


@dataclass
class Cancelled:
    """What came of it.

    Attributes
    ----------
    cancelled : the jobs that were cancelled.
    left : those that were not and go on, each with why.
    over : those that there was nothing to cancel of, each with why.
    """

    cancelled: list[Entry] = field(default_factory=list)
    left: list[tuple[Entry, str]] = field(default_factory=list)
    over: list[tuple[Entry, str]] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """What is said about it."""
        names = [entry.name for entry in self.cancelled]
        ids = table.ids(self.cancelled)
        said = [f"Cancelled {_many(names)}{f' ({ids})' if ids else ''}." if names else "Nothing was cancelled."]
        said += [f"Not cancelled: {entry.name}: {why}" for entry, why in self.left]
        reasons: dict[str, list[str]] = {}
        for entry, why in self.over:
            reasons.setdefault(why, []).append(entry.name)
        said += [f"Left as it is: {_many(found)}: {why}" for why, found in reasons.items()]
        return said


def _many(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"job {shown}" if len(names) == 1 else f"{len(names)} jobs ({shown})"


def cancel(
    directory: str, numbers: Sequence[int] = (), *, subdirs: Sequence[str] | None = None, ask: Ask | None = None
) -> Cancelled:
    """Cancel jobs that wait or run.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    numbers : which of its jobs; none for all.
    subdirs : the same by their places below the sweep's directory.
    ask : runs one of SLURM's commands.

    Raises
    ------
    ClusterError
        If SLURM cannot be told: nothing was cancelled there.
    """
    found = overview(directory, ask or queue.ask_soon, only=numbers)
    done = Cancelled()
    entries: list[Entry] = []
    for entry in found.entries:
        if subdirs is not None and str(entry.paths.directory.relative_to(found.sweep.directory)) not in subdirs:
            continue
        if entry.merged.active:
            entries.append(entry)
        elif entry.state == states.FROZEN:
            done.over.append((entry, "never submitted"))
        else:
            done.over.append((entry, f"{entry.state} already"))
    for entry in entries:
        if not entry.id:
            _here(entry, done)
    _on_slurm([entry for entry in entries if entry.id], done, ask or commands.ask)
    return done


def _on_slurm(entries: Sequence[Entry], done: Cancelled, ask: Ask) -> None:
    if not entries:
        return
    names = queue.folded(entry.id for entry in entries)
    answer = ask(["scancel", *names])
    if answer.code == 127 or answer.no_controller:
        raise ClusterError(
            f"the jobs go on, SLURM could not be told: {answer.complaint}; try again: scancel {' '.join(names)}"
        )
    refused = _refused(answer.err)
    for entry in entries:
        why = refused.get(entry.id) or refused.get(entry.id.partition("_")[0])
        if why is None:
            done.cancelled.append(entry)
            _mark(entry)
        elif "completed" in why or "Invalid job id" in why:
            done.over.append((entry, f"it has ended meanwhile ({why})"))
        else:
            done.left.append((entry, why))


def _refused(text: str) -> dict[str, str]:
    """Read why ``scancel`` did not cancel: ``Kill job error on job id 7_1: Access/permission denied``."""
    found: dict[str, str] = {}
    for match in map(_ABOUT.search, text.splitlines()):
        if match is not None:
            for job in queue.tasks(match.group(1).rstrip(":")):
                found[job] = match.group(2)
    return found


def _mark(entry: Entry) -> None:
    """Write that a job was cancelled which waited: it never runs, and nobody else would."""
    status = states.read_status(entry.paths)
    said = entry.merged.said
    waited = said is not None and said.waits
    if waited and status.state == states.SUBMITTED and claim.holder(entry.paths, status.attempt) is None:
        with contextlib.suppress(JobError):  # SLURM has it on record too
            states.write_status(entry.paths, _over(status))


def _over(status: states.Status) -> states.Status:
    return dataclasses.replace(status, state=states.CANCELLED, ended=states.now(), reason="cancelled before it started")


def _here(entry: Entry, done: Cancelled) -> None:
    """Cancel a job of this machine."""
    if entry.own.state == states.SUBMITTED:
        try:
            claim.take(entry.paths, entry.attempt, claim.myself({}))
        except RefusedError:
            entry = dataclasses.replace(entry, own=states.read_status(entry.paths))  # it has started meanwhile
        else:
            states.write_status(entry.paths, _over(entry.own))
            done.cancelled.append(entry)
            return
    found = liveness.runner(entry.paths, entry.own)
    if found is None or found.alive() is None:
        where = found.host if found is not None else entry.own.host or "an unknown host"
        done.left.append((entry, f"it runs on {where}: cancel it there"))
        return
    try:
        told = _told(entry, found.pid)
    except PermissionError:
        done.left.append((entry, f"process {found.pid} is another user's"))
        return
    if told:
        done.cancelled.append(entry)
    else:
        done.over.append((entry, "its process has ended meanwhile"))


def _told(entry: Entry, pid: int) -> bool:
    """Tell a job to end, having noted for its runner why."""
    with contextlib.suppress(JobError):  # on a full disk the runner takes the signal for what it is
        write_atomic(entry.paths.notice(entry.attempt), states.CANCELLED)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True
