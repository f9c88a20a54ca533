"""What people are used to from Hydra: an app under ``nph.main`` does the same with it as one under ``hydra.main``."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from omegaconf import DictConfig

import nemo_partial_hydra as nph
from tests.support.apps import ROOT, VERSION_BASE, App, Done

pytestmark = pytest.mark.matrix


PLAIN = """
import hydra

@hydra.main(config_path="conf", config_name="config", version_base=None)
def main(cfg):
    print("RESULT", cfg.steps)

if __name__ == "__main__":
    main()
"""
RERUNS_A_PICKLE = hydra.__version__ < "1.4"


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
    for flag in ("--cfg-paths", "--package", "--filter", "--search", "--set-only", "--depth", "--library"):
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


def told(done: Done) -> list[list[str]]:
    """Return the lines of what Hydra tells, but for rulers, the time that it took, and what serves typed files."""
    assert done.code == 0, done.err
    cells = [line.replace("|", " ").split() for line in done.out.splitlines()]
    ours = "nph_signature/", "nph://", "nph-library://"
    kept = [row for row in cells if row and not set(row[0]) <= set("-*=") and "nph_signature/config:" not in row]
    return [row for row in kept if not any(text.startswith(ours) for text in row)]


@pytest.mark.parametrize("what", ["defaults", "defaults-tree", "searchpath"])
def test_hydra_tells_of_an_app_what_it_tells_of_a_plain_one(app: App, what: str) -> None:
    app.write("plain.py", PLAIN)
    line = ("model.config.hidden=4", "-i", what)
    assert told(app.run(*line)) == told(app.run(*line, script="plain.py"))


def test_hydra_tells_of_itself_what_it_tells_in_a_plain_app(app: App) -> None:
    app.write("plain.py", PLAIN)
    for flag in ("--hydra-help", "--version"):
        assert app.run(flag).out.replace("app.py", "plain.py") == app.run(flag, script="plain.py").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_as_that_of_a_plain_app(app: App, shell: str) -> None:
    app.write("plain.py", PLAIN)
    for what in ("install", "uninstall"):
        plain = app.run("--shell-completion", f"{what}={shell}", script="plain.py")
        for flag in ("-sc", "--shell-comp"):
            assert app.run(flag, f"{what}={shell}").out.replace("app.py", "plain.py") == plain.out


TELLS = """
import sys
from hydra.core.hydra_config import HydraConfig
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    hydra = HydraConfig.get()
    print("RESULT", nph.run(cfg)["steps"], sys.argv[1:], [*hydra.overrides.hydra], dict(hydra.callbacks))

if __name__ == "__main__":
    main()
"""


def test_what_checks_an_app_leaves_no_trace(tmp_path: Path) -> None:
    app = App(tmp_path / "app", script=TELLS)
    words = ["steps=4", "-cn", "config", "hydra.job.name=x"]
    done = app.run(*words, "hydra.run.dir=out")
    assert done.result.startswith(f"4 {[*words, 'hydra.run.dir=out']} ['hydra.job.name=x'"), done.err
    assert done.result.endswith("{}")
    sweep = app.run(*words, "-m", "hydra.sweep.dir=sweep")
    assert sweep.result.startswith(f"4 {[*words, '-m', 'hydra.sweep.dir=sweep']}"), sweep.err
    for file in ("out/.hydra/hydra.yaml", "sweep/0/.hydra/hydra.yaml", "sweep/multirun.yaml"):
        assert "CheckRecipe" not in (app.folder / file).read_text()


def test_a_job_is_run_once_more(tmp_path: Path) -> None:
    app = App(tmp_path / "app", script=TELLS)
    if RERUNS_A_PICKLE:
        pickles = "+hydra.callbacks.p._target_=hydra.experimental.callbacks.PickleJobInfoCallback"
        assert app.run("steps=8", "hydra.run.dir=out", pickles).code == 0
        again = app.run("--experimental-rerun", "out/.hydra/config.pickle")
        assert "Config overrides are not supported" not in again.err
    else:
        assert app.run("steps=8", "hydra.run.dir=out").code == 0
        again = app.run("--experimental-rerun", "out")
    assert again.result.startswith("8 ["), again.err


def test_a_config_may_say_that_it_is_for_a_sweep(app: App) -> None:
    app.write("conf/many.yaml", "defaults: [config, _self_]\nhydra: {mode: MULTIRUN, sweep: {dir: out}}\n")
    assert app.run("-cn", "many", "steps=1,2").out.count("RESULT") == 2
    jobs = json.loads(app.run("-cn", "many", "steps=1,2", "--cfg-paths=json", "--filter", "steps").out)
    assert [job["paths"][0]["value"] for job in jobs] == [1, 2]
    refused = app.run("steps=1,2", "--cfg-paths")
    assert refused.code == 2
    assert "Ambiguous value for argument 'steps=1,2'" in refused.err


CALLABLE = """
import os
import nemo_partial_hydra as nph


