"""Dotted names of live objects: from a name to the object, and from an object to its best public name.

May import: the standard library only. Nothing here decides what may be imported; see ``policy``.
"""

from __future__ import annotations

import functools
import importlib
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from nemo_partial_hydra.errors import SignatureError
from nemo_partial_hydra.messages import installs, nearest

ONLY_IN_SCRIPT = (
    "what a script defines itself is not in the processes of its jobs: move it into a module beside the script"
)


def resolve(target: str) -> Any:
    """Import what a dotted name names.

    Raises
    ------
    SignatureError
        If no module or attribute of that name exists, or its import fails; the text says which part.
    """
    parts = target.split(".")
    if not all(part.isidentifier() for part in parts):
        raise SignatureError(f"'{target}' is not a dotted name like 'package.module.name'")
    obj, index = _longest_module(parts)
    for position in range(index, len(parts)):
        try:
            obj = _attribute(obj, parts, position)
        except AttributeError:
            where = ".".join(parts[:position])
            hint = nearest(parts[position], [name for name in dir(obj) if not name.startswith("_")])
            if where == "__main__" and not hint:
                hint = f"; {ONLY_IN_SCRIPT}"
            raise SignatureError(f"'{where}' has no '{parts[position]}' (from '{target}'){hint}") from None
    return obj


def _longest_module(parts: list[str]) -> tuple[ModuleType, int]:
    """Import the longest leading part of a name that is a module."""
    name = ".".join(parts)
    module = sys.modules.get(parts[0])
    depth = 1
    if module is None:
        module = _import(parts[0], name)
        if module is None:
            raise SignatureError(f"no module '{parts[0]}' is installed here (from '{name}'){installs(parts[0])}")
    while depth < len(parts):
        below = ".".join(parts[: depth + 1])
        child = sys.modules.get(below)
        held = child
        with suppress(AttributeError):
            held = _attribute(module, parts, depth)
        if child is None and held is None and hasattr(module, "__path__"):
            child = held = _import(below, name)
        if child is None or not isinstance(held, ModuleType):
            break
        module, depth = child, depth + 1
    return module, depth


def _attribute(obj: Any, parts: list[str], position: int) -> Any:
    """Return what a part of a name is in what stands before it; a module that imports when asked may raise anything."""
    try:
        return getattr(obj, parts[position])
    except (AttributeError, SignatureError):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        what = ".".join(parts[: position + 1])
        raise SignatureError(f"importing '{what}' (for '{'.'.join(parts)}') fails: {said}") from error


def _import(module: str, target: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            return None
        raise SignatureError(f"importing '{module}' (for '{target}') fails: {error}{installs(error.name)}") from error
    except Exception as error:  # whatever a foreign module raises while it is imported is reported, not lost
        raise SignatureError(f"importing '{module}' (for '{target}') fails: {type(error).__name__}: {error}") from error


def resolves_to(target: str, obj: Any) -> bool:
    """Whether a dotted name leads back to this very object, looking at loaded modules only."""
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut]))
        if module is not None:
            found: Any = module
            for part in parts[cut:]:
                try:
                    found = getattr(found, part, None)
                except Exception:  # what stands for a class that cannot be imported here
                    found = None
                if found is None:
                    break
            if found is obj or (found is not None and _same_method(found, obj)):
                return True
    return False


def _same_method(found: Any, obj: Any) -> bool:
    """Bound methods are made anew at each access: equal ones of the same class are one name."""
    return hasattr(obj, "__self__") and type(found) is type(obj) and bool(found == obj)


def public(name: str) -> bool:
    """Whether no segment of a dotted name is private."""
    return not any(part.startswith("_") and part != "__main__" for part in name.split("."))


@functools.lru_cache(maxsize=4096)
def _alias(identity: int, top: str, name: str) -> str | None:
    """Find a public name in the loaded modules of a package for an object that calls itself otherwise."""
    best: str | None = None
    for module_name, module in list(sys.modules.items()):
        if (module_name == top or module_name.startswith(top + ".")) and public(module_name):
            found = vars(module).get(name) if isinstance(module, ModuleType) else None
            if found is not None and id(found) == identity:
                candidate = f"{module_name}.{name}"
                if best is None or (candidate.count("."), candidate) < (best.count("."), best):
                    best = candidate
    return best


def name_of(obj: Any) -> str | None:
    """Return the dotted name that leads back to an object, or None if there is none.

    A name without private segments is preferred: ``torch.nn.functional.gelu`` over ``torch._C._nn.gelu``.
    """
    module = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    owner = getattr(obj, "__self__", None)
    if isinstance(owner, type) and name:  # a classmethod says where it was defined, not whom it is bound to
        return _checked(f"{owner.__module__}.{owner.__qualname__}.{name.rpartition('.')[2]}", obj)
    if module is None and isinstance(owner, ModuleType):
        module = owner.__name__
    holder = getattr(obj, "__objclass__", None)  # a method of a type: str.upper
    if module is None and isinstance(holder, type):
        module = holder.__module__
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    full = _checked(f"{module}.{name}", obj)
    if full is not None and public(full):
        return full
    return _alias(id(obj), module.partition(".")[0], name) or full


def _checked(name: str, obj: Any) -> str | None:
    return name if resolves_to(name, obj) else None
