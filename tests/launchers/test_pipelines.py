"""Pipelines as jobs: frozen step by step, run here and by the local launcher, tried again in the middle."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.jobs.steps_before import dialect_data
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.construct import make
from tests.support.apps import App
from tests.support.pipelines import CHAIN, SCRIPT, pipeline
from tests.support.recipes import nemo_hydra

LOCAL = ("hydra/launcher=submitit_apptainer_local", "hydra.sweep.dir=sweep")
ALLOWED = ("--allow", "steps")


def frozen(app: App, *words: str) -> None:
    done = app.run("-m", "hydra/launcher=freeze", "hydra.sweep.dir=sweep", *words)
    assert done.code == 0, done.err


def jobs(app: App) -> dict[str, Any]:
    """Return what the files of the jobs say, by their places."""
    sweep = app.folder / "sweep"
    return {str(file.parent.relative_to(sweep)): load(file.read_text()) for file in sorted(sweep.rglob("job.yaml"))}


def status(app: App) -> dict[int, dict[str, str]]:
    """Return the states of the steps of each job."""
    shown = nemo_hydra(app.folder, "status", "sweep", "--json")
    found = json.loads(shown.out)["pipelines"]
    return {run["num"]: {name: step["state"] for name, step in run["steps"].items()} for run in found}


def test_steps_are_frozen_where_they_say(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    frozen(app, "convert.model=a,b", "train.lr=0.1,0.2")
    found = jobs(app)
    assert [*found] == [
        "0/convert", "0/report", "0/train", "1/report", "1/train", "2/convert", "2/report", "2/train", "3/report",
        "3/train",
    ]  # fmt: skip
    assert found["0/train"]["recipe"] == {
        "_target_": "steps.train", "_partial_": True, "source": "${step:convert}", "lr": 0.1,
        "weights": "${step:convert.dir}/weights.txt",
    }  # fmt: skip
    assert found["0/train"]["step"] == {
        "name": "train", "number": 1, "needs": {"convert": "../convert"}, "reads": {}, "after": "ok",
        "wanted_by": ["report"],
    }  # fmt: skip
    assert found["3/train"]["step"]["needs"] == {"convert": "../../2/convert"}
    assert found["0/convert"]["step"]["wanted_by"] == ["train"]
    assert {one["num"] for place, one in found.items() if place.startswith("3/")} == {3}
    assert found["0/train"]["hash"] != found["1/train"]["hash"]
    assert found["0/train"]["hash"] == found["2/train"]["hash"]  # of the recipe alone, as ever


def test_frozen_steps_run_in_their_order(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    frozen(app, "convert.model=a,b", "train.lr=0.1,0.2")
    done = nemo_hydra(app.folder, "run", *ALLOWED, "sweep")
    assert done.code == 0, done.err
    result = json.loads((app.folder / "sweep/3/report/result.json").read_text())["result"]
    assert result == {"loss": 2.0, "where": str(app.folder / "sweep/3/train"), "note": ""}
    log = (app.folder / "sweep/3/train/attempts/1/out.log").read_text()
    assert log == f"train {{'model': 'b', 'layers': [1, 2]}} 0.2 {app.folder}/sweep/2/convert/weights.txt\n"
    again = nemo_hydra(app.folder, "run", *ALLOWED, "sweep")
    assert "all 10 jobs are done" in again.out


def test_what_a_step_cannot_hand_on_is_its_own_error(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    frozen(app, "convert.kind=object,path")
    done = nemo_hydra(app.folder, "run", *ALLOWED, "sweep")
    assert done.code == 1
    assert status(app) == {
        0: {"convert": "failed", "train": "cancelled", "report": "cancelled"},
        1: {"convert": "done", "train": "done", "report": "done"},
    }
    error = json.loads((app.folder / "sweep/0/convert/status.json").read_text())["error"]["message"]
    assert "step convert returned a Weights, and ${step:convert} in train is JSON" in error
    assert "0/train: cancelled: step train needs convert, which is failed" in done.err
    assert (
        f"train {app.folder}/sweep/1/convert/weights.txt 0.1"
        in (app.folder / "sweep/1/train/attempts/1/out.log").read_text()
    )


@pytest.mark.parametrize("steps", ["[convert, train, report]", "[convert, train, {report: {after: any}}]"])
def test_the_local_launcher_runs_what_can_run_and_tries_again_the_rest(tmp_path: Path, steps: str) -> None:
    config = CHAIN.replace("[convert, train, report]", steps)
    whatever = "any" in steps
    if whatever:
        config = config.replace("  loss: ${step:train}\n", "  loss: 0\n")
    app = pipeline(tmp_path, config)
    done = app.run("-m", "train.fail=false,true", *LOCAL)
    assert done.code == 1
    assert "Each job runs the recipes of its steps: convert, train, report" in done.out
    assert "ValueError: 0.1 is too much" in done.err
    ended = "done" if whatever else "cancelled"
    assert status(app) == {
        0: {"convert": "done", "train": "done", "report": "done"},
        1: {"convert": "done", "train": "failed", "report": ended},
    }
    shown = nemo_hydra(app.folder, "status", "sweep").out
    assert "convert (job 0) done  train failed  report" in shown
    assert ("1/report: it needs train, which is failed" in shown) != whatever
    assert "2 jobs: 1 done, 1 failed (5 steps:" in shown
    text = (app.folder / "steps.py").read_text()
    app.write("steps.py", text.replace("    if fail:\n", "    if False:\n"))
    again = nemo_hydra(app.folder, "retry", "sweep", "1/train")
    assert again.code == 0, again.err
    tried = [line.rpartition(" ")[2] for line in again.out.splitlines() if line.startswith("Trying again")]
    assert tried == (["1/train"] if whatever else ["1/train", "1/report"])
    assert set(status(app)[1].values()) == {"done"}
    attempts = {place.name for place in (app.folder / "sweep/0").rglob("attempts/*")}
    assert attempts == {"1"}  # what was done was left alone


def test_a_run_is_tried_again_where_it_failed(tmp_path: Path) -> None:
    """Named by its number: its steps that are done are no mistake, a run that is done is one."""
    app = pipeline(tmp_path)
    app.run("-m", "train.fail=false,true", *LOCAL)
    app.write("steps.py", (app.folder / "steps.py").read_text().replace("    if fail:\n", "    if False:\n"))
    done = nemo_hydra(app.folder, "retry", "sweep", "1")
    assert done.code == 0, done.err
    assert set(status(app)[1].values()) == {"done"}
    again = nemo_hydra(app.folder, "retry", "sweep", "1")
    assert again.code == 3
    assert "job 1/train is done" in again.err


def test_a_step_is_not_tried_again_without_what_it_needs(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    app.run("-m", "train.fail=false,true", *LOCAL)
    done = nemo_hydra(app.folder, "retry", "sweep", "1/report")
    assert done.code == 3
    assert "nothing was submitted: 1/report needs train" in done.err
    assert "which is failed; send that too, or try it again" in done.err
    assert (app.folder / "sweep/1/report/attempts").exists()
    assert not (app.folder / "sweep/1/report/attempts/2").exists()


def test_frozen_steps_are_sent_later_with_settings_of_their_own(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    frozen(app, "train.lr=0.1,0.2")
    words = ("hydra/launcher=submitit_apptainer_local", "hydra.launcher.steps.train.timeout_min=7")
    dry = nemo_hydra(app.folder, "submit", *ALLOWED, "sweep", *words, "--dry-run")
    assert dry.code == 0, dry.err
    assert "# step train: 2 jobs, after convert" in dry.out
    done = nemo_hydra(app.folder, "submit", *ALLOWED, "sweep", *words)
    assert done.code == 0, done.err
    records = sorted((app.folder / "sweep/submissions").glob("*/settings.json"), key=lambda path: int(path.parent.name))
    times = [json.loads(path.read_text())["resources"].get("timeout_min") for path in records]
    assert [time == 7 for time in times] == [False, True, False]
    wrong = nemo_hydra(app.folder, "submit", *ALLOWED, "sweep", words[0], "hydra.launcher.steps.trian.nodes=1")
    assert "hydra.launcher.steps.trian: there is no such step; did you mean 'train'" in wrong.err


def test_one_step_is_named(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    app.run("-m", "train.lr=0.1,0.2", *LOCAL)
    assert nemo_hydra(app.folder, "logs", "sweep", "1/train", "--out").out.startswith("train {'model'")
    several = nemo_hydra(app.folder, "logs", "sweep", "1")
    assert "there are 2 jobs; name one: 1/train, 1/report" in several.err
    typo = nemo_hydra(app.folder, "logs", "sweep", "1/trian")
    assert "job 1 has no step 'trian'; did you mean 'train'?" in typo.err
    done = nemo_hydra(app.folder, "cancel", "sweep", "0-1/train")
    assert "Left as it is: 2 jobs (0/train, 1/train): done already" in done.out


PLAIN = """
import hydra
import nemo_partial_hydra as nph

