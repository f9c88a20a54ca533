"""All error messages in one file, ``tests/golden/messages.txt``, to be read through when it changes.

The tests beside the code say what matters in a message; this file says how all of them sound, side by side.
``NPH_RECORD=1`` writes it anew.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
import shlex
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nemo_partial_hydra as nph
from nemo_partial_hydra.cli import main as cli
from tests.composition.test_error_text import FILES, OVERRIDES, PAIRS, POLICY, SWEEPS, TRAIN
from tests.support import slurm_texts
from tests.support import targets as t
from tests.support.apps import CONF, ROOT, App

GOLDEN = ROOT / "tests" / "golden" / "messages.txt"
HERE = "-cd conf -cn config"

COMMANDS = f"""
    diff gone.yaml gone.yaml
    diff steps=4 ''
    diff conf conf
    diff {HERE} '' stepz=4
    diff {HERE} '' "'open"
    diff -cd nowhere -cn config '' ''
    diff {HERE} '' '' --jsn
    schema gone.yaml
    schema conf/config.yaml --out no/folder/x
    snapshot gone.yaml --out x
    snapshot conf/config.yaml --out no/folder/x
    check gone.yaml
    check conf
    library --library gone
    library optm
    status gone
    status conf
    logs gone
    retry gone
    cancel gone
    run gone
    submit gone
    export no_such_module -o lib
    export shop -o conf
    nope
""".strip().splitlines()

# Each is evaluated with these names: nph, t (tests.support.targets), run (nemo_run).
CALLS = """
    nph.from_yaml("a: [")
    nph.from_yaml("a: 1\\na: 2")
    nph.from_yaml("a: 1")
    nph.from_yaml("_target_: 3")
    nph.from_yaml("_target_: os.system")
    nph.from_yaml("_target_: tests.support.targets.typd", allow=["tests.support"])
    nph.from_yaml("_target_: tests.support.targets.typed\\ni: x\\ncolor: RDE", allow=["tests.support"])
    nph.to_yaml(run.Config(t.untyped, a=lambda: None))
    nph.to_yaml(run.Config(t.untyped, a={"b": [object]}, b=iter([])))
    nph.to_config(run.Config(t.untyped, a=lambda: None))
    nph.build({})
    nph.build({"a": 1})
    nph.build({"a": {"_target_": "x.y"}, "b": {"_target_": "x.y"}})
    nph.build({"_target_": "os.system"})
    nph.build({"_target_": "tests.support.targets.Optimizer", "lr": "x", "lrr": 1}, allow=["tests.support"])
    nph.run({"_target_": "tests.support.targets.required"}, allow=["tests.support"])
    nph.run({"_target_": "tests.support.targets.Optimizer", "_args_": 3}, allow=["tests.support"])
    nph.store(run.Partial(t.untyped), name="a b")
    nph.freeze({"a": 1}, "job")
