"""What was captured is what the object is, with NeMo's own: every model config, models, optimizers, data, callbacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import ROOT

pytestmark = pytest.mark.nemo

# In a process of its own: importing NeMo's whole library leaves its traces in the interpreter.
SCRIPT = """
import dataclasses, importlib, json, logging
logging.disable(logging.CRITICAL)
from nemo.collections import llm
import nemo.lightning as nl
from megatron.core.optimizer import OptimizerConfig
from nemo.collections.common.tokenizers import ByteLevelTokenizer
from nemo.lightning.io.mixin import IOMixin
from nemo.lightning.pytorch.callbacks import PreemptionCallback
from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.recipes.likeness import same
from nemo_partial_hydra.runtime.construct import make
from nemo_partial_hydra.runtime.workspace import WORKSPACE
import nemo_partial_hydra as nph

SMALL = dict(num_layers=2, hidden_size=64, num_attention_heads=4, apply_rope_fusion=False)
MOE = dict(SMALL, num_moe_experts=2, moe_ffn_hidden_size=64)
WAYS = ({}, {"apply_rope_fusion": False}, {k: SMALL[k] for k in list(SMALL)[:3]}, SMALL, MOE)
TO = dict(num_layers=4, hidden_size=128, seq_length=77, kv_channels=3)


def below(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from below(sub)


def again(obj):
    tree = WORKSPACE.captured(obj)
    return make(tree, WORKSPACE.policy), set(tree.kwargs)


def change(obj, **values):
    for path, value in values.items():
        *parents, last = path.split("__")
        holder = obj
        for name in parents:
            holder = getattr(holder, name)
        setattr(holder, last, value)
    return obj


def made(cls):
    for way in WAYS:
        try:
            return cls(**way), way
        except Exception:
            pass
    return None, None


bad, count, refused = {}, 0, []
importlib.import_module("nemo.collections.diffusion.models.flux.model")
for cls in sorted(set(below(IOMixin)), key=lambda c: f"{c.__module__}.{c.__qualname__}"):
    if not dataclasses.is_dataclass(cls):
        continue
    obj, way = made(cls)
    if obj is None:
        continue
    count += 1
    try:
        new, names = again(obj)
        if same(new, obj) is False or not names <= set(way):
            bad[cls.__qualname__] = f"as it was made: {sorted(names)}"
        change(obj, **{k: v for k, v in TO.items() if k in cls.__dataclass_fields__})
        new, names = again(obj)
        if same(new, obj) is False:
            bad[cls.__qualname__] = "changed"
    except CaptureError as error:  # what is computed from it has no argument: refused, never silently another one
        refused.append(f"{cls.__qualname__}: {error}")
    except Exception as error:
        bad[cls.__qualname__] = f"{type(error).__name__}: {error}"

def config():
    return llm.Llama3Config8B(**SMALL)

def adam():
    return nl.MegatronOptimizerModule(config=OptimizerConfig(optimizer="adam", lr=1e-4))

cpu = dict(devices=1, accelerator="cpu", logger=False)
OBJECTS = {
    "model": (lambda: llm.LlamaModel(config()), {"config__num_layers": 3}),
    "model with optimizer": (lambda: llm.LlamaModel(config(), optim=adam()), {"optim__config__lr": 0.5}),
    "default optimizer": (lambda: llm.MistralModel(llm.MistralConfig7B()), {"optim__config__lr": 0.5}),
    "optimizer": (adam, {"lr_mult": 2.0}),
    "schedule": (lambda: nl.lr_scheduler.CosineAnnealingScheduler(max_steps=5), {"max_steps": 7}),
    "data": (lambda: llm.SquadDataModule(seq_length=128, tokenizer=ByteLevelTokenizer()), {"seq_length": 64}),
    "alpaca": (lambda: llm.AlpacaDataModule(tokenizer=ByteLevelTokenizer()), {"micro_batch_size": 3}),
    "strategy": (lambda: nl.MegatronStrategy(find_unused_parameters=True), {"tensor_model_parallel_size": 4}),
    "fsdp": (lambda: nl.FSDPStrategy(), {}),
    "trainer": (lambda: nl.Trainer(max_steps=5, **cpu, callbacks=[PreemptionCallback()]), {"limit_val_batches": 3}),
    "trainer's strategy": (lambda: nl.Trainer(devices=1, strategy=nl.MegatronStrategy(), logger=False), {}),
    "lora": (lambda: llm.peft.LoRA(dim=8), {"alpha": 5}),
    "resume": (lambda: nl.AutoResume(resume_if_exists=True), {"resume_past_end": True}),
    "logger": (lambda: nl.NeMoLogger(log_dir="/tmp/x"), {"name": "other"}),
    "callback": (PreemptionCallback, {}),
}

def value(obj, path):
    for name in path.split("__"):
        obj = getattr(obj, name)
    return obj

sets = {}
for name, (make_one, changes) in OBJECTS.items():
    try:
        obj = make_one()
        sets[name] = sorted(again(obj)[1])
        change(obj, **changes)
        new, _ = again(obj)
        for path, wanted in changes.items():
            if value(new, path) != wanted:
                bad[name] = f"{path} is {value(new, path)}"
    except Exception as error:
        bad[name] = f"{type(error).__name__}: {error}"

shared = config()
one, two = llm.LlamaModel(shared), llm.LlamaModel(shared)
shared.num_layers = 3
from tests.support.remembering import train
import nemo_run as run
recipe = run.Partial(train)
recipe.one, recipe.two = one, two
back = nph.from_yaml(nph.to_yaml(recipe))
assert back.one.config is back.two.config and back.one.config.num_layers == 3
print("RESULT", json.dumps({"count": count, "bad": bad, "refused": refused, "sets": sets}))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(tmp_path_factory.mktemp("nemo")),
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT "))


def test_every_object_is_captured_as_it_is(result: Any) -> None:
    assert result["bad"] == {}
    assert result["count"] >= 140


def test_what_is_computed_without_an_argument_is_refused_with_its_name(result: Any) -> None:
    """Nemotron's blocks are computed when the config is made: another number of layers needs another config."""
    assert len(result["refused"]) <= 2
    assert all("whose 'per_block_parameters' is " in line for line in result["refused"])


def test_what_nobody_gave_stays_unset(result: Any) -> None:
    assert result["sets"]["data"] == ["seq_length", "tokenizer"]
    assert result["sets"]["fsdp"] == result["sets"]["callback"] == []
    assert result["sets"]["strategy"] == ["find_unused_parameters"]
    assert result["sets"]["trainer"] == ["accelerator", "callbacks", "devices", "logger", "max_steps"]
    assert result["sets"]["trainer's strategy"] == ["devices", "logger", "strategy"]
