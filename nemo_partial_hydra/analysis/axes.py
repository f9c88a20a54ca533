"""The axes of plots: where a value stands, linear, logarithmic or by its name, and which ticks are shown.

May import: the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

DECADES: Final = 1.5
"""An axis is logarithmic where its values are positive and span more than so many powers of ten."""
_TICKS = 5
_LARGEST = 1e300  # what lies between two numbers is to be a number too
_DIGITS = (6, 8, 10, 12)  # the fewest with which ticks differ


def number(value: Any) -> float | None:
    """Return a value as a number that can be plotted; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) < _LARGEST else None


def spelled(value: Any) -> str:
    """Spell a value at an axis."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Axis:
    """An axis of length 1.

    Attributes
    ----------
    ticks : the places of its ticks, and what is written there.
    low, high : what stands at 0 and 1, as logarithms where it is ``log``.
    log : whether it is logarithmic.
    names : the values of an axis of names, in order; numbers have none.
    """

    ticks: Sequence[tuple[float, str]]
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    names: Sequence[str] = ()

    def place(self, value: Any) -> float | None:
        """Return where a value stands, from 0 to 1; None if it has no place."""
        if self.names:
            name = spelled(value)
            return _middle(self.names.index(name), len(self.names)) if name in self.names else None
        found = number(value)
        if found is None or (self.log and found <= 0):
            return None
        at = (math.log10(found) if self.log else found) - self.low
        span = self.high - self.low
        return at / span if span else 0.5


def _middle(index: int, count: int) -> float:
    return (index + 0.5) / count


def axis(values: Sequence[Any], *, most: int = 24) -> Axis | None:
    """Return the axis of some values: of numbers where all are, else of names; None where there are too many names."""
    given = [value for value in values if value is not None]
    numbers = [found for value in given if (found := number(value)) is not None]
    if numbers and not any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in given):
        return _of_numbers(numbers)
    names = sorted({spelled(value) for value in values}, key=_natural)
    if not names or len(names) > most:
        return None
    return Axis([(_middle(index, len(names)), name) for index, name in enumerate(names)], names=names)


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _of_numbers(numbers: Sequence[float]) -> Axis:
    low, high = min(numbers), max(numbers)
    if low > 0 and math.log10(high / low) > DECADES:
        first, last = math.log10(low), math.log10(high)
        edge = (last - first) * 0.05
        first, last = first - edge, last + edge
        powers = range(math.ceil(first), math.floor(last) + 1)
        every = max(1, len(powers) // _TICKS)
        ticks = [((power - first) / (last - first), f"1e{power}") for power in powers if power % every == 0]
        return Axis(ticks, first, last, log=True)
    edge = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high = low - edge, high + edge
    step = _round_step((high - low) / _TICKS)
    start = math.ceil(low / step)
    marks = [number * step for number in range(start, math.floor(high / step) + 1)]
    names = next(
        (named for digits in _DIGITS if len(set(named := [f"{mark:.{digits}g}" for mark in marks])) == len(marks)),
        [f"{mark:.{_DIGITS[0]}g}" for mark in marks],
    )
    return Axis([((mark - low) / (high - low), name) for mark, name in zip(marks, names, strict=True)], low, high)


def _round_step(rough: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
