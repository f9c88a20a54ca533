"""A composed config is a value: copied, pickled, merged or sent to another process, it means the same."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fiddle
import nemo_run as run
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf, SCMode, open_dict, read_write

import nemo_partial_hydra as nph
from nemo_partial_hydra.recipes.values import BY_TYPE
from tests.support import laws
from tests.support import targets as t
from tests.support.apps import App
from tests.support.strategies import MATCHING, difference

# The group comes after what the file itself says: its typed node brings a default list, which Hydra merges over the
# file's own.
NET = "_target_: shop.Net\n"
LISTS = "defaults: [_self_, {net@config: net}]\n_target_: shop.Model\nconfig: {layers: 2, sizes: SIZES}\n"


def app_of(folder: Path, sizes: str) -> App:
    return App(folder, {"config": LISTS.replace("SIZES", sizes), "net/net": NET})


def sizes(config: Any) -> Any:
    return nph.build(config, allow=["shop"]).config.sizes


def through_pickle(config: DictConfig) -> Any:
    return pickle.loads(pickle.dumps(config))


WAYS: dict[str, Callable[[DictConfig], Any]] = {
    "as it is": lambda config: config,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": through_pickle,
    "pickle of a copy": lambda config: through_pickle(copy.deepcopy(config)),
    "merge": lambda config: OmegaConf.merge(config, {"config": {"hidden": 5}}),
    "merge over an empty one": lambda config: OmegaConf.merge({}, config),
    "masked copy": lambda config: OmegaConf.masked_copy(config, ["_target_", "config"]),
}


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("text", "expected"),
    [("[1, 2, 3]", [1, 2, 3]), ("['${config.layers}', 4]", [2, 4]), ("[]", []), ("[1, '${.0}']", [1, 1])],
)
def test_a_list_of_a_file_is_in_every_copy(tmp_path: Path, text: str, expected: list[int]) -> None:
    config = app_of(tmp_path, text).compose()
    assert {name: sizes(way(config)) for name, way in WAYS.items()} == dict.fromkeys(WAYS, expected)


READER = """
import pickle, sys
sys.path[:0] = [{folder!r}, {root!r}]
import nemo_partial_hydra as nph
from tests.support.apps import App
from tests.composition.test_value import app_of, sizes
from pathlib import Path

other = app_of(Path({folder!r}), "[7, 7, 7]").compose()
assert sizes(other) == [7, 7, 7]
for line in sys.stdin.read().split():
    config = pickle.loads(bytes.fromhex(line))
    print(sizes(config))
