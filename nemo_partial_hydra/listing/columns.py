"""The columns of a listing: what is shown of a path, and how wide.

May import: the standard library. The plain table and the one on a terminal are both made from ``COLUMNS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nemo_partial_hydra.messages import one_line
from nemo_partial_hydra.recipes.keys import ARGS, CALL_KEY, MISSING, TARGET
from nemo_partial_hydra.recipes.values import VALUE_FORMS

from .override_text import value_text
from .record import GROUP, PathInfo

OPTIONS = 12  # of a group, in a table


class JobListing(NamedTuple):
    """The listing of one job: its number in the sweep, its overrides, its paths."""

    number: int
    overrides: Sequence[str]
    records: Sequence[PathInfo]


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Parameters
    ----------
    head : its heading.
    value : what it shows of a path.
    ratio : its share of a terminal's width.
    widest : characters after which the plain table cuts a cell; 0 is never.
    """

    head: str
    value: Callable[[PathInfo], str]
    ratio: int
    widest: int = 0

    def cell(self, info: PathInfo) -> str:
        """Return the text of the plain table's cell."""
        text = one_line(self.value(info))
        return text if not self.widest or len(text) <= self.widest else f"{text[: self.widest - 3]}..."


def brief(value: Any) -> str:
    """Spell a value in one short line."""
    if isinstance(value, dict) and isinstance(value.get(TARGET), str):
        if set(value) == {TARGET, ARGS} and value[TARGET] in VALUE_FORMS:
            return ", ".join(map(brief, value[ARGS]))
        return str(value[TARGET]) if value.get(CALL_KEY) is False else str(value[TARGET]).rpartition(".")[2]
    if isinstance(value, list):
        return "[" + ", ".join(map(brief, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {brief(item)}" for key, item in value.items()) + "}"
    return value_text(value) or str(value)


def value(info: PathInfo) -> str:
    """Spell the value of a path."""
    if info.same_as is not None:
        return f"same as {info.same_as}"
    if info.default_text is not None and not info.set:
        return info.default_text
    if info.required and info.value is None:
        return MISSING
    if info.path.endswith("**kwargs") and info.value is None:
        return ""
    return brief(info.value)


def set_by(info: PathInfo) -> str:
    """Spell where a value comes from, or why it cannot be set; and what is left out below it."""
    left_out = below(info)
    return f"{_set_by(info)}; {left_out}" if left_out else _set_by(info)


def below(info: PathInfo) -> str:
    """Spell how many paths below one are left out; an empty text if none is."""
    return f"{counted(info.below)} below" if info.below else ""


def counted(number: int) -> str:
    """Spell a number of paths."""
    return f"{number:,} path{'' if number == 1 else 's'}"


def _set_by(info: PathInfo) -> str:
    if info.type == GROUP:
        options = _options(info)
        return f"{_place(info) if info.overridable else info.why_not}  [{options}]"
    if info.path.endswith(".**kwargs") and info.why_not is not None:
        return info.why_not
    text = _place(info)
    if info.follows is not None and info.same_as is None:
        text += f", follows {info.follows}"
    if info.before is not None:
        text += f" (was {brief(info.before)})"
    if info.value is None and info.choices and isinstance(info.choices[0], dict):
        text += f"; to put one there: {info.path}={value_text(info.choices[0])}"
    if info.same_as is not None:
        return f"{text}; {info.why_not}"
    # That a recipe node is replaced, not overridden, is no news in each of its lines.
    usual = info.why_not is None or "its target is fixed" in info.why_not
    return text if usual else f"{text}; fixed: {info.why_not}"


def _options(info: PathInfo) -> str:
    """Spell a group's options, as many as fit in a line or two: a library has a hundred, JSON has all of them."""
    names = list(map(str, info.choices))
    if len(names) <= OPTIONS:
        return "|".join(names)
    return f"{'|'.join(names[:OPTIONS])}|... {len(names)} in all"


def _place(info: PathInfo) -> str:
    if info.kind == "default":
        return "default" if not (info.required and info.value is None) else "required"
    if info.kind == "override":
        return f"override {info.source}" if info.source else "override"
    place = f"{info.source}:{info.line}" if info.line is not None else info.source
    return place or info.kind


COLUMNS = (
    Column("PATH", lambda info: info.path, 6),
    Column("TYPE", lambda info: info.type, 3, widest=32),
    Column("VALUE", value, 3, widest=44),
    Column("SET BY", set_by, 4),
)


def heading(number: int, overrides: Sequence[str]) -> str:
    """Spell the line above a job's listing."""
    return f"job {number}: {' '.join(overrides)}"


def branches(records: Iterable[PathInfo]) -> Iterator[tuple[int, str, PathInfo]]:
    """Yield each record with its depth below what is listed above it, and its name there."""
    above: list[str] = []
    for info in records:
        while above and not info.path.startswith(f"{above[-1]}."):
            above.pop()
        yield len(above), info.path[len(above[-1]) + 1 :] if above else info.path, info
        above.append(info.path)
