"""A listing composes and reads a config once."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra

from nemo_partial_hydra.composition import checks, decode
from nemo_partial_hydra.listing import callback, source
from tests.support.apps import App


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what goes over a whole config: composing it, reading it, asking who set what, looking at each node."""
    found: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        function = getattr(module, name)

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            found[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    def loader(self: GlobalHydra, plain: Any = GlobalHydra.config_loader) -> Any:
        made = plain(self)
        if "load_configuration" not in vars(made):
            count(made, "load_configuration")
            count(made, "load_sweep_config")
        return made

    monkeypatch.setattr(GlobalHydra, "config_loader", loader)
    for module, name in (
        (source, "loose_data"),
        (source, "from_data_placed"),
        (callback, "claims"),
        (checks, "recipe_data"),
        (decode, "recipe_data"),
    ):
        count(module, name)
    return found


def test_a_config_is_composed_and_read_once(counts: Counter[str], tmp_path: Path) -> None:
    assert App(tmp_path).inline("--cfg-paths", "optimizers.0.lr=0.5").code == 0
    assert counts == {"load_configuration": 1, "claims": 1, "loose_data": 1, "from_data_placed": 1}


def test_each_job_of_a_sweep_is_composed_and_read_once(counts: Counter[str], tmp_path: Path) -> None:
    assert App(tmp_path).inline("--cfg-paths", "-m", "optimizers.0.lr=0.5,0.25,0.125").code == 0
    jobs = {"load_sweep_config": 3, "claims": 3, "loose_data": 3, "from_data_placed": 3}
    own = counts.pop("load_configuration")
    assert own in (1, 1 + 3), "the sweep's own config; Hydra 1.3 counts that of each job here too"
    assert counts == jobs


def test_each_node_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = App(tmp_path)
    seen: list[Any] = []
    note = source.Nodes.note

    def noting(self: source.Nodes, node: Any, path: Any) -> None:
        seen.append(path)
        note(self, node, path)

    monkeypatch.setattr(source.Nodes, "note", noting)
    assert app.inline("--cfg-paths", "optimizers.0.lr=0.5").code == 0
    assert len(seen) == len(set(seen))
    assert {(), ("optimizers",), ("optimizers", 0), ("optimizers", 0, "lr"), ("model", "config")} <= set(seen), seen
