"""Pipelines on a real SLURM, in real containers: chained job by job, tried again in the middle, cut off on the way."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.host import run
from tests.cluster.lab import Lab
from tests.support.apps import App, Done
from tests.support.pipelines import SCRIPT
from tests.support.recipes import nemo_hydra

pytestmark = pytest.mark.cluster

STEPS = '''
"""Steps that note each start in a ledger, and wait where a gate says so."""
import os
import time
from pathlib import Path
from typing import Any


def _begin(name: str, folder: Path, gate: str = "") -> None:
    with open(folder / "ledger", "a") as ledger:
        ledger.write(f"{name}\\n")
    end = time.monotonic() + 60
    while gate and not (folder / gate).exists() and time.monotonic() < end:
        time.sleep(0.1)


def convert(folder: Path, model: str = "a", gate: str = "") -> dict[str, Any]:
    _begin(f"convert {model}", folder, gate)
    Path("weights").write_text(model)
    return {"model": model, "memory": os.environ.get("SLURM_MEM_PER_NODE")}


def train(folder: Path, source: dict[str, Any], weights: Path, lr: float = 0.1, gate: str = "") -> dict[str, Any]:
    _begin(f"train {source['model']} {lr}", folder, gate)
    assert Path(weights).read_text() == source["model"]
    if (folder / f"bad {lr}").exists():
        raise ValueError(f"{lr} is too much")
    return {"loss": lr * 10, "memory": os.environ.get("SLURM_MEM_PER_NODE")}


def report(folder: Path, trained: dict[str, Any], model: str = "", lr: float = 0.0) -> float:
    _begin(f"report {model} {lr}", folder)
    return trained["loss"]


def tell(folder: Path, lr: float = 0.0) -> str:
    _begin(f"tell {lr}", folder)
    return "told"
'''

CONFIG = """
_steps_: [convert, train, report]
folder: {folder}
convert: {{_target_: steps.convert, _partial_: true, folder: "${{folder}}"}}
train:
  _target_: steps.train
  _partial_: true
  folder: ${{folder}}
  source: ${{step:convert}}
  weights: ${{step:convert.dir}}/weights
report:
  _target_: steps.report
  _partial_: true
  folder: ${{folder}}
  trained: ${{step:train}}
  model: ${{convert.model}}
  lr: ${{train.lr}}
