"""The team's own tests, for where NeMo is: what the recipes are, and that the app runs just these."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import before
import fiddle
import pytest
import yaml

import nemo_partial_hydra as nph
from finch import recipes

HERE = Path(__file__).parent


def frozen(folder: Path, *overrides: str) -> list[Any]:
    """Return the recipes of the jobs that a sweep has."""
    command = [sys.executable, "launch.py", "-m", *overrides, "hydra/launcher=freeze", f"hydra.sweep.dir={folder}"]
    subprocess.run(command, cwd=HERE, check=True)
    return [yaml.safe_load(job.read_text(encoding="utf-8"))["recipe"] for job in sorted(folder.glob("*/job.yaml"))]


def data(recipe: Any) -> Any:
    """Return a recipe as it stands in a job."""
    return yaml.safe_load(nph.to_yaml(recipe))


@pytest.mark.parametrize("factory", [recipes.finch, recipes.finch_cpu, recipes.finch_model, recipes.byte_data])
def test_each_recipe_can_be_written_and_built_again(factory: Callable[[], Any]) -> None:
    made = factory()
    assert data(nph.from_yaml(nph.to_yaml(made), allow=["finch"])) == data(made)


def test_what_the_arguments_do() -> None:
    recipe = recipes.finch(num_nodes=4, max_steps=100, name="long")
    assert (recipe.trainer.num_nodes, recipe.data.global_batch_size, recipe.log.name) == (4, 32, "long")
    assert (recipe.trainer.max_steps, recipe.optim.lr_scheduler.warmup_steps) == (100, 5)


def test_a_job_is_what_the_factory_makes(tmp_path: Path) -> None:
    assert frozen(tmp_path, "pretrain=finch,finch_cpu") == [data(recipes.finch()), data(recipes.finch_cpu())]


def test_overrides_take_effect(tmp_path: Path) -> None:
    changed = recipes.finch()
    changed.trainer.max_steps = 500
    changed.model.freeze_embedding = True
    changed.optim.config.lr = 1e-4
    words = ["pretrain.trainer.max_steps=500", "pretrain.model.freeze_embedding=true", "pretrain.optim.config.lr=1e-4"]
    assert frozen(tmp_path, "pretrain=finch", *words) == [data(changed)]


def test_the_run_of_before(tmp_path: Path) -> None:
    assert frozen(tmp_path, "+experiment=narrow") == [data(before.recipe())]


def test_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipes.finch_cpu(steps=8)
    recipe.model.freeze_embedding = True
    result = fiddle.build(recipe)()
    assert result["last"] < result["first"] - 0.5
    assert result["tags"] == {"team": "finch"}
    assert [line.split(",")[0] for line in (tmp_path / "losses.csv").read_text().splitlines()] == ["2", "4", "6", "8"]
    everything = fiddle.build(recipes.finch_cpu(steps=1))()
    assert everything["parameters"] - result["parameters"] == 512 * 128
