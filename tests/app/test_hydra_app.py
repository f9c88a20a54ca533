"""What Hydra itself gives still works with recipes, and installing the package changes nothing for others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.apps import CONF, SCRIPT, App

HEAVY = ("nemo_run", "nemo", "torch", "fiddle")
LOADED = """
import atexit, json, sys

@atexit.register
def loaded():
    names = [name for name in sys.modules if "." not in name or name.startswith("nemo_partial_hydra.")]
    with open("loaded.json", "w") as file:
        json.dump(names, file)
"""
"""Put before an app's script: it notes what the process has imported as it ends."""

STORING = """
import sys
import nemo_partial_hydra as nph

@nph.recipe(group="opt")
def heavy():
    raise AssertionError("the factory of an option that nobody selected was called")

@nph.recipe(group="opt")
def registered():
    print("CALLED registered", file=sys.stderr)
    import functools, shop
    return shop.Adam(lr=0.125)
"""

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("app"), script=LOADED + SCRIPT)


@pytest.fixture(scope="module")
def storing(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("storing"), script=STORING + SCRIPT)


def loaded(app: App) -> set[str]:
    """Return what the last run of an app had imported."""
    path = app.folder / "loaded.json"
    names = set(json.loads(path.read_text()))
    path.unlink()
    return names


@pytest.mark.parametrize("args", [["--help"], ["--cfg", "job"], ["--info", "searchpath"], ["--info", "defaults"]])
def test_looking_imports_nothing_heavy_and_leaves_nothing(app: App, args: list[str]) -> None:
    done = app.run(*args, interpreter=True)
    assert done.code == 0, done.err
    names = loaded(app)
    assert "nemo_partial_hydra.app.main" in names
    assert names.isdisjoint(HEAVY)
    assert app.left() == set()


def test_running_imports_nothing_heavy_either(app: App) -> None:
    done = app.run("opt=adam", "hydra.run.dir=out/run", interpreter=True)
    assert done.code == 0, done.err
    assert "Adam(lr=0.75" in done.result
    assert loaded(app).isdisjoint(HEAVY), "nph.run needs neither nemo_run nor fiddle"
    assert (app.folder / "out/run/.hydra/config.yaml").exists()


def test_help_lists_groups_and_values(storing: App) -> None:
    done = storing.run("--help")
    assert done.code == 0, done.err
    assert re.search(r"^experiment: fast$", done.out, re.M)
    assert re.search(r"^opt: adam, heavy, registered, sgd$", done.out, re.M)
    assert "steps: 3" in done.out, "a parameter that no file sets is shown with its default"
    assert "CALLED" not in done.err


def test_cfg_job_shows_the_full_signature(app: App) -> None:
    done = app.inline("--cfg", "job", "opt=adam", "optimizers.0.lr=5e-4")
    assert done.code == 0, done.err
    for line in (
        "- _target_: shop.SGD\n  lr: 0.0005\n  momentum: 0.0",
        "  betas:\n  - 0.9\n",
        "  mode: FAST",
        "steps: 3",
    ):
        assert line in done.out
    assert "CheckRecipe" not in done.out


@pytest.mark.parametrize("args", [["--cfg", "hydra"], ["--cfg=job", "--package", "model"], ["--cfg", "all"]])
def test_cfg_of_all_kinds(app: App, args: list[str]) -> None:
    done = app.inline(*args)
    assert done.code == 0, done.err
    assert app.inline("--cfg", "job", "--resolve", "name=${steps}").out.count("name: '3'") == 1


def test_cfg_job_output_is_a_recipe_again(app: App, tmp_path: Path) -> None:
    overrides = ("opt=adam", "opt.betas.0=0.5", "model.config.sizes=[1]", "limit=null")
    again = App(tmp_path, {"config": app.inline("--cfg", "job", *overrides).out})
    assert repr(again.called()) == repr(app.called(*overrides))


def test_search_path(app: App) -> None:
    done = app.inline("--info", "searchpath")
    assert re.search(r"main\s*\|\s*file://\S*conf", done.out)
    assert re.search(r"nemo_partial_hydra\s*\|\s*nph://", done.out)


