"""The first steps of the README: its example works after the install line above it; without it an error names it."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest

from tests.support.apps import ROOT, Done
from tests.support.recipes import python

pytestmark = pytest.mark.matrix

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINE = "pip install '.[run]'"


def blocks() -> list[tuple[str, str]]:
    return FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_line_above_the_example_installs_what_the_example_imports() -> None:
    (kind, install), (language, example), (shown, console) = blocks()[:3]
    assert (kind, language, shown) == ("", "python", "console")
    assert install.partition("#")[0].strip() == LINE
    imported = {
        alias.name for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module) for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ImportFrom)}
    extra = re.search(
        r"^run = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert extra is not None
    brought = set(re.findall(r'^  "([\w-]+)', extra.group(1), re.MULTILINE))
    beside = {path.stem for path in (ROOT / "examples" / "optimizers").glob("*.py")}
    assert imported - beside - {"nemo_partial_hydra"} == {"nemo_run"} <= brought
    assert console.startswith("$ cd examples/optimizers\n$ python registered.py ")


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    for name in ("optimizers", "library"):
        shutil.copytree(ROOT / "examples" / name, tmp_path / name, ignore=shutil.ignore_patterns("outputs", "multirun"))
    return tmp_path


def without(folder: Path, *args: str) -> Done:
    """Run something where nemo_run is not installed."""
    return python(folder, "-m", "tests.support.without", *args)


@pytest.mark.parametrize("arguments", [[], ["optimizers.0.lr=5e-4"], ["--cfg-paths"], ["-m", "optimizers.0.lr=1,2"]])
def test_without_it_an_error_names_it(examples: Path, arguments: list[str]) -> None:
    done = without(examples / "optimizers", "registered.py", *arguments)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.err.startswith(
        "Error: the recipe 'two_optimizers' (registered at __main__:6): making it needs nemo_run"
    )
    assert LINE in done.err
    assert not (examples / "optimizers" / "outputs").exists()
    assert not (examples / "optimizers" / "multirun").exists()


def test_recipes_in_files_need_none_of_it(examples: Path) -> None:
    done = without(examples / "optimizers", "train.py", "optimizers.0.lr=5e-4")
    assert (done.code, done.out.splitlines()[0]) == (0, "optimizers.0: SGD(lr=0.0005, momentum=0.0, nesterov=False)")


BUILD = """
import sys
import nemo_partial_hydra as nph
try:
    nph.from_yaml("_target_: toy.SGD\\n", allow=["toy"])
except nph.RecipeError as error:
    print("SAID", error)
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (BUILD, "building run.Partial objects needs nemo_run and fiddle"),
        (BUILD.replace("toy.SGD", "nemo_run.Config"), "no module 'nemo_run' is installed here"),
    ],
)
def test_what_builds_run_partials_names_it(examples: Path, code: str, said: str) -> None:
    (examples / "optimizers" / "build.py").write_text(code, encoding="utf-8")
    done = without(examples / "optimizers", "build.py")
    assert f"SAID {said}" in done.out, done.err
    assert LINE in done.out


def test_an_export_names_it(examples: Path) -> None:
    done = without(examples / "library", "-m", "nemo_partial_hydra.cli", "export", "team", "--out", "lib")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "importing 'team' fails: No module named 'nemo_run'" in done.err
    assert LINE in done.err