print(sizes(other))
"""


@pytest.mark.matrix
def test_it_means_the_same_in_a_process_that_composed_another_app_first(tmp_path: Path) -> None:
    configs = []
    for name, text in (("a", "[1, 2, 3]"), ("b", "[4]")):
        (tmp_path / name).mkdir()
        configs.append(app_of(tmp_path / name, text).compose())
    (tmp_path / "c").mkdir()
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", READER.format(folder=str(tmp_path / "c"), root=root)],
        input="\n".join(pickle.dumps(config).hex() for config in configs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["[1, 2, 3]", "[4]", "[7, 7, 7]"], done.stderr
    assert [sizes(config) for config in configs] == [[1, 2, 3], [4]]


def test_of_two_files_the_one_that_hydra_merges_last_sets_a_list(tmp_path: Path) -> None:
    files = {
        "config": "defaults: [first, second, _self_, {net@config: net}]\n_target_: shop.Model\n",
        "first": "config: {sizes: [1]}\n",
        "second": "config: {sizes: [2, 2]}\n",
        "net/net": NET,
    }
    assert sizes(App(tmp_path, files).compose()) == [2, 2]


# Recipes of all kinds, all ways --------------------------------------------------------------------------------------


def put(config: DictConfig, key: str, value: Any) -> DictConfig:
    config[key] = value
    return config


def updated(config: DictConfig, key: str, value: Any) -> DictConfig:
    OmegaConf.update(config, key, value, force_add=True)
    return config


def flagged(config: DictConfig, change: Callable[[DictConfig, bool], None]) -> DictConfig:
    copied = copy.deepcopy(config)
    change(copied, True)
    return copied


def opened(config: DictConfig) -> DictConfig:
    copied = copy.deepcopy(config)
    with open_dict(copied), read_write(copied):
        copied.new = 1
        del copied.new
    return copied


# What keeps the nodes keeps everything.
NODES: dict[str, Callable[[DictConfig], Any]] = {
    **{name: way for name, way in WAYS.items() if name not in ("merge", "masked copy")},
    "copy of its own": lambda config: config.copy(),
    "old pickle": lambda config: pickle.loads(pickle.dumps(config, 2)),
    "merge with itself": lambda config: OmegaConf.merge(copy.deepcopy(config), config),
    "merge nothing over it": lambda config: OmegaConf.merge(config, {}),
    "unsafe merge": lambda config: OmegaConf.unsafe_merge({}, copy.deepcopy(config)),
    "unsafe merge nothing over it": lambda config: OmegaConf.unsafe_merge(copy.deepcopy(config), {}),
    "created": OmegaConf.create,
    "part of another": lambda config: OmegaConf.create({"job": config}),
    "set in another": lambda config: put(OmegaConf.create({}), "job", config),
    "updated into another": lambda config: updated(OmegaConf.create({}), "job", config),
    "struct": lambda config: flagged(config, OmegaConf.set_struct),
    "read-only": lambda config: flagged(config, OmegaConf.set_readonly),
    "opened": opened,
}

# What is saved or made plain data has no types; a value that is its parameter's default counts as unset there.
PLAIN: dict[str, Callable[[DictConfig], Any]] = {
    "masked copy": lambda config: OmegaConf.masked_copy(config, [str(key) for key in config]),
    "saved": lambda config: OmegaConf.create(OmegaConf.to_yaml(config)),
    "saved resolved": lambda config: OmegaConf.create(OmegaConf.to_yaml(config, resolve=True)),
    "plain": OmegaConf.to_container,
    "plain resolved": lambda config: OmegaConf.to_container(config, resolve=True),
    "dict configs": lambda config: OmegaConf.to_container(config, structured_config_mode=SCMode.DICT_CONFIG),
    "objects": OmegaConf.to_object,
    "resolved": lambda config: flagged(config, lambda copied, _: OmegaConf.resolve(copied)),
}


RESOLVED = ("saved resolved", "plain resolved", "objects", "resolved")  # nothing is shared any more

# Those whose annotation does not tell a tuple from a list, or one type from another, are left to NODES.
TELLING = {t.typed: 23, t.contained: 16}
VAGUE = ("names", "floats", "anything", "mapping", "many", "either", "set_or_list")


@st.composite
def telling(draw: st.DrawFn) -> Any:
    """Make a recipe whose values are what its annotations ask for; a part of it stands at two places."""

    names = {target: target.__code__.co_varnames[:count] for target, count in TELLING.items()}

    def one(make: Any) -> Any:
        target = draw(st.sampled_from([*names]))
        keys = draw(st.lists(st.sampled_from([n for n in names[target] if n not in VAGUE]), max_size=5, unique=True))
        return make(target, **{key: draw(MATCHING[key]) for key in keys})

    parts = [one(run.Config), one(run.Partial)]
    parts += draw(st.lists(st.sampled_from(parts), max_size=2))
    return run.Partial(t.untyped, a=one(run.Config), b=parts)


def sparse(value: Any, made: dict[int, Any] | None = None) -> Any:
    """Return a recipe without the arguments that are set to their defaults."""
    made = {} if made is None else made
    if isinstance(value, list):
        return [sparse(item, made) for item in value]
    if not isinstance(value, fiddle.Buildable):
        return value
    if id(value) not in made:
        parameters = inspect.signature(value.__fn_or_cls__).parameters
        items = {name: sparse(argument, made) for name, argument in value.__arguments__.items()}
        made[id(value)] = type(value)(
            value.__fn_or_cls__,
            **{
                name: item
                for name, item in items.items()
                if type(item) is not type(parameters[name].default) or item != parameters[name].default
            },
        )
    return made[id(value)]


def own_values(value: Any, made: dict[int, Any]) -> Any:
    """Return a recipe in which no two places share a value that never changes : plain data does not say."""
    if isinstance(value, fiddle.Buildable):
        if id(value) not in made:
            made[id(value)] = copy.copy(value)
            for name, argument in value.__arguments__.items():
                setattr(made[id(value)], name, own_values(argument, made))
        return made[id(value)]
    if isinstance(value, dict):
        return {key: own_values(item, made) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(own_values(item, made) for item in value)
    row = BY_TYPE.get(type(value))
    return row.make(*row.arguments(value)) if row is not None and row.held == "value" else value


def built(config: Any) -> Any:
    return nph.build(config)


@pytest.mark.matrix
@settings(max_examples=laws.tries(40), suppress_health_check=list(HealthCheck))
@given(telling())
def test_every_way_gives_the_same_recipe(recipe: Any) -> None:
    config = nph.to_config(recipe)
    for name, way in NODES.items():
        assert difference(recipe, built(way(config))) is None, name
    apart = copy.copy(recipe)
    apart.b = [copy.deepcopy(part) for part in recipe.b]
    literal = "\\${" in OmegaConf.to_yaml(config)  # once OmegaConf has resolved it, it looks like a reference
    for name, way in PLAIN.items():
        if name not in RESOLVED or not literal:
            expected = apart if name in RESOLVED else recipe
            assert difference(sparse(expected), sparse(built(way(config)))) is None, name
    ways = (OmegaConf.to_container, copy.copy)
    texts = [OmegaConf.to_yaml(nph.to_config(own_values(built(way(config)), {}))) for way in ways]
    assert texts[0] == texts[1], "set and unset, and what is shared"


def test_an_object_as_a_whole_is_not_its_text() -> None:
    config = nph.to_config(run.Partial(t.untyped, a=nph.raw(object())))
    with pytest.raises(nph.ValidationError, match="a: <raw object> stands for an object that only the config"):
        built(OmegaConf.to_container(config))
    assert type(built(copy.deepcopy(config)).a) is object


@pytest.mark.parametrize("text", ["a ${one.a}", "${one.a}", "${.c}", "${oc.decode:'\"${one.a}\"'}"])
def test_a_reference_makes_no_text_of_an_object(text: str) -> None:
    """Within its recipe a whole reference is the object; anywhere else it would silently be what a config shows."""
    config = OmegaConf.create({
        "one": nph.to_config(run.Partial(t.untyped, a=nph.raw(object()), b=3)),
        "two": nph.to_config(run.Partial(t.untyped, a=4, c="")),
    })  # fmt: skip
    config.two.c = "${one.a}"
    config.two.b = text
    with pytest.raises(nph.ValidationError, match=r"^two\.[bc]: \S.* makes a text of <raw object>, an object that has"):
        nph.build(config.two)
    config.one.b = "${.a}"
    made = built(config.one)
    assert made.b is made.a
    config.two.b = config.two.c = "<raw object>"
    assert built(config.two).b == "<raw object>", "a text that is only alike"


@pytest.mark.usefixtures("fresh_workspace")  # others may have trusted one of these names
def test_errors_about_a_part_of_a_config_name_the_path_from_its_root() -> None:
    targets = "tests.support.targets"
    inner = {"_target_": f"{targets}.keywords", "x": "many"}
    wrong: dict[str, tuple[str, Any]] = {
        "an unknown name": ("nope", 1),
        "a type": ("b", inner),
        "a reference": ("a", "${gone}"),
        "a target that is not allowed": ("c", {"_target_": "os.system"}),
    }
    for what, (key, value) in wrong.items():
        config = OmegaConf.create({"apps": [{"it": {"_target_": f"{targets}.untyped", key: value}}]})
        below = {"a type": ".x"}.get(what, "")
        for call in (nph.build, nph.run):
            with pytest.raises(nph.RecipeError, match=rf"^apps\.0\.it\.{key}{re.escape(below)}: "):
                call(config.apps[0].it, allow=["tests"])


def reduced(error: Exception) -> Any:
    """Return an object that raises an error when it is pickled."""

    def reduce(self: Any, protocol: Any) -> Any:
        raise error

    return type("Stuck", (), {"__reduce_ex__": reduce})()


STUCK = {
    "a lock": threading.Lock(),
    "an open file": sys.stderr,
    "an error of its own": reduced(RuntimeError("no\nway")),
    "a generator": (number for number in [1]),
}


@pytest.mark.parametrize("name", STUCK)
def test_an_object_that_cannot_be_sent_is_missed_by_who_reads_it(name: str) -> None:
    config = nph.to_config(run.Partial(t.untyped, a=nph.raw(STUCK[name]), b=run.Partial(t.untyped, c=3)))
    sent = through_pickle(OmegaConf.create({"deep": config}))
    with pytest.raises(nph.ValidationError, match=r"^deep\.a: <raw \w+> stayed in the process that composed") as caught:
        built(sent)
    assert str(caught.value).endswith("make it a run.Config, or name a function that makes it")
    assert "\n" not in str(caught.value)
    assert "deep.a" in [item.path for item in nph.paths(sent) if item.set]
    assert built(sent.deep.b).c == 3
    sent.deep.a = 4
    assert built(sent).a == 4
    assert built(config).a is STUCK[name], "here it is what it was"
    assert built(copy.deepcopy(config)).a is STUCK[name]


def test_an_object_that_can_be_sent_is_one_object_there() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    shared = t.Plain()
    config = nph.to_config(run.Partial(t.untyped, a=nph.raw(shared), b=nph.raw(shared), c=nph.raw(lambda: 5)))
    for dumps in (pickle.dumps, cloudpickle.dumps):
        found = built(pickle.loads(dumps(config)))
        assert found.a is found.b
        assert found.c() == 5


# Parts, references, other apps ---------------------------------------------------------------------------------------

SHARING = """
lr: 3
shared: {_target_: shop.SGD, lr: '${lr}'}
job:
  _target_: shop.train
  _partial_: true
  optimizers: [{_target_: shop.SGD, lr: 1}, '${shared}']
  opt: ${.optimizers.0}
  model: {_target_: shop.Model, config: {_target_: shop.Net, sizes: [1, 2]}, opt: '${..opt}'}
  name: ${.steps}-${lr}
  tags: {sizes: '${..model.config.sizes}'}
