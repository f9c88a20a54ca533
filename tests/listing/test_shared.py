"""An object that stands at several places is listed once, with one line for each other place, which says what holds."""

from __future__ import annotations

import importlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.decode import config_to_tree
from nemo_partial_hydra.listing.diff import compare
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.listing.selection import Selection
from nemo_partial_hydra.recipes.tree import Call, Link, Ref, at
from tests.support.apps import App
from tests.support.overriding import check_every_path

CONF = {
    "config": """
        _target_: shop.train
        _partial_: true
        optimizers:
          - _target_: shop.SGD
            lr: 0.5
          - ${..optimizers.0}
        opt: ${model.config}
        model:
          _target_: shop.Model
          config: {_target_: shop.Net, hidden: 16}
          opt: ${optimizers.0}
        tags: {first: {x: 1, y: {z: 2}}, second: "${tags.first}", whole: "${model}"}
        """
}
OTHER = {
    "optimizers.1": "optimizers.0",
    "opt": "model.config",
    "model.opt": "optimizers.0",
    "tags.second": "tags.first",
    "tags.whole": "model",
}


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path, CONF)


def listed(app: App, *overrides: str) -> dict[str, PathInfo]:
    """Return what ``nph.paths`` says, by path."""
    return {info.path: info for info in nph.paths(app.compose(*overrides), allow=("shop",))}


def lines(app: App, *args: str) -> dict[str, dict[str, Any]]:
    """Return the records that ``--cfg-paths`` prints, by path."""
    done = app.inline("--cfg-paths=json", *args)
    assert done.code == 0, done.err
    return {record["path"]: record for record in json.loads(done.out)}


def test_it_is_listed_where_it_stands_and_in_one_line_elsewhere(app: App) -> None:
    found = listed(app)
    assert {path: info.same_as for path, info in found.items() if info.same_as is not None} == OTHER
    for place, there in OTHER.items():
        assert there in found
        assert any(path.startswith(f"{there}.") for path in found)
        assert not any(path.startswith(f"{place}.") for path in found), "what is below it is listed elsewhere"
        assert not found[place].overridable
        assert f"the same object as '{there}'" in str(found[place].why_not)
    assert found["tags.second"].type == "dict"
    assert found["tags.whole"].type == "Model"


def test_objects_of_python_are_listed_so_too(app: App) -> None:
    import nemo_run as run

    with app.here():
        shop = importlib.import_module("shop")
    net = run.Config(shop.Net, layers=3)
    recipe = run.Partial(shop.train, opt=run.Config(shop.Model, config=net), tags={"a": net, "b": [net]})
    found = {info.path: info for info in nph.paths(recipe, allow=("shop",))}
    assert {path: info.same_as for path, info in found.items() if info.same_as} == {
        "tags.b.0": "tags.a",
        "opt.config": "tags.a",
    }
    assert [path for path in found if path.endswith(".layers")] == ["tags.a.layers"], "where it stands first"


def test_every_listed_override_takes_effect(tmp_path: Path) -> None:
    lines = [line for line in CONF["config"].splitlines() if "${..optimizers" not in line and "tags:" not in line]
    app = App(tmp_path, {"config": "\n".join(lines)})
    count = check_every_path(lambda texts: app.compose(*texts), node="shop.SGD", name="shop.relu", allow=("shop",))
    assert count >= 15


@pytest.mark.parametrize("path", ["optimizers", "tags"])
def test_what_holds_it_is_set_with_it_at_its_places(app: App, path: str) -> None:
    before = listed(app)
    text = str(before[path].override)
    again = listed(app, *shlex.split(text))
    assert {at: info.same_as for at, info in again.items()} == {at: info.same_as for at, info in before.items()}


@pytest.mark.parametrize("place", OTHER)
def test_an_override_there_does_what_the_line_says(app: App, place: str) -> None:
    said = str(listed(app)[place].why_not)
    assert said.endswith("={_target_: ...}'")
    key = said.rpartition(" here: '")[2].partition("=")[0]
    path = tuple(int(key) if key.isdigit() else key for key in place.split("."))
    there = tuple(int(key) if key.isdigit() else key for key in OTHER[place].split("."))
    before = config_to_tree(app.compose(), ["shop"])
    text = f"{key}={{_target_: shop.SGD, lr: 9}}"
    assert app.inline(text).code == 0
    after = config_to_tree(app.compose(text), ["shop"])
    assert at(after, path) == Call("shop.SGD", {"lr": 9})
    assert at(after, there) == at(before, there), "the object itself stays"
    others = [other for other in OTHER if other != place]
    left = {path: info.same_as for path, info in listed(app, text).items() if info.same_as is not None}
    assert left == {other: OTHER[other] for other in others}


