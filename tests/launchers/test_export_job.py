"""``nemo-hydra export --launcher`` on this machine, without a container: the job, its errors, what it brings back."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.libraries import manifest
from tests.support.apps import dedent

TEAM = """
import functools
import nemo_partial_hydra as nph

def train(lr: float = 0.1, note: str = "") -> float:
    return lr

@nph.recipe(group="pretrain", name="tiny")
def tiny(note: str = "none"):
    return functools.partial(train, note=note)
"""
LINE = ["export", "crew", "--out", "lib", "--launcher", "submitit_apptainer_local", "hydra.launcher.timeout_min=2"]


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a team's recipes, in the directory in which its user stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    file = tmp_path / "crew.py"
    file.write_text(dedent(TEAM))
    return file


def test_the_library_is_the_one_that_an_export_here_writes(crew: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*LINE, "--with", "note=${x} 'a' \\"]) == 0, capsys.readouterr().err
    assert "lib: 1 recipes" in capsys.readouterr().out
    assert sorted(path.name for path in crew.parent.iterdir()) == ["crew.py", "lib"]
    assert cli.main(["export", "crew", "--out", "here", "--with", "note=${x} 'a' \\"]) == 0
    for name in ("pretrain/tiny.yaml", "library.json", "signatures.json"):
        assert (crew.parent / "lib" / name).read_bytes() == (crew.parent / "here" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ("raise KeyError('who')\n", 2, "importing 'crew' fails: KeyError: 'who'"),
        ("import os\nos.write(2, b'the last word\\n')\nos._exit(9)\n", 1, "the last word"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", 1, "SIGKILL"),
    ],
)
def test_what_ends_the_job_is_said_and_the_old_library_stays(
    crew: Path, capsys: pytest.CaptureFixture[str], more: str, code: int, said: str
) -> None:
    assert cli.main(LINE) == 0
    before = manifest.read(str(crew.parent / "lib"))
    crew.write_text(crew.read_text() + more)
    assert cli.main(LINE) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert manifest.read(str(crew.parent / "lib")) == before
    (kept,) = crew.parent.glob(".lib.export.*")
    assert str(kept / "0" / "attempts" / "1" / "err.log") in error


def test_an_argument_that_no_factory_takes_is_refused_as_here(crew: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*LINE, "--with", "nte=1"]) == 2
    assert "--with nte: no factory takes it; did you mean 'note'?" in capsys.readouterr().err
