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
    [
        (),
        ("plain.first=[1,2]", "size=5"),
        ("late=two",),
        ("-m", "nested.thing.first=5,6"),
        ("+plain.wait=7",),
        ("late=two", "~late.folder"),
        ("late=two", "~late.folder=z", "~nested.things"),
        ("-m", "late=two", "~late.folder=z", "~nested.thing.raw=7", "size=5,6"),
    ],
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


ORDERED = """
import hydra
import nemo_partial_hydra as nph
from omegaconf import OmegaConf

MAIN
def main(cfg):
    steps = OmegaConf.create({"all": cfg}).all
    print(list(steps), list(steps.steps), list(steps.steps.mixed), list(steps.late))

if __name__ == "__main__":
    main()
"""
STEPS = {
    "config": "defaults: [{steps: base}, {late: one}, _self_]\n"
    "steps: {mine: {_target_: things.Thing, first: 1}, size: 1, mixed: {a: 1, b: {_target_: things.Thing, first: 1}}}\n"
    "alone: {_target_: things.Thing, first: 1}\n"
    "size: 1\n",
    "steps/base": "defaults: [first, second, _self_]\n"
    "third: {_target_: things.Thing, first: 3}\nfirst: {names: 1}\nmixed: {z: {_target_: things.Thing, first: 1}}\n",
    "steps/first": "first: {_target_: things.Thing, first: 1}\n",
    "steps/second": "second: {_target_: things.Thing, first: 2}\n",
    "late/one": "defaults: [{/other@_global_.other: x}, _self_]\ninner: {_target_: things.Thing, first: 1}\nouter: 1\n",
    "other/x": "a: 1\n",
}


@pytest.mark.parametrize("line", [(), ("steps.mine.first=2", "+steps.new=1"), ("~late",)], ids=" ".join)
def test_the_keys_of_a_config_stand_in_hydras_order(tmp_path: Path, line: tuple[str, ...]) -> None:
    """An app that goes through its callbacks does so in the order in which files and group options name them."""
    said = []
    conf = {**STEPS, "config": STEPS["config"] + "late: {last: 1}\n"}
    for name, main in (("ours", OURS), ("hydras", HYDRAS)):
        app = App(tmp_path / name, conf, script=ORDERED.replace("MAIN", main), modules={"things": THINGS})
        done = app.run(*line)
        assert done.code == 0, done.err
        said.append(done.out)
    assert said[0] == said[1]
    assert "'third', 'mixed', 'mine', 'size'" in said[0]


KEYWORDS = [
    "defaults: [_self_]\n_target_: things.Thing\nfirst: 1\nfour: 4\nfive: {_target_: things.Holder, thing: 2}\n",
    "defaults: [_self_]\n_target_: things.Thing\nfirst: 1\ntaken: {a: 1}\n"
    "listed: [1, {_target_: things.Holder, thing: 2}]\n",
    "defaults: [_self_, late: over]\nroot:\n  _target_: things.Thing\n  first: 1\n  taken: {a: 1}\n  four: 4\n",
    "defaults: [late: over, _self_]\nroot:\n  _target_: things.Thing\n  first: 1\n  taken: {a: 1}\n  four: 4\n",
]


@pytest.mark.parametrize("text", KEYWORDS, ids=["root", "dicts", "then an option", "after an option"])
def test_a_file_with_a_defaults_list_gives_keywords_of_its_own(tmp_path: Path, text: str) -> None:
    said = []
    over = "# @package root\ntaken: {b: 2}\n"
    for name, main in (("ours", OURS), ("hydras", HYDRAS)):
        script = (
            SCRIPT.partition("    marker")[0].replace("MAIN\n\n", f"{main}\n")
            + "    print(instantiate(cfg))\n\nmain()\n"
        )
        app = App(tmp_path / name, {"config": text, "late/over": over}, script=script, modules={"things": THINGS})
        done = app.run()
        assert done.code == 0, done.err
        said.append(done.out)
    assert said[0] == said[1]
    assert "more=" in said[0]


SETS = {
    "plain": "late: {table: {b: 2}, items: [3], names: {c: 1}, size: 2}\n",
    "beside a recipe": "late: {table: {b: 2}, items: [3], names: {c: 1}, size: 2}\n"
    "other: {_target_: things.Thing, first: 1}\n",
    "in a recipe": "late: {_target_: things.Thing, first: 5, table: {b: 2}, items: [3], names: {c: 1}}\n",
}


@pytest.mark.parametrize("text", SETS.values(), ids=SETS)
def test_dicts_and_lists_of_a_file_outlast_the_defaults_of_a_later_option(tmp_path: Path, text: str) -> None:
    """The option does not name them: that its target has other defaults for them sets nothing."""
    said = []
    conf = {"config": f"defaults: [_self_, {{late: one}}]\n{text}", "late/one": "_target_: things.Thing\nfirst: 1\n"}
    head = SCRIPT.partition("    marker")[0]
    for name, main in (("ours", OURS), ("hydras", HYDRAS)):
        script = head.replace("MAIN\n\n", f"{main}\n") + "    print(instantiate(cfg.late))\n\nmain()\n"
        app = App(tmp_path / name, conf, script=script, modules={"things": THINGS})
        done = app.run()
        assert done.code == 0, done.err
        said.append(done.out)
    assert said[0] == said[1]
    assert "{'b': 2}" in said[0]