@pytest.mark.parametrize("place", ["model.opt", "optimizers.1"])
def test_an_override_below_it_names_the_place(app: App, place: str) -> None:
    done = app.inline(f"{place}.lr=3")
    assert done.code == 2
    assert f"{place}.lr: '{place}' is a reference to 'optimizers.0'; override optimizers.0.lr= instead" in done.err
    changed = config_to_tree(app.compose("optimizers.0.lr=3"), ["shop"])
    assert isinstance(at(changed, ("optimizers",)).items[1], Link)  # type: ignore[union-attr]
    assert at(changed, ("model", "opt", "lr")) == 3


def test_what_is_one_value_may_stand_twice_too(tmp_path: Path) -> None:
    app = App(
        tmp_path,
        {
            "config": "_target_: shop.train\noptimizers:\n- {_target_: shop.Adam, act: {_target_: shop.relu, "
            "_call_: false}}\n- {_target_: shop.Adam, act: '${optimizers.0.act}'}\n"
        },
    )
    info = listed(app)["optimizers.1.act"]
    assert info.same_as == "optimizers.0.act"
    changed = config_to_tree(app.compose("optimizers.1.act=shop.train"), ["shop"])
    assert at(changed, ("optimizers", 1, "act")) == Ref("shop.train")


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        (("--filter", "model.opt.*"), {"model.opt"}),
        (("--filter", "model.opt.l*", "--set-only"), {"model.opt"}),
        (("--filter", "*.hidden"), {"model.config.hidden", "opt", "tags.whole"}),
        (("--filter", "tags.whole.opt.lr"), {"tags.whole"}),
        (("-p", "model.opt.lr"), {"model.opt"}),
        (("-p", "tags.whole.opt"), {"tags.whole"}),
        (("-p", "opt"), {"opt"}),
        (("-p", "model.opt", "--filter", "*.lr", "--depth", "1"), {"model.opt"}),
        (("--search", "model.OPT.l"), {"model.opt"}),
        (("--filter", "model.opt.nothing"), set()),
    ],
)
def test_what_is_asked_for_below_another_place_is_found(app: App, args: tuple[str, ...], paths: set[str]) -> None:
    assert set(lines(app, *args)) == paths


def test_a_package_below_another_place_that_is_not_there_is_named_where_it_would_be(app: App) -> None:
    done = app.inline("--cfg-paths", "-p", "model.opt.lx")
    assert done.code == 2
    assert "there is no node 'optimizers.0.lx' in the config; did you mean 'optimizers.0.lr'?" in done.err


def test_a_table_and_a_tree_say_it_in_one_line(app: App) -> None:
    rows = [line for line in app.inline("--cfg-paths").out.splitlines() if line.startswith("model.opt")]
    assert len(rows) == 1
    assert "same as optimizers.0" in rows[0]
    assert "conf/config.yaml:11; the same object as 'optimizers.0'" in rows[0]
    assert "  opt: Any = same as optimizers.0\n" in app.inline("--cfg-paths=tree").out


def test_nothing_completes_below_it_since_nothing_can_be_set_there(app: App) -> None:
    def completed(word: str) -> list[str]:
        done = app.run("-sc", "query=bash", env={"COMP_LINE": f"python app.py {word}"})
        assert done.code == 0, done.err
        return done.out.split()

    assert completed("optimizers.0.nesterov=") == ["optimizers.0.nesterov=true", "optimizers.0.nesterov=false"]
    assert "model.opt.nesterov=true" not in completed("model.opt.nesterov=")


def records(app: App, *overrides: str) -> list[PathInfo]:
    return list(listed(app, *overrides).values())


def test_a_difference_is_told_once(app: App) -> None:
    found = compare(records(app), records(app, "optimizers.0.lr=3"))
    assert found.record() == {"changed": [{"path": "optimizers.0.lr", "a": 0.5, "b": 3.0}], "added": [], "removed": []}


def test_a_difference_of_an_object_of_its_own_goes_into_it(app: App) -> None:
    found = compare(records(app), records(app, "+model._replace_.opt={_target_: shop.SGD, lr: 0.75}"))
    assert ("model.opt.lr", 0.5, 0.75) in found.changed
    assert not [path for path, *_ in (*found.added, *found.removed) if path.startswith("model.")]


def test_objects_in_objects_at_two_places_take_no_time(tmp_path: Path) -> None:
    nodes = "".join(f"  n{i}: {{a: '${{tags.n{i - 1}}}', b: '${{tags.n{i - 1}}}'}}\n" for i in range(1, 60))
    app = App(tmp_path, {"config": f"_target_: shop.train\ntags:\n  n0: {{x: 1}}\n{nodes}"})
    found = Selection(filter="tags.n59.*.nothing").of(records(app))
    assert {info.path for info in found.records} >= {"tags.n59.a"}, "what cannot be looked at is shown"
    assert [info.path for info in Selection(package="tags.n59.a.b.a").of(records(app)).records] == ["tags.n59.a"]
