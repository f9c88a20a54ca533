"""The jobs of a sweep of pipelines, a line each with its steps.

May import: the standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers.needs import needs_of, run_of

from .entries import Entry, Overview

SHOWN = 20
"""So many steps of a run stand in its line."""
SHARED = 100
"""So many steps of other jobs are looked at for a run."""
_BAD = (states.FAILED, states.LOST, states.TIMEOUT, states.UNKNOWN, states.CANCELLED)


@dataclass(frozen=True)
class Run:
    """One run of a pipeline: a job of the sweep.

    Attributes
    ----------
    num : its number.
    steps : the steps, those that it shares with other jobs among them, in an order in which they run.
    own : those that are its own.
    """

    num: int
    steps: Sequence[Entry]
    own: Sequence[Entry]

    @property
    def state(self) -> str:
        """Its one state: running while a step does, else how the first step went that did not go well."""
        found = {entry.state for entry in self.steps}
        if found == {states.DONE}:
            return states.DONE
        for state in (states.RUNNING, *_BAD, states.SUBMITTED):
            if state in found:
                return state
        return states.FROZEN

    @property
    def overrides(self) -> Sequence[str]:
        """What was typed for it."""
        return self.own[-1].head.overrides

    def seconds(self, now: str) -> float | None:
        """Return how long its steps have run together."""
        known = [seconds for seconds in (entry.seconds(now) for entry in self.steps) if seconds is not None]
        return sum(known) if known else None

    def words(self) -> Iterator[tuple[str, Entry]]:
        """Yield how its first steps are called: a shared one with the number of the job that has it."""
        for entry in self.steps[:SHOWN]:
            name = entry.head.step.name if entry.head.step is not None else entry.name
            yield (name if entry.head.num == self.num else f"{name} (job {entry.head.num})"), entry


def runs_of(found: Overview) -> list[Run]:
    """Return the runs of an overview; empty where its jobs are no steps."""
    if not any(entry.head.step is not None for entry in found.entries):
        return []
    by_place = {entry.paths: entry for entry in found.entries}
    heads = {paths: entry.head for paths, entry in by_place.items()}
    needs = {paths: [need for _, need in needs_of(paths, head)] for paths, head in heads.items()}
    own: dict[int, list[Entry]] = {}
    for entry in found.entries:
        own.setdefault(entry.head.num, []).append(entry)
    runs = []
    for num, some in own.items():
        whole = run_of([entry.paths for entry in some], needs.__getitem__, heads, SHARED)
        runs.append(Run(num, [by_place[paths] for paths in whole], some))
    return runs


def counts(runs: Sequence[Run]) -> dict[str, int]:
    """Return how many runs are in each state, of the states that occur, in their order."""
    found = Counter(run.state for run in runs)
    return {state: found[state] for state in states.STATES if found[state]}


def _record(entry: Entry) -> dict[str, Any]:
    return {"state": entry.state, "num": entry.head.num, "directory": str(entry.paths.directory)}


def records(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return runs as JSON data."""
    return [
        {
            "num": run.num,
            "state": run.state,
            "overrides": list(run.overrides),
            "steps": {entry.head.step.name: _record(entry) for entry in run.steps if entry.head.step is not None},
        }
        for run in runs
    ]