@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    print("RESULT", nph.run(cfg, allow=["steps"]))

if __name__ == "__main__":
    main()
"""


def test_a_plain_app_of_hydra(tmp_path: Path) -> None:
    app = pipeline(tmp_path, script=PLAIN)
    here = app.run("+train.lr=0.5")
    assert "'loss': 5.0" in here.result, here.err
    done = app.run("-m", "+train.lr=0.1,0.2", *LOCAL)
    assert done.code == 0, done.err
    assert [set(steps.values()) for steps in status(app).values()] == [{"done"}] * 2


def test_a_moved_or_forged_place_is_none(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    frozen(app, "train.lr=0.1,0.2")
    file = app.folder / "sweep/1/train/job.yaml"
    file.chmod(0o644)
    file.write_text(file.read_text().replace("../../0/convert", "../../../elsewhere/convert"))
    done = nemo_hydra(app.folder, "run", *ALLOWED, "sweep/1/train")
    assert done.code == 2
    assert "step: 'convert': ../../../elsewhere/convert is no other job of the sweep" in done.err


def test_results_of_others_name_nothing(tmp_path: Path) -> None:
    """What a step returned is data: a text of it is no interpolation, a mapping of it no recipe."""
    app = pipeline(tmp_path)
    frozen(app, "train.lr=0.1,0.2")
    assert nemo_hydra(app.folder, "run", *ALLOWED, "sweep/0/convert").code == 0
    odd = {"x": "${oc.env:HOME}", "y": "???", "z": ["${step:train}", None, 1.5]}
    result = app.folder / "sweep/0/convert/result.json"
    result.write_text(json.dumps({"result": {**odd, "_target_": "os.system"}}))  # for functions that make such things
    assert nemo_hydra(app.folder, "run", *ALLOWED, "sweep/0/train").code == 3
    result.write_text(json.dumps({"result": odd}))
    done = nemo_hydra(app.folder, "run", *ALLOWED, "sweep/0/train")
    assert done.code == 0, done.err
    assert (app.folder / "sweep/0/train/attempts/2/out.log").read_text().startswith(f"train {odd} 0.1")


def test_runs_are_compared_step_by_step(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    frozen(app, "train.lr=0.1,0.2", "convert.model=a,b")
    done = nemo_hydra(app.folder, "diff", *ALLOWED, "sweep/0", "sweep/3")
    assert done.code == 0, done.err
    assert [line.split() for line in done.out.splitlines()] == [
        ["~", "convert.model", "a", "->", "b"],
        ["~", "train.lr", "0.1", "->", "0.2"],
    ]
    shared = nemo_hydra(app.folder, "diff", *ALLOWED, "sweep/0", "sweep/2")
    assert shared.out.split() == ["~", "train.lr", "0.1", "->", "0.2"]


EXECUTOR = """
from dataclasses import dataclass


