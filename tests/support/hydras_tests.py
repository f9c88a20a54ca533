"""Runs the tests of Hydra's source archive with ``nph.main`` in the place of ``hydra.main``.

What they compose in their own process is composed as in an ``nph.main`` app: the app's configs are served by our
sources (``hydras_plugin``). What they start as an app gets our ``main`` for ``hydra.main`` (``STAND_IN``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import hydras_plugin

ROOT = Path(__file__).resolve().parents[2]

STAND_IN = '''
"""Python imports this before anything else: it has ``import hydra`` give an app our ``main``."""
import sys


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "hydra":
            return None
        sys.meta_path.remove(self)
        import functools
        import importlib.util

        spec = importlib.util.find_spec("hydra")
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            theirs = module.main

            @functools.wraps(theirs)  # nph.main looks at its parameters
            def main(*args, **kwargs):
                if sys._getframe(1).f_globals["__name__"].startswith("nemo_partial_hydra"):
                    return theirs(*args, **kwargs)
                import nemo_partial_hydra

                return nemo_partial_hydra.main(*args, **kwargs)

            module.main = main

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
'''

MODULES = {
    "tests/__init__.py": "",
    "tests/instantiate/__init__.py": """
from dataclasses import dataclass
from typing import List

@dataclass
class User:
    name: str = "???"
    age: int = "???"

@dataclass
class UserGroup:
    name: str = "???"
    users: List[User] = "???"
""",
}
"""What the tests import and the archive lacks, as far as they need it."""


def run(tests: Path, folder: Path, file: str, *arguments: str) -> tuple[dict[str, str], str]:
    """Run one file of Hydra's tests; return what became of each test, and pytest's output.

    Parameters
    ----------
    tests : the directory of Hydra's tests.
    folder : an empty directory to run them in.
    file : the name of the file.
    arguments : further arguments of pytest.
    """
    import hydra

    shutil.copytree(tests, folder / "tests")
    shutil.copytree(Path(hydra.__file__).parent / "test_utils", folder / "hydra" / "test_utils")
    (folder / "plugin").mkdir()
    (folder / "ATTRIBUTION").mkdir()  # by which the tests know the root of Hydra's repository
    for name, text in {**MODULES, "stand_in/sitecustomize.py": STAND_IN}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(hydras_plugin.__file__, folder / "plugin" / "as_in_an_app.py")
    report = folder / "report.json"
    paths = os.pathsep.join([str(ROOT), str(folder / "plugin")])
    environment = {**os.environ, "PYTHONPATH": paths, hydras_plugin.REPORT: str(report)}
    environment = {key: value for key, value in environment.items() if not key.startswith("PYTEST_")}
    ours = ["-p", "as_in_an_app", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull, f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", *ours, "-q", "--tb=short", f"tests/{file}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    return (json.loads(report.read_text()) if report.is_file() else {}), output
