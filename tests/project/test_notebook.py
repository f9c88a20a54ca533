"""The notebook of the examples, executed by Jupyter as a user would."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import left_out
from tests.support.forks import environment

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "results" / "notebook.ipynb"


def outputs(cell: Any) -> list[str]:
    """Return what a cell shows, in the richest form that it has."""
    shown = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        shown.append("".join(data.get("text/html") or data.get("text/plain") or output.get("text", "")))
    return shown


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The notebook's cells of code after they were run from top to bottom."""
    if importlib.util.find_spec("nbclient") is None or importlib.util.find_spec("ipykernel") is None:
        left_out("nbclient or ipykernel is not installed in this environment")
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook") / "results"
    shutil.copytree(NOTEBOOK.parent, folder, ignore=shutil.ignore_patterns("out", "outputs", "multirun"))
    notebook = nbformat.read(folder / NOTEBOOK.name, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    found = environment(folder)
    scripts = os.pathsep.join([str(Path(sys.executable).parent), found["PATH"]])
    client.execute(env={**found, "PATH": scripts})  # a cell that raises is an error
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if "outputs" in cell)


@pytest.mark.nemo
def test_its_recipe_paths_job_and_results_are_tables(executed: list[Any]) -> None:
    recipe, paths, overrides, composed, result, job, _, results, frame = map(outputs, executed)
    assert "Graphviz" not in "".join(recipe)
    assert "<code>run.Partial</code> of <code>fit</code>: 3 of 6 paths are set" in recipe[-1]
    assert "<td>float</td><td><code>0.03</code>" in paths[-1]
    assert "optim.lr=0.03" in overrides[-1]
    assert "override optim.lr=0.3 (was 0.03)" in composed[-1]
    assert "'loss'" in result[-1]
    assert "_target_: fit.fit" in job[-1]
    assert results[-1].count("<tr>") == 1 + 6
    assert results[-1].count("failed") == 1
    assert "<table" in frame[-1]


@pytest.mark.nemo
def test_what_the_extension_shows_is_shown_as_before_once_it_is_unloaded() -> None:
    if importlib.util.find_spec("IPython") is None:
        left_out("IPython is not installed in this environment")
    import nemo_run as run
    from IPython.core.formatters import DisplayFormatter

    import nemo_partial_hydra as nph

    ipython = SimpleNamespace(display_formatter=DisplayFormatter())
    show = ipython.display_formatter.formatters["text/html"]
    recipe = run.Partial(sorted, key=None)
    assert show(recipe) is None
    nph.load_ipython_extension(ipython)
    assert "<code>run.Partial</code> of <code>sorted</code>" in show(recipe)
    nph.unload_ipython_extension(ipython)
    assert show(recipe) is None
