"""What a live object really is: the names that all parts of it call themselves.

May import: the standard library only. Nothing is decided here; see ``policy``.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

CALLABLES = (type, functools.partial, types.FunctionType, types.MethodType, types.BuiltinFunctionType)
_PARTS = 50
_BOUND = (types.MethodType, types.BuiltinMethodType)
_METHODS = (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.WrapperDescriptorType)


def real_names(obj: Any) -> list[str]:
    """Return what calling an object runs, by the names that each part of it calls itself.

    That is what a partial calls, the function and the class behind a bound method, the class that has a method of C,
    what a decorated function stands for; for other objects that can be called their class.
    """
    names: list[str] = []
    waiting = [obj]
    seen: set[int] = set()
    while waiting and len(seen) < _PARTS:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, (functools.partial, functools.partialmethod)):
            waiting.append(part.func)
            continue
        owner = getattr(part, "__self__", None) if isinstance(part, _BOUND) else None
        owner = getattr(part, "__objclass__", None) if isinstance(part, _METHODS) else owner
        if isinstance(owner, type):
            names.append(f"{owner.__module__}.{owner.__qualname__}.{part.__name__}")
        if isinstance(part, types.MethodType):
            waiting.append(part.__func__)
        named = part if hasattr(part, "__qualname__") or not callable(part) else type(part)
        module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None)
        if isinstance(module, str) and isinstance(name, str):
            names.append(f"{module}.{name}")
        wrapped = inspect.getattr_static(part, "__wrapped__", None)
        if callable(wrapped) and not isinstance(part, type):
            waiting.append(wrapped)
    return names
