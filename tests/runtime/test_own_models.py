"""An app's own model, beside its script, that imports what is not installed on this machine: its snapshot counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from tests.support.apps import ROOT, App

MODEL = """
import heavy

class Net:
    def __init__(self, layers: int = 2, width: int = 8) -> None:
        self.layers = layers

def fit(net: Net, steps: int = 10) -> int:
    return net.layers * steps
"""
CONF = {"config": "_target_: own.model.fit\n_partial_: true\nnet: {_target_: own.model.Net, layers: 4}\n"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """An app whose snapshot was taken where ``heavy`` is, as in the image; here it is not."""
    app = App(tmp_path / "app", CONF, modules={"own/__init__": "", "own/model": MODEL})
    place = tmp_path / "image"
    place.mkdir()
    (place / "heavy.py").write_text("")
    monkeypatch.chdir(app.folder)
    for folder in (place, app.folder):
        monkeypatch.syspath_prepend(str(folder))
    files = ["conf/config.yaml", "--out", "conf/signatures.json"]
    assert cli.main(["snapshot", *files, "--allow", "own"]) == 0
    return app


def test_it_is_typed_and_frozen_where_its_packages_are_missing(app: App) -> None:
    done = app.run("-m", "net.layers=5,6", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 0, done.err
    assert "layers: 6" in (app.folder / "jobs/1/job.yaml").read_text()
    wrong = app.run("net.layrs=5", "--cfg", "job")
    assert wrong.code == 2
    assert "net.layrs: Net has no parameter 'layrs'; did you mean 'layers'?" in wrong.err


def test_without_a_snapshot_what_is_missing_is_said(app: App) -> None:
    (app.conf / "signatures.json").unlink()
    done = app.run("-m", "net.layers=5,6", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 2
    assert "No module named 'heavy'" in done.err


def test_a_target_that_is_wrong_by_itself_is_said_to_be(app: App) -> None:
    """The snapshot does not hide that the app's own module is broken."""
    (app.folder / "own/model.py").write_text("raise ValueError('half a file')\n")
    done = app.run("-m", "net.layers=5,6", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 2
    assert "half a file" in done.err
    assert not list((app.folder / "jobs").rglob("job.yaml"))


def test_where_its_packages_are_what_is_there_counts(app: App, tmp_path: Path) -> None:
    (app.folder / "own/model.py").write_text(MODEL.replace("layers: int = 2", "layers: int = 2, depth: int = 1"))
    path = os.pathsep.join([str(tmp_path / "image"), str(ROOT)])
    done = app.run("net.depth=5", env={"PYTHONPATH": path})
    assert done.code == 0, done.err
    assert done.result == "40"