""".strip().splitlines()


SLURM, HERE_TOO = "hydra/launcher=submitit_apptainer", "hydra/launcher=submitit_apptainer_local"
IMAGE = "hydra.launcher.apptainer.image=nemo.sif"

# Typed where there is neither SLURM nor Apptainer.
NOTHING_THERE = [
    [SLURM],
    [HERE_TOO, IMAGE],
    [SLURM, IMAGE, "hydra.launcher.payload_signal=NOPE", "hydra.launcher.timeout_min=-1"],
    [SLURM, "hydra.launcher.apptainer.binds=[gone:/x]"],
    [SLURM, "hydra.launcher.timeout_mn=3"],
    [SLURM, "hydra.launcher.nodes=x"],
    [SLURM, "hydra.launcher.apptainer.bind=[x]"],
    [SLURM, "steps=abc"],
    ["hydra/launcher=freeze", "hydra.launcher.x=1"],
    ["hydra/launcher=freeze", "hydra.sweep.dir=conf/config.yaml"],
]
# Typed on a cluster: what ``sbatch --test-only`` answers, and the settings.
ON_A_CLUSTER = [
    ("", [SLURM, "hydra.launcher.partition=dbug"]),
    ("", [SLURM, "hydra.launcher.partition=small", "hydra.launcher.timeout_min=60", "hydra.launcher.cpus_per_task=64"]),
    ("", [SLURM, "hydra.launcher.partition=debug", "hydra.launcher.gpus_per_node=8"]),
    ("", [SLURM, "hydra.launcher.partition=old"]),
    (slurm_texts.NO_ACCOUNT, [SLURM, "hydra.launcher.account=nobody"]),
    (slurm_texts.UNREACHABLE, [SLURM]),
]


def commands(folder: Path, refusal: str) -> str:
    """Make SLURM's commands, as far as a preflight asks them; return the directory."""
    nodes = slurm_texts.NODES.replace("NodeHostName=login", f"NodeHostName={socket.gethostname().partition('.')[0]}")
    known = {"partition": slurm_texts.PARTITIONS, "node": nodes, "config": slurm_texts.CONFIG}
    for name, text in {**known, "refusal": refusal}.items():
        (folder / name).write_text(text)
    shows = "".join(f'*{name}*) exec /bin/cat "{folder}/{name}";; ' for name in known)
    down = f'/bin/cat "{folder}/refusal" >&2; exit 1'
    lost = down if "contact" in refusal else f'case "$*" in {shows}esac'
    bodies = {"scontrol": lost, "sbatch": down, "squeue": lost, "sacct": lost, "sinfo": lost}
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body if refusal or name == 'scontrol' else 'exit 0'}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def of_launchers(app: App, folder: Callable[[], Path], path: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Yield what is typed to an app with a launcher of ours and what it says; ``path`` sets where commands are."""
    path(str(folder()))
    for args in NOTHING_THERE:
        yield f"$ python app.py -m {shlex.join(args)}", said(app.inline("-m", *args).err, app.folder)
        app.clean()
    for refusal, args in ON_A_CLUSTER:
        path(commands(folder(), refusal))
        yield f"$ python app.py -m {shlex.join(args)}", said(app.inline("-m", *args).err, app.folder)
        app.clean()


def said(err: str, folder: Path) -> str:
    """Return a message without what differs from run to run."""
    text = err.replace(str(folder), "<app>").replace(str(ROOT), "<repository>")
    text = re.sub(r"(nemo_launcher|joblib), ", "", text)  # importing nemo registers one, a plugin the other
    text = re.sub(r"^usage: .*\n( .*\n)*", "", text)  # argparse's, which lists Hydra's options or ours
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) or "(nothing)"


def of_apps(make: Callable[..., App]) -> Iterator[tuple[str, str]]:
    """Yield what is typed to an app and what it says; files first, then command lines, then sweeps."""
    for title, name, text, _ in FILES:
        app = make({**CONF, name: text})
        yield f"conf/{name}.yaml: {title}", said(app.inline().err, app.folder)
    for target, _ in POLICY:
        app = make({"config": f"{TRAIN}opt: {{_target_: {target}}}\n"})
        yield f"conf/config.yaml: opt: {{_target_: {target}}}", said(app.inline().err, app.folder)
    app = make()
    lines = [[override] for override, _ in OVERRIDES] + [args for args, _ in PAIRS]
    for args in [*lines, *(["-m", *args] for args, _ in SWEEPS)]:
        yield f"$ python app.py {shlex.join(args)}", said(app.inline(*args).err, app.folder)


def of_commands(app: App, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, str]]:
    """Yield what is typed to ``nemo-hydra`` and what it says."""
    for line in map(str.strip, COMMANDS):
        with app.here():
            try:
                code = cli.main(shlex.split(line))
            except SystemExit as end:
                code = int(end.code or 0)
        yield f"$ nemo-hydra {line}", f"{said(capsys.readouterr().err, app.folder)}\n(exit code {code})"


def of_calls() -> Iterator[tuple[str, str]]:
    """Yield what is called and what it raises."""
    import nemo_run as run

    names: dict[str, Any] = {"nph": nph, "t": t, "run": run}
    for call in map(str.strip, CALLS):
        with pytest.raises(nph.RecipeError) as info:
            eval(call, names)
        yield f">>> {call}", f"{type(info.value).__name__}: {said(str(info.value), Path('<none>'))}"


def rendered(cases: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{what}\n{re.sub('^(?=.)', '    ', message, flags=re.MULTILINE)}\n\n" for what, message in cases)


def test_the_messages_are_those_that_were_read(
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fresh_workspace: None,
) -> None:
    def make(conf: dict[str, str] | None = None) -> App:
        return App(tmp_path_factory.mktemp("app"), conf)

    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    cases = [*of_apps(make), *of_commands(make(), capsys), *of_calls()]
    with monkeypatch.context() as patch:
        path = functools.partial(patch.setenv, "PATH")
        made = rendered([*cases, *of_launchers(make(), lambda: tmp_path_factory.mktemp("bin"), path)])
    if os.environ.get("NPH_RECORD") == "1":
        GOLDEN.write_text(made, encoding="utf-8")
    kept = GOLDEN.read_text(encoding="utf-8")
    changes = difflib.unified_diff(kept.splitlines(), made.splitlines(), "read", "now", lineterm="", n=3)
    assert made == kept, "\n".join(["NPH_RECORD=1 writes them anew; read the difference through", *changes])
