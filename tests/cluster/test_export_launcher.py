"""``nemo-hydra export --launcher``: team A's login node has no NeMo either, so the image exports.

The small image has Python and PyYAML only, so the recipes are ``@nph.recipe`` factories of plain Python.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.libraries import manifest
from tests.cluster.lab import Lab
from tests.support.sweeps import ROOT

pytestmark = pytest.mark.cluster
SMALL = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=10")
TEAM = '''
"""A team's recipes; this module can be imported in the image only."""
import sys
from dataclasses import dataclass
from functools import partial

import nemo_partial_hydra as nph

if sys.prefix != "/usr" or sys.version_info[:2] != VERSION:
    raise ImportError(f"imported by {sys.executable}")


@dataclass
class Net:
    """A net.

    Args:
        layers: how deep it is.
    """

    layers: int = 2
    sizes: tuple[int, ...] = (1, 2)


def train(net: Net, steps: int = 100, note: str = "") -> str:
    return f"{net} {steps} {note}"


@nph.recipe(group="pretrain", name="tiny")
def tiny(note: str = "none"):
    """Pretrain a tiny net."""
    print("the factory is called")
    return partial(train, Net(layers=4), note=note)


@nph.recipe(group="pretrain", name="broken")
def broken(path: str):
    return partial(train, Net())
'''


@pytest.fixture
def team(tmp_path: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a team's recipes, in which its user stands."""
    folder = tmp_path / "team a"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")
    return folder


def write(team: Path, version: tuple[int, int], more: str = "") -> None:
    (team / "team.py").write_text(TEAM.replace("VERSION", repr(version)) + more)


def test_a_slurm_job_exports_and_the_library_is_brought_back(
    lab: Lab, image_other_python: Path, team: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(team, (3, 13))
    note = "a 'b' \"c\" $HOME ${x} ü"
    line = ["export", "team", "--out", "lib", "--launcher", "submitit_apptainer", "--image", str(image_other_python)]
    code = cli.main([*line, *SMALL, "hydra.launcher.mem_gb=1", "--with", f"note={note}", "path=/checkpoints"])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "exporting in SLURM job" in said.err
    assert "lib: 2 recipes" in said.out
    assert sorted(path.name for path in team.iterdir() if path.name != "__pycache__") == ["lib", "team.py"]
    made = manifest.read("lib")
    assert sorted(made.recipes) == ["pretrain/broken", "pretrain/tiny"]
    text = (team / "lib/pretrain/tiny.yaml").read_text()
    assert "_target_: team.Net\n" in text
    assert "layers: 4" in text
    # It is a library like any other: composed, validated and run here, where the module cannot be imported.
    (team / "lib/pretrain/mine.yaml").write_text("_target_: team.train\n_partial_: true\nnet: {_target_: team.Net}\n")
    assert cli.main(["check", "lib", "--allow", "team"]) == 0, capsys.readouterr().err
    # Made again it keeps what was added, and refuses to overwrite what was edited.
    (team / "lib/pretrain/tiny.yaml").write_text(text.replace("layers: 4", "layers: 5"))
    again = [*line, *SMALL, "--with", "path=/checkpoints"]
    assert cli.main(again) == 2
    assert "edited since it was exported: pretrain/tiny.yaml" in capsys.readouterr().err
    assert "layers: 5" in (team / "lib/pretrain/tiny.yaml").read_text()
    assert (team / "lib/pretrain/mine.yaml").exists()


def test_what_is_left_out_and_what_is_wrong_is_said_as_here(
    image: Path, team: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On this machine, without SLURM: the same errors and exit codes as of an export in this process."""
    line = ["export", "team", "--out", "lib", "--launcher", "submitit_apptainer_local", "--image", str(image), *SMALL]
    write(team, (3, 11))
    assert cli.main(line) == 1
    said = capsys.readouterr()
    assert "left out: team.broken: needs path: --with broken.path=..." in said.err
    assert "lib: 1 recipes, 1 left out" in said.out
    before = sorted(path.name for path in (team / "lib").rglob("*"))
    write(team, (2, 7))
    assert cli.main(line) == 2
    error = capsys.readouterr().err
    assert "importing 'team' fails: ImportError: imported by /usr/bin/python3" in error
    assert "in the image; its log is " in error
    write(team, (3, 11), "import os\nos.write(2, b'no space in memory\\n')\nos._exit(9)\n")
    assert cli.main(line) == 1
    error = capsys.readouterr().err
    assert "exit code 9" in error
    assert "no space in memory" in error
    assert before == sorted(path.name for path in (team / "lib").rglob("*")), "the old library is as it was"


def test_ctrl_c_cancels_the_job(lab: Lab, image: Path, team: Path) -> None:
    """Nobody would fetch its library: it does not stay in the queue."""
    write(team, (3, 11), "import pathlib, time\npathlib.Path(__file__).with_name('runs').touch()\ntime.sleep(60)\n")
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "export", "team", "--launcher", "submitit_apptainer"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*line, "--image", str(image), *SMALL], env=env, stderr=subprocess.PIPE, text=True)
    lab.wait((team / "runs").exists, 30, "the export to run")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "is cancelled" in error
    lab.wait(lambda: not lab.squeue(states="PENDING,RUNNING"), 20, "the job to be gone")
    assert sorted(path.name for path in team.iterdir() if path.name != "__pycache__") == ["runs", "team.py"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--launcher", "submitit_apptainer", "--image", "/no/such.sif"), "there is no such image"),
        (("--launcher", "submitit"), "--launcher submitit: there is submitit_apptainer"),
        (("--launcher", "submitit_apptainer", "hydra.launcher.detach=true"), "an export is waited for"),
        (("--image", "x.sif"), "--image: only with --launcher"),
        (("hydra.launcher.mem_gb=1",), "hydra.launcher.mem_gb=1: only with --launcher"),
    ],
)
def test_what_cannot_work_is_refused_before(
    lab: Lab, team: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    write(team, (3, 11))
    assert cli.main(["export", "team", "--out", "lib", *more]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in team.iterdir()] == ["team.py"]