@dataclass(kw_only=True)
class SlurmExecutor:
    account: str
    partition: str | None = None


CLUSTER = SlurmExecutor(account="me", partition="debug")
"""


def test_a_launcher_that_an_executor_became(tmp_path: Path) -> None:
    """It is chosen by its name, with ``nemo-hydra submit`` too."""
    app = pipeline(tmp_path)
    (tmp_path / "launch.py").write_text(EXECUTOR)
    nemo_hydra(tmp_path, "from-executor", "launch:CLUSTER", "--out", "conf/hydra/launcher/mine.yaml")
    shown = app.run("hydra/launcher=mine", "--cfg", "hydra", "-p", "hydra.launcher")
    assert shown.code == 0, shown.err
    assert "partition: debug" in shown.out
    assert "SubmititApptainer" in shown.out
    assert app.run("-m", "hydra/launcher=freeze", "hydra.sweep.dir=sweep").code == 0
    dry = nemo_hydra(tmp_path, "submit", "--allow", "steps", "sweep", "hydra/launcher=mine", "-cd", "conf", "--dry-run")
    assert dry.code == 0, dry.err
    assert "--partition=debug" in dry.out


def reads_path(x: Path) -> Any:
    return x


def reads_numbers(x: list[int]) -> Any:
    return x


def reads_entries(x: dict[str, Path]) -> Any:
    return x


def reads_anything(x: Any) -> Any:
    return x


RESULTS = [
    (reads_path, {"a": 1}, "x: expected Path, got a dict"),
    (reads_numbers, {"a": 1}, "x: expected list[int], got a dict"),
    (reads_numbers, {"a": "b"}, "x.a: expected int, got 'b'"),
    (reads_numbers, ["1"], [1]),
    (reads_entries, {"a": "/b", "_partial_": "/c"}, {"a": Path("/b"), "_partial_": Path("/c")}),
    (reads_anything, {"_args_": [{"_append_": "${x}"}]}, {"_args_": [{"_append_": "${x}"}]}),
]


@pytest.mark.parametrize(("reads", "result", "wanted"), RESULTS)
def test_results_are_read_by_the_annotation_of_the_parameter(reads: Any, result: Any, wanted: Any) -> None:
    recipe = {"_target_": f"{__name__}.{reads.__name__}", "_partial_": True, "x": dialect_data(result)}
    workspace = session.workspace()
    if isinstance(wanted, str):
        with pytest.raises(ValidationError, match=re.escape(wanted)):
            workspace.read_tree(recipe, [__name__])
        return
    assert make(workspace.read_tree(recipe, [__name__]), workspace.policy, [__name__])() == wanted


@pytest.mark.parametrize("script", [SCRIPT, SCRIPT.replace('"config")', '"config", recipe="report")')])
def test_a_job_of_the_app_runs_all_steps_in_one_process(tmp_path: Path, script: str) -> None:
    app = pipeline(tmp_path, script=script)
    assert app.run("train.lr=0.5").code == 0
    words = ("hydra.launcher.payload=app", "train.lr=0.1,0.2")
    frozen(app, *words)
    assert [*jobs(app)] == ["0", "1"]
    done = nemo_hydra(app.folder, "run", *ALLOWED, "--allow", "train", "--allow", "app", "sweep")
    assert done.code == 0, done.err
    result = json.loads((app.folder / "sweep/1/result.json").read_text())["result"]
    assert result == {"loss": 2.0, "where": str(app.folder / "sweep/1/train"), "note": ""}
    done = app.run("-m", "hydra/launcher=freeze", "hydra.sweep.dir=other", *words, "_steps_=[train]")
    assert (done.code, (app.folder / "other").exists()) == (2, False)
    assert "train.source: ${step:convert}: _steps_ leaves it out" in done.err
