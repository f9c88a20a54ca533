"""What a text may name: default-deny, checked before the first import, and never widened by the text itself."""

from __future__ import annotations

import contextlib
import itertools
import math
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_partial_hydra import policy
from nemo_partial_hydra.core import captured, read_tree
from nemo_partial_hydra.errors import PolicyError, RecipeError
from nemo_partial_hydra.policy import allowed_prefixes, load, refusal, within
from nemo_partial_hydra.yamltext import load as load_yaml
from tests.support import targets as t

T = "tests.support.targets"
ALLOW = ("tests.support",)
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def no_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test as a fresh process would: nothing was captured yet."""
    monkeypatch.setattr(policy, "_trusted", set())


Modules = Callable[..., str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make modules that nobody has imported yet; whether one was is seen in ``sys.modules``."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(text: str = "def f(a=None): ...\n", name: str = "evil") -> str:
        full = f"{name}{next(_numbers)}_of_the_tests"
        (tmp_path / f"{full}.py").write_text(textwrap.dedent(text))
        made.append(full)
        return full

    yield make
    for name in made:
        sys.modules.pop(name, None)


def read(data: Any, allow: tuple[str, ...] = ALLOW) -> Any:
    return read_tree(data, allow)


def recipe(**arguments: Any) -> dict[str, Any]:
    return {"_target_": f"{T}.untyped", **arguments}


# Names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix", "inside"),
    [
        ("nemo", "nemo", True),
        ("nemo.a.b", "nemo", True),
        ("nemo_evil.f", "nemo", False),
        ("nemoevil", "nemo", False),
        ("nemo", "nemo.a", False),
        ("a.b.c", "a.b", True),
        ("a.bc", "a.b", False),
        ("Nemo.a", "nemo", False),
    ],
)
def test_prefixes_end_at_module_boundaries(name: str, prefix: str, inside: bool) -> None:
    assert within(name, prefix) is inside


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "builtins.exec",
        "builtins.getattr",
        "builtins.__import__",
        "builtins.open",
        "functools.partial",
        "operator.attrgetter",
        "importlib.import_module",
        "runpy.run_path",
        "pickle.loads",
        "shutil.rmtree",
        "nemo_evil.f",
        "nemorun.f",
        "torch_evil.nn",
        "hydra.utils.instantiate",
        "fiddle.Config",
        "nemo_partial_hydra.build",
        "tests.support.targets.double",
        "__main__.f",
        "",
        ".",
        "nemo..f",
        " nemo.f",
        "nemo .f",
        "NEMO.f",
        "\uff4eemo.f",
        "logging.os.system",
        "pathlib.os.system",
        "collections.abc.sys.modules.clear",
        "datetime.sys.exit",
    ],
)
def test_refused_by_default(target: str) -> None:
    if target in ("nemo..f", " nemo.f", "nemo .f"):
        with pytest.raises(RecipeError):
            load(target)
    else:
        assert refusal(target, allowed_prefixes()) is not None
        with pytest.raises(PolicyError):
            load(target)


@pytest.mark.parametrize(
    "target",
    [
        "nemo.collections.llm.gpt.model.llama.LlamaModel",
        "nemo_run.Config",
        "torch.bfloat16",
        "torch.optim.Adam",
        "megatron.core.optimizer.OptimizerConfig",
        "lightning.pytorch.Trainer",
        "builtins.dict",
        "datetime.timedelta",
    ],
)
def test_the_nemo_stack_and_plain_values_are_allowed(target: str) -> None:
    assert refusal(target, allowed_prefixes()) is None


@pytest.mark.parametrize(
    "target",
    [
        "torch.load",
        "torch.hub.load",
        "torch.jit.load",
        "torch.package.PackageImporter",
        "torch.serialization.load",
        "torch.utils.cpp_extension.load",
        "torch.distributed.rpc.rpc_sync",
        "torch.multiprocessing.spawn",
        "nemo_run.run",
        "nemo_run.core.serialization.zlib_json.ZlibJSONSerializer",
    ],
)
def test_what_loads_pickles_or_runs_code_is_refused_inside_allowed_packages(target: str) -> None:
    text = refusal(target, allowed_prefixes())
    assert text is not None
    assert f"allow=['{target}']" in text
    assert refusal(target, allowed_prefixes([target])) is None


@pytest.mark.parametrize(
    "target", ["torch._C.f", "nemo.__builtins__.eval", "torch.nn.Module.__init__", "nemo._private.f", "nemo.A._b"]
)
def test_private_parts_are_refused_inside_allowed_packages(target: str) -> None:
    text = refusal(target, allowed_prefixes())
    assert text is not None
    assert "private" in text


def test_allow_takes_prefixes_and_exact_names() -> None:
    assert refusal("mine.a.f", allowed_prefixes(["mine"])) is None
    assert refusal("mine.a.f", allowed_prefixes(["mine.a.f"])) is None
    assert refusal("mine.a.g", allowed_prefixes(["mine.a.f"])) is not None
    assert refusal("mine.a.f.sub", allowed_prefixes(["mine.a.f"])) is None
    assert refusal("os.getcwd", allowed_prefixes(["os.getcwd"])) is None


def test_the_standard_library_is_allowed_by_exact_name_only() -> None:
    """``allow=['os']`` by mistake must not open ``os.system``."""
    assert refusal("os.system", allowed_prefixes(["os"])) is not None
    assert refusal("subprocess.run", allowed_prefixes(["subprocess"])) is not None


def test_the_line_that_would_allow_it_does() -> None:
    for target in ("mylib.models.Net", "mylib.f", "os.getcwd", "mylib._private.f", "torch.hub.load", "single"):
        text = refusal(target, allowed_prefixes())
        assert text is not None
        line = text.rpartition("allow=['")[2].partition("']")[0]
        assert line
        assert refusal(target, allowed_prefixes([line])) is None, text


# The whole tree, before the first import ---------------------------------------------------------------------------


def _places(node: Any) -> dict[str, Any]:
    return {
        "root": node,
        "argument": recipe(a=node),
        "list": recipe(a=[1, [node]]),
        "dict": recipe(a={"x": {"y": node}}),
        "int_key": recipe(a={3: node}),
        "positional": recipe(_args_=[node]),
        "nested_positional": recipe(a={"_target_": f"{T}.untyped", "_args_": [[node]]}),
        "tuple": recipe(a={"_target_": "builtins.tuple", "_args_": [[node]]}),
        "pairs": recipe(a={"_target_": "builtins.dict", "_args_": [[[None, node]]]}),
        "pair_key": recipe(a={"_target_": "builtins.dict", "_args_": [[[node, 1]]]}),
        "unknown_parameter": recipe(nope=node),
        "below_a_value": recipe(a={"_target_": "builtins.str", "_args_": [node]}),
        "below_a_reference": recipe(a={"_target_": f"{T}.double", "_call_": False, "x": node}),
        "beside_a_mistake": recipe(a={"_target_": f"{T}.Plain", "size": "no"}, b=node),
        "keyword": {"_target_": f"{T}.keywords", "extra": node},
    }


@pytest.mark.parametrize("place", _places({}))
@pytest.mark.parametrize("form", ["call", "partial", "reference"])
def test_a_name_is_refused_wherever_it_stands_and_nothing_is_imported(module: Modules, place: str, form: str) -> None:
    evil = module()
    more: dict[str, Any] = {"call": {}, "partial": {"_partial_": True}, "reference": {"_call_": False}}[form]
    with pytest.raises(PolicyError, match=rf"{evil}.f"):
        read(_places({"_target_": f"{evil}.f", **more})[place])
    assert evil not in sys.modules


@pytest.mark.parametrize("place", _places({}))
def test_a_config_is_checked_the_same_way(module: Modules, place: str) -> None:
    from nemo_partial_hydra.composed import config_to_tree

    evil = module()
    with pytest.raises(PolicyError, match=rf"{evil}.f"):
        config_to_tree(OmegaConf.create(_places({"_target_": f"{evil}.f"})[place]), ALLOW)
    assert evil not in sys.modules


@pytest.mark.parametrize("key", ["_append_", "_replace_"])
def test_edits_are_checked_before_an_import_too(module: Modules, key: str) -> None:
    from nemo_partial_hydra.composed import config_to_tree

    evil = module()
    with pytest.raises(PolicyError, match=rf"{evil}.f"):
        config_to_tree(recipe(a=[1], **{key: {"a" if key == "_append_" else "b": {"_target_": f"{evil}.f"}}}), ALLOW)
    assert evil not in sys.modules


@pytest.mark.parametrize("held", ["tuple", "set_kind", "list", "dict"])
def test_an_override_inside_a_container_of_a_structured_config_is_checked_before_an_import(
    module: Modules, held: str
) -> None:
    """A tuple remembers in the composed config that it is one: the check must look into it as well."""
    run = pytest.importorskip("nemo_run")
    import nemo_partial_hydra as nph

    evil = module("def f(): ...\n")
    node = {"_target_": f"{evil}.f"}
    values: dict[str, Any] = {"tuple": (1, 2), "set_kind": frozenset({1}), "list": [1], "dict": {"x": 1}}
    cfg = nph.to_config(run.Partial(t.untyped, a=values[held]))
    key = {"tuple": "a.1", "set_kind": "a.0", "list": "a.0", "dict": "a.x"}[held]
    OmegaConf.update(cfg, key, node, force_add=True)
    with pytest.raises(PolicyError, match=rf"{evil}.f"):
        nph.build(cfg)
    assert evil not in sys.modules


def test_a_tuple_in_a_structured_config_is_checked_before_the_first_import(module: Modules) -> None:
    run = pytest.importorskip("nemo_run")
    import nemo_partial_hydra as nph

    good, evil = module(), module()
    cfg = nph.to_config(run.Partial(t.untyped, a=(1, 2)))
    OmegaConf.update(cfg, "a.1", {"_target_": f"{evil}.f"}, force_add=True)
    OmegaConf.update(cfg, "b", {"_target_": f"{good}.f"}, force_add=True)
    OmegaConf.update(cfg, "d", {"_target_": "os.system"}, force_add=True)
    with pytest.raises(PolicyError) as info:
        nph.build(cfg, allow=[good])
    assert good not in sys.modules
    assert evil in str(info.value)
    assert "os.system" in str(info.value)


def test_all_refusals_come_in_one_report_with_paths_and_lines(module: Modules) -> None:
    first, second = module(), module()
    with pytest.raises(PolicyError) as info:
        read(
            recipe(
                a={"_target_": f"{first}.f"},
                b=[{"_target_": f"{second}.f", "a": {"_target_": "os.system", "_call_": False}}],
            )
        )
    text = str(info.value)
    assert "3 targets are refused" in text
    for path, name, line in (
        ("a", f"{first}.f", first),
        ("b.0", f"{second}.f", second),
        ("b.0.a", "os.system", "os.system"),
    ):
        found = [row for row in text.splitlines() if f"'{name}'" in row]
        assert len(found) == 1
        assert f"{path}: " in found[0]
        assert f"allow=['{line}']" in found[0]


def test_one_allowed_name_does_not_import_before_another_is_refused(module: Modules) -> None:
    good, evil = module(), module()
    with pytest.raises(PolicyError):
        read({"_target_": f"{good}.f", "a": {"_target_": f"{evil}.f"}}, (good,))
    assert good not in sys.modules
    assert evil not in sys.modules


def test_a_plain_text_for_a_callable_is_a_name_too(module: Modules) -> None:
    evil = module()
    with pytest.raises(PolicyError, match=rf"fn: '{evil}.f'"):
        read({"_target_": f"{T}.needs_function", "fn": f"{evil}.f"})
    for name in ("os.system", "builtins.eval", "nemo_evil.f", "torch.load"):
        with pytest.raises(PolicyError, match=name):
            read({"_target_": f"{T}.needs_function", "fn": name})
    assert evil not in sys.modules
    assert read({"_target_": f"{T}.needs_function", "fn": f"{T}.double"})


def test_a_plain_text_where_no_function_is_meant_is_only_a_text() -> None:
    assert read(recipe(a="os.system", b=["builtins.eval"])).kwargs["a"] == "os.system"


@pytest.mark.parametrize("target", [None, 5, 1.5, True, [f"{T}.double"], {"a": 1}, ""])
@pytest.mark.parametrize("nested", [False, True])
def test_a_target_that_is_no_text_is_an_error(target: Any, nested: bool) -> None:
    node = {"_target_": target, "x": 1}
    with pytest.raises(RecipeError, match=r"_target_|target|''"):
        read(recipe(a=[node]) if nested else node)


def test_a_target_hidden_in_a_target_is_refused(module: Modules) -> None:
    evil = module()
    with pytest.raises(RecipeError):
        read(recipe(a={"_target_": {"_target_": f"{evil}.f"}}))
    assert evil not in sys.modules


def test_an_interpolated_target_is_checked_as_what_it_becomes(module: Modules) -> None:
    from nemo_partial_hydra.composed import config_to_tree

    evil = module()
    cfg = OmegaConf.create({"name": f"{evil}.f", "job": recipe(a={"_target_": "${name}"})})
    with pytest.raises(RecipeError):
        config_to_tree(cfg, ALLOW)
    with pytest.raises(RecipeError):
        config_to_tree(OmegaConf.create(recipe(b=f"{evil}.f", a={"_target_": "${..b}"})), ALLOW)
    assert evil not in sys.modules


@pytest.mark.parametrize("key", ["allow", "_allow_", "_policy_"])
def test_the_text_cannot_allow_anything(module: Modules, key: str) -> None:
    evil = module()
    with pytest.raises(RecipeError):
        read({**recipe(a={"_target_": f"{evil}.f"}), key: [evil]})
    with pytest.raises(PolicyError):
        read(recipe(a={"_target_": f"{evil}.f"}))
    assert evil not in sys.modules


def test_an_allowed_text_does_not_add_trust_for_the_next(module: Modules) -> None:
    good = module()
    read({"_target_": f"{good}.f"}, (good,))
    with pytest.raises(PolicyError):
        read({"_target_": f"{good}.f"}, ())
    assert policy._trusted == set()


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
        load(f"{home}.{name}", (home,))


@pytest.mark.parametrize("name", ["f", "other_name", "Own", "Own.method", "Own.make", "number", "own_list", "Launcher"])
def test_what_an_allowed_module_defines_is_allowed(module: Modules, name: str) -> None:
    home = module(ALIASES, "aliases")
    found = load(f"{home}.{name}", (home,))
    assert found is not None


def test_an_alias_is_refused_with_its_real_name(module: Modules) -> None:
    home = module(ALIASES, "aliases")
    with pytest.raises(PolicyError, match=r"another name of 'posix\.system'"):
        load(f"{home}.renamed", (home,))


def test_a_module_is_no_value() -> None:
    with pytest.raises(PolicyError, match="is a module"):
        load("tests.support.targets", ALLOW)


def test_a_denied_thing_under_another_name_of_its_package_is_refused() -> None:
    torch = pytest.importorskip("torch")
    assert torch.load.__module__ == "torch.serialization"
    for name in ("torch.load", "torch.serialization.os.system", "torch.functional.torch.load"):
        with pytest.raises(PolicyError):
            load(name)
    assert load("torch.nn.functional.gelu") is torch.nn.functional.gelu


# Capturing ---------------------------------------------------------------------------------------------------------


def test_capturing_a_live_object_trusts_its_package_in_this_process() -> None:
    run = pytest.importorskip("nemo_run")
    text = {"_target_": f"{T}.Plain"}
    with pytest.raises(PolicyError):
        read(text, ())
    captured(run.Config(t.Plain))
    assert read(text, ())


@pytest.mark.parametrize(
    "value",
    [math.sqrt, len, __import__("http").HTTPStatus.OK, sys.intern, __import__("operator").add],
    ids=lambda v: str(v)[:20],
)
def test_a_function_or_member_of_the_standard_library_is_trusted_by_that_name_only(value: Any) -> None:
    run = pytest.importorskip("nemo_run")
    import nemo_partial_hydra as nph

    p = run.Partial(t.untyped, a=value)
    assert nph.build(nph.to_config(p)).a is value
    assert nph.from_yaml(nph.to_yaml(p)).a is value
    for name in ("math.cos", "builtins.eval", "http.server.test", "sys.exit", "operator.attrgetter"):
        with pytest.raises(PolicyError):
            load(name)


def test_a_reference_to_another_package_is_trusted_too(module: Modules) -> None:
    run = pytest.importorskip("nemo_run")
    import importlib

    import nemo_partial_hydra as nph

    other = importlib.import_module(module("import enum\nclass E(enum.Enum):\n    A = 1\ndef f(): ...\nclass C: ...\n"))
    for value in (other.f, other.C, other.E.A):
        policy._trusted.clear()
        p = run.Partial(t.untyped, a=[value])
        assert nph.build(nph.to_config(p)).a == [value]


@pytest.mark.parametrize(
    "value", [str.upper, "abc".upper, [].append, {}.get, (1).bit_length], ids=lambda v: str(v)[:16]
)
def test_capturing_never_trusts_getattr(value: Any) -> None:
    run = pytest.importorskip("nemo_run")
    with contextlib.suppress(RecipeError):
        captured(run.Partial(t.untyped, a=value))
    with pytest.raises(PolicyError):
        load("builtins.getattr")


@pytest.mark.parametrize(
    "value",
    [slice(1, 2), __import__("re").compile("x"), __import__("logging").getLogger("x"), Ellipsis, object()],
    ids=lambda v: type(v).__name__,
)
def test_capturing_an_object_trusts_no_more_than_what_makes_it(value: Any) -> None:
    run = pytest.importorskip("nemo_run")
    with contextlib.suppress(RecipeError):
        captured(run.Partial(t.untyped, a=value))
    for name in (
        "builtins.eval",
        "builtins.getattr",
        "logging.config.dictConfig",
        "copyreg._reconstructor",
        "builtins.open",
    ):
        with pytest.raises(PolicyError):
            load(name)


def test_yaml_and_config_are_read_by_the_same_rules(module: Modules) -> None:
    pytest.importorskip("nemo_run")
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
