"""Cancel the jobs of a sweep that wait or run, on whichever cluster each is.

May import: the standard library and PyYAML (through ``status.look``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from nemo_partial_hydra.errors import JobError, UsageError
from nemo_partial_hydra.jobs import claim, folders
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import LOCAL
from nemo_partial_hydra.jobs.layout import below

from .clusters.registry import CLUSTERS, Clusters
from .parallel import together
from .selection import Pick
from .status import table
from .status.entries import Entry
from .status.look import overview


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
    directory: str,
    numbers: Sequence[Pick] = (),
    *,
    subdirs: Sequence[str] | None = None,
    clusters: Clusters = CLUSTERS,
) -> Cancelled:
    """Cancel jobs that wait or run.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    numbers : which of its jobs; none for all.
    subdirs : the same by their places below the sweep's directory.
    clusters : where the jobs' clusters are looked up.

    Raises
    ------
    ClusterError
        If a cluster cannot be told: nothing was cancelled there.
    """
    found = overview(directory, clusters, only=numbers)
    found.refuse_problems()
    done = Cancelled()
    wanted = None if subdirs is None else frozenset(subdirs)
    active: dict[str, list[Entry]] = {}
    for entry in found.entries:
        if wanted is not None and below(found.sweep.directory, entry.paths.directory) not in wanted:
            continue
        if entry.merged.active:
            folders.refuse_foreign(entry.paths.root, entry.paths.directory)
            active.setdefault(entry.cluster, []).append(entry)
        elif entry.state == states.FROZEN:
            done.over.append((entry, "never submitted"))
        else:
            done.over.append((entry, f"{entry.state} already"))
    for name in sorted(active, key=lambda name: name != LOCAL):  # what cannot fail first
        entries = [entry for entry in active[name] if not _foreign(entry, clusters, done)]
        refusals = clusters.named(name).cancel([entry.subject for entry in entries]) if entries else []
        told = [entry for entry, refusal in zip(entries, refusals, strict=True) if refusal is None]
        done.cancelled += told
        together(_mark, told)
        for entry, refusal in zip(entries, refusals, strict=True):
            if refusal is not None:
                (done.over if refusal.over else done.left).append((entry, refusal.why))
    return done


def _foreign(entry: Entry, clusters: Clusters, done: Cancelled) -> bool:
    """Whether a job's id in a queue stands in a record of somebody else; then it is left, and that is said."""
    if not entry.id or entry.subject.origin.mine:
        return False
    why = f"the record that names its id is not known to be yours ({entry.subject.origin.why})"
    with contextlib.suppress(UsageError):  # a cluster that is not known here
        why += f"; if it is: {clusters.named(entry.cluster).programs[1]} {entry.id}"
    done.left.append((entry, why))
    return True


def _mark(entry: Entry) -> None:
    """Write that a job was cancelled which waited: it never runs, and nobody else would."""
    status = states.read_to_write(entry.paths)
    record = entry.merged.record
    waited = record is not None and record.waits
    if waited and status.state == states.SUBMITTED and claim.holder(entry.paths, status.attempt) is None:
        with contextlib.suppress(JobError):  # the cluster has it on record too
            states.write_status(entry.paths, states.cancelled(status))
