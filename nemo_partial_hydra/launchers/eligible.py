"""Which jobs may be tried again: never one that may still run, for all that is known.

May import: the standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nemo_partial_hydra.errors import ClusterError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.messages import one_of, say

from .clusters.registry import Clusters
from .needs import needs_of
from .selection import Pick
from .status.entries import Entry, Overview


def chosen(found: Overview, numbers: Sequence[Pick], clusters: Clusters, *, force: bool = False) -> list[Entry]:
    """Return the jobs that are tried again.

    Parameters
    ----------
    numbers : which; none for all that ended badly.
    force : also those that are named of which nobody knows how they ended.

    Raises
    ------
    ClusterError
        If it cannot be known whether a job still runs.
    RefusedError
        If a named job is none that may be tried again, or if there is none.
    """

    def asked(entries: Sequence[Entry]) -> str:
        return f"{found.directory}: {' and '.join(dict.fromkeys(clusters.named(e.cluster).title for e in entries))}"

    wanted = found.chosen(numbers)
    unsure = [each for each in wanted if each.merged.unsure and (numbers or each.merged.state in states.RETRIED)]
    if unsure:
        raise ClusterError(
            f"{asked(unsure)} cannot be asked whether these jobs still run ({'; '.join(found.unasked)}), so "
            f"they are not tried again: {one_of(each.name for each in unsure)}"
        )
    told = [e for e in wanted if e.state in (states.CANCELLED, states.TIMEOUT) and e.id and e.queue_failed]
    if told:
        raise ClusterError(
            f"{asked(told)} cannot be asked whether it has requeued {one_of(each.name for each in told)}: "
            + "; ".join(found.unasked)
        )
    again = (*states.RETRIED, states.UNKNOWN) if force and numbers else states.RETRIED
    chosen = [entry for entry in wanted if entry.state in again and not entry.merged.active]
    again_too = {id(entry) for entry in chosen}  # comparing each with each takes minutes with ten thousand
    others = [entry for entry in wanted if id(entry) not in again_too]
    named = [entry for entry in others if _by_itself(entry, numbers) or not chosen]
    if named and numbers:
        said = "; ".join(f"job {entry.name} {_why_not(entry)}" for entry in named)
        raise RefusedError(f"{found.directory}: nothing was submitted: {said}")
    ending = [entry for entry in others if entry.state in states.RETRIED]
    if not chosen and ending:
        said = "; ".join(f"job {entry.name} {_why_not(entry)}" for entry in ending[:5])
        raise RefusedError(f"{found.directory}: nothing was submitted: {said}")
    doubted = [entry for entry in others if entry.merged.unsure]
    if not chosen and doubted:
        raise ClusterError(
            f"{asked(doubted)} cannot be asked how these jobs are ({'; '.join(found.unasked)}): "
            f"{one_of(each.name for each in doubted)}"
        )
    if not chosen:
        counts = ", ".join(f"{number} {state}" for state, number in found.counts.items())
        names = [entry for entry in others if entry.state in (states.UNKNOWN, states.FROZEN)]
        more = f"; job {names[0].name} {_why_not(names[0])}" if names else ""
        raise RefusedError(f"{found.directory}: there is nothing to try again: {counts}{more}")
    return chosen


def with_dependents(entries: Sequence[Entry], found: Overview) -> list[Entry]:
    """Return jobs with the steps that did not run, or not to their end, because they need one of them.

    Those that still wait in a queue are left out, which is said: their cluster ends them.
    """
    wanted = {entry.paths: entry for entry in entries}
    waiting: list[Entry] = []
    steps = [entry for entry in found.entries if entry.head.step is not None]
    for entry in sorted(steps, key=lambda each: each.head.step.number if each.head.step else 0):
        if entry.paths in wanted or not any(need in wanted for _, need in needs_of(entry.paths, entry.head)):
            continue
        if entry.state in states.RETRIED and not entry.merged.active:
            wanted[entry.paths] = entry
        elif entry.state == states.SUBMITTED:
            waiting.append(entry)
    if waiting:
        say(
            f"Note: {one_of(each.name for each in waiting)} still in the queue, where what they wait for has failed: "
            "when they are cancelled, try them again too",
            file=sys.stderr,
        )
    return list(wanted.values())


def _by_itself(entry: Entry, numbers: Sequence[Pick]) -> bool:
    """Whether a job was named, and not the run of a pipeline that it is a step of."""
    return entry.head.step is None or entry.head.title in numbers


def _why_not(entry: Entry) -> str:
    as_what = f" as {entry.id}" if entry.id else ""
    if entry.state == states.DONE:
        return "is done; to run it all the same: nemo-hydra run --force"
    if entry.state == states.FROZEN:
        return "was never submitted: nemo-hydra submit"
    if entry.state == states.UNKNOWN:
        return (
            f"is unknown{as_what} ({entry.reason}); make sure that it does not run, then name it: "
            f"nemo-hydra retry DIR {entry.head.title} --force"
        )
    if entry.state in states.RETRIED:
        return f"is {entry.state} and still ends{as_what}: try again in a moment"
    return f"is {entry.state}{as_what}: nothing runs twice; nemo-hydra cancel ends it"
