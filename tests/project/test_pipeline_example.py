"""The pipeline of the examples with real NeMo: converted, trained, reported, as a sweep."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.apps import ROOT

pytestmark = pytest.mark.nemo
MODELS = ("llama_tiny", "llama_tiny_wide")
SWEEP = ("-m", f"checkpoint={','.join(MODELS)}", "train.learning_rate=1e-3,1e-2", "hydra.sweep.dir=sweep")


def example(folder: Path) -> Path:
    """Copy the example, and make its Hugging Face folders."""
    folder.mkdir()
    for name in ("pipeline.py", "conf", "tiny_llama"):
        source = ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    subprocess.run([sys.executable, "-m", "tiny_llama.checkpoints", "work/hf"], cwd=folder, check=True)
    return folder


def reported(results: list[dict[str, float]]) -> None:
    """Assert that the loss went down, faster with the higher rate, and that the models differ."""
    assert len(results) == 4
    assert all(result["last"] < result["first"] for result in results)
    assert results[1]["last"] < results[0]["last"]
    assert results[3]["last"] < results[2]["last"]
    assert results[0]["first"] == results[1]["first"] != results[2]["first"]


def test_a_sweep_in_one_process(tmp_path: Path) -> None:
    folder = example(tmp_path / "example")
    words = [sys.executable, "pipeline.py", *SWEEP]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    reports = [(folder / f"sweep/{number}/report/report.md").read_text() for number in range(4)]
    losses = [[float(loss) for loss in re.findall(r"^\| \d+ \| ([\d.]+) \|$", text, re.MULTILINE)] for text in reports]
    assert [len(each) for each in losses] == [20] * 4
    reported([{"first": each[0], "last": each[-1]} for each in losses])


def test_its_steps_as_frozen_jobs(tmp_path: Path) -> None:
    folder = example(tmp_path / "example")
    freeze = [sys.executable, "pipeline.py", *SWEEP, "hydra/launcher=freeze"]
    done = subprocess.run(freeze, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(folder.glob("sweep/*/convert/job.yaml"))) == 2  # one for both learning rates
    run = [sys.executable, "-m", "nemo_partial_hydra.cli", "run", "--allow", "tiny_llama", "sweep"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    reported([json.loads((folder / f"sweep/{number}/report/result.json").read_text())["result"] for number in range(4)])
