"""The commands ``python`` and ``nemo-hydra`` as a shell finds them, of this interpreter and this repository."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from tests.support.apps import ROOT


def shims(folder: Path, without_nemo: bool = False) -> dict[str, str]:
    """Write both into a folder; return an environment that has them first on its PATH.

    Parameters
    ----------
    folder : Path
        Where they are written.
    without_nemo : bool
        Whether neither NeMo nor nemo_run can be imported by them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    interpreter = shlex.quote(sys.executable) + (" -m tests.support.without" if without_nemo else "")
    for name, words in {"python": interpreter, "nemo-hydra": f"{interpreter} -m nemo_partial_hydra.cli"}.items():
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