class Runs:
    def __init__(self, word):
        self.word = word

    def __call__(self, cfg):
        print("RESULT", self.word, cfg.steps)


if __name__ == "__main__":
    nph.main(config_path=os.path.abspath("conf"), config_name="config")(Runs("called"))()
"""


def test_an_object_that_can_be_called_is_an_apps_function(tmp_path: Path) -> None:
    app = App(tmp_path / "app", script=CALLABLE)
    done = app.run("steps=4")
    assert done.code == 0, done.err
    assert done.result == "called 4"


RAISES = """
import hydra
import nemo_partial_hydra as nph
from helper import check

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    if cfg.steps == 1:
        cfg.nope = 1
    check(cfg)

if __name__ == "__main__":
    main()
"""


def test_an_error_of_the_function_is_told_as_hydra_tells_it(tmp_path: Path) -> None:
    app = App(tmp_path / "hydra", script=RAISES)  # a folder of this name is none of Hydra's
    app.write("helper.py", "def check(cfg):\n    raise LookupError('nothing there')\n")
    for override, last in (("steps=2", "LookupError: nothing there"), ("steps=1", "object_type=")):
        done = app.run(override)
        assert done.code == 1
        trace, hint = done.err.rstrip().rsplit("\n\n", 1)
        assert hint == "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."
        assert last in trace.splitlines()[-1]
        frames = [line.split('"')[1] for line in trace.splitlines() if line.startswith('  File "')]
        assert frames == [str(app.folder / name) for name in ("app.py", "helper.py")[: len(frames)]]
        assert len(frames) == (2 if override == "steps=2" else 1)


@pytest.mark.parametrize(
    ("line", "jobs"),
    [
        (("+ratio=0.25",), [0.25]),
        (("+ratio=0.25,0.75", "-m"), [0.25, 0.75]),
        (("+ratio=0.25", "steps=1,2", "-m"), [0.25, 0.25]),
        (("+ratio=0.25", "+limit=4"), [0.25]),
    ],
    ids=str,
)
def test_a_parameter_that_no_file_sets_takes_a_plus(app: App, line: tuple[str, ...], jobs: list[float]) -> None:
    done = app.run(*line)
    assert done.code == 0, done.err
    assert [f"('ratio', {ratio})" in text for ratio, text in zip(jobs, done.out.split("RESULT")[1:], strict=True)] == (
        [True] * len(jobs)
    )
    assert "ratio: 0.25" in app.run("--cfg", "job", "+ratio=0.25").out


def test_a_parameter_that_a_file_sets_takes_no_plus(app: App) -> None:
    done = app.run("+ratio=0.25", "+opt.lr=7")
    assert done.code == 2
    assert "An item is already at 'opt.lr'" in done.err
    assert "ratio" not in done.err


FIXED = ["opt.lr=0.75", "++opt.lr=0.75", "opt.mode=SLOW", "+opt.x=1", "opt.mode=null", "opt.kind='a, b'", "~opt.act"]


@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("swept", ["opt=adam,adam", "opt.lr=1,2"])
def test_what_is_fixed_below_what_is_swept_is_fixed_for_any_sweeper(
    app: App, monkeypatch: pytest.MonkeyPatch, swept: str, fixed: str
) -> None:
    got: list[tuple[list[str], str]] = []

    def sweeper(self: Plugins, *, config: DictConfig, **others: Any) -> SimpleNamespace:
        folder = str(config.hydra.sweep.dir)
        return SimpleNamespace(sweep=lambda arguments: got.append((list(arguments), folder)))

    monkeypatch.setattr(Plugins, "instantiate_sweeper", sweeper)
    done = app.inline("-m", "steps=4", "hydra.sweep.dir=out/${opt.lr}", swept, fixed, "name=x")
    assert [arguments for arguments, _ in got] == [["steps=4", swept, fixed, "name=x"]], done.err
    # What the sweep's own config takes it has, as under hydra.main.
    assert got[0][1] == ("out/0.75" if "0.75" in fixed else "out/0.25")


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (("opt=sgd,adam", "opt.lr=0.125"), ["SGD(lr=0.125", "Adam(lr=0.125"]),
        (("opt=adam,adam", "opt.mode=SLOW", "opt.lr=1,2"), ["mode=<Mode.SLOW"] * 4),
        (("opt.mode=SLOW", "opt=adam,adam"), ["mode=<Mode.SLOW"] * 2),
        (("opt=adam,adam", "opt.act=null"), ["act=None"] * 2),
    ],
    ids=str,
)
def test_what_only_the_jobs_of_a_sweep_can_take(app: App, words: tuple[str, ...], jobs: list[str]) -> None:
    done = app.inline("-m", *words)
    assert done.code == 0, done.err
    found = done.out.split("RESULT")[1:]
    assert [part in text for part, text in zip(jobs, found, strict=True)] == [True] * len(jobs)


def test_what_no_job_can_take_is_refused_once(app: App) -> None:
    done = app.inline("-m", "opt=sgd,adam", "opt.nope=1")
    assert done.code == 2
    assert "opt.nope: SGD has no parameter 'nope'\n  in opt=sgd opt.nope=1" in done.err
    assert "RESULT" not in done.out


FLAT = {"config": "defaults: [_self_, db: a]\nsteps: 3\n", "db/a": "lr: 0.25\n"}
STARTED = """
import sys
sys.path.insert(0, sys.argv.pop())  # which -I leaves out
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    print("RESULT", cfg.steps, cfg.db.lr)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("flags", ["-W error", "-X dev", "-O", "-OO", "-I", "-s -E"])
def test_the_interpreter_may_be_started_in_any_way(tmp_path: Path, flags: str) -> None:
    app = App(tmp_path, FLAT, script=STARTED)
    command = [sys.executable, *flags.split(), "app.py", "-m", "steps=1,2", str(ROOT)]
    done = subprocess.run(
        command, cwd=app.folder, env=app.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("RESULT")] == [
        "RESULT 1 0.25",
        "RESULT 2 0.25",
    ]


