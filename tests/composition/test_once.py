"""Work is done once: on its way from a config to a job or a run, a recipe is read into a tree and validated once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nemo_partial_hydra as nph
from nemo_partial_hydra.runtime import workspace
from tests.support.apps import App

CONF = "_target_: shop.train\n_partial_: true\nsteps: 4\nopt: {_target_: shop.SGD, lr: 0.5}\n"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Count the trees that are read from plain data, with their validation."""
    found: list[Any] = []
    real = getattr(workspace, "from_data")  # noqa: B009  # it is no public name of that module

    def counted(data: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(data)
        return real(data, *args, **kwargs)

    monkeypatch.setattr(workspace, "from_data", counted)
    return found


def test_an_app_that_freezes_reads_its_recipe_once(tmp_path: Path, read: list[Any]) -> None:
    app = App(tmp_path, {"config": CONF})
    done = app.inline("steps=5", call=lambda cfg: nph.freeze(cfg, tmp_path / "job").recipe["steps"])
    assert (done.code, done.result) == (0, "5"), done.err
    assert len(read) == 1


def test_an_app_that_runs_its_recipe_reads_it_once(tmp_path: Path, read: list[Any]) -> None:
    done = App(tmp_path, {"config": CONF}).inline("steps=5")
    assert done.code == 0, done.err
    assert "('steps', 5)" in done.result
    assert len(read) == 1


@pytest.mark.parametrize("value", [6, 5.0, True, "${opt.lr}"])
def test_what_the_app_changes_is_read_anew(tmp_path: Path, read: list[Any], value: Any) -> None:
    def change(cfg: Any) -> Any:
        cfg.ratio = value
        return nph.build(cfg).ratio

    done = App(tmp_path, {"config": CONF}).inline("ratio=5", call=change)
    if value is True:
        assert done.code != 0
    else:
        assert done.result == {6: "6", 5.0: "5.0", "${opt.lr}": "0.5"}[value], done.err
        assert len(read) == 2


def test_each_job_of_a_frozen_sweep_is_read_once(tmp_path: Path, read: list[Any]) -> None:
    app = App(tmp_path, {"config": CONF})
    done = app.inline("-m", "steps=1,2,3", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 0, done.err
    assert [data["steps"] for data in read] == [1, 2, 3]


def test_nothing_is_written_if_a_job_is_wrong(tmp_path: Path, read: list[Any]) -> None:
    app = App(tmp_path, {"config": CONF})
    done = app.inline("-m", "steps=1,2,no", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 2
    assert not app.left()
