"""What files say below ``hydra``: Hydra makes the classes that ship with it and with plugins, and the runner's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from nemo_partial_hydra.errors import PolicyError
from nemo_partial_hydra.runtime.workspace import Workspace
from tests.conftest import left_out
from tests.support.apps import SHOP, App, Done

MARK = "touched_by_the_attack"
WRITE = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.Path.write_text"
CALL = f"{{_target_: {WRITE}, _args_: [{{_target_: pathlib.Path, _args_: [{MARK}]}}, x]}}"
OWN = "{_target_: gate_callbacks.Own}"
LOG = "{_target_: hydra.experimental.callbacks.LogJobReturnCallback}"
CALLBACKS = """
import pathlib
from pathlib import Path
from hydra.experimental.callback import Callback


class Own(Callback):
    def __init__(self, **others):
        self.others = others

    def on_run_start(self, config, **kwargs):
        print("OWN", sorted(self.others))

    on_multirun_start = on_run_start
"""
TASK = "steps: 1\n"


def conf(main: str = "", **files: str) -> dict[str, str]:
    """Return the files of an app without a recipe; ``a__b`` is the file ``a/b``."""
    return {"config": main or TASK, **{name.replace("__", "/"): text for name, text in files.items()}}


def pair(text: str, **more: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files with the attack, and with the nearest honest callback, in the place of ``@``."""
    made = [{name: value.replace("@@", what) for name, value in conf(text, **more).items()} for what in (CALL, OWN)]
    return made[0], made[1]