"""


@pytest.fixture
def sharing(tmp_path: Path) -> DictConfig:
    return App(tmp_path, {"config": SHARING}).compose()


def shop(config: Any) -> Any:
    return nph.build(config, allow=["shop"])


@pytest.mark.matrix
def test_a_composed_config_is_resolved_in_place(sharing: DictConfig) -> None:
    expected = shop(sharing)
    resolved = copy.deepcopy(sharing)
    OmegaConf.resolve(resolved)
    results = [nph.run(config, allow=["shop"]) for config in (sharing, resolved)]
    assert repr(results[0]) == repr(results[1])
    assert expected.opt is expected.optimizers[0] is expected.model.opt
    assert expected.tags["sizes"] is expected.model.config.sizes


@pytest.mark.matrix
@pytest.mark.parametrize("way", ["deepcopy", "pickle", "copy", "as it is"])
@pytest.mark.parametrize("part", ["job", "job.model", "job.optimizers.0", "job.opt", "shared"])
def test_a_part_knows_the_whole(sharing: DictConfig, part: str, way: str) -> None:
    expected = shop(sharing)
    for name in part.split(".")[1:]:
        expected = expected[int(name)] if name.isdigit() else getattr(expected, name)
    expected = expected if part != "shared" else expected.optimizers[1]
    assert shop(WAYS[way](OmegaConf.select(sharing, part))) == expected


@pytest.mark.matrix
@pytest.mark.parametrize("way", [OmegaConf.create, OmegaConf.to_container, lambda part: OmegaConf.merge({}, part)])
def test_a_part_that_is_taken_out_says_what_it_left_behind(sharing: DictConfig, way: Callable[[Any], Any]) -> None:
    expected = r"opt: \$\{\.\.opt\} names what is outside of this config: resolve it before a part is taken out"
    with pytest.raises(nph.ValidationError, match=expected):
        shop(way(sharing.job.model))
    whole = OmegaConf.to_container(sharing.job.model, resolve=True)
    assert shop(whole) == shop(sharing).model, "the way out"


@pytest.mark.matrix
def test_parts_of_other_apps(sharing: DictConfig, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = {"config": "_target_: shop.train\nsteps: 7\noptimizers: [{_target_: shop.Adam, mode: SLOW}]\n"}
    other = App(tmp_path / "other", files).compose()
    adam = shop(other).optimizers[0]
    changed = copy.deepcopy(sharing)
    changed.job.optimizers.append(other.optimizers[0])
    assert shop(changed).optimizers[2] == adam
    changed.job.optimizers = other.optimizers
    assert shop(changed).optimizers == [adam]
    assert shop(changed).opt == adam
    merged = shop(OmegaConf.merge(sharing.job, other))
    assert (merged.steps, merged.optimizers, merged.name) == (7, [adam], "7-3")
    assert shop(OmegaConf.merge(sharing, {"job": {"steps": 8}})).steps == 8
    OmegaConf.update(changed, "job.optimizers.0", {"lr": 5})
    assert shop(changed).opt == shop({"_target_": "shop.Adam", "mode": "SLOW", "lr": 5})


@pytest.mark.matrix
@pytest.mark.parametrize("how", ["merge", "group", "self", "override"])
def test_a_reference_takes_the_place_of_a_typed_node(tmp_path: Path, how: str) -> None:
    files = {
        "config": "defaults: [{opt@optim: sgd}, {opt@backup: sgd}, _self_]\n" + "backup: ${optim}\n" * (how == "self"),
        "opt/sgd": "_target_: shop.SGD\nlr: 2\n",
        "opt/ref": "# @package _global_\nbackup: ${optim}\n",
    }
    overrides = {"group": ["+opt=ref"], "override": ["backup=${optim}"]}.get(how, [])
    config = App(tmp_path, files).compose(*overrides)
    if how == "merge":
        config.merge_with({"backup": "${optim}"})
    config.merge_with({"optim": {"lr": 3}})
    assert OmegaConf.is_interpolation(config, "backup")
    assert shop(config.backup) == shop({"_target_": "shop.SGD", "lr": 3})


@pytest.mark.matrix
@pytest.mark.parametrize("text", ["${job.tags.t%d}", "${.t%d}", "x${.t%d}"])
@pytest.mark.parametrize("length", [60, 1500])
def test_a_long_chain_of_references(tmp_path: Path, text: str, length: int) -> None:
    tags = {"t0": "end", **{f"t{i}": text % (i - 1) for i in range(1, length + 1)}}
    config = OmegaConf.create({"job": {"_target_": "shop.train", "name": f"${{.tags.t{length}}}", "tags": tags}})
    with App(tmp_path, {}).here():
        assert shop(config).name.endswith("end")


@pytest.mark.matrix
def test_a_chain_that_resolvers_make_too_long_is_said(tmp_path: Path) -> None:
    tags = {"t0": "end", **{f"t{i}": f"${{oc.decode:${{.t{i - 1}}}}}" for i in range(1, 200)}}
    config = OmegaConf.create({"_target_": "shop.train", "name": "${.tags.t199}", "tags": tags})
    with (
        App(tmp_path, {}).here(),
        pytest.raises(nph.ValidationError, match="leads from one reference to the next more often than Python"),
    ):
        shop(config)
