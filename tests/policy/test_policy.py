"""What a text may name: default-deny, checked before the first import, and never widened by the text itself."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_partial_hydra.errors import PolicyError, RecipeError
from nemo_partial_hydra.policy.names import refusal, within
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support import targets as t
from tests.support.evil import Modules, read

T = "tests.support.targets"
ALLOW = ("tests.support",)


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
            WORKSPACE.policy.load(target)
    else:
        assert refusal(target, WORKSPACE.policy.prefixes()) is not None
        with pytest.raises(PolicyError):
            WORKSPACE.policy.load(target)


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
    assert refusal(target, WORKSPACE.policy.prefixes()) is None


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
    text = refusal(target, WORKSPACE.policy.prefixes())
    assert text is not None
    assert f"allow=['{target}']" in text
    assert refusal(target, WORKSPACE.policy.prefixes([target])) is None


@pytest.mark.parametrize(
    "target", ["torch._C.f", "nemo.__builtins__.eval", "torch.nn.Module.__init__", "nemo._private.f", "nemo.A._b"]
)
def test_private_parts_are_refused_inside_allowed_packages(target: str) -> None:
    text = refusal(target, WORKSPACE.policy.prefixes())
    assert text is not None
    assert "private" in text


def test_allow_takes_prefixes_and_exact_names() -> None:
    assert refusal("mine.a.f", WORKSPACE.policy.prefixes(["mine"])) is None
    assert refusal("mine.a.f", WORKSPACE.policy.prefixes(["mine.a.f"])) is None
    assert refusal("mine.a.g", WORKSPACE.policy.prefixes(["mine.a.f"])) is not None
    assert refusal("mine.a.f.sub", WORKSPACE.policy.prefixes(["mine.a.f"])) is None
    assert refusal("os.getcwd", WORKSPACE.policy.prefixes(["os.getcwd"])) is None


def test_the_standard_library_is_allowed_by_exact_name_only() -> None:
    """``allow=['os']`` by mistake must not open ``os.system``."""
    assert refusal("os.system", WORKSPACE.policy.prefixes(["os"])) is not None
    assert refusal("subprocess.run", WORKSPACE.policy.prefixes(["subprocess"])) is not None


def test_the_line_that_would_allow_it_does() -> None:
    for target in ("mylib.models.Net", "mylib.f", "os.getcwd", "mylib._private.f", "torch.hub.load", "single"):
        text = refusal(target, WORKSPACE.policy.prefixes())
        assert text is not None
        line = text.rpartition("allow=['")[2].partition("']")[0]
        assert line
        assert refusal(target, WORKSPACE.policy.prefixes([line])) is None, text


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
    from nemo_partial_hydra.composition.decode import config_to_tree

    evil = module()
    with pytest.raises(PolicyError, match=rf"{evil}.f"):
        config_to_tree(OmegaConf.create(_places({"_target_": f"{evil}.f"})[place]), ALLOW)
    assert evil not in sys.modules


@pytest.mark.parametrize("key", ["_append_", "_replace_"])
def test_edits_are_checked_before_an_import_too(module: Modules, key: str) -> None:
    from nemo_partial_hydra.composition.decode import config_to_tree

    evil = module()
    with pytest.raises(PolicyError, match=rf"{evil}.f"):
        config_to_tree(recipe(a=[1], **{key: {"a" if key == "_append_" else "b": {"_target_": f"{evil}.f"}}}), ALLOW)
    assert evil not in sys.modules


@pytest.mark.parametrize("held", ["tuple", "set_kind", "list", "dict"])
def test_an_override_inside_a_container_of_a_structured_config_is_checked_before_an_import(
    module: Modules, held: str
) -> None:
    """A tuple remembers in the composed config that it is one: the check must look into it as well."""
    import nemo_run as run

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
    import nemo_run as run

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
    from nemo_partial_hydra.composition.decode import config_to_tree

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
    assert WORKSPACE.policy.trusted == set()
