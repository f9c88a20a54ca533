"""Overrides at any depth, from everywhere Hydra takes them: what they give in ``nph.build`` and ``nph.run``."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from tests.support import laws
from tests.support.apps import CONF, App

QUICK = settings(
    max_examples=laws.tries(40),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # an example is small as drawn; making it smaller takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def shop(app: App) -> Any:
    with app.here():
        import shop  # type: ignore[import-not-found]

        return shop


def at(made: Any, path: str) -> Any:
    """Return what stands at a path of a built or called recipe."""
    for key in path.split("."):
        if isinstance(made, (list, tuple)):
            made = made[int(key)]
        elif isinstance(made, dict):
            made = made[key]
        else:
            made = getattr(made, key)
    return made


CASES: list[tuple[str, str, Any]] = [
    ("steps=100", "steps", 100),
    ("steps=1e2", "steps", 100),
    ("++steps=4", "steps", 4),
    ("optimizers.0.lr=5e-4", "optimizers.0.lr", 5e-4),
    ("optimizers.1.lr=5e-4", "optimizers.1.lr", 5e-4),
    ("optimizers.0.nesterov=true", "optimizers.0.nesterov", True),
    ("optimizers.1.betas.0=0.8", "optimizers.1.betas", (0.8, 0.999)),
    ("optimizers.1.betas=[0.1,0.2]", "optimizers.1.betas", (0.1, 0.2)),
    ("optimizers.1.mode=SLOW", "optimizers.1.mode.name", "SLOW"),
    ("optimizers.1.mode=shop.Mode.SLOW", "optimizers.1.mode.name", "SLOW"),
    ("optimizers.1.kind=b", "optimizers.1.kind", "b"),
    ("optimizers.1.act=shop.relu", "optimizers.1.act.__name__", "relu"),
    ("optimizers.1.act={_target_: shop.relu, _call_: false}", "optimizers.1.act.__name__", "relu"),
    ("model.config.activation=shop.Adam", "model.config.activation.__name__", "Adam"),
    ("model.config.layers=4", "model.config.layers", 4),
    ("model.config.sizes=[1,2]", "model.config.sizes", [1, 2]),
    ("limit=null", "limit", None),
    ("tags=null", "tags", None),
    ("model=null", "model", None),
    ("steps=${limit}", "steps", 7),
    ("name=${opt.lr}", "name", "0.25"),
    ("opt.lr=${ratio}", "opt.lr", 0.5),
    ("opt.lr=${.momentum}", "opt.lr", 0.0),
    ("model.config.layers=${oc.env:NO_SUCH_VARIABLE,6}", "model.config.layers", 6),
    ("name=3", "name", "3"),
    ("ratio=inf", "ratio", float("inf")),
    ("deadline=90", "deadline", timedelta(seconds=90)),
    ("deadline=0:10:00", "deadline", timedelta(minutes=10)),
    ("out=/tmp/x", "out", Path("/tmp/x")),
    ("out=2026", "out", Path("2026")),
    ("+tags.a=1", "tags", {"a": 1}),
    ("+tags.a.b=[1,2]", "tags", {"a": {"b": [1, 2]}}),
    ("tags={a: 1}", "tags", {"a": 1}),
    ("+model.heads=3", "model.extra", {"heads": 3}),
    ("opt=adam", "opt.lr", 0.75),
    ("~opt", "opt", None),
    ("opt._target_=shop.Adam", "opt.betas", (0.9, 0.999)),
    ("opt={_target_: shop.Adam, lr: 2}", "opt.lr", 2),
    ("+opt@model.opt=adam", "model.opt.lr", 0.75),
    ("+_replace_.opt={_target_: shop.Adam}", "opt.lr", 1e-3),
    ("+model._replace_.config={_target_: shop.Net, layers: 1}", "model.config.hidden", 8),
    ("+_delete_=[opt]", "opt", None),
    ("+model._append_.config.sizes=[3]", "model.config.sizes", [3]),
    ("+experiment=fast", "model.config.layers", 5),
    ("+experiment=fast", "opt.mode.name", "SLOW"),
    ("+experiment=fast", "opt.lr", 0.75),
]


@pytest.mark.parametrize(("override", "path", "value"), CASES, ids=[f"{case[0]}->{case[1]}" for case in CASES])
def test_one_override(app: App, override: str, path: str, value: Any) -> None:
    before, after = app.called(), app.called(override)
    found = at(after, path)
    assert found == value
    assert type(found) is type(value)
    top = path.partition(".")[0]
    if not override.startswith("+experiment"):
        assert {key: repr(item) for key, item in after.items() if key != top} == {
            key: repr(item) for key, item in before.items() if key != top
        }


def test_lists_as_a_whole(app: App, shop: Any) -> None:
    made = app.called("optimizers=[{_target_: shop.SGD, lr: 3}, {_target_: shop.Adam, betas: [0.1, 0.2]}]")
    assert list(made["optimizers"]) == [shop.SGD(lr=3), shop.Adam(betas=(0.1, 0.2))]
    assert list(app.called("optimizers=[]")["optimizers"]) == []


def test_a_list_given_on_the_command_line_can_be_overridden_by_element(app: App, shop: Any) -> None:
    given = "optimizers=[{_target_: shop.SGD, lr: 1}, {_target_: shop.Adam}]"
    made = app.called(given, "optimizers.0.lr=2", "+optimizers.1.lr=9", "+optimizers.1.mode=SLOW")
    assert list(made["optimizers"]) == [shop.SGD(lr=2), shop.Adam(lr=9, mode=shop.Mode.SLOW)]


def test_a_list_in_an_experiment_file_is_typed(tmp_path: Path, shop: Any) -> None:
    overlay = "# @package _global_\noptimizers: [{_target_: shop.Adam}]\n"
    app = App(tmp_path, {**CONF, "experiment/one": overlay})
    made = app.called("+experiment=one", "optimizers.0.lr=2", "optimizers.0.betas.1=0.5")
    assert list(made["optimizers"]) == [shop.Adam(lr=2, betas=(0.9, 0.5))]


def test_a_list_stays_a_list_where_the_default_is_a_tuple(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "_target_: shop.widths\n_partial_: true\nsizes: [5]\npair: [3, 4]\n"})
    assert app.called() == ([5], (3, 4))
    assert app.called("sizes=[6]", "pair.0=7") == ([6], (7, 4))


def test_appended_deleted_replaced_together(app: App, shop: Any) -> None:
    made = app.called(
        "+_append_.optimizers=[{_target_: shop.SGD, lr: 9}]",
        "+_delete_=[optimizers.0]",
        "+_replace_.opt={_target_: shop.SGD, lr: 8}",
    )
    assert list(made["optimizers"]) == [shop.Adam(lr=1e-2), shop.SGD(lr=9)]
    assert made["opt"] == shop.SGD(lr=8)


def test_replace_in_a_list(app: App, shop: Any) -> None:
    made = app.called("+_replace_={optimizers.0: {_target_: shop.Adam}}")
    assert list(made["optimizers"]) == [shop.Adam(), shop.Adam(lr=1e-2)]


def test_dict_entries_are_changed_added_deleted(app: App) -> None:
    given = "tags={a: 1, b: 2}"
    assert app.called(given, "tags.a=5", "+tags.c=x", "~tags.b")["tags"] == {"a": 5, "c": "x"}


def test_later_overrides_win(app: App) -> None:
    assert app.called("steps=1", "steps=2")["steps"] == 2
    assert app.called("opt=adam", "opt.betas.1=0.5", "opt.lr=1")["opt"].betas == (0.9, 0.5)
    assert app.called("+experiment=fast", "steps=2", "opt.mode=FAST")["steps"] == 2


def test_a_parameter_of_the_chosen_option_is_typed(app: App) -> None:
    made = app.called("+opt@model.opt=adam", "model.opt.mode=SLOW", "model.opt.betas.0=0.5")
    assert (made["model"].opt.mode.name, made["model"].opt.betas) == ("SLOW", (0.5, 0.999))


def test_group_options_into_a_dict_of_recipes(app: App, shop: Any) -> None:
    made = app.called("+opt@tags.first=adam", "+opt@tags.second=sgd", "tags.first.mode=SLOW")
    assert made["tags"] == {"first": shop.Adam(lr=0.75, mode=shop.Mode.SLOW), "second": shop.SGD(lr=0.25)}


def test_group_option_in_a_package_of_the_defaults_list(tmp_path: Path, shop: Any) -> None:
    conf = "defaults:\n  - opt@model.opt: sgd\n  - _self_\n_target_: shop.train\n_partial_: true\n"
    app = App(tmp_path, {**CONF, "config": conf + "model: {_target_: shop.Model}\n"})
    assert app.called()["model"].opt == shop.SGD(lr=0.25)
    assert app.called("opt@model.opt=adam", "model.opt.kind=b")["model"].opt == shop.Adam(lr=0.75, kind="b")


def test_unset_stays_unset(app: App) -> None:
    built = app.built("optimizers.0.lr=5e-4")
    assert set(built.__arguments__) == {"optimizers", "opt", "model"}
    assert set(built.optimizers[0].__arguments__) == {"lr"}
    assert set(app.built("steps=3").__arguments__) == {"optimizers", "opt", "model", "steps"}, (
        "a repeated default is set"
    )


def test_built_equals_what_python_says(app: App, shop: Any) -> None:
    import nemo_run as run

    expected = run.Partial(
        shop.train,
        optimizers=[run.Config(shop.SGD, lr=0.5), run.Config(shop.Adam, lr=1e-2, betas=(0.8, 0.999))],
        opt=run.Config(shop.SGD, lr=0.25),
        model=run.Config(shop.Model, config=run.Config(shop.Net, hidden=16), heads=3),
    )
    assert app.built("optimizers.1.betas.0=0.8", "+model.heads=3") == expected


def test_a_reference_gives_one_object_and_the_named_place_is_overridden(app: App) -> None:
    made = app.called("model.opt=${opt}", "opt.lr=3")
    assert made["model"].opt is made["opt"]
    assert made["opt"].lr == 3


def test_dtype_by_dotted_name(tmp_path: Path) -> None:
    torch = """
        class dtype:
            def __init__(self, name): self.name = name
            def __repr__(self): return f"torch.{self.name}"
            def __reduce__(self): return self.name
        float32, bfloat16 = dtype("float32"), dtype("bfloat16")
        """
    cast = "import torch\n\ndef cast(dtype: torch.dtype = torch.float32):\n    return dtype\n"
    app = App(
        tmp_path,
        {"config": "_target_: cast.cast\n_partial_: true\n"},
        modules={"torch": torch, "cast": cast},
    )
    assert app.run("dtype=torch.bfloat16").result == "torch.bfloat16"
    assert app.run().result == "torch.float32"


# The same overrides from other places


def test_command_line(app: App) -> None:
    done = app.inline("optimizers.0.lr=5e-4", "opt=adam", "opt.mode=SLOW", "+tags.a=1", "hydra.run.dir=out/line")
    assert done.code == 0, done.err
    for part in ("SGD(lr=0.0005,", "Adam(lr=0.75, betas=(0.9, 0.999), mode=<Mode.SLOW: 2>", "('tags', {'a': 1})"):
        assert part in done.result


def test_experiment_file(tmp_path: Path, shop: Any) -> None:
    overlay = """
        # @package _global_
        defaults:
          - /opt@model.opt: sgd
          - override /opt: adam
        optimizers:
          - {_target_: shop.Adam, betas: [0.5, 0.6]}
        tags: {a: 1}
        limit: null
        opt: {betas: [0.1, 0.2], mode: SLOW, act: shop.relu}
        model: {config: {layers: 9, sizes: [4]}, opt: {momentum: 0.5}}
        name: ${steps}
        """
    app = App(tmp_path, {**CONF, "experiment/big": overlay})
    made = app.called("+experiment=big", "steps=11", "opt.betas.0=0.3")
    assert list(made["optimizers"]) == [shop.Adam(betas=(0.5, 0.6))]
    assert made["opt"] == shop.Adam(lr=0.75, betas=(0.3, 0.2), mode=shop.Mode.SLOW, act=shop.relu)
    assert (made["tags"], made["limit"], made["name"], made["steps"]) == ({"a": 1}, None, "11", 11)
    assert made["model"].config == shop.Net(layers=9, hidden=16, sizes=[4])
    assert made["model"].opt == shop.SGD(lr=0.25, momentum=0.5)


def test_edits_in_an_experiment_file(tmp_path: Path, shop: Any) -> None:
    overlay = "# @package _global_\n_append_: {optimizers: [{_target_: shop.SGD, lr: 9}]}\n_delete_: [optimizers.0]\n"
    app = App(tmp_path, {**CONF, "experiment/edit": overlay})
    assert app.called("+experiment=edit")["optimizers"] == [shop.Adam(lr=1e-2), shop.SGD(lr=9)]


@pytest.mark.parametrize("typed", [True, False])
def test_further_keywords_in_an_experiment_file(tmp_path: Path, typed: bool) -> None:
    """A file that adds a keyword for ``**kwargs`` to another file's recipe repeats the target."""
    overlay = "# @package _global_\nmodel: {_target_: shop.Model, heads: 3}\n"
    app = App(tmp_path, {**CONF, "experiment/more": overlay})
    assert app.built("+experiment=more", typed=typed).model.heads == 3


