"""A small pipeline for the tests: three steps, what they return and where, in an app of its own."""

from __future__ import annotations

from pathlib import Path

from tests.support.apps import App

STEPS = '''
"""The steps of the tests' pipelines."""
import os
from pathlib import Path
from typing import Any


class Weights:
    """What no JSON can hold."""


def convert(model: str = "tiny", kind: str = "dict") -> Any:
    print("convert", model)
    Path("weights.txt").write_text(model)
    made = {"dict": {"model": model, "layers": [1, 2]}, "path": Path("weights.txt").absolute(), "object": Weights()}
    return made[kind]


def train(source: Any, lr: float = 0.1, weights: Path = Path("none"), fail: bool = False) -> float:
    print("train", source, lr, weights)
    if fail:
        raise ValueError(f"{lr} is too much")
    return lr * 10


def report(loss: float | None = None, where: str = "", note: str = "") -> dict[str, Any]:
    print("report", loss, where, note)
    return {"loss": loss, "where": where, "note": note}
'''

CHAIN = """
_steps_: [convert, train, report]
convert:
  _target_: steps.convert
  _partial_: true
train:
  _target_: steps.train
  _partial_: true
  source: ${step:convert}
  weights: ${step:convert.dir}/weights.txt
report:
  _target_: steps.report
  _partial_: true
  loss: ${step:train}
  where: ${step:train.dir}
"""

SCRIPT = """
import nemo_partial_hydra as nph

main = nph.app("conf", "config")

if __name__ == "__main__":
    main()
"""

ALLOW = ("steps",)


def pipeline(folder: Path, config: str = CHAIN, script: str = SCRIPT, **files: str) -> App:
    """Return an app whose config is a pipeline."""
    return App(folder, {"config": config, **files}, script=script, modules={"steps": STEPS})
