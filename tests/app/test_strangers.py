"""A plain Hydra app prints the same with this package installed and without, but for the plugins that it may choose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.apps import ROOT, VERSION_BASE, App

STRANGER = f"""
import hydra

@hydra.main(config_path="conf", config_name="config", **{VERSION_BASE!r})
def main(cfg):
    print(cfg)

if __name__ == "__main__":
    main()
"""

WITHOUT = """
import runpy, sys
sys.path[:] = [sys.argv[3], *(path for path in sys.path if path not in ("", sys.argv[2]))]
del sys.argv[:4]
sys.argv.insert(0, "app.py")
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.mark.parametrize("flag", ["", "--help", "--cfg=all", "--info=searchpath", "--info=defaults"])
def test_a_strangers_app_prints_the_same_without_us(tmp_path: Path, flag: str) -> None:
    app = App(tmp_path / "app", script=STRANGER, conf={"config": "defaults: [_self_, db: a]\nx: 1\n", "db/a": "n: 1\n"})
    given = [flag] if flag else []
    printed = []
    for command in (["app.py"], ["-c", WITHOUT, "-", str(ROOT), str(app.folder)]):
        done = subprocess.run(
            [sys.executable, *command, *given], cwd=app.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        printed.append((done.stdout, done.stderr))
    (ours, warnings), (theirs, _) = printed  # without us Hydra 1.4 warns of our entry points, which are still there
    assert (ours, warnings) == (theirs, "")
