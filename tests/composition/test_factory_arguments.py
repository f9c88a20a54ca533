"""The arguments of registered factories: paths below ``_factory_``, and the recipe that is made with them."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.recipes.names import resolve
from tests.support import laws
from tests.support.apps import App, Done

CONF = {
    "config": """
        defaults:
          - exp: llama
          - _self_
        nodes: 3
        """,
    "few": """
        defaults:
          - exp: llama
          - _self_
        exp:
          _factory_: {num_nodes: 2}
          steps: 8
        """,
    "before": """
        defaults:
          - _self_
          - exp: llama
        exp:
          _factory_: {num_nodes: 2}
        """,
    "named": "_target_: shop.train\n_partial_: true\n_factory_: {num_nodes: 2}\n",
    "unmade": "defaults: [{exp: needs}, _self_]\nexp: {steps: 6}\n",
    "top": "defaults: [alone, _self_]\n",
    "exp/of_file": "defaults: [llama, _self_]\n_factory_: {num_nodes: 4}\nsteps: 2\n",
}


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path, CONF)


NAMES = ("num_nodes", "depth", "ratio", "name")


def load(path: str = "", trust_remote_code: bool = False) -> str:
    """Do what may run what it loads."""
    return f"{path} {trust_remote_code}"


class Recipes:
    """The factories, and with what they were called."""

    def __init__(self, shop: Any) -> None:
        self.calls: list[Any] = []
        self.shop = shop

    def llama(self, num_nodes: int = 1, depth: int = 1, ratio: float = 0.5, name: str = "x") -> Any:
        """Make a recipe.

        Args:
            num_nodes: how many machines.
        """
        self.calls.append((num_nodes, depth))
        if num_nodes < 1:
            raise LookupError("at least one node")
        shop = self.shop
        optimizers = [shop.SGD(lr=0.5 * (index + 1)) for index in range(depth)]
        return functools.partial(shop.train, optimizers=optimizers, steps=100 * num_nodes, ratio=ratio, name=name)

    def needs(self, size: str, num_nodes: int = 1) -> Any:
        self.calls.append((size, num_nodes))
        return functools.partial(self.shop.train, name=size, steps=num_nodes)

    def either(self, kind: str = "train") -> Any:
        shop = self.shop
        made = {"train": functools.partial(shop.train, steps=1), "need": functools.partial(shop.need, size=4)}
        return made.get(kind, kind)


@pytest.fixture
def recipes(app: App, fresh_workspace: None) -> Recipes:
    with app.here():
        import shop  # type: ignore[import-not-found]

    made = Recipes(shop)
    nph.recipe(group="exp")(made.llama)
    nph.store(factory=made.needs, group="exp")
    nph.recipe(group="exp")(made.either)
    nph.recipe(name="alone")(made.llama)
    return made


def check(done: Done, *texts: str) -> None:
    """Check that a run ended with one readable message."""
    assert done.code == 2, done
    assert "Traceback" not in done.err
    assert done.out == ""
    for text in texts:
        assert text in done.err


# What is made ------------------------------------------------------------------------------------------------------


def test_the_factory_is_called_once_with_what_is_given_and_overrides_apply_to_what_it_makes(
    app: App, recipes: Recipes
) -> None:
    line = ["exp.optimizers.2.lr=9", "exp._factory_.num_nodes=4", "exp.limit=2", "exp._factory_.depth=3", "exp.steps=7"]
    done = app.inline(*line)
    assert recipes.calls == [(1, 1), (4, 3)]  # what it makes by default, and what is asked for
    assert "('steps', 7)" in done.result
    assert "('limit', 2)" in done.result
    assert "SGD(lr=1.0, momentum=0.0, nesterov=False), SGD(lr=9, momentum=0.0, nesterov=False)" in done.result


@settings(max_examples=laws.tries(30), derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=st.fixed_dictionaries(
        {},
        optional={
            "num_nodes": st.integers(1, 5),
            "depth": st.integers(0, 3),
            "ratio": st.floats(0, 8),
            "name": st.sampled_from(["x", "y z", "null", "1"]),
        },
    ),
    steps=st.none() | st.integers(0, 9),
    first=st.booleans(),
)
def test_what_is_composed_with_arguments_is_what_a_factory_with_these_makes(
    app: App, recipes: Recipes, arguments: dict[str, Any], steps: int | None, first: bool
) -> None:
    from nemo_partial_hydra.composition.registry import REGISTRY

    nph.recipe(group="exp", name="bound")(functools.partial(recipes.llama, **arguments))
    REGISTRY.entries["exp/bound"] = REGISTRY.entries.pop("exp/bound")
    texts = {name: f"'{value}'" if isinstance(value, str) else value for name, value in arguments.items()}
    given = [f"exp._factory_.{name}={value}" for name, value in texts.items()]
    result = [] if steps is None else [f"exp.steps={steps}"]
    composed = app.compose(*([*result, *given] if first else [*given, *result]))
    bound = app.compose("exp=bound", *result)
    del REGISTRY.entries["exp/bound"]
    assert plain(composed.exp) == plain(bound.exp)
    assert nph.run(composed, allow=["shop"]) == nph.run(bound, allow=["shop"])


def plain(node: Any) -> dict[Any, Any]:
    made: Any = OmegaConf.to_container(node)
    return {key: value for key, value in made.items() if key != "_factory_"}


def test_a_factory_with_a_required_argument(app: App, recipes: Recipes) -> None:
    assert "('name', '8b')" in app.inline("exp=needs", "exp.steps=3", "exp._factory_.size=8b").result
    assert recipes.calls == [("8b", 1)]
    missing = "Error: exp._factory_.size: needs requires it (str); set exp._factory_.size=..."
    check(app.inline("exp=needs"), missing)
    check(app.inline("exp=needs", "exp.steps=3"), missing)
    check(app.inline("-m", "exp=needs", "exp.steps=3,4"), missing)
    assert "('steps', 6), ('tags'" in app.inline("exp._factory_.size=8b", config_name="unmade").result
    assert app.left() == {name for name in app.left() if name.startswith("outputs")}


def test_a_recipe_at_the_root(app: App, recipes: Recipes) -> None:
    assert "('steps', 300)" in app.inline("_factory_.num_nodes=3", config_name="top").result
    done = app.inline("steps=5", "_factory_.num_nodes=3", config_name="alone")
    assert "('steps', 5)" in done.result
    assert recipes.calls[-1] == (3, 1)


def test_files_give_arguments(app: App, recipes: Recipes) -> None:
    assert "('steps', 8)" in app.inline(config_name="few").result
    assert recipes.calls[-1] == (2, 1)
    assert "('steps', 200)" in app.inline(config_name="before").result
    assert "('steps', 500)" in app.inline("exp._factory_.num_nodes=5", config_name="before").result
    assert "('steps', 2)" in app.inline("exp=of_file").result
    assert recipes.calls[-1] == (4, 1)


def test_what_holds_in_a_file_holds_after_an_argument(app: App, recipes: Recipes) -> None:
    done = app.inline("exp._factory_.num_nodes=3", "exp._factory_.name=z", config_name="few")
    assert "('name', 'z')" in done.result
    assert "('steps', 8)" in done.result


def test_sweeps(app: App, recipes: Recipes) -> None:
    done = app.inline("-m", "exp.limit=5", "exp._factory_.depth=1,2", "exp.optimizers.0.lr=3,4")
    results = [line for line in done.out.splitlines() if line.startswith("RESULT")]
    assert [line.count("SGD(") for line in results] == [1, 1, 2, 2]
    assert [("lr=3" in line, "('limit', 5)" in line) for line in results] == [(True, True), (False, True)] * 2
    assert recipes.calls == [(1, 1), (1, 1), (1, 2)]
    check(app.inline("-m", "exp._factory_.num_nodes=1,0"), "llama(num_nodes=0) raised LookupError", "num_nodes=0\n")
    check(
        app.inline("-m", "exp._factory_.num_nodes=${hydra:job.num}", "exp.limit=1,2"), "hydra:job.num is not known yet"
    )
    check(app.inline("-m", "exp._factory_.num_nodes=1,x"), "exp._factory_.num_nodes: expected int, got 'x'")


def test_calls_of_a_factory_may_share_objects(app: App, recipes: Recipes) -> None:
    """What a later call does to them changes nothing of what an earlier one has given."""
    shop = recipes.shop
    kept, limits = functools.partial(shop.train, optimizers=[shop.SGD()]), [1]

    @nph.recipe(group="exp")
    def shared(num_nodes: int = 1, more: list[int] = limits) -> Any:
        more.append(num_nodes)
        kept.keywords.update(steps=num_nodes, limit=list(more))
        kept.keywords["optimizers"][0].lr = num_nodes / 4
        return kept

    for number in (3, 4, 1):
        config = app.compose("exp=shared", f"exp._factory_.num_nodes={number}")
        assert (config.exp.steps, config.exp.optimizers[0].lr) == (number, number / 4)
        assert config.exp.limit[-1] == number
    assert app.compose("exp=shared", "exp._factory_.num_nodes=4", "exp.steps=9").exp.optimizers[0].lr == 1.0


def test_a_reference_to_another_value(app: App, recipes: Recipes) -> None:
    assert "('steps', 300)" in app.inline("exp._factory_.num_nodes=${nodes}").result
    assert "('steps', 700)" in app.inline("exp._factory_.num_nodes=${nodes}", "exp.limit=1", "nodes=7").result


def test_an_argument_that_is_set_back(app: App, recipes: Recipes) -> None:
    assert "('steps', 8)" in app.inline("~exp._factory_.num_nodes", config_name="few").result
    assert set(recipes.calls) == {(1, 1)}


def test_another_target_for_another_argument(app: App, recipes: Recipes) -> None:
    assert app.inline("exp=either", "exp._factory_.kind=need", "exp.colour=blue").result == "4 blue"
    check(
        app.inline("exp=either", "exp._factory_.kind=need", "exp.steps=3"), "exp.steps: need has no parameter 'steps'"
    )


# Mistakes ----------------------------------------------------------------------------------------------------------

MISTAKES: list[tuple[list[str], list[str]]] = [
    (["exp._factory_.num_nodes=abc"], ["exp._factory_.num_nodes: expected int, got 'abc'"]),
    (["exp._factory_.num_node=2"], ["exp._factory_.num_node: the factory llama takes no 'num_node'; did you mean"]),
    (["exp._factory_.zz=2"], ["takes no 'zz'; it takes num_nodes, depth, ratio, name"]),
    (["exp._factory_.num_nodes=0"], ["Error: exp._factory_: llama(num_nodes=0) raised LookupError: at least one node"]),
    (["exp._factory_.num_nodes=0", "exp.limit=1"], ["llama(num_nodes=0) raised LookupError"]),
    (["exp=either", "exp._factory_.kind=other"], ["exp._factory_: either(kind='other'): the recipe 'exp/either' (reg"]),
    (["exp._factory_=3"], ["exp._factory_: expected the arguments of llama by name: exp._factory_.num_nodes=..."]),
    (["exp._factory_=null"], ["exp._factory_: expected the arguments of llama by name"]),
    (["exp._factory_.num_nodes=${exp.limit}"], ["${exp.limit}: an argument of a factory cannot refer to what the fac"]),
    (["exp._factory_.num_nodes=${..limit}"], ["${..limit}: an argument of a factory cannot refer to what the factory"]),
    (["exp._factory_.num_nodes=${nodez}"], ["exp._factory_.num_nodes: ", "nodez"]),
    (
        ["exp._factory_.num_nodes=${hydra:job.num}"],
        ["exp._factory_.num_nodes: ", "hydra:job.num is not known yet"],
    ),
    (["exp._factory_.name=${oc.env:MY_API_KEY}"], ["exp._factory_.name: ", "is a secret, which a factory would write"]),
    (
        ["exp._factory_.num_nodes=2", "exp.stepz=1"],
        ["exp.stepz: train has no parameter 'stepz'; did you mean"],
    ),
]


@pytest.mark.parametrize(("line", "texts"), MISTAKES, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_a_mistake_is_one_message(app: App, recipes: Recipes, line: list[str], texts: list[str]) -> None:
    check(app.inline(*line), *texts)


def test_a_file_gives_no_arguments_to_what_no_registered_factory_makes(app: App, recipes: Recipes) -> None:
    text = "_factory_: no factory makes this recipe; only one that Python code registers (@nph.recipe) takes arguments"
    check(app.inline(config_name="named"), text)
    with pytest.raises(nph.ValidationError, match="only one that Python code registers"):
        nph.from_yaml("_target_: shop.need\nsize: 1\n_factory_: {num_nodes: 2}\n", allow=["shop"])
    with pytest.raises(nph.ValidationError, match=r"only nemo_run calls the factory 'shop\.need'"):
        nph.from_yaml("_target_: shop.need\nsize: 1\n_factory_: shop.need\n", allow=["shop"])


def test_a_factory_that_fails_without_arguments_is_told_of_when_it_is_run(app: App, recipes: Recipes) -> None:
    @nph.recipe(group="exp")
    def picky(size: str = "") -> Any:
        if not size:
            raise LookupError("which size?")
        return functools.partial(recipes.shop.train, name=size)

    assert "('name', 'a')" in app.inline("exp=picky", "exp._factory_.size=a").result
    check(app.inline("exp=picky"), "Error: exp._factory_: picky() raised LookupError: which size?; give it argum")


def test_an_argument_that_may_not_be_named(app: App, recipes: Recipes) -> None:
    @nph.recipe(group="exp")
    def calls(act: Callable[[float], float] | None = None) -> Any:
        return functools.partial(recipes.shop.train, opt=functools.partial(recipes.shop.Adam, act=act))

    done = app.inline("exp=calls", "exp._factory_.act=os.system")
    assert (done.code, done.out) == (3, "")
    assert "exp._factory_.act" in done.err
    assert "'os.system' is not in an allowed package" in done.err
    assert "relu" in app.inline("exp=calls", "exp._factory_.act=shop.relu").result


def test_an_argument_allows_nothing_that_a_config_may_not_say(app: App, recipes: Recipes) -> None:
    @nph.recipe(group="exp")
    def loads(path: str = "a", trust: bool = False) -> Any:
        return functools.partial(load, path=path, trust_remote_code=trust)

    assert app.inline("exp=loads", "exp._factory_.path=b").result == "b False"
    done = app.inline("exp=loads", "exp._factory_.trust=true")
    assert (done.code, done.out) == (3, "")
    assert "exp.trust_remote_code" in done.err


@pytest.mark.parametrize("name", ["os.system", "subprocess.run", "yaml.safe_load", "torch.serialization.load"])
def test_a_function_that_an_argument_names_is_not_trusted(app: App, recipes: Recipes, name: str) -> None:
    """Python code that makes a target of a text says nothing of which texts it is meant for."""

    @nph.recipe(group="exp")
    def by_name(function: str = "shop.train") -> Any:
        return functools.partial(resolve(function)) if function != "torch.serialization.load" else torch_load()

    def torch_load() -> Any:
        return functools.partial(pytest.importorskip("torch").load)

    done = app.inline("exp=by_name", f"exp._factory_.function={name}")
    assert (done.code, done.out) == (3, ""), done
    assert "exp: '" in done.err
    assert "to allow it" in done.err
    assert "4" in app.inline("exp=by_name", "exp._factory_.function=shop.train", "exp.steps=4").result


# A composed config is a value --------------------------------------------------------------------------------------


COPIES: list[Callable[[Any], Any]] = [
    copy.deepcopy,
    copy.copy,
    lambda config: pickle.loads(pickle.dumps(config)),
    lambda config: OmegaConf.merge(config, {}),
    lambda config: OmegaConf.create(OmegaConf.to_container(config)),
]


@pytest.mark.parametrize("made", COPIES)
def test_a_copy_is_the_same_recipe(app: App, recipes: Recipes, made: Callable[[Any], Any]) -> None:
    line = ["exp._factory_.num_nodes=4", "exp._factory_.depth=2", "exp.limit=3"]
    config = app.compose(*line)
    copied = made(config)
    assert nph.run(copied, allow=["shop"]) == nph.run(config, allow=["shop"])
    assert copied.exp.steps == 400
    assert copied.exp._factory_.num_nodes == 4


def test_what_is_merged_over_a_config_counts(app: App, recipes: Recipes) -> None:
    config = OmegaConf.merge(app.compose("exp.limit=3"), {"exp": {"_factory_": {"num_nodes": 4}}})
    assert (config.exp.steps, config.exp.limit) == (400, 3)


def test_in_the_process_of_a_job(app: App, recipes: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    from nemo_partial_hydra.composition import registry

    line = ["exp._factory_.num_nodes=4", "exp._factory_.depth=2", "exp.limit=3"]
    here = nph.run(app.compose(*line), allow=["shop"])
    sent = pickle.loads(pickle.dumps(registry.REGISTRY.packed()))
    there = registry.Registry()
    there.unpack(sent)
    monkeypatch.setattr(registry.REGISTRY, "entries", there.entries)
    assert nph.run(app.compose(*line), allow=["shop"]) == here
    assert there.entries["exp/llama"].sent


def test_what_the_function_of_an_app_gets(app: App, recipes: Recipes) -> None:
    import hydra

    def call(config: Any) -> Any:
        made = hydra.utils.instantiate(config.exp, **whitelist())()
        return made["steps"], config.exp.steps, config.exp._factory_.num_nodes

    assert app.inline("exp._factory_.num_nodes=4", call=call).result == "(400, 400, 4)"


def whitelist() -> dict[str, Any]:
    """Return what ``instantiate`` wants to know from Hydra 1.4 on."""
    import hydra

    return {} if hydra.__version__ < "1.4" else {"_execution_whitelist_": ["shop.*"]}


def test_in_a_plain_app(app: App, recipes: Recipes) -> None:
    import hydra

    config = app.compose("exp._factory_.num_nodes=4", "exp.limit=3", typed=False)
    made = hydra.utils.instantiate(config.exp, **whitelist())()
    assert (config.exp.steps, made["steps"], made["limit"]) == (400, 400, 3)
    unmade = app.compose("exp=needs", typed=False)
    with pytest.raises(nph.ValidationError, match="needs requires it"):
        nph.run(unmade, allow=["shop"])
    with pytest.raises(AttributeError, match="needs requires it"):
        _ = unmade.exp.steps


# Listing, completion, jobs -----------------------------------------------------------------------------------------


def test_the_listing_has_the_arguments(app: App, recipes: Recipes) -> None:
    listed = {info.path: info for info in nph.paths(app.compose("exp._factory_.depth=2"), allow=["shop"])}
    nodes, depth = listed["exp._factory_.num_nodes"], listed["exp._factory_.depth"]
    assert (nodes.type, nodes.value, nodes.default, nodes.set, nodes.doc) == ("int", 1, 1, False, "")
    assert (depth.value, depth.set, depth.override) == (2, True, "exp._factory_.depth=2")
    assert "exp.optimizers.1.lr" in listed
    unmade = {info.path: info for info in nph.paths(app.compose("exp=needs"), allow=["shop"])}
    assert (unmade["exp._factory_.size"].required, unmade["exp._factory_.size"].override) == (
        True,
        "'exp._factory_.size=???'",
    )


def test_the_listing_says_who_gave_an_argument(app: App, recipes: Recipes) -> None:
    done = app.inline("--cfg-paths", "exp._factory_.depth=2", config_name="few")
    lines = {line.split()[0]: line.split() for line in done.out.splitlines()}
    assert lines["exp._factory_.num_nodes"][1:] == ["int", "2", "conf/few.yaml:5"]
    assert lines["exp._factory_.depth"][1:] == ["int", "2", "override", "exp._factory_.depth=2", "(was", "1)"]
    assert lines["exp.optimizers.1.lr"][2] == "1.0"
    assert app.inline("--cfg-paths", "exp=needs").code == 0


def test_every_listed_argument_can_be_given_as_listed(app: App, recipes: Recipes) -> None:
    listed = [info for info in nph.paths(app.compose(), allow=["shop"]) if "_factory_" in info.path]
    assert [info.path for info in listed] == [
        f"exp._factory_.{name}" for name in ("num_nodes", "depth", "ratio", "name")
    ]
    line = [str(info.override) for info in listed]
    assert plain(app.compose(*line).exp) == plain(app.compose().exp)


def test_completion(app: App, recipes: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", f"python app.py {line}")
        return app.inline("-sc", "query=bash").out.split()

    assert completed("exp=needs exp._factory_.") == ["exp._factory_.num_nodes=", "exp._factory_.size="]
    assert completed("exp.steps=1 exp._factory_.d") == ["exp._factory_.depth="]


def test_a_frozen_job_says_the_arguments_and_needs_no_factory(app: App, recipes: Recipes, tmp_path: Path) -> None:
    frozen = nph.freeze(app.compose("exp._factory_.num_nodes=4", "exp.limit=3"), tmp_path / "job", allow=["shop"])
    arguments = frozen.factories["exp"]["arguments"]
    assert arguments == {"num_nodes": 4, "depth": 1, "ratio": 0.5, "name": "x"}
    assert "_factory_" not in frozen.recipe
    assert (frozen.recipe["steps"], frozen.recipe["limit"]) == (400, 3)
    with pytest.raises(nph.ValidationError, match="needs requires it"):
        nph.freeze(app.compose("exp=needs"), tmp_path / "none", allow=["shop"])


def test_the_config_of_a_frozen_app_has_the_arguments(app: App, recipes: Recipes) -> None:
    from nemo_partial_hydra.composition.decode import set_data
    from nemo_partial_hydra.composition.frozen_config import frozen_config, thawed
    from nemo_partial_hydra.runtime import session

    config = app.compose("+title=run_${exp._factory_.num_nodes}", "exp._factory_.num_nodes=${nodes}", "exp.limit=1")

    def recipe(node: Any, path: Any) -> Any:
        return to_data(session.workspace().read_tree(set_data(node), ["shop"]), session.workspace().signature_of)

    frozen = frozen_config(config, recipe, str)
    assert frozen.data["exp"]["_factory_"]["num_nodes"] == "${nodes}"
    found = thawed(frozen, session.workspace().signature_of, resolve)
    assert found.title == "run_3"
    assert nph.run(found, allow=["shop"]) == nph.run(config, allow=["shop"])
    again = pickle.loads(pickle.dumps(found))
    assert nph.run(again, allow=["shop"]) == nph.run(config, allow=["shop"])


def test_a_difference_names_the_arguments(app: App, recipes: Recipes, tmp_path: Path) -> None:
    from nemo_partial_hydra.listing.diff import compare
    from nemo_partial_hydra.listing.recipe_file import listing_of

    for number in (1, 2):
        nph.freeze(app.compose(f"exp._factory_.num_nodes={number}"), tmp_path / str(number), allow=["shop"])
    sides = [listing_of(str(tmp_path / name), (None, None), ["shop"]) for name in ("1", "2")]
    assert compare(*sides).changed == [("steps", 100, 200), ("exp._factory_.num_nodes", 1, 2)]
