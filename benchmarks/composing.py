"""Composing a full recipe with Hydra, beside plain Hydra composing plain YAML with as many leaves.

In this process, with Hydra's Compose API (needs NeMo): ``llm.llama3_70b.pretrain_recipe``, registered with
``nph.store`` and as a YAML recipe file. As whole processes, ``--cfg job``: a recipe of 534 parameters of plain-Python
targets, so that no import of NeMo is in the figures. The plain YAML is always what the recipe composes to, its
reserved keys renamed: the same nesting and the same leaves, but nothing left that a recipe source would act on.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import synthetic
from benchmarks.measure import Comparison, leaves, output, process, report, timed, turns

ROUNDS, PROCESSES = 20, 15
TARGET, OF_PROCESS = 1.5, 1.2
PRIMARY = "defaults:\n- recipe: pretrain\n- _self_\n"

APP = """\
{imports}

@{decorator}(config_path="conf", config_name="config", version_base=None)
def main(cfg):
    pass


if __name__ == "__main__":
    main()
"""

REGISTERED = """\
import functools

import nemo_partial_hydra as nph
import targets


@nph.recipe(group="recipe")
def pretrain():
    return {recipe}

"""


def main() -> int:
    """Print the figures; return the exit code."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        comparisons = whole_processes(Path(folder, "apps"))
        if importlib.util.find_spec("nemo") is not None:
            comparisons = [*in_process(Path(folder, "configs")), *comparisons]
        else:
            print("NeMo is not installed here: the composition of its recipe in this process is left out.")
    print("In process: one initialize_config_dir and compose. 'first' makes the config anew, as a new process does.")
    print("Whole process: python app.py --cfg job, targets in plain Python; neither NeMo nor nemo_run is imported.")
    return report("Composing a recipe", comparisons)


def conf(folder: Path, name: str, recipe: str | None) -> Path:
    """Write a config directory whose primary config selects ``recipe: pretrain``; return it."""
    directory = folder / name
    (directory / "recipe").mkdir(parents=True)
    (directory / "config.yaml").write_text(PRIMARY)
    if recipe is not None:
        (directory / "recipe" / "pretrain.yaml").write_text(recipe)
    return directory


def plain(text: str) -> str:
    """Rename the reserved keys, ``_target_`` and the like: what is left is plain data."""
    return re.sub(r"^( *(?:- )*)_([a-z]+)_:", r"\1\2:", text, flags=re.MULTILINE)


def counted(ours: Any, theirs: Any) -> str:
    """Count the leaves of both sides' plain data.

    Raises
    ------
    RuntimeError
        If they are not the same number.
    """
    if leaves(ours) != leaves(theirs):
        raise RuntimeError(f"not the same work: {leaves(ours)} leaves here, {leaves(theirs)} in the plain YAML")
    return f"{leaves(ours)} : {leaves(theirs)} leaves"


def compose(directory: Path) -> Any:
    """Compose the config of a directory as a program does that has no command line."""
    import hydra

    with hydra.initialize_config_dir(str(directory), version_base=None):
        return hydra.compose("config")


def in_process(folder: Path) -> list[Comparison]:
    """Compose NeMo's recipe in this process: registered, and as a file that an ``nph.main`` app reads."""
    from nemo.collections import llm
    from omegaconf import OmegaConf

    from nemo_partial_hydra import store, to_yaml
    from nemo_partial_hydra.runtime import session

    partial = llm.llama3_70b.pretrain_recipe()
    stored = conf(folder, "stored", None)
    file = conf(folder, "file", to_yaml(partial))
    app = session.Session(allow=("nemo",))

    def register() -> None:
        store(partial, group="recipe", name="pretrain")

    def changed() -> None:
        path = file / "recipe" / "pretrain.yaml"
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))

    def by_file() -> Any:
        with session.running(app):
            return compose(file)

    def size(ours: Callable[[], Any]) -> str:
        return counted(OmegaConf.to_container(ours()), OmegaConf.to_container(compose(data)))

    # The file first: as long as nothing is registered under the name, only the file can be what is composed.
    data = conf(folder, "data", plain(OmegaConf.to_yaml(by_file().recipe)))
    ways = [("a recipe file", changed, by_file), ("nph.store(partial)", register, lambda: compose(stored))]
    theirs, peer = timed(lambda: compose(data)), "plain Hydra, plain YAML"
    comparisons = []
    for name, renew, ours in ways:
        renew()
        for first in (False, True):
            label = f"compose llama3_70b, {name}{', first' if first else ''}"
            work = timed(ours)
            side = (lambda renew=renew, work=work: (renew(), work())[1]) if first else work
            comparisons.append(turns(Comparison(label, peer, TARGET, size(ours)), side, theirs, ROUNDS))
    return comparisons


def make_app(folder: Path, imports: str, decorator: str, recipe: str | None) -> Path:
    """Write an app with its config directory and the targets; return its file."""
    conf(folder, "conf", recipe)
    synthetic.write_targets(folder)
    app = folder / "app.py"
    app.write_text(APP.format(imports=imports, decorator=decorator))
    return app


def whole_processes(folder: Path) -> list[Comparison]:
    """Print the job config in a whole process: a recipe file, a registered recipe, plain data."""
    import yaml

    ours = "import nemo_partial_hydra as nph\n"
    served = make_app(folder / "file", ours, "nph.main", synthetic.recipe_yaml())
    registered = REGISTERED.format(recipe=synthetic.recipe_python())
    stored = make_app(folder / "stored", registered, "nph.main", None)
    text = output(str(served), "--cfg", "job")
    data = yaml.safe_load(text)
    data_app = make_app(folder / "data", "import hydra\n", "hydra.main", plain(yaml.safe_dump(data["recipe"])))
    comparisons = []
    for name, app in (("a recipe file", served), ("@nph.recipe", stored)):
        sides = [yaml.safe_load(output(str(it), "--cfg", "job")) for it in (app, data_app)]
        label = f"--cfg job, {synthetic.PARAMETERS} parameters, {name}"
        comparison = Comparison(label, "plain Hydra app, plain YAML", OF_PROCESS, counted(*sides))
        command = process(str(app), "--cfg", "job"), process(str(data_app), "--cfg", "job")
        comparisons.append(turns(comparison, *command, PROCESSES))
    return comparisons


if __name__ == "__main__":
    sys.exit(main())