SWEEP = ("opt=sgd,adam", "optimizers.0.lr=1,2", "+_append_.optimizers=[{_target_: shop.SGD}],[]")


def test_sweep(app: App) -> None:
    seen: list[Any] = []
    done = app.inline("-m", *SWEEP, "hydra.sweep.dir=out/sweep", call=lambda cfg: seen.append(nph.run(cfg)))
    assert done.code == 0, done.err
    found = [(type(made["opt"]).__name__, made["optimizers"][0].lr, len(made["optimizers"])) for made in seen]
    assert found == [(opt, lr, more) for opt in ("SGD", "Adam") for lr in (1, 2) for more in (3, 2)]


def test_sweep_gives_what_composing_each_job_gives(app: App) -> None:
    seen: list[Any] = []
    app.inline("-m", *SWEEP, "hydra.sweep.dir=out/same", call=lambda cfg: seen.append(nph.build(cfg)))
    for opt, lr, more in [(o, n, m) for o in ("sgd", "adam") for n in (1, 2) for m in ("[{_target_: shop.SGD}]", "[]")]:
        composed = app.built(f"opt={opt}", f"optimizers.0.lr={lr}", f"+_append_.optimizers={more}")
        assert seen.pop(0) == composed
    assert seen == []


def stored(shop: Any) -> Any:
    """Return a recipe with every kind of leaf, as Python code makes it."""
    import nemo_run as run

    return run.Partial(
        shop.train,
        optimizers=[run.Config(shop.SGD, lr=0.5), run.Config(shop.Adam, betas=(0.7, 0.8), kind="b")],
        model=run.Config(shop.Model, config=run.Config(shop.Net, hidden=16, sizes=[1, 2]), heads=4),
        tags={"a": 1, "b": {"c": "x"}},
        ratio=0.25,
    )


