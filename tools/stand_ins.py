"""Empty stand-ins for packages that NeMo's vlm collection imports and its recipes do not use.

The collection cannot be imported without packages that a machine without GPUs rarely has. Where one is missing, an
empty stand-in takes its place while NeMo is imported, and is taken away again. Recipes, targets, signatures and values
are NeMo's own all the same.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

STAND_INS = ("torchvision", "boto3", "botocore", "qwen_vl_utils", "megatron.energon")
"""Packages that ``nemo.collections.vlm`` imports at its top and no recipe uses."""


class _StandIn:
    """What a stand-in module has for every name: fit as base class, decorator and value."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """As a decorator without arguments, gives back what it decorates."""
        if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType):
            return args[0]
        return super().__new__(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Accepts the class arguments of whatever it stands for."""
        super().__init_subclass__()

    def __class_getitem__(cls, item: Any) -> type[_StandIn]:
        """Accepts type arguments."""
        return cls


class _StandInModule(types.ModuleType):
    """A module in which every public name exists."""

    def __getattr__(self, name: str) -> Any:
        """Makes up the attribute that was asked for."""
        if name.startswith("__"):
            raise AttributeError(name)
        members = {"__module__": self.__name__, "BICUBIC": "bicubic"}
        value = type(name, (_StandIn,), members)
        setattr(self, name, value)
        return value


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the packages of ``STAND_INS`` that nothing else found."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.made: list[str] = []

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Says how to load the module, or that it is none of ours."""
        for package in STAND_INS:
            if fullname == package or fullname.startswith(f"{package}."):
                self.used.add(package)
                return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Makes the empty module."""
        self.made.append(spec.name)
        return _StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Has nothing to run."""


@contextmanager
def stand_ins() -> Iterator[set[str]]:
    """Offers stand-ins for missing packages for a while; yields the names of those used.

    What does not need them is imported first, so that nothing of the llm collection, or of
    transformers below it, ever sees one.
    """
    importlib.import_module("nemo.collections.llm")
    finder = _StandInFinder()
    sys.meta_path.append(finder)
    try:
        yield finder.used
    finally:
        sys.meta_path.remove(finder)
        for name in finder.made:
            sys.modules.pop(name, None)
            package, _, attribute = name.rpartition(".")
            if package in sys.modules and package not in finder.made:
                vars(sys.modules[package]).pop(attribute, None)
