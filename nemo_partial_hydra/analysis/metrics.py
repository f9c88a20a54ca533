"""What a job has returned and logged, as one value a metric.

May import: the standard library; what ``series`` does.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import result_record

from .series import Series, logged

RESULT = "result"
_DEPTH = 20
_LONGEST = 100_000  # characters of a result that is read as Python's


@dataclass(frozen=True)
class Choice:
    """Which step of logged series counts.

    Attributes
    ----------
    metric : the metric whose best step it is; None for the last step of each.
    largest : whether the best value is the largest.
    """

    metric: str | None = None
    largest: bool = False


@dataclass(frozen=True)
class Metrics:
    """The metrics of a job.

    Attributes
    ----------
    values : by name.
    notes : what could not be read, and why, a text each.
    """

    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def metrics_of(paths: JobPaths, choice: Choice) -> Metrics:
    """Read the metrics of a job: what it has logged, and what it has returned, which counts where both have a name."""
    found = logged(paths.root, paths.directory)
    values: dict[str, Any] = {
        name: series.at(_step(series, found.series, choice)) for name, series in found.series.items()
    }
    record = result_record(paths)
    values.update(_flat(record["result"] if "result" in record else _of_repr(record.get("repr"))))
    if not record and os.path.lexists(paths.result):
        found.notes.append(f"{paths.result}: it is no result of a job, or not whole")
    return Metrics(values, tuple(found.notes))


def _step(series: Series, all_of_job: Mapping[str, Series], choice: Choice) -> float:
    chosen = all_of_job.get(choice.metric) if choice.metric is not None else None
    return series.last if chosen is None else chosen.best(largest=choice.largest)


def _of_repr(text: Any) -> Any:
    """Return the value of a result that JSON could not hold, where it is made of Python's plain values: ``nan`` too."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return text
    try:
        return _literal(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def _literal(node: ast.expr) -> Any:
    """Return what an expression of plain values is; raise ValueError for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in ("nan", "inf"):
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, (int, float)):
            return -value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {str(_literal(key)): _literal(value) for key, value in pairs if key is not None}
    raise ValueError(ast.dump(node)[:40])


def _flat(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values of a result by dotted names; lists stay as they are."""
    if isinstance(value, dict) and value:
        yield from _below(value, ())
    elif value is not None:
        yield RESULT, value


def _below(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        here = (*path, key)
        if isinstance(inner, dict) and inner and len(here) < _DEPTH:
            yield from _below(inner, here)
        else:
            yield ".".join(here), inner