def test_stored_recipe_as_primary_config(app: App, shop: Any, fresh_workspace: None) -> None:
    nph.store(stored(shop), name="job")
    assert app.built(name="job") == stored(shop)
    expected = stored(shop)
    expected.optimizers[1].betas = (0.7, 0.5)
    expected.model.config.layers = 4
    expected.model.heads = 5
    expected.tags["b"]["c"] = "y"
    overrides = ("optimizers.1.betas.1=0.5", "model.config.layers=4", "model.heads=5", "tags.b.c=y")
    assert app.built(*overrides, name="job") == expected


def test_stored_recipe_as_a_group_option(app: App, shop: Any, fresh_workspace: None) -> None:
    import nemo_run as run

    nph.store(run.Config(shop.Adam, lr=0.125), group="opt", name="stored")
    nph.store(run.Config(shop.Net, layers=7), group="net", name="wide", package="model.config")
    made = app.called("opt=stored", "opt.mode=SLOW", "+net=wide", "model.config.sizes=[1]")
    assert made["opt"] == shop.Adam(lr=0.125, mode=shop.Mode.SLOW)
    assert made["model"].config == shop.Net(layers=7, hidden=16, sizes=[1])


def test_a_factory_is_called_only_when_its_option_is_selected(app: App, shop: Any, fresh_workspace: None) -> None:
    import nemo_run as run

    calls: list[str] = []

    @nph.recipe(group="opt")
    def first() -> Any:
        calls.append("first")
        return run.Config(shop.SGD, lr=5.0)

    @nph.recipe(group="opt", name="second")
    def another() -> Any:
        raise AssertionError("must not be called")

    assert app.called()["opt"].lr == 0.25
    assert calls == []
    assert app.called("opt=first", "opt.momentum=0.5")["opt"] == shop.SGD(lr=5.0, momentum=0.5)
    assert app.called("opt=first")["opt"] == shop.SGD(lr=5.0)
    assert calls == ["first"]


