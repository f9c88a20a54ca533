"""What it costs to have the package: its import, and ``--help`` of an app with many registered recipes.

Needs an environment with Hydra. Everything is measured as whole processes of the interpreter that runs this file.
Hydra itself takes time for every config group that its help lists, so apps are compared that have the same groups.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Comparison, output, process, report, turns

ROUNDS = 15
MANY = 500
FLAT, NESTED, FAMILIES = "model", "model/family{family}", 10

APP = '''\
import nemo_partial_hydra as nph
import recipes


@nph.main(config_path=None, config_name="config")
def main(cfg):
    """Do nothing."""


if __name__ == "__main__":
    main()
'''

HEAD = """\
from dataclasses import dataclass

import nemo_partial_hydra as nph


@dataclass
class Model:
    layers: int = 2
    hidden: int = 64


@nph.recipe(name="config")
def config():
    return Model()
"""

FACTORY = """

@nph.recipe(group="{group}")
def model_{number}():
    return Model(layers={number})
"""

PLAIN_APP = """\
import hydra


@hydra.main(config_path="conf", config_name="config", version_base=None)
def main(cfg):
    pass


if __name__ == "__main__":
    main()
"""


def main() -> int:
    """Print the figures; return the exit code."""
    comparisons = [
        turns(
            Comparison('python -c "import nemo_partial_hydra"', 'python -c "import hydra"', 1.2),
            process("-c", "import nemo_partial_hydra"),
            process("-c", "import hydra"),
            ROUNDS,
        ),
        turns(
            Comparison('python -c "import hydra", then every name an app uses', 'python -c "import hydra"', 1.2),
            process("-c", "import hydra; from nemo_partial_hydra import main, recipe, store"),
            process("-c", "import hydra"),
            ROUNDS,
        ),
    ]
    with tempfile.TemporaryDirectory() as folder:
        one, many = (make_app(Path(folder, f"flat{n}"), n, FLAT) for n in (1, MANY))
        few, nested = (make_app(Path(folder, f"nested{n}"), n, NESTED) for n in (FAMILIES, MANY))
        files = make_plain_app(Path(folder, "files"), MANY, NESTED)
        sizes = f"{MANY} : {MANY} options"
        pairs = [
            (Comparison(f"--help, {MANY} recipes in 1 group", "1 recipe in 1 group", 1.3), many, one),
            (Comparison(f"--help, {MANY} recipes in 10 groups", "10 recipes in 10 groups", 1.3), nested, few),
            (Comparison(f"--help, {MANY} recipes in 10 groups", "plain Hydra, YAML files", 1.3, sizes), nested, files),
        ]
        for app in (many, nested, files):
            check_help(app, MANY)
        for comparison, ours, theirs in pairs:
            comparisons.append(turns(comparison, process(str(ours), "--help"), process(str(theirs), "--help"), ROUNDS))
    print("Whole processes. A factory runs only when it is chosen: --help lists recipes, it makes none.")
    return report("Import and help", comparisons)


def group_of(number: int, group: str) -> str:
    """Say in which group the recipe of a number is."""
    return group.format(family=number % FAMILIES)


def make_app(folder: Path, number: int, group: str) -> Path:
    """Write an app with that many registered factories, beside its one primary recipe; return its file."""
    folder.mkdir()
    factories = [FACTORY.format(group=group_of(i, group), number=i) for i in range(number)]
    Path(folder, "recipes.py").write_text(HEAD + "".join(factories))
    app = Path(folder, "app.py")
    app.write_text(APP)
    return app


def make_plain_app(folder: Path, number: int, group: str) -> Path:
    """Write a plain Hydra app with that many YAML files in the same groups; return its file."""
    for i in range(number):
        file = Path(folder, "conf", group_of(i, group), f"model_{i}.yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"layers: {i}\nhidden: 64\n")
    Path(folder, "conf", "config.yaml").write_text("layers: 2\nhidden: 64\n")
    app = Path(folder, "app.py")
    app.write_text(PLAIN_APP)
    return app


def check_help(app: Path, number: int) -> None:
    """Make sure that the help that is timed lists what was registered.

    Raises
    ------
    RuntimeError
        If it does not.
    """
    text = output(str(app), "--help")
    if text.count("model_") != number:
        raise RuntimeError(f"--help lists {text.count('model_')} of {number} recipes:\n{text}")


if __name__ == "__main__":
    sys.exit(main())
