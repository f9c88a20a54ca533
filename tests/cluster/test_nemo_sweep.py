"""NeMo for real: the import of ``make run``, swept from a head node without NeMo into an image that has it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import find_jobs
from nemo_partial_hydra.jobs.outcome import read_result
from tests.cluster.host import run
from tests.cluster.images import Bound
from tests.cluster.lab import Lab
from tests.support.apps import App

pytestmark = [pytest.mark.cluster, pytest.mark.nemo]
ROOT = Path(__file__).resolve().parents[2]
MODELS = ("llama_tiny", "llama_tiny_wide")

# Team A, where NeMo is: the Hugging Face folders, and the signatures of the app's own model for who has no NeMo.
PREPARE = """
import sys
from pathlib import Path
from nemo_partial_hydra.cli.main import main
from tiny_llama.checkpoints import make

make(Path("work/hf"))
sys.exit(main(["snapshot", "conf/model/llama_tiny.yaml", "--allow", "tiny_llama", "--out", "conf/signatures.json"]))
"""
COMPARE = """
import json, sys
from pathlib import Path
from tiny_llama.compare import compare

print(json.dumps([[each.equal, each.tensors] for each in (compare(Path(hf), Path(nemo)) for hf, nemo in
                  zip(sys.argv[1::2], sys.argv[2::2]))]))
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    """The example app in a folder of its own."""
    app = App(tmp_path / "app", {}, script="")
    for name in ("tiny_llama", "conf"):
        shutil.copytree(ROOT / name, app.folder / name, dirs_exist_ok=True)
    for name in ("import.py", "pipeline.py"):
        shutil.copy(ROOT / name, app.folder)
    return app


def settings(lab: Lab, image: Bound, **more: object) -> list[str]:
    """Return the overrides that send a sweep into the image with NeMo."""
    given = {
        "apptainer.image": image.image,
        "apptainer.binds": f"[{','.join(image.binds)}]",
        "apptainer.python": image.python,
        "apptainer.executable": lab.apptainer,
        "apptainer.env.HF_HUB_OFFLINE": "'1'",
        "timeout_min": 8,
        "mem_gb": 4,
        "cpus_per_task": 2,
        "detach": "false",
        **more,
    }
    words = [f"{'+' if 'env.' in key else ''}hydra.launcher.{key}={value}" for key, value in given.items()]
    return ["hydra/launcher=submitit_apptainer", *words]


def prepare(image: Bound, app: App) -> None:
    env = {"PYTHONPATH": f"{app.folder}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"}
    run(image.python, "-c", PREPARE, cwd=app.folder, env=env, timeout=240)


def test_two_models_are_imported_in_an_image_and_every_tensor_is_equal(
    lab: Lab, image_nemo: Bound, app: App, tmp_path: Path
) -> None:
    prepare(image_nemo, app)
    line = ["-m", f"model={','.join(MODELS)}", f"hydra.sweep.dir={tmp_path}/sweep", *settings(lab, image_nemo)]
    # The head node's side cannot import NeMo nor what it is built on, and has not when it ends.
    done = app.run("import.py", *line, script="tests.support.without")
    jobs = find_jobs(tmp_path / "sweep")
    logs = "\n".join(job.err(1).read_text()[-3000:] for job in jobs if job.err(1).exists())
    assert done.code == 0, f"{done.err}\n{done.out}\n{logs}"
    assert [states.read_status(job).state for job in jobs] == [states.DONE] * 2
    made = [job.directory / "nemo" for job in jobs]
    results = [read_result(job) for job in jobs]
    assert [result["model"] for result in results] == list(MODELS), "the app's function says it, as it does here"
    assert [str(path) in result["output"] for path, result in zip(made, results, strict=True)] == [True, True]
    pairs = [str(path) for name, out in zip(MODELS, made, strict=True) for path in (app.folder / "work/hf" / name, out)]
    text = run(
        image_nemo.python, "-c", COMPARE, *pairs, cwd=app.folder, env={"PYTHONPATH": str(app.folder)}, timeout=120
    )
    compared = json.loads(text.splitlines()[-1])
    assert [equal for equal, _ in compared] == [tensors for _, tensors in compared]
    assert all(tensors >= 21 for _, tensors in compared)


def test_a_pipeline_of_two_models_and_two_rates(lab: Lab, image_nemo: Bound, app: App, tmp_path: Path) -> None:
    """Converted by NeMo, trained, reported: each step a job in the image, none of it known to the head node."""
    prepare(image_nemo, app)
    line = [
        "-m",
        f"checkpoint={','.join(MODELS)}",
        "train.learning_rate=1e-3,1e-2",
        f"hydra.sweep.dir={tmp_path}/sweep",
    ]
    line += settings(lab, image_nemo, **{"steps.report": "{mem_gb: 1, cpus_per_task: 1}", "detach": "true"})
    done = app.run("pipeline.py", *line, script="tests.support.without")
    assert done.code == 0, f"{done.err}\n{done.out}"
    jobs = find_jobs(tmp_path / "sweep")

    def ended() -> bool:
        return all(states.read_status(job).state in (states.DONE, *states.RETRIED) for job in jobs)

    lab.wait(ended, 480, "the pipeline to end")  # six of its ten jobs import NeMo
    logs = "\n".join(job.err(1).read_text()[-3000:] for job in jobs if job.err(1).exists())
    assert [states.read_status(job).state for job in jobs] == [states.DONE] * (2 + 4 + 4), logs
    losses = [
        json.loads((tmp_path / f"sweep/{number}/report/result.json").read_text())["result"] for number in range(4)
    ]
    assert all(loss["last"] < loss["first"] for loss in losses)
    assert losses[1]["last"] < losses[0]["last"]
    assert losses[0]["first"] == losses[1]["first"] != losses[2]["first"]
