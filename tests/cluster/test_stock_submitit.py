"""Hydra's own launcher for SLURM, hydra-submitit-launcher's ``submitit_slurm``, under apps of ``nph.main``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app import test_other_processes as other
from tests.cluster.lab import Lab
from tests.support.apps import App

pytestmark = pytest.mark.cluster
SLURM = (
    "hydra/launcher=submitit_slurm",
    "hydra.launcher.partition=debug",
    "hydra.launcher.timeout_min=2",
    "hydra.launcher.mem_gb=1",
)


@pytest.fixture
def app(tmp_path: Path) -> App:
    return other.made(tmp_path)


def test_jobs_have_the_apps_settings_recipes_and_permissions(lab: Lab, app: App) -> None:
    done = other.sweep(app, "opt=stored,made,of_module", *SLURM)
    assert done.code == 0, done.err
    jobs = other.found(app)
    assert [str(job["opt"])[:15] for job in jobs] == ["Adam(lr=0.125, ", "Adam(lr=0.5, be", "Adam(lr=0.25, b"]
    expected = {"lib": "red", "given": False, "taken": True, "paths": True, "steps": 1}
    assert [{name: job[name] for name in expected} for job in jobs] == [expected] * 3


def test_a_job_that_fails_fails_the_sweep(lab: Lab, app: App) -> None:
    app.write("conf/bad.yaml", "second: {_target_: shop.fail, _partial_: true}\n")
    done = other.sweep(app, "--config-name=bad", "second.times=1,2", *SLURM)
    assert done.code == 1
    assert "the payload fails" in done.err
    assert "Traceback" not in done.out


def test_the_jobs_of_a_plain_hydra_app_find_its_registered_recipes(lab: Lab, app: App) -> None:
    app.write("app.py", other.PLAIN)
    done = app.run("-m", "hydra.sweep.dir=out", "opt.lr=0.5,0.75", *SLURM)
    assert done.code == 0, done.err
    found = sorted(app.folder.glob("out/*/found.json"))
    assert [json.loads(path.read_text())["lr"] for path in found] == [0.5, 0.75]
