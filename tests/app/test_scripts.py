"""How an app is started, and where its configs are: its own modules and files are found in each way alike."""

from __future__ import annotations

import os
import subprocess
import sys
import zipapp
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.composition.app_modules import own_packages
from tests.support.apps import CONF, ROOT, SCRIPT, App, Done

pytestmark = pytest.mark.matrix

RUNS = {
    "a script": ["app.py"],
    "a module": ["-m", "app"],
    "a script that imports the app": ["run.py"],
    "runpy, a path": ["-c", "import runpy; runpy.run_path('app.py', run_name='__main__')"],
    "runpy, a module": ["-c", "import runpy; runpy.run_module('app', run_name='__main__')"],
    "standard input": ["-"],
}
PACKAGED = {
    "a script": ["pkg/app.py"],
    "a module": ["-m", "pkg.app"],
    "a package": ["-m", "pkg"],
    "a console script": ["-c", "import sys; from pkg.app import main; sys.argv[0] = 'train'; sys.exit(main())"],
    "runpy, a module": ["-c", "import runpy; runpy.run_module('pkg.app', run_name='__main__')"],
    "runpy, a module as the main one": [
        "-c",
        "import runpy; runpy.run_module('pkg.app', run_name='__main__', alter_sys=True)",
    ],
}


def python(app: App, *words: str, path: str = "", stdin: str = "") -> Done:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=app.folder,
        env=app.environment({"PYTHONPATH": os.pathsep.join([*filter(None, [path]), str(ROOT)])}),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def packaged(folder: Path, *, init: bool = True) -> App:
    """Make an app whose script, configs and targets lie in a package ``pkg``, with or without ``__init__.py``."""
    app = App(folder)
    package = app.folder / "pkg"
    package.mkdir()
    if init:
        (package / "__init__.py").touch()
    (package / "__main__.py").write_text("from pkg.app import main\nmain()\n")
    (app.folder / "shop.py").rename(package / "parts.py")
    for name in ("conf", "app.py"):
        (app.folder / name).rename(package / name)
    if init:
        (package / "conf/__init__.py").touch()  # Hydra wants it where the app is imported
    for path in package.glob("conf/**/*.yaml"):
        path.write_text(path.read_text().replace("shop.", "pkg.parts."))
    return app


@pytest.mark.parametrize("start", RUNS.values(), ids=RUNS)
def test_modules_beside_the_app_are_its_own(tmp_path: Path, start: list[str]) -> None:
    app = App(tmp_path / "app", modules={"run": "from app import main\nmain()\n", "conf/__init__": ""})
    done = python(app, *start, "ratio=0.75", stdin=SCRIPT if start == ["-"] else "")
    assert done.code == 0, done.err
    assert "('ratio', 0.75)" in done.result


@pytest.mark.parametrize("start", PACKAGED.values(), ids=PACKAGED)
def test_the_package_of_an_app_is_its_own(tmp_path: Path, start: list[str]) -> None:
    app = packaged(tmp_path / "app")
    done = python(app, *start, "ratio=0.75", path=str(app.folder))
    assert done.code == 0, done.err
    assert "('ratio', 0.75)" in done.result


@pytest.mark.parametrize("start", [["pkg/app.py"], ["-m", "pkg.app"]], ids=["a script", "a module"])
def test_a_package_may_lack_its_init_file(tmp_path: Path, start: list[str]) -> None:
    app = packaged(tmp_path / "app", init=False)
    done = python(app, *start, "ratio=0.75", path=str(app.folder))
    assert done.code == 0, done.err
    assert "('ratio', 0.75)" in done.result


def test_what_is_beside_an_installed_module_is_not_its_own(tmp_path: Path) -> None:
    app = App(tmp_path / "site-packages", modules={"run": "from app import main\nmain()\n", "conf/__init__": ""})
    script = app.folder.parent / "run.py"
    (app.folder / "run.py").rename(script)
    done = python(app, str(script), path=str(app.folder))
    assert done.code == 3
    assert "'shop.train' is not in an allowed package" in done.err


PLACES = {
    "relative": "conf",
    "in a folder above": "../app/conf",
    "absolute": "{folder}/conf",
    "a package": "pkg://settings.conf",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("listing", [False, True], ids=["run", "listing"])
def test_configs_are_found_and_typed_wherever_they_are(tmp_path: Path, place: str, listing: bool) -> None:
    folder = tmp_path / "app"
    app = App(folder, script=SCRIPT.replace('"conf"', repr(place.format(folder=folder))))
    if place.startswith("pkg://"):
        for name in ("settings/__init__.py", "settings/conf/__init__.py"):
            app.write(name, "")
        for name, text in CONF.items():
            app.write(f"settings/conf/{name}.yaml", text)
        for path in sorted(app.conf.rglob("*.yaml")):
            path.unlink()
    done = app.run("limit=5", *(["--cfg-paths", "--set-only"] if listing else []))
    assert done.code == 0, done.err
    assert "limit" in done.out if listing else "('limit', 5)" in done.result


@pytest.mark.parametrize("given", ["--config-dir=conf", "--config-path=conf"], ids=["a directory", "a path"])
def test_an_app_without_configs_of_its_own_takes_those_of_the_command_line(tmp_path: Path, given: str) -> None:
    script = SCRIPT.replace('config_path="conf", config_name="config"', "config_path=None")
    app = App(tmp_path / "app", script=script)
    done = app.run(given, "--config-name=config", "limit=5")
    assert done.code == 0, done.err
    assert "('limit', 5)" in done.result


def test_an_app_in_a_zip_file(tmp_path: Path) -> None:
    app = packaged(tmp_path / "app")
    for name in ("conf", "conf/opt", "conf/experiment"):
        (app.folder / "pkg" / name / "__init__.py").touch()
    main = app.folder / "pkg/app.py"
    main.write_text(main.read_text().replace('"conf"', '"pkg://pkg.conf"'))
    (app.folder / "pkg/__main__.py").unlink()
    (app.folder / "__main__.py").write_text(main.read_text())
    zipapp.create_archive(app.folder, tmp_path / "app.pyz")
    done = python(App(tmp_path / "elsewhere"), str(tmp_path / "app.pyz"), "opt.lr=0.75")
    assert done.code == 0, done.err
    assert "lr=0.75" in done.result


class Callable:
    """What may be decorated beside functions."""

    def __call__(self, config: object) -> None: ...


def test_where_what_has_no_file_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(tmp_path / "app")
    monkeypatch.chdir(app.folder)
    typed: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def cell(config): ...", "<ipython-input-3-0a1b>", "exec"), typed)
    assert own_packages(typed["cell"]) == ("__main__", "app", "shop")
    assert own_packages(Callable()) == ("tests",)
