"""What runs in other processes has what the app has: jobs of others' launchers, and what a function starts."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest
import yaml

from nemo_partial_hydra.composition.compat import rerun_takes_overrides
from nemo_partial_hydra.libraries import manifest
from tests.support.apps import ROOT, App, Done

pytestmark = pytest.mark.matrix


def plugin(name: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(f"hydra_plugins.{name}") is None
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: pip install '.[plugins]'")


JOBLIB = pytest.param("joblib", marks=plugin("hydra_joblib_launcher"))
LAUNCHERS = [JOBLIB, "submitit_local"]

SCRIPT = """
import functools, json, os, sys
from pathlib import Path
from hydra.core.hydra_config import HydraConfig
import nemo_partial_hydra as nph
import recipes, shop

nph.store(shop.Adam(lr=0.125), group="opt", name="stored")
nph.store(functools.partial(shop.need, nph.raw(sys.stdin)), group="opt", name="stuck")

@nph.recipe(group="opt", name="made")
def made():
    return shop.Adam(lr=0.5)

def refused(target):
    try:
        nph.run({"second": {"_target_": target, "_partial_": True}})
    except nph.PolicyError:
        return True
    return False

@nph.main(config_path="conf", config_name="config", recipe="second", allow=["extra.given"])
def main(cfg):
    result = nph.run(cfg)
    found = {
        "opt": repr(result["opt"]), "steps": result["steps"], "pid": os.getpid(), "lib": cfg.part.colour,
        "full": os.environ.get("HYDRA_FULL_ERROR"), "given": refused("extra.given"), "taken": refused("extra.taken"),
        "paths": any(item.path == "second.steps" for item in nph.paths(cfg)),
    }
    Path(HydraConfig.get().runtime.output_dir, "found.json").write_text(json.dumps(found))
    return result["steps"]

if __name__ == "__main__":
    print("PID", os.getpid())
    main()
"""

RECIPES = """
import functools, threading
import nemo_partial_hydra as nph, shop

nph.store(functools.partial(shop.widths, [nph.raw(threading.Lock())]), group="opt", name="locked")
nph.store(shop.Adam(lr=0.25, kind="b"), group="opt", name="of_module")

@nph.recipe(name="whole")
def whole():
    import functools
    return functools.partial(shop.train, steps=5, opt=shop.SGD(lr=0.5))
"""

CONF = {
    "config": """
        defaults: [opt: sgd, part: one, _self_]
        first: {_target_: shop.train, _partial_: true}
        second: {_target_: shop.train, _partial_: true, steps: 1, opt: "${opt}"}
        """,
    "opt/sgd": "_target_: shop.SGD\nlr: 0.25\n",
}

MODULES = {"recipes": RECIPES}


def found(app: App) -> list[dict[str, object]]:
    """Return what each job has written, in their order."""
    return [json.loads(path.read_text()) for path in sorted(app.folder.glob("out/*/found.json"))]


def made(tmp_path: Path) -> App:
    """Return the app, with a library and a directory of a module that it allows."""
    app = App(tmp_path / "app", CONF, script=SCRIPT, modules=MODULES)
    app.write("lib/part/one.yaml", "_target_: shop.need\nsize: 3\n")
    entry = manifest.Entry("f()", "", "")
    app.write("lib/library.json", manifest.encode(manifest.Manifest("lib", recipes={"part/one": entry})))
    app.write("../other/extra.py", "def given() -> int:\n    return 1\n\n\ndef taken() -> int:\n    return 2\n")
    return app


@pytest.fixture
def app(tmp_path: Path) -> App:
    return made(tmp_path)


def sweep(app: App, *words: str) -> Done:
    path = os.pathsep.join([str(ROOT), str(app.folder.parent / "other")])
    return app.run("-m", "hydra.sweep.dir=out", "--library", "lib", *words, env={"PYTHONPATH": path})


@pytest.mark.parametrize("launcher", ["basic", *LAUNCHERS])
def test_a_job_has_the_apps_settings_recipes_and_permissions(app: App, launcher: str) -> None:
    done = sweep(app, "opt=stored,made,of_module", f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    jobs = found(app)
    assert [str(job["opt"])[:15] for job in jobs] == ["Adam(lr=0.125, ", "Adam(lr=0.5, be", "Adam(lr=0.25, b"]
    ours = done.out.partition("PID ")[2].split()[0]
    assert [str(job["pid"]) == ours for job in jobs] == [launcher == "basic"] * 3
    expected = {"lib": "red", "full": None, "given": False, "taken": True, "paths": True, "steps": 1}
    assert [{name: job[name] for name in expected} for job in jobs] == [expected] * 3


@pytest.mark.parametrize("choice", ["stuck,stored", "stuck"])
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_recipe_that_cannot_be_sent_says_so_where_it_is_chosen(app: App, launcher: str, choice: str) -> None:
    done = sweep(app, f"opt={choice}", f"hydra/launcher={launcher}")
    assert done.code == (2 if launcher == "joblib" else 1), done.err  # submitit raises an error of its own
    assert "the recipe 'opt/stuck' (registered at __main__:8): it cannot be sent to the process of a job" in done.err
    assert "register it in a module that the app imports" in done.err


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_job_makes_what_its_modules_register_and_nobody_can_send(app: App, launcher: str) -> None:
    done = sweep(app, "opt=locked", "second.steps=2,3", f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    assert [("<unlocked" in str(job["opt"]), job["steps"]) for job in found(app)] == [(True, 2), (True, 3)]


PLAIN = """
import hydra
from pathlib import Path
from hydra.core.hydra_config import HydraConfig
import nemo_partial_hydra as nph
import recipes

