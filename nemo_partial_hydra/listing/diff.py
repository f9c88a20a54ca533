"""What differs between two recipes, path by path.

May import: the standard library. What the two are, ``recipe_file`` finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nemo_partial_hydra.messages import cells, one_line, padded, say
from nemo_partial_hydra.recipes.keys import TARGET

from .columns import brief
from .record import PathInfo
from .sharing import Places


@dataclass(frozen=True)
class Difference:
    """Paths whose values differ, and paths that only one side has."""

    changed: Sequence[tuple[str, Any, Any]]
    added: Sequence[tuple[str, Any]]
    removed: Sequence[tuple[str, Any]]

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "changed": [{"path": path, "a": a, "b": b} for path, a, b in self.changed],
            "added": [{"path": path, "b": b} for path, b in self.added],
            "removed": [{"path": path, "a": a} for path, a in self.removed],
        }


def compare(a: Sequence[PathInfo], b: Sequence[PathInfo]) -> Difference:
    """Compare two listings: the values that hold, whether a recipe sets them or a signature does."""
    before, after = _values(_whole(a, b)), _values(_whole(b, a))
    return Difference(
        [(path, before[path], value) for path, value in after.items() if path in before and before[path] != value],
        [(path, value) for path, value in after.items() if path not in before],
        [(path, value) for path, value in before.items() if path not in after],
    )


def _whole(records: Sequence[PathInfo], others: Sequence[PathInfo]) -> list[PathInfo]:
    """Return the records of one side, with those of objects that it has once more where the other side has not."""
    shared = {(info.path, info.same_as) for info in others if info.same_as is not None}
    lines = [info for info in records if info.same_as is not None and (info.path, info.same_as) not in shared]
    if not lines:
        return list(records)
    places = Places(records)
    return [*records, *(replace(info, path=path) for line in lines for path, info in places.through(line))]


def _values(records: Sequence[PathInfo]) -> dict[str, Any]:
    """Return the values by path; of a list or dict only whether it is empty, since its elements have paths."""
    out: dict[str, Any] = {}
    for info in records:
        node = isinstance(info.value, dict) and TARGET in info.value
        if not info.value or node or not isinstance(info.value, (dict, list)):
            out[info.path] = info.default_text if info.value is None and not info.set else info.value
    return {path: value for path, value in out.items() if not path.endswith("**kwargs")}


def print_difference(found: Difference) -> None:
    """Print a difference, one path a line."""
    rows = [("~", path, f"{brief(a)} -> {brief(b)}") for path, a, b in found.changed]
    rows += [("+", path, brief(b)) for path, b in found.added]
    rows += [("-", path, brief(a)) for path, a in found.removed]
    if not rows:
        say("no difference")
    lines = [(mark, one_line(path), one_line(text)) for mark, path, text in sorted(rows, key=lambda row: row[1])]
    width = max((cells(path) for _, path, _ in lines), default=0)
    for mark, path, text in lines:
        say(f"{mark} {padded(path, width)}  {text}")
