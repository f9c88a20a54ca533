"""Other packages for Hydra beside this one: configs that hydra-zen makes, logs that hydra-colorlog colours."""

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
        ("tags={a: 1}", r"Error: tags(: it is null in a dataclass|.a: there is no 'a'; to add it: \+tags=\{a: ?1\})"),
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