tell: {{_target_: steps.tell, _partial_: true, folder: "${{folder}}", lr: "${{train.lr}}"}}
"""


class Pipeline:
    """An app on the cluster whose steps note what they do."""

    def __init__(self, lab: Lab, folder: Path, image: Path | None) -> None:
        self.lab, self.image = lab, image
        self.app = App(folder, {"config": CONFIG.format(folder=folder)}, script=SCRIPT, modules={"steps": STEPS})
        self.sweep = folder / "sweep"

    @property
    def line(self) -> tuple[str, ...]:
        words = ["hydra/launcher=submitit_apptainer", "hydra.launcher.timeout_min=3", "hydra.launcher.mem_gb=1"]
        if self.image is not None:
            words += [f"hydra.launcher.apptainer.image={self.image}", "hydra.launcher.apptainer.contain=true"]
            words += [f"hydra.launcher.apptainer.binds=['{self.app.folder}']"]
        return ("hydra.sweep.dir=sweep", *words)

    def send(self, *words: str, path: str | None = None) -> Done:
        env = {name: os.environ[name] for name in ("PATH", "SLURM_CONF") if name in os.environ}
        return self.app.run("-m", *self.line, *words, env={**env, **({"PATH": path} if path else {})})

    def command(self, *words: str) -> Done:
        return nemo_hydra(self.app.folder, *words)

    def open(self, gate: str) -> None:
        (self.app.folder / gate).touch()

    def ledger(self) -> Counter[str]:
        file = self.app.folder / "ledger"
        return Counter(file.read_text().splitlines() if file.exists() else [])

    def status(self) -> dict[int, dict[str, str]]:
        found = json.loads(self.command("status", "sweep", "--json").out)
        return {one["num"]: {name: step["state"] for name, step in one["steps"].items()} for one in found["pipelines"]}

    def over(self, seconds: float = 60.0) -> dict[int, dict[str, str]]:
        """Wait until no step waits or runs; return how they went."""

        def ended() -> Any:
            found = self.status()
            going = {"submitted", "running"} & {state for steps in found.values() for state in steps.values()}
            return None if going else found

        return self.lab.wait(ended, seconds, "the pipeline to end")

    def result(self, place: str) -> Any:
        return json.loads((self.sweep / place / "result.json").read_text())["result"]

    def waits(self) -> list[str | None]:
        """Return what each array was sent to wait for, its numbers left out."""
        files = sorted(self.sweep.glob("submissions/*/submission.json"), key=lambda file: int(file.parent.name))
        found = [json.loads(file.read_text())["after"] for file in files]
        return [None if text is None else text.partition(":")[0] for text in found]


@pytest.fixture
def pipeline(lab: Lab, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")
    return Pipeline(lab, tmp_path / "app", image)


def test_each_job_goes_on_as_soon_as_its_own_need_is_done(pipeline: Pipeline) -> None:
    """Two models, two rates: five arrays. The rates of model a are trained while model b is still converted; a step has
    its own settings, and takes what the one before returned and wrote.
    """
    done = pipeline.send(
        "convert.model=a,b", "train.lr=0.1,0.2", "+convert.gate=${convert.model}", "hydra.launcher.steps.train.mem_gb=2"
    )
    assert done.code == 0, done.err
    assert "Each job runs the recipes of its steps: convert, train, report" in done.out
    assert pipeline.waits() == [None, "aftercorr", "aftercorr", "aftercorr", "aftercorr"]
    pipeline.open("a")
    pipeline.lab.wait(lambda: pipeline.ledger()["report a 0.2"], 60, "the report of model a")
    assert pipeline.status()[2] == {"convert": "running", "train": "submitted", "report": "submitted"}
    pipeline.open("b")
    assert {state for steps in pipeline.over().values() for state in steps.values()} == {"done"}
    assert set(pipeline.ledger().values()) == {1}
    assert len(pipeline.ledger()) == 2 + 4 + 4
    assert [pipeline.result(f"{num}/report") for num in range(4)] == [1.0, 2.0, 1.0, 2.0]
    assert pipeline.result("0/convert")["memory"] == "1024"
    assert pipeline.result("3/train")["memory"] == "2048"
    shown = pipeline.command("status", "sweep").out
    assert "convert (job 2) done  train done  report done" in shown
    assert "4 jobs: 4 done (10 steps: 10 done)" in shown


def test_what_needs_a_step_that_failed_is_cancelled_and_tried_again_with_it(pipeline: Pipeline) -> None:
    pipeline.open("bad 0.2")
    tell = ("_steps_=[convert, train, report, {tell: {needs: [train], after: any}}]",)
    assert pipeline.send("train.lr=0.1,0.2", *tell).code == 0
    assert pipeline.over() == {
        0: {"convert": "done", "train": "done", "report": "done", "tell": "done"},
        1: {"convert": "done", "train": "failed", "report": "cancelled", "tell": "done"},
    }
    shown = pipeline.command("status", "sweep")
    assert shown.code == 1
    assert "1/train: ValueError: 0.2 is too much" in shown.out
    assert "1/report: it needs train, which is failed" in shown.out
    (pipeline.app.folder / "bad 0.2").unlink()
    before = pipeline.ledger()
    alone = pipeline.command("retry", "sweep", "1/report")
    assert alone.code == 3
    assert "1/report needs train" in alone.err
    again = pipeline.command("retry", "sweep")
    assert again.code == 0, again.err
    assert pipeline.over()[1] == {"convert": "done", "train": "done", "report": "done", "tell": "done"}
    assert pipeline.ledger() - before == Counter({"train a 0.2": 1, "report a 0.2": 1})


def test_a_step_that_is_cancelled_takes_those_after_it_along(pipeline: Pipeline) -> None:
    assert pipeline.send("convert.model=a,b", "+convert.gate=${convert.model}").code == 0
    pipeline.lab.wait(lambda: len(pipeline.ledger()) == 2, 60, "both to run")
    done = pipeline.command("cancel", "sweep", "1/convert")
    assert done.code == 0, done.err
    pipeline.open("a")
    assert pipeline.over() == {
        0: {"convert": "done", "train": "done", "report": "done"},
        1: {"convert": "cancelled", "train": "cancelled", "report": "cancelled"},
    }
    pipeline.open("b")
    assert pipeline.command("retry", "sweep", "1").code == 0
    assert set(pipeline.over()[1].values()) == {"done"}
    assert pipeline.ledger() == Counter(
        {"convert a": 1, "convert b": 2, "train a 0.1": 1, "report a 0.1": 1, "train b 0.1": 1, "report b 0.1": 1}
    )


def test_a_step_runs_out_of_time(pipeline: Pipeline) -> None:
    """It has a minute, and is told 50 s before that is over; the others have three."""
    limits = ("hydra.launcher.steps.train.timeout_min=1", "hydra.launcher.signal_delay_s=50")
    assert pipeline.send("train.lr=0.1,0.2", "+train.gate='go ${train.lr}'", *limits).code == 0
    pipeline.open("go 0.1")
    assert pipeline.over(90) == {
        0: {"convert": "done", "train": "done", "report": "done"},
        1: {"convert": "done", "train": "timeout", "report": "cancelled"},
    }
    assert "1/report: it needs train, which is timeout" in pipeline.command("status", "sweep").out
    pipeline.open("go 0.2")
    assert pipeline.command("retry", "sweep", "1/train").code == 0
    assert set(pipeline.over()[1].values()) == {"done"}
    assert pipeline.ledger()["report a 0.2"] == 1


def test_the_controller_restarts_between_two_steps(pipeline: Pipeline) -> None:
    assert pipeline.send("train.lr=0.1,0.2", "+convert.gate=go").code == 0
    pipeline.lab.wait(lambda: pipeline.ledger()["convert a"], 60, "the first step to run")
    jobs = json.loads(pipeline.command("status", "sweep", "--json").out)["jobs"]
    pipeline.lab.saved(jobs[-1]["slurm"])  # the last array: what the controller has not written it forgets
    pipeline.lab.kill("slurmctld")
    pipeline.open("go")
    pipeline.lab.start("slurmctld")
    assert {state for steps in pipeline.over(120).values() for state in steps.values()} == {"done"}
    assert set(pipeline.ledger().values()) == {1}


def test_a_step_is_requeued(pipeline: Pipeline) -> None:
    """Those that need it wait on."""
    assert pipeline.send("+convert.gate=go").code == 0
    pipeline.lab.wait(lambda: pipeline.ledger()["convert a"], 60, "the first step to run")
    job = json.loads(pipeline.command("status", "sweep", "--json").out)["jobs"][0]["slurm"]
    run("scontrol", "requeue", job)
    pipeline.open("go")
    assert pipeline.over(150) == {0: {"convert": "done", "train": "done", "report": "done"}}
    assert pipeline.ledger() == Counter({"convert a": 2, "train a 0.1": 1, "report a 0.1": 1})


@pytest.mark.parametrize("call", [1, 2, 3])
def test_the_submitter_dies_between_two_arrays(pipeline: Pipeline, tmp_path: Path, call: int) -> None:
    """After any of the three: what was sent goes on, the same command later sends the rest behind it."""
    folder = tmp_path / "killing"
    folder.mkdir()
    real = run("which", "sbatch").strip()
    wrapper = folder / "sbatch"
    wrapper.write_text(
        f'#!/bin/sh\nfor word; do case "$word" in --test-only) exec {real} "$@";; esac; done\n'
        f'echo call >>{folder}/calls\n{real} "$@"\n'
        f'[ $(wc -l <{folder}/calls) -lt {call} ] || kill -9 $PPID\n'
    )  # fmt: skip
    wrapper.chmod(0o755)
    killed = pipeline.send("train.lr=0.1,0.2", "+convert.gate=go", path=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert killed.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    states = {state for steps in pipeline.status().values() for state in steps.values()}
    assert states <= {"submitted", "running", "frozen"}
    if call < 3:
        done = pipeline.command("submit", "--allow", "steps", "sweep", *pipeline.line[1:])
        assert done.code == 0, done.err
    pipeline.open("go")
    assert {state for steps in pipeline.over().values() for state in steps.values()} == {"done"}
    assert pipeline.ledger() == Counter(
        {"convert a": 1, "train a 0.1": 1, "train a 0.2": 1, "report a 0.1": 1, "report a 0.2": 1}
    )


def test_many_jobs_of_three_steps_are_few_arrays(lab: Lab, tmp_path: Path) -> None:
    """One call for 300 runs of 60 models: an array for the step that five runs share, five for each of the others."""
    pipeline = Pipeline(lab, tmp_path / "app", None)
    models = ",".join(f"m{number}" for number in range(60))
    later = "+hydra.launcher.additional_parameters.begin=now+1hour"
    done = pipeline.send(f"convert.model={models}", "train.lr=0.1,0.2,0.3,0.4,0.5", later)
    assert done.code == 0, done.err
    assert pipeline.waits() == [None, *["aftercorr"] * 10]
    queued = run("squeue", "-r", "-h", "-o", "%j").split()
    assert len(queued) == 60 + 300 + 300
    cancelled = pipeline.command("cancel", "sweep")
    assert "Cancelled 660 jobs" in cancelled.out
    assert {state for steps in pipeline.status().values() for state in steps.values()} == {"cancelled"}
