"""No answer of the cache is stale: after whatever changed it is what reading everything anew would say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.apps import ROOT

ASK = """
import json, sys
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.runtime.workspace import Workspace

target = sys.argv[1]
try:
    signature = Workspace((target.split(".")[0],)).approved(target)
    said = {name: repr(one) for name, one in signature.parameters.items()} if signature else None
except (RecipeError, ImportError) as error:
    said = str(error)
print(json.dumps([said, target.rpartition(".")[0] in sys.modules]))
"""


@dataclass
class Case:
    """The files of somebody's code, and what changes before the signature is asked for again.

    Attributes
    ----------
    files : by name, before the change.
    change : the files that are written, or removed where there is none; or what is done in the folder.
    target : whose signature is asked for.
    paths : what ``PYTHONPATH`` has, besides the folder itself.
    env : variables of the environment after the change.
    flags : of the interpreter after the change.
    """

    files: Mapping[str, str]
    change: Mapping[str, str | None] | Callable[[Path], None] = field(default_factory=dict)
    target: str = "mine.train"
    paths: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def _same_size_and_time(folder: Path) -> None:
    file = folder / "mine.py"
    before = file.stat()
    file.write_text(file.read_text().replace("= 1", "= 2"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _link_in_its_place(folder: Path) -> None:
    (folder / "mine.py").unlink()
    (folder / "mine.py").symlink_to(folder / "real.py")


TRAIN = "def train(a: int = 1): ...\n"
OTHER = "def train(z: int = 3): ...\n"
ON_PATH = "import os, sys\nsys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'more'))\n"

CASES = {
    "a variable says what there is": Case(
        {"mine.py": f"import os\nif os.environ.get('BIG'):\n    {OTHER}else:\n    {TRAIN}"}, env={"BIG": "1"}
    ),
    "a variable is a default": Case(
        {"mine.py": "from os import getenv\ndef size(): return getenv('SIZE', '1')\ndef train(a: str = size()): ...\n"},
        env={"SIZE": "4"},
    ),
    "a variable is named by another": Case(
        {"mine.py": "import os\nNAME = 'SIZE'\ndef train(a: str = os.environ.get(NAME, '')): ...\n"}, env={"SIZE": "4"}
    ),
    "all variables count": Case(
        {"mine.py": "import os\ndef train(a: int = sum(k.startswith('MINE') for k in os.environ)): ...\n"},
        env={"MINE_1": "1"},
    ),
    "a data file": Case(
        {
            "mine.py": "import pathlib\nV = (pathlib.Path(__file__).parent / 'v').read_text()\n"
            "def train(a: str = V): ...\n",
            "v": "1",
        },
        {"v": "50"},
    ),
    "a module was missed in a namespace": Case(
        {
            "mine/models.py": "try:\n    from mine.local import L\nexcept ImportError:\n    L = 2\n"
            "def train(a: int = L): ...\n"
        },
        {"mine/local.py": "L = 9\n"},
        "mine.models.train",
    ),
    "a package before a part of a namespace": Case(
        {"a/ns/other.py": "", "b/ns/pkg/__init__.py": "", "b/ns/pkg/mod.py": TRAIN},
        {"a/ns/pkg/__init__.py": "", "a/ns/pkg/mod.py": OTHER},
        "ns.pkg.mod.train",
        ("a", "b"),
    ),
    "a namespace becomes a package": Case(
        {"mine/m.py": TRAIN}, {"mine/__init__.py": "raise ImportError('no')\n"}, "mine.m.train"
    ),
    "hydra.utils imports": Case(
        {
            "mine.py": "from hydra.utils import get_object\ndef train(a: int = get_object('defs.V')): ...\n",
            "defs.py": "V = 1\n",
        },
        {"defs.py": "V = 5\n"},
    ),
    "pydoc imports": Case(
        {"mine.py": "import pydoc\ndef train(a: int = pydoc.locate('defs').V): ...\n", "defs.py": "V = 1\n"},
        {"defs.py": "V = 5\n"},
    ),
    "a helper imports by text": Case(
        {
            "mine.py": "from helper import get\ndef train(a: int = get()): ...\n",
            "helper.py": "import importlib\ndef get(): return importlib.import_module('defs').V\n",
            "defs.py": "V = 1\n",
        },
        {"defs.py": "V = 5\n"},
    ),
    "what is installed imports one's own": Case(
        {
            "mine.py": "import lib\ndef train(a: int = lib.V): ...\n",
            "site-packages/lib.py": "import lib_settings\nV = lib_settings.V\n",
            "lib_settings.py": "V = 1\n",
        },
        {"lib_settings.py": "V = 7\n"},
        paths=("site-packages",),
    ),
    "what is installed is edited": Case(
        {"site-packages/lib.py": TRAIN}, {"site-packages/lib.py": OTHER}, "lib.train", ("site-packages",)
    ),
    "the interpreter optimizes": Case({"mine.py": f"{TRAIN}if __debug__:\n    {OTHER}"}, flags=("-OO",)),
    "the same size and time": Case({"mine.py": TRAIN}, _same_size_and_time),
    "a link in its place": Case({"mine.py": TRAIN, "real.py": OTHER}, _link_in_its_place),
    "it has gone": Case({"mine.py": TRAIN}, {"mine.py": None, "mine2.py": TRAIN}),
    "everything of another module": Case(
        {"mine.py": "from base import *\ndef train(a: int = V): ...\n", "base.py": "V = 1\n"}, {"base.py": "V = 2\n"}
    ),
    "a class that is made": Case(
        {
            "mine.py": "from dataclasses import make_dataclass\nfrom fields import F\nNet = make_dataclass('Net', F)\n"
            "Net.__module__ = __name__\n",  # Python before 3.12 says 'types'
            "fields.py": "F = [('a', int, 1)]\n",
        },
        {"fields.py": "F = [('a', int, 1), ('b', int, 2)]\n"},
        "mine.Net",
    ),
    "a decorator of another module": Case(
        {
            "mine.py": f"from deco import deco\n@deco\n{TRAIN}",
            "deco.py": "import functools\ndef deco(f):\n"
            "    @functools.wraps(f)\n    def g(*a, **k): ...\n    return g\n",
        },
        {"deco.py": "def deco(f):\n    def g(b: int = 3): ...\n    return g\n"},
    ),
    "an enum of another module": Case(
        {
            "mine.py": "from en import E\ndef train(a: E = E.X): ...\n",
            "en.py": "import enum\nclass E(enum.Enum):\n    X = 1\n",
        },
        {"en.py": "import enum\nclass E(enum.Enum):\n    X = 1\n    Y = 2\n"},
    ),
    "a directory that it adds to the path": Case(
        {"mine.py": f"{ON_PATH}import ext\ndef train(a: int = ext.V): ...\n", "more/ext.py": "V = 1\n"},
        {"more/ext.py": "V = 2\n"},
    ),
    "a module that it missed there": Case(
        {
            "mine.py": f"{ON_PATH}try:\n    from ext import V\nexcept ImportError:\n    V = 1\n"
            "def train(a: int = V): ...\n",
            "more/x.py": "",
        },
        {"more/ext.py": "V = 2\n"},
    ),
    "what a package gets only when asked": Case(
        {
            "mine/__init__.py": "def __getattr__(name):\n    if name != 'train':\n        raise AttributeError(name)\n"
            "    from .impl import train\n    return train\n",
            "mine/impl.py": TRAIN,
        },
        {"mine/impl.py": OTHER},
    ),
}


def ask(folder: Path, case: Case, *, changed: bool, cached: bool = True) -> tuple[object, bool]:
    """Ask a process of its own for the signature; also whether it imported the target's module."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {
        "PYTHONPATH": os.pathsep.join(map(str, [folder, *(folder / name for name in case.paths), ROOT])),
        "PYTHONDONTWRITEBYTECODE": "1",  # what is compiled counts by size and time, which Python itself goes by
        "NPH_CACHE": "1" if cached else "0",
        "NPH_CACHE_DIR": str(folder.parent / "cache"),
        **(case.env if changed else {}),
    }
    line = [sys.executable, *(case.flags if changed else ()), "-c", ASK, case.target]
    done = subprocess.run(line, cwd=folder.parent, env=env, capture_output=True, text=True, check=True)
    said, imported = json.loads(done.stdout)
    return said, imported


