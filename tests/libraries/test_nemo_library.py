"""The shipped library against NeMo itself: made anew it is the same, and each recipe is what NeMo's factory returns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_partial_hydra.libraries import library, manifest
from tests.support.apps import ROOT

pytestmark = pytest.mark.nemo


def run(*arguments: str) -> str:
    """Run a half of ``tests.support.shipped``; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.shipped", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-3000:]
    return done.stdout


def test_every_shipped_recipe_is_what_nemo_returns_and_the_library_is_made_anew_the_same(tmp_path: Path) -> None:
    entries = manifest.read(library.SHIPPED).recipes
    assert len(entries) == 493
    assert run("compose", str(tmp_path / "composed.json")).split()[-1] == str(len(entries))
    differing = run("compare", str(tmp_path / "composed.json"), str(tmp_path / "again")).partition("RESULT\n")
    assert differing[1:] == ("RESULT\n", ""), differing[2]
    made = {str(path.relative_to(tmp_path / "again")): path for path in (tmp_path / "again").rglob("*.*")}
    kept = {str(path.relative_to(library.SHIPPED)): path for path in Path(library.SHIPPED).rglob("*.*")}
    assert set(made) == set(kept)
    assert [name for name, path in made.items() if path.read_bytes() != kept[name].read_bytes()] == []


def test_nothing_of_nemo_is_imported_where_it_is_installed_in_the_same_version(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "import nemo_partial_hydra as nph\n"
        "@nph.main()\n"
        "def main(cfg):\n"
        "    pass\n"
        "sys.argv = ['app.py', '+pretrain=llama3_70b', 'pretrain.trainer.max_steps=7']\n"
        "main()\n"
        "print('RESULT', sorted({'nemo', 'nemo_run', 'torch', 'fiddle', 'lightning'} & set(sys.modules)))\n"
    )
    (tmp_path / "app.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("RESULT []\n"), done.stdout + done.stderr