def test_plain_instances_and_functools_partials_are_registered_too(app: App, shop: Any, fresh_workspace: None) -> None:
    import functools

    nph.store(shop.Adam(lr=0.5), group="opt", name="instance")
    nph.store(functools.partial(shop.relu, x=3), group="opt", name="function")
    assert app.called("opt=instance", "opt.kind=b")["opt"] == shop.Adam(lr=0.5, kind="b")
    assert app.called("opt=function", "opt.x=-1")["opt"]() == 0.0


def test_every_composition_starts_from_a_fresh_copy(app: App, shop: Any, fresh_workspace: None) -> None:
    nph.store(stored(shop), name="job")
    app.built("optimizers.0.lr=9", "tags.a=9", name="job")
    assert app.built(name="job") == stored(shop)
    app.called("optimizers.0.lr=9", "opt.lr=9")
    assert app.called()["optimizers"][0].lr == 0.5


# Laws


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(10**12), 10**12),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "str": st.text(st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="$\\'\""), max_size=12),
}
LEAVES = {
    "steps": "int",
    "limit": "int",
    "ratio": "float",
    "name": "str",
    "optimizers.0.lr": "float",
    "optimizers.0.momentum": "float",
    "optimizers.0.nesterov": "bool",
    "optimizers.1.lr": "float",
    "optimizers.1.betas.0": "float",
    "optimizers.1.betas.1": "float",
    "optimizers.1.mode": "mode",
    "optimizers.1.kind": "kind",
    "optimizers.1.act": "function",
    "model.heads": "int",
    "model.config.layers": "int",
    "model.config.hidden": "int",
    "model.config.sizes.0": "int",
    "model.config.sizes.1": "int",
    "model.config.activation": "class",
    "model.opt": "null",
    "tags.a": "int",
    "tags.b.c": "str",
    "deadline": "seconds",
    "out": "path",
}


