"""Targets whose defaults are objects, in every way that Python has for it; ``tests.support.deep.<name>`` in recipes."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Rope:
    """Two plain fields, the end of the depth."""

    base: int = 10000
    scale: float = 1.0


def make_rope(base: int = 500, scale: float = 2.0) -> Rope:
    """Make a Rope by other defaults."""
    return Rope(base, scale)


@dataclass
class Att:
    """An object in an object."""

    heads: int = 4
    name: str = "att"
    rope: Rope = field(default_factory=Rope)
    sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    """An instance of it may be a default itself."""

    x: int = 1
    y: int = 2


@dataclass
class Net:
    """Each of its defaults is an object, or holds some."""

    att: Att = field(default_factory=Att)
    rope: Rope = field(default_factory=make_rope)
    partial: Att = field(default_factory=functools.partial(Att, heads=9))
    lambda_: Att = field(default_factory=lambda: Att(5, rope=Rope(scale=0.5)))
    many: list[Att] = field(default_factory=lambda: [Att(), Att(heads=2)])
    named: dict[str, Rope] = field(default_factory=lambda: {"a": Rope(), "b": Rope(base=7)})
    point: Point = Point(x=5)
    either: str | Att = field(default_factory=Att)
    maybe: Att | None = None
    depth: int = 2


def use(point: Point = Point(y=8), net: Net | None = None, sizes: dict[str, int] = {"a": 1, "b": 2}) -> Any:  # noqa: B006  # as users write them
    """Take an instance, a dict and None as defaults."""
    return point, net, sizes


def train(net: Net, steps: int = 1, other: Net | None = None) -> Any:
    """Return what it got."""
    return net, steps, other


@dataclass
class Left:
    """With ``Right`` it has no end, but on paper."""

    x: int = 1
    right: Right = field(default_factory=lambda: Right())  # noqa: PLW0108  # Right is not there yet


@dataclass
class Right:
    """See ``Left``."""

    y: int = 2
    left: Left = field(default_factory=lambda: Left(x=3))


def called(*args: Any, **kwargs: Any) -> Any:
    """Fail: no default may be evaluated to see it."""
    raise AssertionError("a default was evaluated")


@dataclass
class Unreadable:
    """Factories that have no form: a loop, arithmetic, a lambda's argument, a method of an object, a plain value."""

    loop: list[Att] = field(default_factory=lambda: [Att() for _ in range(2)])
    sum_: list[Att] = field(default_factory=lambda: [Att()] * 3)
    deep: Any = field(default_factory=lambda: Att().rope)
    text: str = field(default_factory=lambda: str(called()))
    number: int = field(default_factory=called)
    plain: list[int] = field(default_factory=lambda: [1, 2])


@dataclass
class Lazy:
    """Factories that would fail if they were called, and can be read all the same."""

    made: Att = field(default_factory=lambda: Att(rope=called(base=1)))
