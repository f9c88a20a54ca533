"""Objects of ordinary classes, which remember nothing: those that can be captured, and those that cannot.

Its annotations are no texts: nemo_run's command line does not resolve them.
"""

import threading
from typing import Any

import nemo_run as run


class Every:
    """A callback as people write them."""

    def __init__(self, steps: int = 1, names: tuple[str, ...] = (), then: Any = None) -> None:
        self.steps = steps
        self.names = names
        self.then = then


class Child(Every):
    """One that inherits its constructor and keeps a method."""

    def due(self, step: int) -> bool:
        """Whether it is time."""
        return step % self.steps == 0


class Nothing:
    """One without arguments."""

    def __init__(self) -> None: ...


class Doubles:
    def __init__(self, width: int = 4) -> None:
        self.width = width * 2


class Renames:
    def __init__(self, width: int = 4) -> None:
        self._width = width


class Keeps:
    def __init__(self, width: int = 4) -> None:
        self.width = width
        self.cache: dict[str, int] = {}


class Forgets:
    def __init__(self, width: int = 4, name: str = "x") -> None:
        self.width = width


class Compares:
    def __init__(self, width: int = 4) -> None:
        self.width = width

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Slow(list):  # type: ignore[type-arg]
    def __init__(self, width: int = 4) -> None:
        self.width = width


class AnyOf:
    def __init__(self, *args: int) -> None:
        self.args = args


class Meta(type):
    """A metaclass, which may do anything when an object is made."""


class Made(metaclass=Meta):
    def __init__(self, width: int = 4) -> None:
        self.width = width


class Once:
    """One of which there can be only one object."""

    made = False

    def __init__(self, width: int = 4) -> None:
        if Once.made:
            raise RuntimeError("there is one already")
        Once.made = True
        self.width = width


class Holds:
    def __init__(self, lock: Any) -> None:
        self.lock = lock


def lock() -> Holds:
    return Holds(threading.Lock())


def train(callback: Any = None, steps: int = 3) -> tuple[Any, int]:
    return callback, steps


def recipe() -> run.Partial[Any]:
    return run.Partial(train, callback=run.Config(Every, steps=9))