@pytest.mark.parametrize("name", CASES)
def test_what_changed_is_seen(tmp_path: Path, name: str) -> None:
    case, folder = CASES[name], tmp_path / "code"
    for path, text in case.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    first, _ = ask(folder, case, changed=False)
    again, imported = ask(folder, case, changed=False)
    assert isinstance(first, dict)
    assert again == first
    assert imported == (name in _NEVER_KEPT)
    if callable(case.change):
        case.change(folder)
    else:
        for path, written in case.change.items():
            if written is None:
                (folder / path).unlink()
            else:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(written)
    truth, _ = ask(folder, case, changed=True, cached=False)
    assert truth != first, "the case changes nothing"
    assert ask(folder, case, changed=True)[0] == truth


_NEVER_KEPT = ("a variable is named by another", "all variables count")


@pytest.mark.parametrize("reads", ["len(sys.argv)", "len(os.getcwd())", "os.cpu_count() or 0"])
def test_what_differs_between_processes_is_not_kept(tmp_path: Path, reads: str) -> None:
    """Or, of the machine, is kept with its name."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine.py").write_text(f"import os, sys\nV = {reads}\ndef train(a: int = V): ...\n")
    case = Case({})
    ask(folder, case, changed=False)
    assert ask(folder, case, changed=False)[1] == (reads != "os.cpu_count() or 0")
