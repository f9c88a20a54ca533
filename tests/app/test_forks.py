"""A script does the same in a fork of a process that has imported Hydra as with an interpreter of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import forks
from tests.support.apps import App, Done

SAYS = """
import atexit, json, multiprocessing, os, sys, threading, time

import shop

atexit.register(print, "at exit")
main = sys.modules["__main__"]
known = {name: repr(value) for name, value in vars(main).items() if name.startswith("__") and name != "__builtins__"}
mask = os.umask(0)
print(json.dumps({
    "main": [known, main.__dict__ is globals(), main.__spec__, type(__builtins__).__name__],
    "process": [sys.argv, sys.orig_argv, sys.path, sys.executable, sys.prefix, os.getcwd(), mask],
    "environment": sorted(os.environ.items()),
    "streams": [[one.isatty(), one.encoding, one.errors, one.line_buffering] for one in (sys.stdout, sys.stderr)],
    "modules": [shop.__file__, multiprocessing.process.ORIGINAL_DIR, "nemo_partial_hydra" in sys.modules],
    "flags": [repr(sys.flags), sys.dont_write_bytecode],
    "open": sorted(os.listdir("/dev/fd"))[:3],
}))
print("é and no end of a line", end="")
print("to the other stream", file=sys.stderr)
threading.Thread(target=lambda: (time.sleep(0.1), print("a thread"))).start()
"""
ENDS = {
    "raise": "def f():\n    raise LookupError('é')\n\nf()",
    "a cause": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError from error",
    "does not compile": "print(1)\nx = = 2",
    "a word": "import sys\nprint('out')\nsys.exit('a word')",
    "a number": "import sys\nsys.exit(7)",
    "nothing": "raise SystemExit",
    "a thread fails": "import threading\nthreading.Thread(target=lambda: 1 / 0).start()",
    "killed": "import os\nprint('lost')\nos.kill(os.getpid(), 9)",
    "at once": "import os\nprint('lost')\nos._exit(3)",
    "much": "import sys\nsys.stderr.write('x' * 300_000)\nprint('y' * 300_000)",
    "leaves a process": "import subprocess\nsubprocess.Popen('sleep 0.2; echo late', shell=True)\nprint('early')",
}
_CHANGES = re.compile(r"\d{4}-\d\d-\d\d|\d\d[:-]\d\d[:-]\d\d([,.]\d+)?|Thread-\d+|0x[0-9a-f]+")


def both(
    folder: Path, script: str, *words: str, env: dict[str, str] | None = None
) -> list[tuple[Done, dict[str, str]]]:
    """Run a script both ways in the same place; return how each ended and which files it has left."""
    app = App(folder, script=script)
    assert forks.APPS.can(app.folder / "app.py", app.environment(env))
    found = []
    for interpreter in (False, True):
        done = app.run(*words, env=env, interpreter=interpreter)
        texts = {name: path.read_text() for name in app.left() if (path := app.folder / name).is_file()}
        app.clean()
        masked = {name: _CHANGES.sub("", text) for name, text in texts.items()}
        found.append((Done(done.code, _CHANGES.sub("", done.out), _CHANGES.sub("", done.err)), masked))
    return found


def test_a_module_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "shop.py").touch()
    (tmp_path / "says").mkdir()
    (tmp_path / "says" / "__main__.py").write_text(SAYS.replace("main.__spec__, ", "str(main.__spec__), "))
    (tmp_path / "fails.py").write_text(ENDS["a cause"])
    for words in (("-m", "says", "a b"), ("-m", "fails"), ("-m", "nemo_partial_hydra.cli", "library", "lib")):
        given = forks.environment()
        assert forks.RECIPES.can(None, given)
        fork = forks.RECIPES.run(words, tmp_path, given)
        own = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
        )
        assert [_CHANGES.sub("", text) for text in (fork.stdout, fork.stderr)] == [
            _CHANGES.sub("", text) for text in (own.stdout, own.stderr)
        ]
        assert fork.returncode == own.returncode


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


def test_a_script_finds_the_same(tmp_path: Path) -> None:
    fork, own = both(tmp_path, SAYS, "a b", "é=1", env={"NPH_X": "é", "COLUMNS": "40"})
    assert fork == own
    assert own[0].code == 0, own[0].err
    assert own[0].out.endswith("a thread\nat exit\n")


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_a_script_ends_as_it_would(tmp_path: Path, text: str) -> None:
    fork, own = both(tmp_path, text)
    assert fork == own


@pytest.mark.matrix
@pytest.mark.parametrize(
    "words",
    [
        ("opt=adam", "hydra.run.dir=out"),
        ("--cfg", "all"),
        ("--info", "searchpath"),
        ("--help",),
        ("--cfg-paths",),
        ("stepz=1",),
        ("-m", "steps=1,2", "hydra/launcher=freeze", "hydra.sweep.dir=out"),
        ("opt._target_=shop.fail", "opt.message=x", "hydra.verbose=true"),
    ],
    ids=" ".join,
)
def test_an_app_does_the_same(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = (
        "import nemo_partial_hydra as nph\n\n@nph.main(config_path='conf', config_name='config')\ndef main(cfg):\n"
        "    print(nph.run(cfg))\n\nmain()\n"
    )
    fork, own = both(tmp_path, script, *words)
    assert fork == own


def test_what_only_a_start_reads_gets_an_interpreter(app: App) -> None:
    script, usual = app.folder / "app.py", app.environment()
    assert forks.APPS.can(script, usual)
    assert forks.APPS.can(script, {**usual, "HYDRA_FULL_ERROR": "1", "TMPDIR": str(app.folder)})
    for name in ("PYTHONPATH", "PYTHONHASHSEED", "LANG", "LC_ALL", "HOME", "LD_PRELOAD", "TZ"):
        assert not forks.APPS.can(script, {**usual, name: "x"}), name
    assert not forks.APPS.can(script, {name: value for name, value in usual.items() if name != "PYTHONPATH"})
    (app.folder / "link.py").symlink_to("app.py")
    assert not forks.APPS.can(app.folder / "link.py", usual)
    assert not forks.APPS.can(app.folder / "a.module", usual)


def test_a_fork_has_nothing_of_ours_and_nothing_of_the_run_before(app: App) -> None:
    app.write("app.py", "import os, sys\nprint(os.environ.pop('NPH_X', None), 'shop' in sys.modules)\n"
                        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\nimport shop\n")  # fmt: skip
    for given in ("1", "2"):
        first, modules = app.run(env={"NPH_X": given}).out.splitlines()
        assert first == f"{given} False"
        assert {"hydra", "omegaconf", "yaml"} <= set(modules.split())
        assert {"nemo_partial_hydra", "hydra_plugins", "tests", "nemo_run", "rich"}.isdisjoint(modules.split())


def test_a_fork_for_recipes_has_nemo_run_and_nothing_of_ours(app: App) -> None:
    app.write("app.py", "import sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))\n")
    modules = forks.RECIPES.run(["app.py"], app.folder, app.environment()).stdout.split()
    assert "nemo_run" in modules
    assert {"nemo_partial_hydra", "hydra_plugins", "tests", "shop"}.isdisjoint(modules)


def test_a_fork_that_does_not_end_is_ended(app: App) -> None:
    script = app.write("wait.py", "import time\ntime.sleep(600)\n")
    with pytest.raises(subprocess.TimeoutExpired):
        forks.APPS.run([script.name], app.folder, app.environment(), timeout=1)
    assert app.run("steps=5").code == 0, "the next one has a server"