def written(path: str, kind: str, draw: Any, shop: Any) -> tuple[str, Any]:
    """Draw a new value of a leaf: the text of its override, and what the built object then holds."""
    if kind in ("int", "float", "bool"):
        value = draw(VALUES[kind])
        return f"{path}={json.dumps(value) if kind == 'bool' else value}", value
    if kind == "str":
        value = draw(VALUES["str"])
        return f"{path}='{value}'", value
    name = draw(st.sampled_from(["FAST", "SLOW"]))
    second = draw(st.integers(0, 10**6))
    word = draw(st.from_regex(r"\A[a-z][a-z0-9]{0,8}(/[a-z0-9]{1,5})?\Z"))
    made: dict[str, tuple[str, Any]] = {
        "mode": (name, shop.Mode[name]),
        "kind": (name[0].replace("F", "a").replace("S", "b"), {"FAST": "a", "SLOW": "b"}[name]),
        "function": ("shop.relu", shop.relu),
        "class": ("shop.Adam", shop.Adam),
        "null": ("null", None),
        "seconds": (str(second), timedelta(seconds=second)),
        "path": (f"/{word}", Path(f"/{word}")),
    }
    text, value = made[kind]
    return f"{path}={text}", value


def put(built: Any, path: str, value: Any) -> None:
    """Set a value in a built recipe, as Python code would."""
    *above, last = path.split(".")
    holder = at(built, ".".join(above)) if above else built
    if isinstance(holder, tuple):
        put(built, ".".join(above), tuple(value if i == int(last) else item for i, item in enumerate(holder)))
    elif isinstance(holder, list):
        holder[int(last)] = value
    elif isinstance(holder, dict):
        holder[last] = value
    else:
        setattr(holder, last, value)


