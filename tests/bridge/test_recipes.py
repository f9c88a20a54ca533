"""Every recipe that constructs without a hub is exported, and equal once it is built."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

import nemo_partial_hydra as nph
from nemo_partial_hydra.libraries import manifest

from .conftest import Export

pytestmark = pytest.mark.bridge

ALLOW = ["trust_remote_code"]  # of a tokenizer: Bridge's recipes for Nemotron say true
HUB = "it asks a server (a model hub): run the export where that answers and allows it"


def recipes() -> dict[str, Callable[[], Any]]:
    """Find the recipe functions in another way than the export does: all modules, by their files."""
    import megatron.bridge.recipes as package

    found = {}
    for folder in map(Path, package.__path__):
        for path in sorted(folder.rglob("*.py")):
            parts = [part for part in path.relative_to(folder).with_suffix("").parts if part != "__init__"]
            module = importlib.import_module(".".join([package.__name__, *parts]))
            for name, function in vars(module).items():
                own = inspect.isfunction(function) and function.__module__ == module.__name__
                if own and not name.startswith("_") and returns_container(function):
                    found[f"{module.__name__}.{name}"] = function
    return found


def returns_container(function: Callable[..., Any]) -> bool:
    return "ConfigContainer" in str(inspect.signature(function).return_annotation)


@pytest.fixture(scope="module")
def called(bridge: None) -> tuple[dict[str, Any], dict[str, str]]:
    """What calling every recipe function gives, and what the others say."""
    made, raised = {}, {}
    for name, function in recipes().items():
        try:
            made[name] = function()
        except Exception as error:  # the answer of a recipe
            raised[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return made, raised


def differences(a: Any, b: Any, path: str = "config") -> Iterator[str]:
    """Yield where two values differ in type or value; dataclasses field by field, whatever their ``==`` says."""
    if type(a) is not type(b):
        yield f"{path}: {type(a)}, {type(b)}"
    elif dataclasses.is_dataclass(a) and not isinstance(a, type):
        for field in dataclasses.fields(a):
            yield from differences(getattr(a, field.name, None), getattr(b, field.name, None), f"{path}.{field.name}")
    elif isinstance(a, functools.partial):
        yield from differences([a.func, a.args, a.keywords], [b.func, b.args, b.keywords], path)
    elif isinstance(a, (dict, list, tuple)):
        keys = list(a) if isinstance(a, dict) else range(len(a))
        if len(a) != len(b) or (isinstance(a, dict) and list(a) != list(b)):
            yield f"{path}: {a!r}, {b!r}"
        else:
            for key in keys:
                yield from differences(a[key], b[key], f"{path}.{key}")
    elif not (a is b or a == b):
        yield f"{path}: {a!r}, {b!r}"


def built(export: Export, path: str, *overrides: str) -> Any:
    """Compose an exported recipe and make its container."""
    group, _, option = path.rpartition("/")
    with initialize_config_dir(str(export.folder), version_base="1.3"):
        cfg = compose(overrides=[f"+{group}={option}", *(f"{group}.{text}" for text in overrides)])
    return nph.run(cfg[group], allow=ALLOW)


def test_what_constructs_is_exported_and_equal_when_built(
    export: Export, called: tuple[dict[str, Any], dict[str, str]], record_property: Callable[[str, object], None]
) -> None:
    made, raised = called
    known = manifest.read(str(export.folder))
    assert {entry.call for entry in known.recipes.values()} == {f"{name}()" for name in made}
    assert len(made) >= 28
    unlike = {}
    for path, entry in known.recipes.items():
        want, got = made[entry.call.removesuffix("()")], built(export, path)
        found = list(differences(want, got)) or ([] if want == got else ["== says no"])
        if found:
            unlike[path] = found
    hub = sum(HUB in known.left_out[name] for name in raised)
    record_property(
        "said",
        f"Megatron-Bridge: {len(made)} of {len(made) + len(raised)} recipes construct here, "
        f"{len(made) - len(unlike)} of them equal once exported and built; "
        f"of the others {hub} ask the hub, {len(raised) - hub} say why not",
    )
    assert unlike == {}


def test_the_others_are_listed_with_the_reason(export: Export, called: tuple[dict[str, Any], dict[str, str]]) -> None:
    _, raised = called
    assert export.code == 1
    left_out = manifest.read(str(export.folder)).left_out
    assert set(left_out) >= set(raised)
    for name, text in raised.items():
        if "Failed to load configuration" in text:
            assert left_out[name].endswith(HUB)
        elif "required positional argument" in text:
            assert re.search(r"needs \w+: --with \w+\.\w+=\.\.\.", left_out[name])
        else:
            assert text in left_out[name]
        assert f"left out: {name}: {left_out[name]}" in export.err


def test_what_no_field_takes_is_said(export: Export) -> None:
    """Some recipes set ``scheduler.min_lr``, of which the scheduler's dataclass knows nothing."""
    said = "scheduler.min_lr = 1e-05 is left out: it is no field of the dataclass it is set on"
    assert f"note: peft_config/nemotronh_4b: {said}" in export.err
    assert f"# {said}\n" in (export.folder / "peft_config" / "nemotronh_4b.yaml").read_text()


def test_overrides_at_any_depth_and_nothing_else(export: Export, bridge: None) -> None:
    plain = built(export, "pretrain_config/nemotronh_4b")
    changed = built(
        export,
        "pretrain_config/nemotronh_4b",
        "train.train_iters=10",
        "optimizer.lr=1e-3",
        "model.num_layers=4",
        "model.params_dtype=torch.float16",
        "model.activation_func=torch.nn.functional.silu",
        "dataset.blend=null",
        "train.exit_signal=10",
        "checkpoint.save=/runs/a",
    )
    import torch

    where = {text.partition(":")[0].removeprefix("config.") for text in differences(plain, changed)}
    assert where == {
        "train.train_iters", "optimizer.lr", "model.num_layers", "model.params_dtype", "model.activation_func",
        "train.exit_signal", "checkpoint.save",
    }  # fmt: skip
    assert (changed.train.train_iters, changed.optimizer.lr, changed.model.num_layers) == (10, 1e-3, 4)
    assert changed.model.params_dtype is torch.float16
    assert changed.model.activation_func is torch.nn.functional.silu


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.train_itres=1", "train_itres"),
        ("train.train_iters=many", "train_iters"),
        ("rerun_state_machine.rerun_mode=often", "rerun_mode"),
    ],
)
def test_mistakes_are_refused(export: Export, bridge: None, override: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        built(export, "pretrain_config/nemotronh_4b", override)
