"""Plain Hydra apps on a real SLURM in real containers, whose Hydra and Python are others than here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.test_utils.launcher_common_tests import LauncherTestSuite

from tests.cluster.lab import Lab
from tests.launchers.test_app_payload import ALLOWED, HYDRAS, OURS, app_of, told
from tests.launchers.test_conformance import hydra_sweep_runner  # noqa: F401  # a fixture
from tests.support.apps import ROOT, App
from tests.support.recipes import nemo_hydra

pytestmark = pytest.mark.cluster

HYDRA = {
    "1.3.8": ("hydra-core==1.3.8", "omegaconf==2.3.0"),
    "1.4.0rc3": ("hydra-core==1.4.0rc3", "omegaconf==2.4.1rc1"),
}


def site(lab: Lab, version: str) -> Path:
    """Return a directory with a Hydra, to be bound into an image that has PyYAML; made if it is not there."""
    folder = lab.apptainer.parents[1] / "sites" / version
    if not folder.exists():
        made = folder.with_suffix(".new")
        packages = [*HYDRA[version], "antlr4-python3-runtime>=4.9,<4.14", "packaging"]
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(made), *packages]
        if version.startswith("1.3"):
            command[-2] = "antlr4-python3-runtime==4.9.3"
        subprocess.run(command, check=True)
        made.rename(folder)
    return folder


def line(lab: Lab, image: Path, version: str | None) -> tuple[str, ...]:
    """Return the overrides that send a sweep into an image, with a Hydra bound into it."""
    words = ["hydra/launcher=submitit_apptainer", "hydra.launcher.timeout_min=3", "hydra.launcher.mem_gb=1"]
    words += [f"hydra.launcher.apptainer.image={image}", "hydra.launcher.apptainer.contain=true"]
    if version is not None:
        words += [f"hydra.launcher.apptainer.binds=['{site(lab, version)}:/hydra']"]
        words += ["+hydra.launcher.apptainer.env.PYTHONPATH=/hydra"]
    return tuple(words)


@pytest.fixture(autouse=True)
def _path(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")


def run(app: App, *words: str) -> Any:
    return app.run(*words, env={name: os.environ[name] for name in ("PATH", "SLURM_CONF") if name in os.environ})


@pytest.mark.parametrize(
    ("main", "version", "other"), [(HYDRAS, "1.4.0rc3", False), (OURS, "1.3.8", True)], ids=["hydra", "nph"]
)
def test_an_app_does_on_slurm_what_it_does_here(
    lab: Lab, image: Path, image_other_python: Path, tmp_path: Path, main: str, version: str, other: bool
) -> None:
    here, there = app_of(tmp_path / "here", main), app_of(tmp_path / "there", main)
    done = here.run("-m", "number=1,2", "+inner=wide")
    assert done.code == 0, done.err
    container = image_other_python if other else image
    words = (*line(lab, container, version), "hydra.launcher.detach=false")
    done = run(there, "-m", "number=1,2", "+inner=wide", *words)
    assert done.code == 0, done.err
    assert "Each job calls app.main with its config" in done.out
    assert told(there) == told(here)
    log = (there.folder / "sweep/1/attempts/1/out.log").read_text()
    assert "NOTES started 1" in log
    assert "NOTES ended COMPLETED" in log
    assert "the app's own line" in (there.folder / "sweep/1/app.log").read_text()
    assert json.loads((there.folder / "sweep/1/result.json").read_text()) == {"result": 1.0}


def test_what_fails_is_seen_and_tried_again(lab: Lab, image: Path, tmp_path: Path) -> None:
    app = app_of(tmp_path / "app", HYDRAS)
    done = run(app, "-m", "number=12,13", *line(lab, image, "1.3.8"), "hydra.launcher.detach=false")
    assert done.code == 1
    assert "unlucky" in done.err
    shown = nemo_hydra(app.folder, "status", "sweep", "--json")
    assert [(job["state"], (job["error"] or {}).get("message")) for job in json.loads(shown.out)["jobs"]] == [
        ("done", None),
        ("failed", "unlucky"),
    ]
    (app.folder / "app.py").write_text((app.folder / "app.py").read_text().replace("== 13", "== 14"))
    tried = nemo_hydra(app.folder, "retry", "sweep")
    assert tried.code == 0, tried.err
    lab.wait(lambda: '"done"' in (app.folder / "sweep/1/status.json").read_text(), 60, "the job to be done")
    assert "NOTES ended COMPLETED" in nemo_hydra(app.folder, "logs", "sweep", "1").out


def test_an_image_without_hydra_is_said(lab: Lab, image: Path, tmp_path: Path) -> None:
    app = app_of(tmp_path / "app", HYDRAS)
    done = run(app, "-m", "number=1", *line(lab, image, None), "hydra.launcher.detach=false")
    assert done.code == 1
    said = json.loads((app.folder / "sweep/0/status.json").read_text())["error"]["message"]
    assert re.search(rf"no hydra-core in {re.escape(str(image))}: install it there, or freeze the recipe alone", said)


def test_a_frozen_app_is_sent_by_somebody_else(lab: Lab, image: Path, tmp_path: Path) -> None:
    app = app_of(tmp_path / "app", OURS)
    assert app.run("-m", "number=3,4", "hydra/launcher=freeze").code == 0
    words = line(lab, image, "1.3.8")
    refused = nemo_hydra(app.folder, "submit", "sweep", *words)
    assert refused.code == 3
    assert "function: 'app.main' is not in an allowed package" in refused.err
    sent = nemo_hydra(app.folder, "submit", *ALLOWED, "sweep", *words, "hydra.launcher.detach=false")
    assert sent.code == 0, sent.err
    assert [one["values"][4] for one in told(app)] == [3, 4]


@pytest.mark.parametrize("launcher_name", ["submitit_apptainer"])
@pytest.mark.parametrize("overrides", [["hydra.launcher.detach=false", "hydra.launcher.timeout_min=3"]])
@pytest.mark.usefixtures("lab")
class TestLauncher(LauncherTestSuite):
    """Hydra's own suite for launchers, on SLURM; the jobs run with this interpreter."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
