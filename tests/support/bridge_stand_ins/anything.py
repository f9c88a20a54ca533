"""What the stand-ins have in them: under every public name a class that can be anything.

Megatron-Bridge imports some packages at the top of its modules that need CUDA, or are large and have no part in making
a configuration. The packages beside this file take their places where this folder is on ``PYTHONPATH``: all of Bridge
is Bridge's own, and so are the classes, functions and values in its recipes.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any


class Anything(type):
    """The class of the classes: each has every public attribute, takes any arguments and type arguments."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _made(cls, name, cls.__module__)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], types.FunctionType):
            return args[0]  # a decorator: @triton.jit
        return type.__call__(cls)

    def __getitem__(cls, item: Any) -> Anything:
        return cls  # Sample[int] is a base class in Bridge


def _made(owner: Any, name: str, module: str) -> Anything:
    made = Anything(name, (), {"__module__": module})
    setattr(owner, name, made)
    return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module inside of a stand-in; asked last."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        inside = fullname.startswith(f"{self.package}.")
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if inside else None

    def exec_module(self, module: types.ModuleType) -> None:
        _fill(module)


def _fill(module: types.ModuleType) -> None:
    def anything(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _made(module, name, module.__name__)

    vars(module)["__getattr__"] = anything


def stands_for(package: str) -> None:
    """Have a package and all modules inside it have every public name."""
    sys.meta_path.append(_Finder(package))
    _fill(sys.modules[package])