@hydra.main(config_path=None, config_name="whole", version_base="1.3")
def main(cfg):
    result = nph.run(cfg)
    Path(HydraConfig.get().runtime.output_dir, "found.json").write_text(f'{{"lr": {result["opt"].lr}}}')
    return result["opt"].lr

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_jobs_of_a_plain_hydra_app_find_its_registered_recipes(app: App, launcher: str) -> None:
    app.write("app.py", PLAIN)
    done = app.run("-m", "hydra.sweep.dir=out", "opt.lr=0.5,0.75", f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    assert found(app) == [{"lr": 0.5}, {"lr": 0.75}]


FAILS = """
import nemo_partial_hydra as nph

class Own(Exception):
    pass

@nph.main(config_path="conf", config_name="config", recipe="second")
def main(cfg):
    raise Own(f"at {nph.run(cfg)['steps']}")

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("launcher", ["basic", *LAUNCHERS])
def test_an_error_of_a_job_is_shown_as_the_apps_own(app: App, launcher: str) -> None:
    app.write("app.py", FAILS)
    done = sweep(app, "second.steps=1,2", f"hydra/launcher={launcher}")
    assert done.code == 1
    frames = done.err[done.err.index("Traceback") :].splitlines()
    assert [line.strip() for line in frames[1:4:2]] == [f'File "{app.folder}/app.py", line 8, in main', "Own: at 1"]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_target_in_the_script_itself(app: App, launcher: str) -> None:
    app.write("app.py", SCRIPT + "\n\ndef own():\n    return {}\n")
    done = sweep(app, "second._target_=__main__.own", f"hydra/launcher={launcher}")
    assert done.code == 2, done.err
    assert "'__main__' has no 'own' (from '__main__.own'); what a script defines itself is not in the" in done.err
    assert "move it into a module beside the script" in done.err


OPTUNA = """
        defaults: [opt: sgd, part: one, _self_, override hydra/sweeper: optuna]
        second: {_target_: shop.train, _partial_: true, steps: 1, opt: "${opt}"}
        hydra:
          sweeper: {n_trials: 2, n_jobs: 2, direction: maximize, params: {second.steps: "range(3, 9)"}}
"""


@plugin("hydra_optuna_sweeper")
@pytest.mark.parametrize("launcher", ["basic", JOBLIB])
def test_a_sweeper_gets_what_jobs_return(app: App, launcher: str) -> None:
    app.write("conf/config.yaml", OPTUNA)
    app.write("app.py", SCRIPT.replace('"lib": cfg.part.colour, ', ""))
    done = sweep(app, f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    best = yaml.safe_load((app.folder / "out/optimization_results.yaml").read_text())
    assert (
        best["best_value"] == max(int(str(job["steps"])) for job in found(app)) == best["best_params"]["second.steps"]
    )


SPAWNS = """
import multiprocessing, sys
import nemo_partial_hydra as nph

def work(cfg, again, queue):
    answers = []
    for what in (cfg, again, {"_target_": "shop.widths", "_partial_": True}):
        try:
            answers.append(nph.run(what))
        except nph.PolicyError:
            answers.append("refused")
    queue.put(answers)

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=work, args=(cfg, cfg.second, queue))
    process.start()
    print("RESULT", queue.get(timeout=60))
    process.join()

if __name__ == "__main__":
    main()
"""


def test_a_config_may_in_a_spawned_process_what_it_might_where_it_was_composed(tmp_path: Path) -> None:
    """Others may not: a text never adds to what is allowed."""
    conf = {"config": "first: {_target_: shop.need}\nsecond: {_target_: shop.widths, _partial_: true, pair: [3, 4]}\n"}
    done = App(tmp_path / "app", conf, script=SPAWNS).run()
    assert done.result == "[((), (3, 4)), ((), (3, 4)), 'refused']", done.err


RERUNS = {
    "config": """
        second: {_target_: shop.widths, _partial_: true, pair: [3, 4]}
        hydra: {run: {dir: out}, callbacks: {kept: {_target_: hydra.experimental.callbacks.PickleJobInfoCallback}}}
        """
}


@pytest.mark.skipif(rerun_takes_overrides(), reason="from 1.4 on Hydra composes again, and pickles nothing")
def test_a_pickled_job_is_run_again(tmp_path: Path) -> None:
    app = App(tmp_path / "app", RERUNS)
    assert app.run("second.sizes=[7]").result.startswith("((7,), (3, 4))\n")  # and what the callback logs
    again = app.run("--experimental-rerun", "out/.hydra/config.pickle")
    assert again.result == "((7,), (3, 4))", again.err
