"""A small stack to be attacked: a stand-in for Megatron, which imports what a ``ModuleSpec`` names, and its user."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.apps import dedent

SPECS = '''
"""What Megatron does with a spec, by the same names."""
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModuleSpec:
    module: Any = None
    params: dict = field(default_factory=dict)
    submodules: Any = None


class Linear:
    def __init__(self, **params: Any) -> None:
        self.params = params


def made(spec):
    if spec is None or not hasattr(spec, "module"):
        return spec
    if callable(spec.module):
        return spec.module(**spec.params)
    package, name = spec.module
    return vars(__import__(package, globals(), locals(), [name]))[name](**spec.params)
'''
SHOP = '''
"""The runner's own package, which a recipe may name."""
import functools
import os
import pathlib
import subprocess
import types
from dataclasses import dataclass, field
from typing import Any

import evil_of_gate
from megatron.core.transformer.spec_utils import Linear, ModuleSpec, made


@dataclass
class Layer:
    spec: ModuleSpec = field(default_factory=lambda: ModuleSpec(Linear))
    extra: Any = None


class Custom(ModuleSpec):
    """One under another name."""


Renamed = ModuleSpec
ready = functools.partial(ModuleSpec, params={})


def pair(package: Any, name: Any) -> list[Any]:
    return [package, name]


def text(value: Any) -> str:
    return str(value)


def find(name: str) -> Any:
    """Find a function by its name, as helpers of frameworks do."""
    package, _, last = name.rpartition(".")
    return getattr(__import__(package, fromlist=[last]), last)


def switch(on: bool) -> Any:
    return {"trust_remote_code": on}


def tokenizer(name: str = "", trust_remote_code: bool = False, **more: Any) -> Any:
    return name, trust_remote_code, more


def checkpoint(function: Any, distribute: Any, *args: Any) -> Any:
    """Call a function with what follows, as ``megatron.core.tensor_parallel.random.checkpoint`` does."""
    return function(*args)


def start(function: Any = None, args: Any = ()) -> Any:
    """Call a function with a list of arguments, as whatever starts processes does."""
    return function(*args)


class Loader:
    def __init__(self, path: str = "", weights_only: Any = True, kwargs: Any = None) -> None:
        self.path = path

    def __call__(self) -> None: ...

    @classmethod
    def make(cls, allow_pickle: bool = False) -> Any:
        return cls()


def train(*args: Any, spec: Any = None, more: Any = None, hook: Any = None, **others: Any) -> str:
    """Use what it gets, as a framework does."""
    for found in (*args, spec, *(more.values() if isinstance(more, dict) else more or ())):
        found = found() if isinstance(found, (functools.partial, types.FunctionType)) else found
        made(found.spec if isinstance(found, Layer) else found)
        made(getattr(found, "submodules", None))
    if hook is not None:
        hook()
    return "trained"


@functools.wraps(evil_of_gate.touch)
def dressed(*args: Any, **kwargs: Any) -> Any:
    return evil_of_gate.touch()


bound = evil_of_gate.Toucher().touch
fixed = functools.partial(evil_of_gate.touch)
alias = evil_of_gate.touch
Inherited = evil_of_gate.Toucher
maker = evil_of_gate.Toucher.make
instance = evil_of_gate.Toucher()


def honest() -> None: ...


@functools.lru_cache
def cached() -> None: ...


@functools.wraps(honest)
def dressed_honestly() -> None: ...


honest_partial = functools.partial(honest)
honest_alias = honest
make_loader = Loader.make
loader = Loader()
'''
EVIL = '''
"""What nobody has allowed."""
import pathlib


def touch(**others):
    pathlib.Path({mark!r}).touch()


class Toucher:
    def __init__(self, **others):
        pass

    def touch(self, **others):
        touch()

    __call__ = touch

    @classmethod
    def make(cls):
        touch()
'''


class Stack:
    """The folder of the modules, and the file that exists once something of the attacker's has run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder / "touched"
        inner = folder / "megatron/core/transformer"
        inner.mkdir(parents=True)
        for package in (inner, inner.parent, inner.parent.parent):
            (package / "__init__.py").touch()  # so that it is found before an installed one
        (inner / "spec_utils.py").write_text(dedent(SPECS))
        (folder / "gate_shop.py").write_text(dedent(SHOP))
        (folder / "evil_of_gate.py").write_text(dedent(EVIL.replace("{mark!r}", repr(str(self.mark)))))


@contextmanager
def importable(folder: Path) -> Iterator[Stack]:
    """Make the stack in a folder, and its modules importable for a while, in the place of the real ones."""
    made = Stack(folder)
    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "megatron"}
    for name in loaded:
        del sys.modules[name]
    sys.path.insert(0, str(made.folder))
    try:
        yield made
    finally:
        sys.path.remove(str(made.folder))
        for name in [*sys.modules]:
            if name.partition(".")[0] in ("megatron", "gate_shop", "evil_of_gate"):
                del sys.modules[name]
        sys.modules.update(loaded)
