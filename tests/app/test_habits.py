"""What people are used to from Hydra: an app under ``nph.main`` does the same with it as one under ``hydra.main``."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.apps import ROOT, App

pytestmark = pytest.mark.matrix


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


@pytest.mark.parametrize(
    "line",
    [
        ("steps=1,2", "-m"),
        ("steps=1,2", "--multirun", "--config-name", "config"),
        ("-m", "steps=1,2"),
        ("--config-name=config", "steps=1,2", "-m"),
        ("ratio=0.25", "-m", "steps=1,2"),
        ("ratio=0.25", "-cn", "config", "steps=1,2", "-m"),
    ],
    ids=" ".join,
)
def test_flags_stand_anywhere_among_overrides(app: App, line: tuple[str, ...]) -> None:
    done = app.run(*line)
    assert done.code == 0, done.err
    assert [f"('steps', {number})" in text for number, text in enumerate(done.out.split("RESULT")[1:], 1)] == [True] * 2


@pytest.mark.parametrize("defaults", ["", "defaults: [_self_]\n"], ids=["no defaults list", "a defaults list"])
def test_hydras_settings_stand_beside_a_recipe_at_the_root(app: App, defaults: str) -> None:
    app.write(
        "conf/root.yaml", f"{defaults}_target_: shop.train\n_partial_: true\nsteps: 5\nhydra: {{run: {{dir: here}}}}\n"
    )
    done = app.run("-cn", "root", "ratio=0.75")
    assert done.code == 0, done.err
    assert "('ratio', 0.75)" in done.result
    assert "('steps', 5)" in done.result
    assert (app.folder / "here/.hydra/config.yaml").is_file()
    wrong = app.run("-cn", "root", "stepz=1")
    assert "train has no parameter 'stepz'; did you mean 'steps'?" in wrong.err


@pytest.mark.parametrize("launcher", ["basic", "freeze"])
def test_a_sweeps_directories_are_named_by_its_overrides(app: App, launcher: str) -> None:
    subdir = "hydra.sweep.subdir=${hydra:job.override_dirname}"
    done = app.run("-m", subdir, "steps=1,2", "hydra.sweep.dir=out", f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    assert {path.name for path in (app.folder / "out").iterdir()} == {"multirun.yaml", "steps=1", "steps=2"}


FREEZES = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    nph.freeze(cfg, "frozen")

if __name__ == "__main__":
    main()
"""


def test_overrides_are_recorded_as_they_were_typed(tmp_path: Path) -> None:
    app = App(tmp_path / "app", script=FREEZES)
    done = app.run("opt.lr=${ratio}", "steps=${hydra:job.num}", "hydra.job.num=4")
    assert done.code == 0, done.err
    frozen = yaml.safe_load((app.folder / "frozen/job.yaml").read_text())
    assert frozen["overrides"] == ["opt.lr=${ratio}", "steps=${hydra:job.num}"]
    assert (frozen["recipe"]["opt"]["lr"], frozen["recipe"]["steps"]) == (0.5, 4)


def test_a_name_where_a_list_has_numbers(app: App) -> None:
    done = app.run("optimizers.lr=1")
    assert done.code == 2
    assert "optimizers.lr: 'optimizers' is a list: its elements are 0, 1, ..." in done.err


def test_a_value_that_is_written_as_a_choice_of_a_group(app: App) -> None:
    done = app.run("opt@model.config.layers=5")
    assert done.code == 2
    assert "to set a value, write model.config.layers=5" in done.err
    assert "('steps', 3)" in app.run("model.config.layers=5").result


def packaged(folder: Path) -> App:
    """Make an app whose script, configs and targets lie in a package ``pkg``."""
    app = App(folder)
    package = app.folder / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (app.folder / "shop.py").rename(package / "parts.py")
    for name in ("conf", "app.py"):
        (app.folder / name).rename(package / name)
    for path in package.glob("conf/**/*.yaml"):
        path.write_text(path.read_text().replace("shop.", "pkg.parts."))
    return app


def search_path(*folders: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, *folders)))}


@pytest.mark.parametrize("script", ["pkg/app.py", "pkg.app"])
def test_a_script_in_a_package_may_name_the_package(tmp_path: Path, script: str) -> None:
    app = packaged(tmp_path / "app")
    done = app.run(script=script, env=search_path(app.folder))
    assert done.code == 0, done.err
    assert "('steps', 3)" in done.result


def test_another_package_of_the_same_name_is_not_the_scripts_own(tmp_path: Path) -> None:
    app = packaged(tmp_path / "app")
    other = tmp_path / "other/pkg"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    (other / "parts.py").write_text("print('IMPORTED')\ndef train(**kwargs): ...\n")
    done = app.run(script="pkg/app.py", env=search_path(tmp_path / "other"))
    assert done.code == 3
    assert "'pkg.parts.train' is not in an allowed package" in done.err
    assert "IMPORTED" not in done.out


def test_help_names_our_flags_and_counts_what_libraries_have(app: App) -> None:
    done = app.run("--help")
    assert done.code == 0, done.err
    groups, _, ours = done.out.partition("== Recipes ==")
    assert "opt: adam, sgd" in groups
    assert "llama3_70b" not in done.out
    for flag in ("--cfg-paths", "--package", "--filter", "--set-only", "--library"):
        assert flag in ours
    assert "pretrain (99)" in ours
    assert len(done.out.splitlines()) < 100  # a screen or two, the config of this app being forty lines of it
    assert "== Recipes ==" not in app.run("--hydra-help").out


def test_a_reader_may_close_the_pipe_of_the_help(app: App) -> None:
    command = f"{shlex.quote(sys.executable)} -u app.py --help | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=app.folder,
        env=app.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
