"""Work that is done once: a recipe becomes a tree once, a file is read once."""

from __future__ import annotations

import builtins
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize, initialize_config_dir

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.recipes.capture import capture
from nemo_partial_hydra.runtime import session, workspace
from tests.support.apps import VERSION_BASE, App

T = "tests.support.targets"


def test_a_registered_recipe_becomes_a_tree_once_in_an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    run = pytest.importorskip("nemo_run")
    from tests.support import targets

    captured: list[Any] = []

    def counted(obj: Any, **how: Any) -> Any:
        captured.append(obj)
        return capture(obj, **how)

    monkeypatch.setattr(workspace, "capture", counted)
    monkeypatch.setattr(REGISTRY, "entries", dict(REGISTRY.entries))
    partial = run.Partial(targets.untyped, a=1)
    nph.store(partial, name="nph_once")
    with session.running(session.Session()):
        for value in (2, 3):
            with initialize(config_path=None, **VERSION_BASE):
                assert compose("nph_once", overrides=[f"a={value}"]).a == value
    assert captured == [partial]


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"_target_: {T}.untyped\n_partial_: true\na: 1\n"
    conf = {"config": "defaults: [part: one, _self_]\njob: {" + f"_target_: {T}.untyped" + "}\n", "part/one": text}
    app = App(tmp_path, conf)
    opened: Counter[str] = Counter()
    plain_open = builtins.open

    def counted(file: Any, *args: Any, **named: Any) -> Any:
        if str(file).startswith(str(app.conf)):
            opened[Path(file).name] += 1
        return plain_open(file, *args, **named)

    monkeypatch.setattr(builtins, "open", counted)
    with session.running(session.Session(("tests",))):
        for value in (2, 3):
            with initialize_config_dir(str(app.conf), **VERSION_BASE):
                assert compose("config", overrides=[f"part.a={value}"]).part.a == value
        assert opened == {"config.yaml": 1, "one.yaml": 1}
        app.write("conf/part/one.yaml", text.replace("a: 1", "a: 17"))
        with initialize_config_dir(str(app.conf), **VERSION_BASE):
            assert compose("config").part.a == 17
    assert opened["one.yaml"] == 2
