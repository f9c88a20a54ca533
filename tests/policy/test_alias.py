"""What a name really is, and what capturing a live object trusts: aliases are seen through, trust stays narrow."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nemo_partial_hydra.dialect.yaml import load as load_yaml
from nemo_partial_hydra.errors import PolicyError, RecipeError
from nemo_partial_hydra.policy.names import refusal
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support import targets as t
from tests.support.evil import Modules, read

T = "tests.support.targets"
ALLOW = ("tests.support",)


# What a name really is ---------------------------------------------------------------------------------------------

ALIASES = """
import builtins
import functools
import logging
import math
import os
import pathlib
import subprocess
import sys
from os import system
from math import sqrt
from subprocess import Popen as Opened

class Own:
    tool = os.system
    kept = staticmethod(os.system)
    def method(self): ...
    @classmethod
    def make(cls): ...

class Launcher(subprocess.Popen): ...

renamed = os.system
ready = functools.partial(os.system, "true")
paths = sys.path
own_list = [1]
number = 3

def f(a=None): ...
other_name = f
"""


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "system",
        "renamed",
        "Own.tool",
        "Own.kept",
        "logging.os.system",
        "subprocess.Popen",
        "Opened",
        "builtins.eval",
        "builtins.exec",
        "builtins.__import__",
        "functools.partial",
        "pathlib.os.popen",
        "sys.exit",
        "sys.modules.clear",
        "sys.path.append",
        "sys.path.insert",
        "os.environ.update",
        "os.environ.clear",
        "paths.append",
        "logging.sys.modules.pop",
        "builtins.getattr",
        "builtins.open",
        "logging.config",
        "os",
        "sys.modules",
        "sys.path",
        "os.environ",
        "builtins.eval.__call__",
        "f.__globals__",
        "f.__code__",
        "Own.__subclasses__",
        "Own.__init__.__globals__",
        "sqrt",
        "math.sqrt",
    ],
)
def test_an_alias_of_what_is_not_allowed_is_refused(module: Modules, name: str) -> None:
    """An allowed package imports others; their functions, modules and live objects are reached through it."""
    home = module(ALIASES, "aliases")
    with pytest.raises(RecipeError):
        WORKSPACE.policy.load(f"{home}.{name}", (home,))


@pytest.mark.parametrize("name", ["f", "other_name", "Own", "Own.method", "Own.make", "number", "own_list", "Launcher"])
def test_what_an_allowed_module_defines_is_allowed(module: Modules, name: str) -> None:
    home = module(ALIASES, "aliases")
    found = WORKSPACE.policy.load(f"{home}.{name}", (home,))
    assert found is not None


def test_an_alias_is_refused_with_its_real_name(module: Modules) -> None:
    home = module(ALIASES, "aliases")
    with pytest.raises(PolicyError, match=r"another name of 'posix\.system'"):
        WORKSPACE.policy.load(f"{home}.renamed", (home,))


def test_a_module_is_no_value() -> None:
    with pytest.raises(PolicyError, match="is a module"):
        WORKSPACE.policy.load("tests.support.targets", ALLOW)


@pytest.mark.nemo
def test_a_denied_thing_under_another_name_of_its_package_is_refused() -> None:
    import torch

    assert torch.load.__module__ == "torch.serialization"
    for name in ("torch.load", "torch.serialization.os.system", "torch.functional.torch.load"):
        with pytest.raises(PolicyError):
            WORKSPACE.policy.load(name)
    assert WORKSPACE.policy.load("torch.nn.functional.gelu") is torch.nn.functional.gelu


# Capturing ---------------------------------------------------------------------------------------------------------


def test_capturing_a_live_object_trusts_its_package_in_this_process() -> None:
    import nemo_run as run

    text = {"_target_": f"{T}.Plain"}
    with pytest.raises(PolicyError):
        read(text, ())
    WORKSPACE.captured(run.Config(t.Plain))
    assert read(text, ())


@pytest.mark.parametrize(
    "value",
    [math.sqrt, len, __import__("http").HTTPStatus.OK, sys.intern, __import__("operator").add],
    ids=lambda v: str(v)[:20],
)
def test_a_function_or_member_of_the_standard_library_is_trusted_by_that_name_only(value: Any) -> None:
    import nemo_run as run

    import nemo_partial_hydra as nph

    p = run.Partial(t.untyped, a=value)
    assert nph.build(nph.to_config(p)).a is value
    assert nph.from_yaml(nph.to_yaml(p)).a is value
    for name in ("math.cos", "builtins.eval", "http.server.test", "sys.exit", "operator.attrgetter"):
        with pytest.raises(PolicyError):
            WORKSPACE.policy.load(name)


def test_a_reference_to_another_package_is_trusted_too(module: Modules) -> None:
    import importlib

    import nemo_run as run

    import nemo_partial_hydra as nph

    other = importlib.import_module(module("import enum\nclass E(enum.Enum):\n    A = 1\ndef f(): ...\nclass C: ...\n"))
    for value in (other.f, other.C, other.E.A):
        WORKSPACE.policy.trusted.clear()
        p = run.Partial(t.untyped, a=[value])
        assert nph.build(nph.to_config(p)).a == [value]


@pytest.mark.parametrize(
    "value", [str.upper, "abc".upper, [].append, {}.get, (1).bit_length], ids=lambda v: str(v)[:16]
)
def test_capturing_never_trusts_getattr(value: Any) -> None:
    import nemo_run as run

    with contextlib.suppress(RecipeError):
        WORKSPACE.captured(run.Partial(t.untyped, a=value))
    with pytest.raises(PolicyError):
        WORKSPACE.policy.load("builtins.getattr")


@pytest.mark.parametrize(
    "value",
    [slice(1, 2), __import__("re").compile("x"), __import__("logging").getLogger("x"), Ellipsis, object()],
    ids=lambda v: type(v).__name__,
)
def test_capturing_an_object_trusts_no_more_than_what_makes_it(value: Any) -> None:
    import nemo_run as run

    with contextlib.suppress(RecipeError):
        WORKSPACE.captured(run.Partial(t.untyped, a=value))
    for name in (
        "builtins.eval",
        "builtins.getattr",
        "logging.config.dictConfig",
        "copyreg._reconstructor",
        "builtins.open",
    ):
        with pytest.raises(PolicyError):
            WORKSPACE.policy.load(name)


def test_yaml_and_config_are_read_by_the_same_rules(module: Modules) -> None:
    import nemo_partial_hydra as nph

    evil = module("class C: ...\n")
    text = f"_target_: {evil}.C\n"
    ways: tuple[Callable[[Any], Any], ...] = (
        lambda allow: nph.from_yaml(text, allow=allow),
        lambda allow: nph.build(load_yaml(text), allow=allow),
        lambda allow: nph.run(load_yaml(text), allow=allow),
    )
    for way in ways:
        with pytest.raises(PolicyError, match=evil):
            way(())
        assert way([evil]) is not None
        sys.modules.pop(evil)


@pytest.mark.parametrize(
    ("attack", "honest"),
    [
        ("nemo.collections.llm.\ufb01netune", "nemo.collections.llm.finetune"),
        ("torch.nn.\uff2cinear", "torch.nn.Linear"),
        ("torch.nn.Linea\U0001d42b", "torch.nn.Linear"),
        ("torch.nn.Linear\u200b", "torch.nn.Linear"),
        ("our_recipes.e\u0301t\u00e9", "our_recipes.\u00e9t\u00e9"),
    ],
)
def test_a_name_is_judged_as_python_reads_it(attack: str, honest: str) -> None:
    allow = {"our_recipes", "nemo.collections.llm", "torch.nn"}
    assert refusal(attack, allow) is not None
    assert refusal(honest, allow) is None


def test_a_letter_that_looks_like_another_is_told_of() -> None:
    text = refusal("\u043es.system", ()) or ""
    assert r"not all of its letters are ASCII ('\u043es')" in text
    assert "ASCII" not in (refusal("os.system", ()) or "")
