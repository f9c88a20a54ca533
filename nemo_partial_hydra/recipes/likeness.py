"""Whether two live values say the same, whatever they are: numbers, tensors, NaN, objects whose ``==`` raises.

May import: the standard library only. Three answers: yes, no, and "cannot be told", which is None.
"""

from __future__ import annotations

import collections
import enum
import functools
import pathlib
import types
from collections.abc import Mapping
from typing import Any, Final

from .memory import MISSING, memory_of, state_of

_PLAIN = (type(None), bool, int, float, complex, str, bytes, pathlib.PurePath, enum.Enum, range)
_CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
CONSTANT: Final = (*_PLAIN, *_CODE)
"""Types whose values nobody can change."""
_MOST: Final = 50_000  # objects that are looked at: one that reaches everything else ends somewhere


def same(a: Any, b: Any) -> bool | None:
    """Whether two values are of one type and say the same."""
    return _Comparison().same(a, b)


def normal(given: Any, held: Any) -> bool:
    """Whether a value is what constructors make of another: the path of a text, the tuple of a list, the int of 2.0."""
    numbers = (bool, int, float)
    if isinstance(given, numbers) and isinstance(held, numbers):
        return bool(given == held)
    if isinstance(held, pathlib.PurePath) or isinstance(given, pathlib.PurePath):
        return (
            isinstance(given, (str, pathlib.PurePath))
            and isinstance(held, (str, pathlib.PurePath))
            and (pathlib.PurePath(given) == pathlib.PurePath(held))
        )
    if isinstance(held, enum.Enum):
        return same(given, held.value) is True or given == held.name
    if isinstance(given, (list, tuple)) and isinstance(held, (list, tuple)):
        return len(given) == len(held) and all(
            same(one, other) is True or normal(one, other) for one, other in zip(given, held, strict=True)
        )
    if isinstance(given, Mapping) and isinstance(held, Mapping):
        return list(given) == list(held) and all(
            same(given[key], held[key]) is True or normal(given[key], held[key]) for key in given
        )
    return made_as(given, held)


def made_as(given: Any, held: Any) -> bool:
    """Whether a value is an object of what a buildable makes."""
    return isinstance(getattr(given, "__fn_or_cls__", None), type) and given.__fn_or_cls__ is type(held)


class _Comparison:
    def __init__(self) -> None:
        self.pairs: dict[tuple[int, int], tuple[Any, Any]] = {}  # the objects too: their ids must not be used again

    def same(self, a: Any, b: Any) -> bool | None:
        if a is b:
            return True
        if type(a) is not type(b):
            return False
        if type(a) is float:
            return repr(a) == repr(b)  # NaN is NaN, and -0.0 is not 0.0
        if isinstance(a, _PLAIN):
            return bool(a == b) or (a != a and b != b)
        if isinstance(a, _CODE):
            return False
        if (id(a), id(b)) in self.pairs:
            return True  # what is being compared already: a cycle
        if len(self.pairs) > _MOST:
            return None
        self.pairs[id(a), id(b)] = (a, b)
        return self.contents(a, b)

    def contents(self, a: Any, b: Any) -> bool | None:
        if isinstance(a, types.MethodType):
            return self.every([(a.__func__, b.__func__), (a.__self__, b.__self__)])
        if isinstance(a, (list, tuple)) and not hasattr(a, "_fields"):
            return False if len(a) != len(b) else self.every(list(zip(a, b, strict=True)))
        if isinstance(a, dict):
            made = [(a.default_factory, b.default_factory)] if isinstance(a, collections.defaultdict) else []
            return False if list(a) != list(b) else self.every([*made, *((a[key], b[key]) for key in a)])
        if isinstance(a, functools.partial):
            return self.every([(a.func, b.func), (a.args, b.args), *self.named(a.keywords, b.keywords)])
        if hasattr(a, "__fn_or_cls__") and hasattr(a, "__arguments__"):  # fiddle's own == doubles its time every level
            return self.every([(a.__fn_or_cls__, b.__fn_or_cls__), *self.named(a.__arguments__, b.__arguments__)])
        memory, other = memory_of(a), memory_of(b)
        if memory is not None and other is not None:
            return self.every([*self.named(memory.held, other.held), *self.named(memory.rest, other.rest)])
        return self.objects(a, b)

    def objects(self, a: Any, b: Any) -> bool | None:
        equal = _equal(a, b)
        if equal is not None:
            return equal
        state, other = state_of(a), state_of(b)
        return self.every(self.named(state, other)) if state or other else None

    def named(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        """Pair what has the same name, in any order."""
        return [(a.get(name, MISSING), b.get(name, MISSING)) for name in {**a, **b}]

    def every(self, pairs: list[tuple[Any, Any]]) -> bool | None:
        told: bool | None = True
        for a, b in pairs:
            answer = self.same(a, b)
            if answer is False:
                return False
            told = told and answer
        return told


def _equal(a: Any, b: Any) -> bool | None:
    """Ask the objects themselves; None if they only know identity, raise, or answer with something else."""
    own: Any = type(a).__eq__
    if own is object.__eq__:
        return None
    try:
        answer = a == b
        if isinstance(answer, bool):
            return answer
        if a.shape != b.shape or a.dtype != b.dtype:  # an array or a tensor: one answer an element, NaN is not itself
            return False
        return bool((answer | ((a != a) & (b != b))).all())
    except Exception:  # a foreign == may raise anything
        return None