# Where files say what Hydra is to make: the files of the app, and its command line.
PLACES: dict[str, tuple[tuple[dict[str, str], dict[str, str]], tuple[str, ...]]] = {
    "primary": (pair(f"{TASK}hydra: {{callbacks: {{x: @@}}}}"), ()),
    "experiment": (
        pair(TASK, experiment__x="# @package _global_\nhydra: {callbacks: {x: @@}}\n"),
        ("+experiment=x",),
    ),
    "group of hydra": (pair(TASK, hydra__callbacks__mine="x: @@\n"), ("hydra/callbacks=mine",)),
    "group of hydra, by the primary": (
        pair("defaults: [_self_, {override hydra/callbacks: mine}]\nsteps: 1\n", hydra__callbacks__mine="x: @@\n"),
        (),
    ),
    "package in its header": (
        pair("defaults: [_self_, {other: x}]\n", other__x="# @package hydra.callbacks\nx: @@\n"),
        (),
    ),
    "header behind a space": (
        pair("defaults: [_self_, {other: x}]\n", other__x="\n   #   @package hydra.callbacks\nx: @@\n"),
        (),
    ),
    "package of a defaults list": (pair("defaults: [_self_, {other@hydra.callbacks.x: x}]\n", other__x="@@\n"), ()),
    "package of a nested defaults list": (
        pair(
            "defaults: [_self_, {first: x}]\n",
            first__x="defaults: [{/second/third@_global_.hydra.callbacks.x: [y]}]\n",
            second__third__y="@@\n",
        ),
        (),
    ),
    "relative to a package": (
        pair(
            "defaults: [_self_, {first@hydra.callbacks: x}]\n",
            first__x="defaults: [{second@x: y}]\n",
            first__second__y="@@\n",
        ),
        (),
    ),
    "package of an override": (pair(TASK, other__x="@@\n"), ("+other@hydra.callbacks.x=x",)),
    "reference to a node": (pair("cb: @@\nhydra: {callbacks: {x: '${cb}'}}\n"), ()),
    "reference to all": (pair("cb: {x: @@}\nhydra: {callbacks: '${cb}'}\n"), ()),
    "reference to a part": (
        pair("cb: @@\nhydra: {callbacks: {x: {_target_: gate_callbacks.Own, a: '${cb}'}}}\n"),
        (),
    ),
    "reference inside hydra": (pair("hydra: {callbacks: {a: @@, x: '${hydra.callbacks.a}'}}\n"), ()),
    "below an honest one": (
        pair("hydra: {callbacks: {x: {_target_: gate_callbacks.Own, a: [{b: @@}]}}}\n"),
        (),
    ),
    "sweeper": (
        pair("hydra: {sweeper: {params: null}, callbacks: {x: @@}}\n"),
        ("-m", "hydra/sweeper=basic", "+a=1,2"),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    import sys

    yield tmp_path
    for name in ("gate_callbacks", "shop"):
        sys.modules.pop(name, None)


def run(folder: Path, files: dict[str, str], *args: str, allow: tuple[str, ...] = ("shop", "gate_callbacks")) -> Done:
    app = App(folder, files, modules={"shop": SHOP, "gate_callbacks": CALLBACKS})
    return app.inline(*args, allow=allow, call=lambda cfg: "ran")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("place", "shown"),
    # Hydra shows no sweep.
    [(place, shown) for place, (_, args) in PLACES.items() for shown in (False, True) if not (shown and "-m" in args)],
)
def test_hydra_makes_nothing_that_a_file_reaches_through_a_plugin(folder: Path, place: str, shown: bool) -> None:
    (attack, honest), args = PLACES[place]
    more = ("--cfg", "job") if shown else ()
    done = run(folder / "a", attack, *args, *more)
    assert done.code == 3, done.err
    assert WRITE in done.err
    assert not list(folder.rglob(MARK))
    done = run(folder / "b", honest, *args, *more)
    assert done.code == 0, done.err
    assert shown or "OWN" in done.out


NAMES = {
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.Path.write_text": "gate_callbacks.Own",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.Path": "gate_callbacks.Own",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.os.system": LOG,
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.instantiate": LOG,
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher.__init__": LOG,
    "hydra_plugins.nemo_partial_hydra.launchers.Any": LOG,
    "hydra.experimental.callbacks.pickle.loads": LOG,
    "hydra.experimental.callbacks.LogJobReturnCallback.on_job_end": LOG,
    "hydra.experimental.callbacks.Path": LOG,
    "hydra.utils.call": LOG,
    "hydra._internal.utils._locate": LOG,
    "torch.nn.Linear": "gate_callbacks.Own",
    "nemo.lightning.pytorch.callbacks.ModelCheckpoint": "gate_callbacks.Own",
    "gate_callbacks.Path.write_text": "gate_callbacks.Own",
    "gate_callbacks.Path.home": "gate_callbacks.Own",
    "gate_callbacks.pathlib.os.getcwd": "gate_callbacks.Own",
    "nemo_partial_hydra.composition.checks.CheckRecipe.on_run_start": LOG,
    "optuna.samplers.TPESampler.from_file": LOG,
    "optuna.samplers._base.os.system": LOG,
    "logging.handlers.SocketHandler": "gate_callbacks.Own",
    "logging.os.system": LOG,
    "colorlog.logging.os.system": LOG,
    "rich.logging.RichHandler.emit": LOG,
}


@pytest.mark.parametrize("name", NAMES)
def test_only_whole_names_of_exact_classes_are_made(folder: Path, name: str) -> None:
    text = "hydra: {callbacks: {x: %s}}\n"
    done = run(folder / "a", conf(text % f"{{_target_: {name}}}"))
    assert done.code == 3, done.err
    assert name in done.err
    honest = NAMES[name]
    done = run(folder / "b", conf(text % (honest if honest.startswith("{") else f"{{_target_: {honest}}}")))
    assert done.code == 0, done.err


LOGS = {
    "a reference to a handler": (
        "h: {class: subprocess.Popen, args: [x]}\nhydra: {job_logging: {handlers: {x: '${h}'}}}\n",
        "l: '%(message)s'\nhydra: {job_logging: {formatters: {simple: {format: '${l}'}}}}\n",
    ),
    "a reference to all handlers": (
        "h: {x: {class: subprocess.Popen}}\nhydra: {job_logging: {handlers: '${h}'}}\n",
        "hydra: {job_logging: {handlers: {x: {class: logging.NullHandler}}}}\n",
    ),
    "a reference to its class": (
        "h: subprocess.Popen\nhydra: {job_logging: {handlers: {x: {class: '${h}'}}}}\n",
        "h: 10\nhydra: {job_logging: {handlers: {x: {class: logging.NullHandler, level: '${h}'}}}}\n",
    ),
    "a part of another class": (
        "hydra: {job_logging: {handlers: {x: {class: logging.StreamHandler.emit}}}}\n",
        "hydra: {job_logging: {handlers: {x: {class: logging.StreamHandler, stream: 'ext://sys.stderr'}}}}\n",
    ),
    "an object that is looked up": (
        "hydra: {job_logging: {handlers: {x: {class: logging.StreamHandler, stream: 'ext://os.environ'}}}}\n",
        "hydra: {job_logging: {handlers: {x: {class: logging.FileHandler, filename: '${hydra.job.name}.log'}}}}\n",
    ),
    "handlers elsewhere, which logging itself follows": (
        "hydra: {job_logging: {handlers: {x: 'cfg://h'}, h: {class: logging.FileHandler, filename: harm.sh}}}\n",
        "hydra: {job_logging: {handlers: {x: {class: logging.NullHandler}}, h: {class: logging.NullHandler}}}\n",
    ),
    "the same by a reference": (
        "p: 'cfg://h'\n"
        "hydra: {job_logging: {handlers: {x: '${p}'}, h: {class: logging.FileHandler, filename: harm.sh}}}\n",
        "p: 10\nhydra: {job_logging: {handlers: {x: {class: logging.NullHandler, level: '${p}'}}}}\n",
    ),
    "a name that is a path": (
        "hydra: {job: {name: /tmp/harm}, job_logging: {handlers: {x: {class: logging.FileHandler, "
        "filename: '${hydra.job.name}.log'}}}}\n",
        "hydra: {job: {name: own}, job_logging: {handlers: {x: {class: logging.FileHandler, "
        "filename: '${hydra.job.name}.log'}}}}\n",
    ),
    "a time that is nothing": (
        "hydra: {job_logging: {handlers: {x: {class: logging.FileHandler, filename: '${now:%Z}/tmp/harm.log'}}}}\n",
        "hydra: {job_logging: {handlers: {x: {class: logging.FileHandler, filename: '${now:%Y-%m}.log'}}}}\n",
    ),
    "a time that makes a way out": (
        "hydra: {job_logging: {handlers: {x: {class: logging.FileHandler, "
        "filename: '${hydra.runtime.output_dir}/.${now:.}/.${now:%Z}./harm.log'}}}}\n",
        "hydra: {job_logging: {handlers: {x: {class: logging.FileHandler, "
        "filename: '${hydra.runtime.output_dir}/${now:%Y-%m-%d_%H:%M}.log'}}}}\n",
    ),
}


@pytest.mark.parametrize("case", LOGS)
def test_logging_makes_nothing_else(folder: Path, case: str) -> None:
    attack, honest = LOGS[case]
    done = run(folder / "a", conf(attack))
    assert done.code == 3, done.err
    done = run(folder / "b", conf(honest))
    assert done.code == 0, done.err


FILE = "hydra: {job_logging: {handlers: {file: {filename: '${hydra.runtime.output_dir}/${name}.log'}}}}\n"
STREAM = "hydra: {job_logging: {handlers: {console: {stream: '${a.c}'}}}}\n"
LOGGED = {
    "a path of a reference": (f"name: ../../../../../x\n{FILE}", f"name: x\n{FILE}"),
    "the job's name": ("hydra: {job: {name: ../../../x}}\n", "hydra: {job: {name: x}}\n"),
    "the job's name, by a reference": (
        "name: ../../../x\nhydra: {job: {name: '${name}'}}\n",
        "name: x\nhydra: {job: {name: 'a_${name}'}}\n",
    ),
    "an address of two parts": (
        f"a: {{b: 'ext:', c: '${{a.b}}//os.environ'}}\n{STREAM}",
        f"a: {{b: 'ext:', c: '${{a.b}}//sys.stdout'}}\n{STREAM}",
    ),
}


@pytest.mark.matrix
@pytest.mark.parametrize(("attack", "honest"), LOGGED.values(), ids=LOGGED)
def test_what_only_the_composed_config_tells_of_logging_is_checked(folder: Path, attack: str, honest: str) -> None:
    done = run(folder / "a", conf(attack))
    assert done.code == 3, done.err
    assert not list(folder.rglob("*.log"))
    done = run(folder / "b", conf(honest))
    assert done.code == 0, done.err
    assert list((folder / "b").rglob("*.log"))


def test_a_file_that_a_defaults_list_puts_below_the_handlers_is_checked(folder: Path) -> None:
    main = "defaults: [_self_, {other@hydra.job_logging.handlers.x: x}]\n"
    done = run(folder / "a", conf(main, other__x="class: subprocess.Popen\nargs: [x]\n"))
    assert done.code == 3, done.err
    assert "subprocess.Popen" in done.err
    done = run(folder / "b", conf(main, other__x="class: logging.NullHandler\n"))
    assert done.code == 0, done.err


@pytest.mark.parametrize("sweeper", ["recipe", "basic"])
def test_the_jobs_of_a_sweep_are_checked(folder: Path, sweeper: str) -> None:
    files = conf(
        TASK,
        e__a="# @package _global_\nsteps: 2\n",
        e__b="# @package _global_\ncb: {class: subprocess.Popen}\nhydra: {job_logging: {handlers: {x: '${cb}'}}}\n",
        e__c="# @package _global_\nhydra: {job_logging: {handlers: {x: {class: logging.NullHandler}}}}\n",
    )
    done = run(folder / "a", files, "-m", "+e=a,b", f"hydra/sweeper={sweeper}")
    assert done.code == 3, done.err
    done = run(folder / "b", files, "-m", "+e=a,c", f"hydra/sweeper={sweeper}")
    assert done.code == 0, done.err


STOCK = {
    "basic launcher": "hydra: {launcher: {_target_: hydra._internal.core_plugins.basic_launcher.BasicLauncher}}",
    "basic sweeper": "hydra: {sweeper: {_target_: hydra._internal.core_plugins.basic_sweeper.BasicSweeper}}",
    "log": f"hydra: {{callbacks: {{x: {LOG}}}}}",
    "submitit": "hydra: {launcher: {_target_: hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher}}",
    "ours": "hydra: {sweeper: {_target_: hydra_plugins.nemo_partial_hydra.sweeper.RecipeSweeper}}",
    "listing": "hydra: {callbacks: {x: {_target_: nemo_partial_hydra.listing.callback.CfgPaths}}}",
    "sampler": "hydra: {sweeper: {sampler: {_target_: optuna.samplers.TPESampler, seed: 1}}}",
    "colours": "hydra: {job_logging: {formatters: {c: {'()': colorlog.ColoredFormatter}}}}",
    "rich": "hydra: {job_logging: {handlers: {c: {class: rich.logging.RichHandler}}}}",
    "joblib": "hydra: {launcher: {_target_: hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher}}",
    "search space": "hydra: {sweeper: {custom_search_space: gate_callbacks.space}}",
}


@pytest.mark.parametrize("name", STOCK)
def test_what_ships_may_be_named(name: str) -> None:
    from nemo_partial_hydra.dialect.yaml import load

    if name == "joblib" and importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        left_out("the joblib launcher of Hydra is not installed")
    Workspace().policy.check_file(load(STOCK[name]), ["gate_callbacks"])


@pytest.mark.parametrize("name", [name for name, text in STOCK.items() if "(" not in text])
def test_what_is_beside_it_may_not(name: str) -> None:
    from nemo_partial_hydra.dialect.yaml import load

    text = STOCK[name].replace("gate_callbacks.space", "os.system").replace(", seed", ".from_bytes, seed")
    text = text.replace("}}", ".run}}", 1) if text == STOCK[name] else text
    with pytest.raises(PolicyError):
        Workspace().policy.check_file(load(text), ["gate_callbacks"])
