"""``hydra.utils.instantiate`` in an app under ``nph.main`` calls targets with what it does under ``hydra.main``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.apps import App

pytestmark = pytest.mark.matrix

THINGS = """
import enum
from datetime import timedelta
from pathlib import Path


class Colour(enum.Enum):
    RED = 1


class Thing:
    def __init__(self, first, *rest, pair=(0.9, 0.99), names=frozenset({"a"}), table={"a": 1}, items=[1],
                 colour=Colour.RED, folder=Path("x"), wait=timedelta(1), kind=int, raw=b"x", act=len, sub=Path, **more):
        self.given = dict(locals())
        del self.given["self"]

    def __repr__(self):
        return "Thing(" + ", ".join(f"{name}={value!r}: {type(value).__name__}" for name, value in self.given.items())


class Holder:
    def __init__(self, thing, things=(), size: int = 1, path: Path = Path("y")):
        self.given = thing, things, size, path

    def __repr__(self):
        return "Holder" + repr(self.given)
"""
SCRIPT = """
import copy
import hydra
import nemo_partial_hydra as nph
from hydra.utils import instantiate
from omegaconf import OmegaConf

MAIN

def main(cfg):
    marker = object()
    print(instantiate(cfg.plain))
    print(instantiate(cfg.placed))
    print(instantiate(cfg.nested))
    print(instantiate(cfg.late, names=7, items=[3]))
    print(instantiate(cfg.late, act=print, extra=4))
    print(instantiate(cfg.late, sub=marker).given["sub"] is marker)
    print(instantiate(copy.deepcopy(cfg).plain), instantiate(cfg.partial)(first=5))
    print(instantiate(OmegaConf.merge(cfg, {"plain": {"first": 9}}).plain))
    print(instantiate(cfg).plain)
    OmegaConf.resolve(cfg)
    print(instantiate(cfg.nested))

if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults: [_self_, {late: one}]
size: 3
plain: {_target_: things.Thing, first: 1}
placed: {_target_: things.Thing, _args_: [1, 2, 3], items: [4], _convert_: all}
partial: {_target_: things.Thing, _partial_: true, act: null, first: 1}
nested:
  _target_: things.Holder
  thing: {_target_: things.Thing, first: 2, raw: 7}
  things: [{_target_: things.Holder, thing: 1}, {_target_: things.Holder, thing: 2, size: "${size}"}]
"""
OURS = '@nph.main(config_path="conf", config_name="config")'
HYDRAS = '@hydra.main(config_path="conf", config_name="config", version_base=None)'


@pytest.mark.parametrize(
    "line",
    [(), ("plain.first=[1,2]", "size=5"), ("late=two",), ("-m", "nested.thing.first=5,6"), ("+plain.wait=7",)],
    ids=" ".join,
)
def test_targets_get_what_hydra_gives_them(tmp_path: Path, line: tuple[str, ...]) -> None:
    """Parameters that nobody set keep the target's own defaults, of which a config can only show a text."""
    said = []
    for name, main in (("ours", OURS), ("hydras", HYDRAS)):
        conf = {
            "config": CONFIG,
            "late/one": "_target_: things.Thing\nfirst: 1\n",
            "late/two": "_target_: things.Thing\nfirst: 2\nfolder: z\n",
        }
        app = App(tmp_path / name, conf, script=SCRIPT.replace("MAIN\n\n", main + "\n"), modules={"things": THINGS})
        done = app.run(*line)
        assert done.code == 0, done.err
        assert done.out.count("timedelta") > 9
        said.append([text for text in done.out.splitlines() if "HYDRA" not in text])
    assert said[0] == said[1]