def leaves(node: Any, path: str = "") -> Iterator[str]:
    """List the leaf paths of a plain config."""
    items: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if isinstance(node, (dict, list)) and node:
        for key, value in items:
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif not path.rpartition(".")[2].startswith("_"):
        yield path


def test_the_leaves_of_the_law_are_all_there_are(app: App, shop: Any, fresh_workspace: None) -> None:
    nph.store(stored(shop), name="job")
    plain = OmegaConf.to_container(app.compose(name="job"))
    assert set(leaves(plain)) - {"opt"} == set(LEAVES), "opt is the name of a group of this app"


@QUICK
@given(data=st.data())
def test_a_leaf_shows_up_and_nothing_else_changes(
    app: App, shop: Any, fresh_workspace: None, data: st.DataObject
) -> None:
    nph.store(stored(shop), name="job")
    paths = data.draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, max_size=3, unique=True))
    expected, overrides = copy.deepcopy(stored(shop)), []
    for path in paths:
        text, value = written(path, LEAVES[path], data.draw, shop)
        overrides.append(text)
        put(expected, path, value)
    assert app.built(*overrides, name="job") == expected


SGD = st.fixed_dictionaries(
    {}, optional={"lr": st.floats(0, 1), "momentum": st.sampled_from([0.0, 0.5]), "nesterov": st.booleans()}
)
ADAM = st.fixed_dictionaries(
    {},
    optional={
        "lr": st.floats(0, 1),
        "betas": st.sampled_from([[0.9, 0.999], [0.1, 0.2]]),
        "mode": st.sampled_from(["FAST", "SLOW"]),
        "act": st.sampled_from([None, "shop.relu"]),
    },
)
NET = st.fixed_dictionaries({}, optional={"layers": st.integers(1, 3), "sizes": st.sampled_from([[], [1], [1, 2]])})
TRAIN = {
    "steps": st.integers(1, 5),
    "limit": st.sampled_from([None, 7, 8]),
    "name": st.sampled_from(["run", "${_target_}", "x"]),
    "tags": st.sampled_from([None, {}, {"a": 1}, {"a": 2, "b": {"c": 3}}]),
    "optimizers": st.sampled_from([[], [{"_target_": "shop.SGD"}, {"_target_": "shop.Adam", "mode": "SLOW"}]]),
}


@st.composite
def files(draw: Any) -> tuple[dict[str, str], list[str]]:
    """Draw the YAML files of an app that set what its recipe accepts, here and there, and a command line."""
    option = draw(st.sampled_from(["sgd", "adam"]))
    body = SGD if option == "sgd" else ADAM
    nested = {"config": NET, "opt": ADAM}
    shape = st.fixed_dictionaries(
        {}, optional={**TRAIN, "opt": body, "model": st.fixed_dictionaries({}, optional=nested)}
    )
    order = draw(st.permutations(["_self_", {"opt": option}, {"opt@model.opt": "adam"}, {"net@model.config": "net"}]))
    primary = draw(shape)
    model = {"_target_": "shop.Model", **primary.pop("model", {})}
    primary = {"defaults": [*order, {"experiment": "over"}], "_target_": "shop.train", "_partial_": True, **primary}
    conf = {
        "config": json.dumps({**primary, "model": model}),
        "opt/sgd": json.dumps({"_target_": "shop.SGD", **draw(SGD)}),
        "opt/adam": json.dumps({"_target_": "shop.Adam", **draw(ADAM)}),
        "net/net": json.dumps({"_target_": "shop.Net", **draw(NET)}),
        "experiment/over": "# @package _global_\n" + json.dumps(draw(shape)),
    }
    return conf, draw(st.lists(st.sampled_from(["steps=9", "model.config.layers=9", "opt.lr=0.5"]), max_size=2))


@settings(QUICK, max_examples=laws.tries(60))
@given(drawn=files())
def test_typed_files_set_what_plain_hydra_sets(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[dict[str, str], list[str]]
) -> None:
    """No default of a signature ever hides a value that some file set, and none is ever taken for a set one."""
    conf, overrides = drawn
    app = App(tmp_path_factory.mktemp("law"), conf)
    forced = [f"++{override}" for override in overrides]
    assert app.built(*overrides) == app.built(*forced, typed=False)


