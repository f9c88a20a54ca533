"""A module of recipe factories as a team writes it, and what is done with it: exported, installed, used by an app."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support import forks
from tests.support.apps import Done

RECIPES = '''
"""Recipes of team A."""
import enum
from dataclasses import dataclass
from typing import Literal

import nemo_run as run

import nemo_partial_hydra as nph


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Net:
    """A net.

    Parameters
    ----------
    layers : int
        how deep it is.
    """

    layers: int = 2
    hidden: int = 8
    mode: Mode = Mode.FAST
    kind: Literal["a", "b"] = "a"


def train(net: Net, steps: int = 3, nodes: int = 1, path: str = ".") -> str:
    return f"{net} {steps} {nodes} {path}"


def pretrain_recipe(num_nodes: int = 1) -> run.Partial:
    """Pretrain a small net."""
    return run.Partial(train, net=run.Config(Net, layers=4), nodes=num_nodes)


@run.cli.factory
@run.autoconvert
def small_model() -> Net:
    return Net(layers=1)


def plain():
    return run.Partial(train, net=run.Config(Net))


@nph.recipe(group="experiment", name="big")
def registered():
    return run.Partial(train, net=Net(layers=9), steps=9)


def helper(x):
    return x
'''

MORE = """

def needs(path: str, net: Net) -> run.Partial:
    return run.Partial(train, net=net, path=path)


def fails() -> run.Partial:
    raise RuntimeError("no GPU here")


def lost() -> run.Partial:
    return run.Partial(train, net=lambda: 3)


def _private() -> run.Partial:
    return run.Partial(train, net=run.Config(Net))
"""

APP = """
import nemo_partial_hydra as nph

@nph.main(allow=["recipes_a"])
def main(cfg):
    print("RESULT", nph.run(cfg))

if __name__ == "__main__":
    main()
"""


CLI = "nemo_partial_hydra.cli"


def python(
    folder: Path,
    *args: str,
    path: tuple[Path, ...] = (),
    env: Mapping[str, str] | None = None,
    interpreter: bool = False,
) -> Done:
    """Run Python in a folder: a fork that has NeMo-Run, or an interpreter of its own where that may matter."""
    given = {**forks.environment(*path), **(env or {})}
    ours, script = args[:2] == ("-m", CLI), folder / args[0]
    if not interpreter and (ours or script.suffix == ".py") and forks.RECIPES.can(None if ours else script, given):
        done = forks.RECIPES.run(args, folder, given, timeout=300)
    else:
        command = [sys.executable, *args]
        done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=300, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def nemo_hydra(folder: Path, *args: str, path: tuple[Path, ...] = (), env: Mapping[str, str] | None = None) -> Done:
    """Run ``nemo-hydra`` in a folder."""
    return python(folder, "-m", CLI, *args, path=path, env=env)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file below a folder."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def exported(folder: Path, *args: str, text: str = RECIPES) -> Path:
    """Write the module and export it as ``lib``."""
    write(folder, "recipes_a.py", text)
    done = nemo_hydra(folder, "export", "recipes_a", "-o", "lib", *args)
    assert done.code == 0, done.err
    return folder / "lib"


def install(library: Path, site: Path, package: str, version: str = "1.0") -> Path:
    """Put a library into a package with an entry point, as pip would, in a directory of installed packages."""
    folder = site / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('a library is data: nothing of it is imported')\n")
    os.rename(library, folder / "recipes")
    info = site / f"{package}-{version}.dist-info"
    write(info, "METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    write(info, "entry_points.txt", f"[nemo_partial_hydra.recipes]\n{package} = {package}:recipes\n")
    return site
