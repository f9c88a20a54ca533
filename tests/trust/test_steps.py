"""Steps of pipelines of others: what a store or a config says of them is bounded, and stays within its sweep."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_partial_hydra.composition.pipeline import pipeline_of
from nemo_partial_hydra.errors import JobError, RecipeError
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, job_text
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.step import Step
from nemo_partial_hydra.jobs.steps_before import MAX_DEPTH, StepsBefore

RECIPE = {"_target_": "shop.train", "_partial_": True}


def frozen(folder: Path, subdir: str, step: Step | None) -> None:
    folder.mkdir(parents=True)
    job = Job(recipe_hash(RECIPE), subdir=subdir, recipe=RECIPE, step=step)
    (folder / "job.yaml").write_text(job_text(job))


def after(folder: Path, result: str) -> StepsBefore:
    """Return what the step ``b`` sees of ``a``, which has returned this text."""
    frozen(folder / "0/a", "0/a", Step("a"))
    (folder / "0/a/status.json").write_text(json.dumps({"state": "done", "attempt": 1}))
    (folder / "0/a/result.json").write_text(f'{{"result": {result}}}')
    step = Step("b", 1, {"a": "../a"})
    frozen(folder / "0/b", "0/b", step)
    return StepsBefore(JobPaths(folder / "0/b", folder), "0/b", step)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
def test_a_result_that_is_too_deep_is_refused(tmp_path: Path, depth: int) -> None:
    with pytest.raises(JobError, match=r"levels deep|recursion"):
        after(tmp_path, "[" * depth + "]" * depth).put_in("${step:a}")


@pytest.mark.parametrize(
    ("result", "times"),
    [("[" + ",".join(["[]"] * 1_000_000) + "]", 1), ("[" + "1," * 50_000 + "1]", 100), (f'"{"a" * 1_000_000}"', 1000)],
    ids=["wide", "often", "long"],
)
def test_results_that_are_too_large_are_refused(tmp_path: Path, result: str, times: int) -> None:
    before = after(tmp_path, result)
    start = time.process_time()
    recipe = ["${step:a}"] * times
    with pytest.raises(JobError, match="hand files on instead"):
        [before.put_in(text) for text in recipe]
    assert time.process_time() - start < 5


def test_a_large_result_is_given(tmp_path: Path) -> None:
    before = after(tmp_path, json.dumps([["x"] * 100] * 100))
    assert len(before.put_in("${step:a}").items) == 100
    assert before.result("a") == [["x"] * 100] * 100


def test_no_result_of_another_sweep_is_taken(tmp_path: Path) -> None:
    """How far up a sweep's directory is a job's own file says: as far as the root, if it knows where it will lie."""
    other = tmp_path / "other/0"
    frozen(other, "0", None)
    (other / "status.json").write_text(json.dumps({"state": "done", "attempt": 1}))
    (other / "result.json").write_text('{"result": "of others"}')
    step = Step("b", 1, {"a": "../../../other/0"})
    subdir = f"{tmp_path.name}/sweep/0/b"
    own = tmp_path / "sweep/0/b"
    frozen(own, subdir, step)
    with pytest.raises(JobError, match="other/0 is a job of another sweep"):
        StepsBefore(JobPaths(own, tmp_path / "sweep"), subdir, step).put_in("${step:a}")


DOUBLED = {f"a{i}": f"${{a{i + 1}}}" * 2 for i in range(40)} | {"a40": "x"}
STORMS: dict[str, tuple[dict[str, Any], str]] = {
    "many": ({"_steps_": [f"s{i}" for i in range(20_000)]}, "20000 are more steps"),
    "one often": ({"_steps_": ["s"] * 1000}, "stands there twice"),
    "misspelt": (
        {**{f"step_number_{i}": RECIPE for i in range(1000)}, "_steps_": [f"step_numbr_{i}" for i in range(1000)]},
        "did you mean 'step_number_0'",
    ),
    "doubled": ({**DOUBLED, "_steps_": ["s", "${a0}"]}, "references that repeat each other"),
    "nothing": ({"_steps_": ["${nothing}"]}, "'nothing' not found"),
    "itself": ({"_steps_": ["${_steps_}"]}, "parent node"),
    "a step": ({"_steps_": ["${step:s}"]}, "step"),
    "a circle": ({"s": "${t}", "t": "${s}", "_steps_": ["s"]}, "Recursive interpolation"),
    "deep": ({"_steps_": [[[[[[[["s"]]]]]]]]}, "more in it than steps have"),
}


@pytest.mark.parametrize("name", STORMS)
def test_steps_are_read_at_once_or_refused(name: str) -> None:
    data, message = STORMS[name]
    config = OmegaConf.create({"s": RECIPE, **data})
    start = time.process_time()
    with pytest.raises(RecipeError, match=message):
        pipeline_of(config)
    assert time.process_time() - start < 5