def test_config_dir_is_typed_like_the_apps_own(app: App, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/mine.yaml").write_text("_target_: shop.Adam\nlr: 0.5\n")
    for flag in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"], ["-cd", str(tmp_path)]):
        done = app.inline(*flag, "opt=mine", "opt.mode=SLOW", "opt.betas.0=0.5", "hydra.run.dir=out/dir")
        assert "Adam(lr=0.5, betas=(0.5, 0.999), mode=<Mode.SLOW: 2>" in done.result, done.err
    wrong = app.inline("--config-dir", str(tmp_path), "opt=mine", "opt.mode=SLW")
    assert (wrong.code, "opt.mode: expected Mode" in wrong.err) == (2, True)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_searchpath_on_the_command_line_is_typed(app: App, tmp_path: Path, prefix: str) -> None:
    folder = tmp_path / "it's here"
    (folder / "opt").mkdir(parents=True)
    (folder / "opt/mine.yaml").write_text("_target_: shop.Adam\nlr: 0.5\n")
    path = f"{prefix}{folder}".replace("'", "\\'")
    done = app.inline(f"hydra.searchpath=['{path}']", "opt=mine", "opt.mode=SLOW", "hydra.run.dir=out/path")
    assert "Adam(lr=0.5, betas=(0.9, 0.999), mode=<Mode.SLOW: 2>" in done.result, done.err


def test_searchpath_in_the_primary_config_is_typed(tmp_path: Path) -> None:
    more = tmp_path / "more"
    config = f"hydra: {{searchpath: ['file://{more}']}}\ndefaults: [_self_, {{opt: mine}}]\n_target_: shop.train\n"
    app = App(tmp_path, {"config": config + "_partial_: true\n"})
    app.write("more/opt/mine.yaml", "_target_: shop.Adam\n")
    done = app.inline("opt.mode=SLOW")
    assert "mode=<Mode.SLOW: 2>" in done.result, done.err


def test_config_name(app: App) -> None:
    app.write("conf/other.yaml", "_target_: shop.need\n_partial_: true\nsize: 4\n")
    app.made = app.files()
    for flag in (["--config-name", "other"], ["--config-name=other"], ["-cn", "other"]):
        assert app.inline(*flag, "colour=blue", "hydra.run.dir=out/name").result == "4 blue"


def test_config_path(app: App) -> None:
    app.write("else/config.yaml", "_target_: shop.need\n_partial_: true\nsize: 5\n")
    app.made = app.files()
    done = app.inline("--config-path", str(app.folder / "else"), "colour=blue", "hydra.run.dir=out/configpath")
    assert done.result == "5 blue", done.err


def test_a_package_run_with_m(tmp_path: Path) -> None:
    app = App(tmp_path, {}, modules={})
    targets = "def hello(name: str = 'you'):\n    return f'hello {name}'\n"
    for name, text in {
        "pack/__init__.py": "",
        "pack/targets.py": targets,
        "pack/app.py": SCRIPT,
        "pack/conf/config.yaml": "_target_: pack.targets.hello\n_partial_: true\n",
    }.items():
        app.write(name, text)
    assert app.run("name=me", script="pack.app").result == "hello me"
    wrong = app.run("nam=me", script="pack.app")
    assert (wrong.code, wrong.err.splitlines()[0]) == (
        2,
        "Error: nam: hello has no parameter 'nam'; did you mean 'name'?",
    )


def test_targets_in_the_script_itself(tmp_path: Path) -> None:
    script = SCRIPT.replace("@nph.main", "def hello(name: str = 'you'):\n    return f'hello {name}'\n\n@nph.main")
    app = App(tmp_path, {"config": "_target_: __main__.hello\n_partial_: true\n"}, script=script)
    assert app.run("name=me").result == "hello me"


# Completion


def complete(app: App, line: str) -> list[str]:
    """Return what Hydra's bash completion offers for a command line."""
    words = f"python app.py {line}"
    env = {"COMP_LINE": words, "COMP_POINT": str(len(words)), "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = app.run("-sc", "query=bash", env=env)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    return done.out.split()


def test_completion_offers_group_options_without_importing_targets(storing: App) -> None:
    assert complete(storing, "opt=") == ["opt=adam", "opt=heavy", "opt=registered", "opt=sgd"]
    assert complete(storing, "+experiment=f") == ["+experiment=fast"]


COMMANDS = ["$(touch${IFS}mark)", "`touch mark`", "a;touch mark", "<(touch mark)", "a|b", "${HOME}", "a\x1b]0;x\x07"]


@pytest.fixture(scope="module")
def tempting(tmp_path_factory: pytest.TempPathFactory) -> App:
    keys = "".join(f"{json.dumps(key)}: 1\n" for key in COMMANDS)
    config = f"defaults: [_self_, {{deep: one}}]\n{keys}x:\n  fine: 1\n  mode: 2\n  '`id`': 3\n"
    conf = {"config": config, "deep/one": "a: 1\n", "deep/two": "a: 2\n", "deep/$(touch${IFS}mark)": "a: 3\n"}
    return App(tmp_path_factory.mktemp("tempting"), conf)


@pytest.mark.parametrize(
    ("word", "honest"), [("", {"deep=", "x."}), ("x.", {"x.fine=", "x.mode="}), ("deep=", {"deep=one", "deep=two"})]
)
def test_no_completion_is_a_command_to_the_shell(tempting: App, word: str, honest: set[str]) -> None:
    """``compgen -W``, which bash and zsh use, runs what stands in ``$(...)`` of a word that is offered."""
    found = complete(tempting, word)
    assert not [each for each in found if set(each) & set("$`;&|<>()\x1b\x07")]
    assert honest <= set(found)


def test_completion_imports_no_target(tmp_path: Path) -> None:
    app = App(tmp_path, script=LOADED + SCRIPT)
    assert "optimizers.0.lr=" in " ".join(complete(app, "optimizers.0."))
    assert loaded(app).isdisjoint((*HEAVY, "shop"))


def test_completion_offers_unset_parameters_of_registered_recipes(storing: App) -> None:
    found = complete(storing, "opt=registered opt.")
    assert {"opt.act=", "opt.betas.", "opt.kind=", "opt.lr=", "opt.mode="} <= set(found)


# Sweeps

FAIL_SOME = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    if cfg.steps == 2:
        raise LookupError("job with steps 2 fails")
    print("RESULT", cfg.steps)

if __name__ == "__main__":
    main()
"""


def test_a_failing_job_does_not_stop_the_others(tmp_path: Path) -> None:
    done = App(tmp_path, script=FAIL_SOME).run("-m", "steps=1,2,3")
    assert re.findall(r"^RESULT (\d)$", done.out, re.M) == ["1", "3"]
    assert done.code == 1
    assert "LookupError: job with steps 2 fails" in done.err


def test_an_app_that_exits_in_one_job(tmp_path: Path) -> None:
    script = FAIL_SOME.replace('raise LookupError("job with steps 2 fails")', "raise SystemExit(4)")
    done = App(tmp_path, script=script).run("steps=2")
    assert done.code == 4


@pytest.mark.parametrize("sweeper", ["basic", "recipe"])
def test_every_sweeper_runs_the_grid(app: App, sweeper: str) -> None:
    seen: list[tuple[int, str]] = []
    done = app.inline(
        "-m",
        f"hydra/sweeper={sweeper}",
        "steps=1,2",
        "opt=sgd,adam",
        f"hydra.sweep.dir=out/{sweeper}",
        call=lambda cfg: seen.append((cfg.steps, cfg.opt._target_)),
    )
    assert done.code == 0, done.err
    assert seen == [(steps, f"shop.{name}") for steps in (1, 2) for name in ("SGD", "Adam")]
    found = sorted(path.name for path in (app.folder / "out" / sweeper).iterdir())
    assert found == ["0", "1", "2", "3", "multirun.yaml"]


def test_sweep_without_a_sweep_is_one_job(app: App) -> None:
    seen: list[int] = []
    app.inline("-m", "steps=4", "hydra.sweep.dir=out/one", call=lambda cfg: seen.append(cfg.steps))
    assert seen == [4]


def test_sweeper_params_of_the_config(tmp_path: Path) -> None:
    config = (
        CONF["config"].rstrip()
        + "\n        hydra: {mode: MULTIRUN, sweeper: {params: {steps: '1,2', opt: 'sgd,adam'}}}\n"
    )
    app = App(tmp_path, {**CONF, "config": config})
    seen: list[tuple[int, str]] = []
    done = app.inline("steps=5,6", call=lambda cfg: seen.append((cfg.steps, cfg.opt._target_)))
    assert done.code == 0, done.err
    assert seen == [(steps, f"shop.{name}") for steps in (5, 6) for name in ("SGD", "Adam")]


def test_batches(app: App) -> None:
    seen: list[int] = []
    done = app.inline(
        "-m",
        "steps=1,2,3",
        "hydra.sweeper.max_batch_size=2",
        "hydra.sweep.dir=out/batches",
        call=lambda cfg: seen.append(cfg.steps),
    )
    assert (done.code, seen) == (0, [1, 2, 3]), done.err
    assert sorted(path.name for path in (app.folder / "out/batches").iterdir()) == ["0", "1", "2", "multirun.yaml"]


def test_the_sweeps_own_config_is_that_of_the_newest_sweep(app: App) -> None:
    """Whoever freezes more jobs into a directory finds in multirun.yaml how, whatever the size of the batches."""
    for steps in ("1,2", "1,2,3"):
        for size in (1, 5):
            more = ("hydra.sweep.dir=out/grown", f"hydra.sweeper.max_batch_size={size}")
            done = app.inline("-m", f"steps={steps}", "hydra/launcher=freeze", *more)
            assert done.code == 0, done.err
            text = (app.folder / "out/grown/multirun.yaml").read_text()
            assert f"- steps={steps}\n" in text
            assert f"max_batch_size: {size}\n" in text


# Apps on plain hydra.main, and strangers

PLAIN = """
import hydra, sys
from hydra.core.global_hydra import GlobalHydra
import nemo_partial_hydra as nph
import shop

nph.store(shop.Adam(lr=0.125), group="opt", name="stored")

@nph.recipe(group="opt", name="never")
def never():
    raise AssertionError

@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    print("RESULT", nph.run(cfg, allow=["shop"])["opt"])

if __name__ == "__main__":
    main()
"""


def test_a_plain_hydra_app_with_stored_recipes(tmp_path: Path) -> None:
    app = App(tmp_path, script=PLAIN)
    done = app.run("opt=stored", "opt.mode=SLOW", "opt.betas.1=0.5")
    assert done.result.startswith("Adam(lr=0.125, betas=(0.9, 0.5), mode=<Mode.SLOW: 2>, kind='a', act=None)"), done.err
    wrong = app.run("opt=stored", "opt.mode=SLW")
    assert wrong.code == 1, "Hydra's own code"
    assert "expected Mode (FAST, SLOW)" in wrong.err
    assert "opt: adam, never, sgd, stored" in app.run("--help").out
    assert "file://" in app.run("--info", "searchpath").out, "the app's own files stay plain"


STRANGER = """
import hydra, json, sys
from hydra.core.hydra_config import HydraConfig

@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    paths = [(item.provider, item.schema, item.path) for item in HydraConfig.get().runtime.config_sources]
    sweeper = HydraConfig.get().sweeper._target_
    print("RESULT", json.dumps([paths, "nemo_partial_hydra" in sys.modules, sweeper]))

if __name__ == "__main__":
    main()
"""


def test_a_strangers_app_is_not_changed(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "_target_: no.such.thing\na: 1\n"}, script=STRANGER)
    done = app.run("a=2", interpreter=True)
    paths, imported, sweeper = json.loads(done.result)
    paths = [path for path in paths if path[0] != "hydra-colorlog"]  # another plugin's, where it is installed
    assert [path[:2] for path in paths] == [["hydra", "pkg"], ["main", "file"], ["schema", "structured"]]
    assert not imported
    assert sweeper.endswith("BasicSweeper")
    assert done.err.replace("UserWarning", "").count("nemo_partial") == 0


def test_factories_are_called_only_when_selected(storing: App) -> None:
    assert "CALLED" not in storing.run("--cfg", "job").err
    done = storing.run("opt=registered", "opt.kind=b", "hydra.run.dir=out/one")
    assert done.err.count("CALLED registered") == 1
    assert "Adam(lr=0.125, betas=(0.9, 0.999), mode=<Mode.FAST: 1>, kind='b'" in done.result
    sweep = storing.run("-m", "opt=registered", "steps=1,2", "hydra.sweep.dir=out/two")
    assert sweep.code == 0, sweep.err
    assert sweep.err.count("CALLED registered") == 1
