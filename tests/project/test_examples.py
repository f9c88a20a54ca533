"""The examples do what their docstrings say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.apps import ROOT, Done


def run(folder: Path, script: Path, *args: str) -> Done:
    """Run an example with its output going to a folder of the test."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "NPH_CACHE") if name in os.environ}
    env = {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(script), *args],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


TRAIN = ROOT / "examples/optimizers/train.py"


def docstring_commands() -> list[list[str]]:
    """Return the arguments of the commands in the example's docstring."""
    return [line.split() for line in re.findall(r"^ *python train\.py (.*)$", TRAIN.read_text(), re.M)]


def test_the_docstring_names_the_commands_tested_here() -> None:
    assert docstring_commands() == [["optimizers.0.lr=5e-4"], ["-m", "optimizers.0.lr=1e-4,5e-4"]]


ADAM = "optimizers.1: Adam(lr=0.001, betas=(0.9, 0.95), schedule=<Schedule.CONSTANT: 'constant'>, precision='fp32')"


def test_one_run(tmp_path: Path) -> None:
    done = run(tmp_path, TRAIN, *docstring_commands()[0])
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "optimizers.0: SGD(lr=0.0005, momentum=0.0, nesterov=False)",
        ADAM,
        "steps: 100, reduce: mean, tags: {}",
    ]


def test_sweep(tmp_path: Path) -> None:
    done = run(tmp_path, TRAIN, *docstring_commands()[1])
    assert done.code == 0, done.err
    assert re.findall(r"^optimizers\.0: SGD\(lr=(\S+),", done.out, re.M) == ["0.0001", "0.0005"]
    assert done.out.count(ADAM) == 2


def test_everything_the_example_offers(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        TRAIN,
        "optimizers.0.nesterov=true",
        "optimizers.1.betas.0=0.5",
        "optimizers.1.schedule=COSINE",
        "optimizers.1.precision=bf16",
        "steps=7",
        "+tags.run=a",
    )
    assert done.code == 0, done.err
    assert "SGD(lr=0.01, momentum=0.0, nesterov=True)" in done.out
    assert "betas=(0.5, 0.95), schedule=<Schedule.COSINE: 'cosine'>, precision='bf16')" in done.out
    assert "steps: 7, reduce: mean, tags: {'run': 'a'}" in done.out


@pytest.mark.parametrize("model", ["llama3_8b", "llama3_70b"])
def test_import_composes_with_and_without_nemo(tmp_path: Path, model: str) -> None:
    done = run(tmp_path, ROOT / "import.py", "--cfg", "job", f"model={model}")
    assert done.code == 0, done.err
    assert "_target_: nemo.collections.llm.import_ckpt" in done.out
    config = f"Llama3Config{model.rpartition('_')[2].upper()}"
    assert f"_target_: nemo.collections.llm.gpt.model.llama.{config}" in done.out
    assert "source: hf://meta-llama/Meta-Llama-3-" in done.out
    assert list(tmp_path.iterdir()) == []


def test_import_knows_its_models(tmp_path: Path) -> None:
    done = run(tmp_path, ROOT / "import.py", "--help")
    models = next(line for line in done.out.splitlines() if line.startswith("model: ")).split(": ")[1].split(", ")
    assert {"llama3_70b", "llama3_8b", "llama_tiny", "llama_tiny_wide", "mixtral_8x7b"} <= set(models)
    wrong = run(tmp_path, ROOT / "import.py", "model=llama3_9b")
    assert wrong.code == 2
    assert "llama3_8b" in wrong.err
    assert list(tmp_path.iterdir()) == []