def shown(main: Any, *words: str) -> tuple[Any, list[str]]:
    """Return how an app ends, and what it prints, without the entries that ours has besides."""
    out, code = io.StringIO(), 0
    before = sys.argv
    sys.argv = ["app.py", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(lambda cfg: None)()
    except SystemExit as end:
        code = end.code or 0  # type: ignore[assignment]
    finally:
        sys.argv = before
        GlobalHydra.instance().clear()
    lines = out.getvalue().splitlines()
    ours = ("nph://", "nph-library://", "nph_signature/", "hydra_plugins.nemo_partial_hydra")
    lines = [
        re.sub(r"[\d.]+ \|$|[\s-]+", " ", line).strip() for line in lines if not any(word in line for word in ours)
    ]
    return code, [line for line in lines if line]


@pytest.mark.parametrize(
    "words",
    [
        *(("--info", what) for what in ("all", "plugins", "searchpath", "defaults", "defaults-tree", "config", "nope")),
        ("--info",),
        ("--hydra-help",),
        ("--version",),
    ],
    ids=" ".join,
)
def test_what_hydra_shows_of_itself_is_the_same(tmp_path: Path, words: tuple[str, ...]) -> None:
    app = App(tmp_path, FLAT)
    with app.here():
        plain = shown(hydra.main(str(app.conf), "config", **VERSION_BASE), *words)
        ours = shown(nph.main(str(app.conf), "config"), *words)
    assert ours[0] == plain[0] == (2 if "nope" in words else 0)
    assert sorted(ours[1]) == sorted(plain[1])