@pytest.mark.parametrize("defaults", ["[_self_, {opt: sgd}]", "[{opt: sgd}, _self_]"])
@pytest.mark.parametrize("typed", [True, False])
def test_the_order_of_the_defaults_list_decides(tmp_path: Path, shop: Any, defaults: str, typed: bool) -> None:
    conf = f"defaults: {defaults}\n_target_: shop.train\n_partial_: true\nopt: {{lr: 1.0, nesterov: true}}\n"
    app = App(tmp_path, {"config": conf, "opt/sgd": "_target_: shop.SGD\nlr: 2.0\nmomentum: 0.5\n"})
    opt = app.built(typed=typed).opt
    wins = 1.0 if defaults.endswith("_self_]") else 2.0
    assert dict(opt.__arguments__) == {"lr": wins, "momentum": 0.5, "nesterov": True}


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("sizes", [[], [1]])
def test_a_default_list_never_hides_a_set_one(tmp_path: Path, typed: bool, sizes: list[int]) -> None:
    conf = "defaults: [_self_, {{net@config: net}}]\n_target_: shop.Model\nconfig: {{layers: 1, sizes: {}}}\n"
    app = App(tmp_path, {"config": conf.format(sizes), "net/net": "_target_: shop.Net\n"})
    assert dict(app.built(typed=typed).config.__arguments__) == {"layers": 1, "sizes": sizes}


@pytest.mark.parametrize("typed", [True, False])
def test_a_default_tuple_never_hides_a_set_one(tmp_path: Path, typed: bool) -> None:
    conf = "defaults: [_self_, opt: adam]\n_target_: shop.Model\nopt: {betas: [0.5, 0.6]}\n"
    app = App(tmp_path, {"config": conf, "opt/adam": "_target_: shop.Adam\n"})
    assert dict(app.built(typed=typed).opt.__arguments__) == {"betas": (0.5, 0.6)}


def test_a_default_never_hides_a_set_value_through_several_files(tmp_path: Path, shop: Any) -> None:
    files = {
        "config": """
            defaults:
              - base
              - _self_
              - experiment: over
            model: {config: {layers: 3}}
            """,
        "base": """
            _target_: shop.train
            _partial_: true
            steps: 8
            model: {_target_: shop.Model, config: {_target_: shop.Net, hidden: 99}}
            """,
        "experiment/over": """
            # @package _global_
            defaults:
              - deeper
            model: {config: {sizes: [1]}}
            """,
        "experiment/deeper": """
            # @package _global_
            model: {config: {_target_: shop.Net, activation: shop.Adam}}
            """,
    }
    app = App(tmp_path, files)
    for typed in (True, False):
        built = app.built(typed=typed)
        assert built.steps == 8
        found = dict(built.model.config.__arguments__)
        assert found == {"layers": 3, "hidden": 99, "sizes": [1], "activation": shop.Adam}


HOLDER = """
from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Part:
    size: int = 1


@dataclass
class Holder:
    part: Part | None = None
    options: dict[str, Any] | None = None


def build(model: Holder) -> None:
    print("RESULT", model)
"""
HELD = [
    ("part@model.part: big", "Holder(part=Part(size=9), options=None)"),
    ("some@model.options: some", "Holder(part=None, options={'a': 1})"),
    ("some@model.options.inner: some", "Holder(part=None, options={'inner': {'a': 1}})"),
]


@pytest.mark.parametrize(("option", "wanted"), HELD)
@pytest.mark.parametrize("first", [True, False])
def test_no_default_of_a_later_option_hides_what_an_earlier_one_puts_below_it(
    tmp_path: Path, option: str, wanted: str, first: bool
) -> None:
    entries = [f"- {option}", "- model: holder"]
    files = {
        "config": "\n".join(["defaults:", *entries[:: 1 if first else -1], "- _self_", "_target_: held.build"]) + "\n",
        "model/holder": "_target_: held.Holder\n",
        "part/big": "_target_: held.Part\nsize: 9\n",
        "some/some": "a: 1\n",
    }
    script = 'import nemo_partial_hydra as nph\n\nmain = nph.app("conf", "config")\n\nmain()\n'
    done = App(tmp_path, files, script=script, modules={"held": HOLDER}).run()
    assert (done.result, done.code) == (wanted, 0), done.err
