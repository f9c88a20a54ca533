"""Other packages beside this one: configs of hydra-zen, logs of hydra-colorlog, processes that Lightning starts."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.conftest import left_out
from tests.support.apps import App

SHOP = """
from dataclasses import dataclass, field
from typing import Optional

@dataclass
class Opt:
    lr: float = 0.1

@dataclass
class Net:
    layers: int = 2
    opt: Opt = field(default_factory=Opt)

def train(model: Net, steps: int = 10, tags: Optional[dict] = None):
    return f"{model} {steps} {tags}"
"""
ZEN = """
import logging

import nemo_partial_hydra as nph
from hydra_zen import builds, store

import shop

NET = builds(shop.Net, populate_full_signature=True)
store(builds(shop.train, model=NET, populate_full_signature=True), name="config")
store(NET, group="net", name="deep")
store.add_to_hydra_store()


@nph.main(config_path=None, config_name="config", allow=["shop"])
def main(cfg):
    logging.getLogger("shop").info("it runs")
    print(nph.run(cfg))


if __name__ == "__main__":
    main()
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    if importlib.util.find_spec("hydra_zen") is None:
        left_out("hydra-zen is not installed: pip install '.[plugins]'")
    return App(tmp_path / "app", {}, script=ZEN, modules={"shop": SHOP})


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("override", "printed"),
    [
        ("steps=3", "Net(layers=2, opt=Opt(lr=0.1)) 3 None"),
        ("model.opt.lr=0.5", "Net(layers=2, opt=Opt(lr=0.5)) 10 None"),
        ("+net@model=deep", "Net(layers=2, opt=Opt(lr=0.1)) 10 None"),
    ],
)
def test_a_config_of_hydra_zen_is_a_recipe_like_any(app: App, override: str, printed: str) -> None:
    done = app.run(override)
    assert done.code == 0, done.err
    assert printed in done.out


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.opt.lrr=3", "Error: model.opt.lrr: there is no 'lrr'; did you mean 'lr'?"),
        ("model.opt.lr=x", "Error: model.opt.lr: Value 'x' of type 'str' could not be converted to Float"),
        (
            "tags={a: 1}",
            r"Error: tags(: it is null in a dataclass|.a: there is no 'a'; to add it: '?\+tags=\{a: ?1\}'?)",
        ),
        ("++tags.a=1", r"Error: (tags: it is null in a dataclass|Cannot set 'tags.a' because 'tags' is None)"),
    ],
)
def test_what_it_refuses_is_one_message(app: App, override: str, message: str) -> None:
    done = app.run(override)
    assert done.code == 2, done.err
    assert re.match(message, done.err), "which of both depends on the version of Hydra"
    assert "Traceback" not in done.err
    assert "AttributeError" not in done.err
    assert "AssertionError" not in done.err


def test_its_values_are_listed(app: App) -> None:
    done = app.run("--cfg-paths", "--filter", "model.*")
    assert done.code == 0, done.err
    assert [line.split()[:3] for line in done.out.splitlines()[1:]] == [
        ["model.layers", "int", "2"],
        ["model.opt", "Opt", "Opt"],
        ["model.opt.lr", "float", "0.1"],
    ]


def test_logs_are_coloured_by_hydra_colorlog(app: App) -> None:
    if importlib.util.find_spec("colorlog") is None:
        left_out("hydra-colorlog is not installed: pip install '.[plugins]'")
    plain, coloured = (app.run(*words) for words in ((), ("hydra/job_logging=colorlog",)))
    assert plain.code == coloured.code == 0, coloured.err
    assert "\x1b[32mINFO" in coloured.out
    assert "\x1b" not in plain.out
    assert "it runs" in plain.out


WORK = """
from typing import Any

import torch
from lightning import LightningModule, Trainer

class Model(LightningModule):
    def __init__(self, lr: float = 0.1):
        super().__init__()
        self.layer, self.lr = torch.nn.Linear(2, 1), lr

    def training_step(self, batch: Any, index: int) -> Any:
        return self.layer(batch[0]).sum()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)

def fit(model: Model, trainer: Trainer, note: str = "") -> None:
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 2)), batch_size=2)
    trainer.fit(model, data)
    print(f"RANK {trainer.global_rank} of {trainer.world_size}: {model.lr} {note}", flush=True)
"""
DDP = """
import nemo_run as run
from lightning import Trainer

import nemo_partial_hydra as nph
import work

SETTINGS = dict(accelerator="cpu", max_steps=2, logger=False, enable_checkpointing=False, enable_progress_bar=False)
trainer = run.Config(Trainer, strategy="ddp", devices=2, **SETTINGS)
nph.store(run.Partial(work.fit, model=run.Config(work.Model), trainer=trainer), group="fit", name="ddp")


@nph.main(config_path=None, allow=["work"])
def main(cfg):
    nph.run(cfg.fit)


if __name__ == "__main__":
    main()
"""


@pytest.mark.nemo
def test_the_processes_that_lightning_starts_have_the_same_recipe(tmp_path: Path) -> None:
    app = App(tmp_path / "app", {}, script=DDP, modules={"work": WORK})
    done = app.run("+fit=ddp", "fit.model.lr=0.5", "fit.note='it\\'s \\${x}, a \"b\"'")
    assert done.code == 0, done.err
    found = sorted(line for line in done.out.splitlines() if line.startswith("RANK"))
    assert found == [f'RANK {rank} of 2: 0.5 it\'s ${{x}}, a "b"' for rank in range(2)]
    assert len(list(app.folder.rglob("overrides.yaml"))) == 1
