"""What users of NeMo write in their scripts: factories with arguments, lists of callbacks, models of their own.

Shared configs are tested in ``tests/listing/test_shared.py``, the README's first steps in ``test_first_steps.py``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.apps import ROOT
from tests.support.recipes import nemo_hydra, python, write

CALLBACKS = """
import nemo_run as run
import nemo_partial_hydra as nph


class Every:
    def __init__(self, steps: int = 1) -> None:
        self.steps = steps


def train(callbacks: list[Every] | None = None) -> None:
    print([callback.steps for callback in callbacks or []])


@nph.recipe(group="callbacks", name="default")
def default_callbacks() -> list[run.Config]:
    return [run.Config(Every, steps=3), Every(2)]


@nph.recipe(group="job", name="small")
def small() -> run.Partial:
    return run.Partial(train)
"""
APP = "import nemo_partial_hydra as nph\n\nnph.app(allow=['script'])()\n"
FACTORY = """
import nemo_partial_hydra as nph
from nemo.collections.llm.recipes import llama3_70b

nph.store(factory=llama3_70b.pretrain_recipe, group="job", name="llama3_70b")
nph.app()()
"""
LOADED = """
import runpy, sys
sys.argv = ["import.py", *sys.argv[1:]]
try:
    runpy.run_path("import.py", run_name="__main__")
finally:
    print("LOADED", sorted({"nemo", "torch", "nemo_run"} & set(sys.modules)))
"""


@pytest.mark.matrix
def test_a_factory_that_returns_a_list_of_callbacks_is_an_option_of_a_library(tmp_path: Path) -> None:
    write(tmp_path, "script.py", CALLBACKS)
    write(tmp_path, "app.py", APP)
    done = nemo_hydra(tmp_path, "export", "script", "--out", "lib")
    assert done.code == 0, done.err
    chosen = ["--library", "lib", "+job=small", "+callbacks@job.callbacks=default"]
    done = python(tmp_path, "app.py", *chosen, "job.callbacks.1.steps=7")
    assert (done.code, done.out) == (0, "[3, 7]\n"), done.err
    done = python(tmp_path, "app.py", *chosen, "job.callbacks.1.step=7")
    assert "job.callbacks.1.step: Every has no parameter 'step'; did you mean 'steps'?" in done.err


@pytest.mark.matrix
def test_one_that_python_code_registers_is_an_option_too(tmp_path: Path) -> None:
    write(tmp_path, "script.py", CALLBACKS)
    write(tmp_path, "app.py", f"import script\n{APP}")
    chosen = ["+job=small", "+callbacks@job.callbacks=default"]
    done = python(tmp_path, "app.py", *chosen, "job.callbacks.1.steps=7")
    assert (done.code, done.out) == (0, "[3, 7]\n"), done.err
    listed = python(tmp_path, "app.py", *chosen, "--cfg-paths", "-p", "job.callbacks.1")
    assert listed.out.splitlines()[-1].split()[:3] == ["job.callbacks.1.steps", "int", "2"], listed.err
    done = python(tmp_path, "app.py", *chosen, "job.callbacks.1.step=7")
    assert "job.callbacks.1.step: Every has no parameter 'step'; did you mean 'steps'?" in done.err


@pytest.mark.matrix
def test_a_list_has_no_place_for_arguments(tmp_path: Path) -> None:
    write(tmp_path, "script.py", CALLBACKS.replace("def default_callbacks()", "def default_callbacks(steps: int)"))
    write(tmp_path, "app.py", f"import script\n{APP}")
    done = python(tmp_path, "app.py", "+job=small", "+callbacks@given=default", "given._factory_.steps=3")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "given._factory_: default_callbacks gives a list, which has no place for arguments" in done.err


@pytest.mark.nemo
def test_the_arguments_of_nemos_own_factories_are_reached(tmp_path: Path) -> None:
    write(tmp_path, "app.py", FACTORY)
    words = ["+job=llama3_70b", "job._factory_.num_nodes=128", "job._factory_.dir=/runs"]
    done = python(tmp_path, "app.py", *words, "--cfg-paths", "--filter", "job.trainer.num_nodes")
    assert done.code == 0, done.err[-3000:]
    assert done.out.splitlines()[1].split()[:3] == ["job.trainer.num_nodes", "int", "128"]
    done = python(tmp_path, "app.py", "+job=llama3_70b", "job._factory_.num_node=128")
    assert "did you mean 'num_nodes'?" in done.err


@pytest.mark.nemo
def test_an_own_model_module_is_imported_once_and_not_each_time(tmp_path: Path) -> None:
    for name in ("conf", "tiny_llama"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "import.py", tmp_path)
    env = {"NPH_CACHE": "1", "NPH_CACHE_DIR": str(tmp_path / "cache")}
    first = python(tmp_path, "import.py", "--cfg-paths", env=env)
    assert first.code == 0, first.err[-3000:]
    for words in (["--help"], ["--cfg-paths"]):
        done = python(tmp_path, "-c", LOADED, *words, env=env)
        assert done.code == 0, done.err[-3000:]
        assert done.out.splitlines()[-1] == "LOADED []"
