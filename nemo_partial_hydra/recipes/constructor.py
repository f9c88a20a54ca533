"""How a live object was made: the callable and the arguments that make it again.

May import: the standard library only. An object of NeMo says so itself, a dataclass by its fields, others by the pickle
protocol (no pickle is read or written).
"""

from __future__ import annotations

import copyreg
import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

from .tree import CONFIG, PARTIAL

How = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]


def how_made(obj: Any) -> Any:
    """Return the buildable, or (callable, args, kwargs, buildable class), that makes an object; None if unknown."""
    io = getattr(obj, "__io__", None)  # NeMo's IOMixin keeps how an object was made
    if io is not None and hasattr(io, "__fn_or_cls__"):
        return io
    if isinstance(obj, functools.partial):
        return (obj.func, obj.args, dict(obj.keywords), PARTIAL)
    if dataclasses.is_dataclass(obj):
        fields = _fields(obj)
        return None if fields is None else (type(obj), (), fields, CONFIG)
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return (type(obj), (), {name: getattr(obj, name) for name in obj._fields}, CONFIG)
    return _reduced(obj)


def _fields(obj: Any) -> dict[str, Any] | None:
    """Return the constructor's arguments of a dataclass instance; None if its fields do not tell them all."""
    needed = inspect.signature(type(obj)).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in needed.values())  # a constructor of its own, which passes them on
    own = {field.name: field for field in dataclasses.fields(obj)}
    fields = [name for name, field in own.items() if field.init and (anything or name in needed)]
    named = [p for p in needed.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if any(p.default is p.empty and p.name not in fields for p in named):
        return None  # an InitVar, or an argument that no field keeps
    if not hasattr(obj, "__post_init__"):
        made_later = [name for name in own if name not in fields and not _as_made(own[name], getattr(obj, name, None))]
        if made_later or any(name not in own for name in getattr(obj, "__dict__", {})):
            return None  # someone changed it after it was made: the constructor would not
    return {name: getattr(obj, name) for name in fields if hasattr(obj, name)}


def _as_made(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field that nobody gives has the value that it always starts with."""
    if field.default_factory in (list, dict, set):
        return type(value) is field.default_factory and not value
    return field.default is value


def is_default(obj: Any, name: str, value: Any) -> bool:
    """Whether an argument of a dataclass is its field's own default."""
    fields = dataclasses.fields(obj) if dataclasses.is_dataclass(obj) else ()
    return any(field.name == name and field.default is value for field in fields)


def _reduced(obj: Any) -> How | None:
    """Ask the pickle protocol (no pickle is read or written) for a constructor and its arguments."""
    if isinstance(obj, (types.ModuleType, type(sys.stdout), types.GeneratorType)):
        return None
    try:
        reduced = obj.__reduce_ex__(2)
    except Exception:  # a foreign class may raise anything to say that it cannot tell
        return None
    if not isinstance(reduced, tuple) or len(reduced) < 2 or any(part is not None for part in reduced[2:]):
        return None
    maker, args = reduced[:2]
    if maker is getattr(copyreg, "__newobj__", None):
        maker, args = args[0], args[1:]
        if not args and maker.__init__ is not object.__init__:
            return None
    if not callable(maker) or getattr(maker, "__module__", "") in ("copyreg", "builtins", "operator"):
        return None  # getattr and its like reach anything: they say nothing about how the object was made
    return (maker, tuple(args), {}, CONFIG)
