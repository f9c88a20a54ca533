"""An app that trains by Bridge: listed, run by ``pretrain`` as target with the container as argument, frozen."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

import nemo_partial_hydra as nph
from nemo_partial_hydra.dialect.yaml import load
from tests.support.apps import ROOT

from .conftest import Export

pytestmark = pytest.mark.bridge

APP = ROOT / "examples" / "megatron_bridge"
STEP = "megatron.bridge.training.gpt_step.forward_step"


def app(
    export: Export, surroundings: dict[str, str], folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the example's app in a directory of its own."""
    command: Sequence[str] = [sys.executable, str(APP / "train.py"), "--library", str(export.folder), *arguments]
    return subprocess.run(
        command, env=surroundings, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def test_every_field_is_listed(export: Export, surroundings: dict[str, str], tmp_path: Path) -> None:
    done = app(export, surroundings, tmp_path, "config.model.num_layers=4", "--cfg-paths=json")
    assert done.returncode == 0, done.stderr
    rows = {row["path"]: row for row in json.loads(done.stdout)}
    assert len(rows) > 500
    assert rows["config.model.num_layers"]["value"] == 4
    assert rows["config.model.num_layers"]["kind"] == "override"
    assert rows["config.optimizer.lr"]["overridable"] is True
    choices = ["disabled", "validate_results", "report_determinism_stats"]
    assert rows["config.rerun_state_machine.rerun_mode"]["choices"] == choices


def test_pretrain_is_called_for_real_as_far_as_a_cpu_goes(
    export: Export, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Bridge takes the container, begins its setup, and then asks for CUDA."""
    done = app(export, surroundings, tmp_path, "config.train.train_iters=10")
    assert done.returncode == 1
    assert "in initialize_megatron" in done.stderr
    assert "Megatron requires CUDA." in done.stderr


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Put a recorder in the place of ``pretrain``."""
    module = sys.modules["megatron.bridge.training.pretrain"]
    calls: list[tuple[Any, Any]] = []

    @functools.wraps(module.pretrain)
    def record(config: Any, forward_step_func: Any, callbacks: Any = None) -> None:
        calls.append((config, forward_step_func))

    monkeypatch.setattr(module, "pretrain", record)
    return calls


@pytest.mark.usefixtures("bridge")
def test_pretrain_gets_the_container(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a recorder in the place of ``pretrain``."""
    import megatron.bridge.training.pretrain  # noqa: F401
    from megatron.bridge.recipes.nemotronh.nemotronh import nemotronh_4b_pretrain_config
    from megatron.bridge.training.gpt_step import forward_step

    calls = recorded(monkeypatch)
    with initialize_config_dir(str(APP / "conf"), version_base="1.3"):
        cfg = compose("train", overrides=[f"hydra.searchpath=[file://{export.folder}]", "config.model.num_layers=4"])
    nph.run(cfg, allow=["trust_remote_code"])
    want = nemotronh_4b_pretrain_config()
    want.model.num_layers = 4
    assert calls == [(want, forward_step)]


@pytest.mark.usefixtures("bridge")
def test_frozen_jobs_are_what_was_composed(
    export: Export, surroundings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = app(
        export, surroundings, tmp_path, "-m", "config.model.num_layers=4,8", "hydra/launcher=freeze",
        "hydra.launcher.payload=recipe", "hydra.sweep.dir=jobs",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "nemo_partial_hydra.cli", "run", "jobs/0", "--allow", "trust_remote_code"]
    ran = subprocess.run(
        command, env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 1
    assert "Megatron requires CUDA." in ran.stdout + ran.stderr
    import megatron.bridge.training.pretrain  # noqa: F401

    calls = recorded(monkeypatch)
    for number in range(2):
        job = load((tmp_path / "jobs" / str(number) / "job.yaml").read_text())
        nph.run(job["recipe"], allow=["trust_remote_code"])
    assert [config.model.num_layers for config, _ in calls] == [4, 8]
    assert {f"{step.__module__}.{step.__name__}" for _, step in calls} == {STEP}
