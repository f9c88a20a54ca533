"""What was captured is what the object is: for objects that remember how they were made, and were changed since."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import math
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar

import fiddle
import nemo_run as run
import pytest
from hydra import compose, initialize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.registry import Registry
from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.recipes.capture import capture
from nemo_partial_hydra.recipes.likeness import same
from nemo_partial_hydra.recipes.tree import CONFIG, Call
from tests.support import laws
from tests.support import remembering as r
from tests.support.apps import VERSION_BASE


def recipe(**objects: Any) -> Any:
    """Make a recipe that holds objects as they are."""
    p = run.Partial(r.train)
    for name, value in objects.items():
        setattr(p, name, value)
    return p


def captured(obj: Any) -> Any:
    """Return the buildable that an object is captured as."""
    q = nph.from_yaml(nph.to_yaml(recipe(a=obj)))
    assert same(q, nph.build(nph.to_config(recipe(a=obj))))
    return q.a


def again(obj: Any) -> Any:
    """Make an object of what another one was captured as."""
    return fiddle.build(captured(obj))


def refusal(obj: Any) -> str:
    with pytest.raises(CaptureError) as caught:
        nph.to_yaml(recipe(a=obj))
    text = str(caught.value)
    assert text.startswith("a: ")
    assert "nph.raw" in text
    nph.to_config(recipe(a=nph.raw(obj)))  # the way out that the message names
    return text


def set_of(buildable: Any) -> dict[str, Any]:
    return dict(buildable.__arguments__)


# NeMo's ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["tracked", "not tracked"])
def config(request: pytest.FixtureRequest) -> r.LayerConfig:
    """NeMo tracks the first class of a family that is made; the others it forgets to."""
    r.LayerConfig()
    return r.LayerConfig() if request.param == "tracked" else r.DeepConfig()


def test_a_config_that_nobody_changed_sets_nothing(config: r.LayerConfig) -> None:
    assert set_of(captured(config)) == {}
    assert set_of(captured(r.Model(config))).keys() == {"config"}


def test_a_config_that_was_changed_before_it_was_passed_on(config: r.LayerConfig) -> None:
    config.num_layers = 3
    model = again(r.Model(config))
    assert model.config.num_layers == 3
    assert same(model.config, config)


def test_a_config_that_was_changed_after_it_was_passed_on(config: r.LayerConfig) -> None:
    model = r.Model(config)
    config.hidden_size = 16
    config.names.append("x")
    assert same(again(model).config, config)
    assert again(model).config.ffn_hidden_size == 256  # as it was made; made anew from 16 it would be 64
    model.config = r.LayerConfig(heads=2)
    assert again(model).config.heads == 2


def test_a_derived_value_that_nobody_changed_follows_overrides() -> None:
    cfg = nph.to_config(recipe(a=r.LayerConfig(hidden_size=32)))
    cfg.a.hidden_size = 16
    assert fiddle.build(nph.build(cfg).a).ffn_hidden_size == 64


def test_nested_objects_are_looked_into() -> None:
    model = r.Model(r.LayerConfig(), r.Optim(r.OptimConfig()))
    model.optim.config.lr = 0.5
    model.optim.scale = 3.0
    made = again(model)
    assert (made.optim.config.lr, made.optim.scale) == (0.5, 3.0)
    model = r.Model(r.LayerConfig())
    assert "optim" not in set_of(captured(model))
    model.optim.config.lr = 0.75
    assert again(model).optim.config.lr == 0.75


def test_one_object_stays_one_object() -> None:
    config = r.LayerConfig()
    p = recipe(one=r.Model(config), other=r.Model(config), config=config)
    config.num_layers = 5
    q = nph.from_yaml(nph.to_yaml(p))
    assert q.one.config is q.other.config
    assert q.one.config is q.config
    assert q.config.num_layers == 5


def test_an_object_is_the_same_one_where_only_its_arguments_are_remembered() -> None:
    config = r.LayerConfig()
    reader = r.Reader(config)
    config.num_layers = 5
    for p in (recipe(a=reader, b=config), recipe(a=config, b=reader), recipe(a=r.Model(config), b=reader)):
        q = nph.from_yaml(nph.to_yaml(p))
        parts = [part for part in (q.a, q.b) if part.__fn_or_cls__ is not r.LayerConfig]
        configs = {id(part.config) for part in parts} | {id(part) for part in (q.a, q.b) if part not in parts}
        assert len(configs) == 1
        assert parts[0].config.num_layers == 5


def test_what_the_constructor_makes_of_its_arguments_is_no_change() -> None:
    data = r.Data()
    assert set_of(captured(data)) == {}
    data = r.Data(root="/x", sizes=(1, 2), double=5, seed=3, more=1)
    assert set_of(captured(data)) == {"root": "/x", "sizes": (1, 2), "double": 5, "seed": 3, "more": 1}
    assert again(data).kwargs == {"more": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root", pathlib.Path("/y")),
        ("root", "/x"),
        ("sizes", [7]),
        ("sizes", (1, 2)),
        ("batch", 9),
        ("options", {"a": 1}),
        ("_seed", 11),
    ],
)
def test_a_change_is_captured_whatever_the_constructor_makes_of_it(name: str, value: Any) -> None:
    for data in (r.Data(), r.Data(root="/x", sizes=(1, 2), batch=5, seed=3)):
        setattr(data, name, value)
        made = getattr(again(data), name)
        assert made == type(made)(value)  # as the constructor makes it of that


def test_a_change_that_the_constructor_would_not_give_is_refused_with_both_values() -> None:
    data = r.Data(double=5)
    data.double = 11
    text = refusal(data)
    assert text.startswith("a: a Data object whose 'double' is 11 (it was made with 5) and would be 22 when made again")
    data = r.Data()
    data.tokenizer = r.Vocabulary()
    assert set_of(captured(data)) == {}
    data.tokenizer.words.append("c")
    with pytest.raises(CaptureError, match=r"^a\.tokenizer: "):
        nph.to_yaml(recipe(a=data))


def test_what_only_a_property_gives_is_compared_too() -> None:
    trainer = r.Trainer(strategy=r.Optim(r.OptimConfig(), scale=2.0), steps=5)
    assert set_of(captured(trainer)).keys() == {"strategy", "steps"}
    trainer.strategy.scale = 4.0
    assert again(trainer).strategy.scale == 4.0
    trainer.steps = 8
    assert again(trainer).steps == 8


def test_what_an_owner_has_put_into_an_object_is_no_change() -> None:
    """A trainer gives its strategy an environment, which nobody can write."""
    trainer = r.Trainer(strategy=r.Strategy(size=2))
    assert set_of(captured(trainer).strategy) == {"size": 2}
    trainer.strategy.size = 3
    assert set_of(captured(trainer).strategy) == {"size": 3}
    assert set_of(captured(r.Trainer(strategy=r.Strategy())).strategy) == {}


def test_an_object_that_cannot_be_made_twice_gives_what_it_holds() -> None:
    made = r.Explosive(a=2)
    assert set_of(captured(made)) == {"a": 2, "b": [1]}
    made.a = 3
    assert set_of(captured(made))["a"] == 3


def test_a_change_that_the_constructor_refuses_is_an_error_of_its_own() -> None:
    config = r.LayerConfig()
    config.hidden_size = 3
    assert "hidden_size=3, of which its constructor says ValueError: hidden_size must be divisible" in refusal(config)


class Array:
    """An array whose comparison gives an array."""

    shape, dtype = (2,), "float"

    def __init__(self, *values: float) -> None:
        self.values = values

    def __eq__(self, other: object) -> Any:
        assert isinstance(other, Array)
        return Array(*(float(a == b) for a, b in zip(self.values, other.values, strict=True)))

    def __ne__(self, other: object) -> Any:
        assert isinstance(other, Array)
        return Array(*(float(a != b) for a, b in zip(self.values, other.values, strict=True)))

    def __and__(self, other: Any) -> Array:
        return Array(*(a * b for a, b in zip(self.values, other.values, strict=True)))

    def __or__(self, other: Any) -> Array:
        return Array(*(max(a, b) for a, b in zip(self.values, other.values, strict=True)))

    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous")

    def all(self) -> bool:
        """Whether all are true."""
        return all(self.values)

    __hash__ = None  # type: ignore[assignment]


def test_values_that_compare_oddly() -> None:
    for value in (math.nan, r.Odd(1), Array(1.0, math.nan), functools.partial(r.train, a=math.nan), {"a": r.Odd(1)}):
        assert same(value, value)
        assert same(copy.deepcopy(value), value)
    for one, other in (
        (r.Odd(1), r.Odd(2)),
        (Array(1.0, 2.0), Array(1.0, 3.0)),
        (math.nan, 1.0),
        (functools.partial(r.train, a=1), functools.partial(r.train, a=2)),
        (1, True),
        ([1], (1,)),
    ):
        assert same(one, other) is False
    holder = r.Holder(c=math.nan)
    assert set(set_of(captured(holder))) == {"c"}
    assert set_of(captured(r.Holder())) == {}
    for value in (r.Odd(1), Array(1.0)):  # no text form: kept, and refused where it would have to be written
        held = r.Holder(a=nph.raw(value))
        assert set(set_of(nph.build(nph.to_config(recipe(a=held))).a)) == {"a"}
        held = r.Holder()
        held.a = value
        with pytest.raises(CaptureError, match=r"^a\.a: "):
            nph.to_yaml(recipe(a=held))


# Data classes ------------------------------------------------------------------------------------------------------


def test_data_classes_are_captured_by_what_they_hold() -> None:
    seeded = r.Seeded()
    for obj in (
        r.Frozen(2, r.Frozen()),
        r.Slotted(1, [2]),
        seeded,
        r.Total(3, 4),
        r.Stamped(2),
        r.Cached(4),
        r.Appending([1]),
        r.Attrs(2, 3, "y", 6, [1]),
        r.FrozenAttrs(1, r.FrozenAttrs(2)),
        r.Pydantic(a=2, cc=5),
        r.Pydantic(b=[1], child=r.Pydantic(a=3)),
        r.Point(1, r.Point()),
        functools.partial(r.train, a=r.Frozen(3)),
    ):
        made = again(obj)
        if not isinstance(obj, (r.Stamped, functools.partial)):
            assert made == obj
    assert set_of(captured(r.Pydantic(a=2))) == {"a": 2}


def test_capturing_changes_nothing() -> None:
    items = [1]
    made = r.Appending(items)
    del items[1:]
    captured(recipe(a=r.Frozen()).a)
    text = refusal(made)
    assert "'items' is [1] and would be [1, 0] when made again" in text
    assert items == [1]


def test_a_cached_property_is_no_change() -> None:
    cached = r.Cached(3)
    assert cached.twice == 6
    assert again(cached).twice == 6


CHANGED: dict[str, tuple[Callable[[], Any], str, Any]] = {
    "frozen": (r.Frozen, "a", 5),
    "attrs": (r.Attrs, "a", 5),
    "attrs_private": (r.Attrs, "_hidden", 5),
    "attrs_alias": (r.Attrs, "other", 6),
    "frozen_attrs": (lambda: r.FrozenAttrs(1), "child", [1]),
    "pydantic": (r.Pydantic, "a", 7),
    "pydantic_alias": (r.Pydantic, "c", 7),
    "slots": (lambda: r.Slotted(1, 2), "b", 3),
}


@pytest.mark.parametrize(("make", "name", "value"), CHANGED.values(), ids=CHANGED.keys())
def test_a_changed_field(make: Callable[[], Any], name: str, value: Any) -> None:
    obj = make()
    object.__setattr__(obj, name, value)
    assert getattr(again(obj), name) == value


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "computed field": (lambda: changed(r.Total(), total=9), "'total' is 9 and would be 3 when made again"),
    "stale computed field": (lambda: changed(r.Total(), a=9), "'total' is 3 and would be 11 when made again"),
    "not kept": (lambda: r.Seeded(7), "'noise' is 700 and would be 300 when made again"),
    "doubled": (lambda: r.Doubled(3), "'size' is 6 and would be 12 when made again"),
    "added": (lambda: changed(r.Frozen(), more=5), "'more' is 5 and would be missing when made again"),
    "attrs": (lambda: changed(r.Attrs(), made=8), "'made' is 8 and would be 9 when made again"),
    "pydantic": (lambda: hidden(r.Pydantic()), "'_secret' is 5 and would be 4 when made again"),
    "named tuple": (lambda: changed(r.Taught(1), more=5), "'more' is 5 and would be missing when made again"),
    "partial": (lambda: changed(functools.partial(r.train), more=1), "an attribute 'more' of its own (1)"),
}


def changed(obj: Any, **values: Any) -> Any:
    for name, value in values.items():
        object.__setattr__(obj, name, value)
    return obj


def hidden(model: Any) -> Any:
    model._secret = 5
    return model


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_argument_gives_is_refused(make: Callable[[], Any], said: str) -> None:
    assert said in refusal(make())


# The law -----------------------------------------------------------------------------------------------------------

small = st.integers(1, 9)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "num_layers": small,
    "hidden_size": small.map(lambda n: 8 * n),
    "heads": st.sampled_from([1, 2, 4, 8]),
    "ffn_hidden_size": small,
    "init_std": st.floats(0, 1),
    "names": st.lists(st.text(max_size=3), max_size=3),
    "kind": st.sampled_from(list(r.Kind)),
}
changes = st.fixed_dictionaries({}, optional=VALUES)


@given(changes, changes, changes, st.sampled_from([r.LayerConfig, r.DeepConfig]))
@settings(max_examples=laws.tries(100), suppress_health_check=list(HealthCheck), deadline=None)
def test_any_change_at_any_time(at_first: Any, before: Any, after: Any, kind: Any) -> None:
    config = kind(**at_first)
    changed(config, **before)
    model = r.Model(config)
    changed(config, **after)
    made = again(model)
    assert same(made.config, config)
    assert same(made.optim, model.optim)
    assert same(again(config), config)


field_changes = st.fixed_dictionaries(
    {}, optional={"a": small, "_hidden": small, "where": small.map(lambda n: pathlib.Path(str(n))), "other": small}
)


@given(field_changes, st.fixed_dictionaries({}, optional={"a": small, "b": st.lists(small)}), small, small)
@settings(max_examples=laws.tries(100), suppress_health_check=list(HealthCheck), deadline=None)
def test_any_change_of_data_classes(attrs: Any, pydantic: Any, a: int, b: int) -> None:
    one = changed(r.Attrs(), **attrs)
    two = r.Pydantic()
    for name, value in pydantic.items():
        setattr(two, name, value)
    two.b.append(a)
    three = changed(r.Frozen(b=one), a=a)
    four = functools.partial(r.train, a=two, b=r.Point(b, three))
    for obj in (one, two, three):
        assert again(obj) == obj
    made = again(four)
    assert made.keywords == four.keywords


# Where a recipe is kept --------------------------------------------------------------------------------------------


def test_a_registered_recipe_is_what_it_is_when_it_is_chosen() -> None:
    p = recipe(a=1, config=r.LayerConfig(), marked=nph.raw(r.Vocabulary()))
    nph.store(p, name="nph_changed_later")
    for layers in (32, 3, 4):
        p.config.num_layers = p.a = layers
        with initialize(config_path=None, **VERSION_BASE):
            cfg = compose("nph_changed_later")
        assert (cfg.a, nph.run(cfg)["config"].num_layers) == (layers, layers)


def test_a_registered_recipe_is_what_it_is_when_it_is_sent_to_another_process() -> None:
    registry = Registry()
    p = recipe(a=1)
    registry.store(p, None, "sent", None, "here:1")
    for value in (1, 2, 3):
        p.a = value
        (packed,) = registry.packed()
        assert packed.make().a == value
        assert registry.packed() == [packed]


def test_a_target_that_is_defined_again_has_its_new_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a cell of a notebook that is run again."""
    cell: Any = types.ModuleType("nph_cell")
    monkeypatch.setitem(sys.modules, "nph_cell", cell)
    exec("def f(a=1, b=2): return a, b", cell.__dict__)
    assert nph.to_config(run.Partial(cell.f, a=5)).b == 2
    exec("def f(a=1, c=3): return a, c", cell.__dict__)
    cfg = nph.to_config(run.Partial(cell.f, a=5))
    assert (set(cfg), cfg.c) == ({"_target_", "_partial_", "a", "c"}, 3)
    cfg.c = 4
    assert nph.run(cfg) == (5, 4)


class Pickled:
    """An object that only a private function makes again."""

    def __init__(self) -> None:
        self.payload = b"x"

    def __reduce__(self) -> Any:
        return _load, (self.payload,)


def _load(payload: bytes) -> Pickled:
    return Pickled()


def test_an_object_that_has_every_attribute_remembers_nothing() -> None:
    assert "a Everything object, which cannot say how it was made" in refusal(r.Everything(1))


def test_what_only_a_pickle_would_call_is_no_recipe() -> None:
    assert "a Pickled object, which cannot say how it was made" in refusal(Pickled())


def test_attributes_that_the_constructor_takes_as_any_keyword() -> None:
    """As the configs of Hugging Face's models keep theirs."""
    made: Any = r.AnyKeyword(a=2, layers=3)
    assert vars(again(made)) == {"a": 2, "layers": 3}
    made.heads = 4
    assert vars(again(made)) == {"a": 2, "layers": 3, "heads": 4}


# What a dataclass does not ask for ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Shared:
    """A dataclass with an attribute that all objects share."""

    a: int = 1
    limit: ClassVar[int] = 3


@dataclasses.dataclass(eq=False)
class Itself:
    """A dataclass that is equal to itself alone."""

    a: int = 1


@dataclasses.dataclass
class Asking:
    """A dataclass that compares in a way of its own."""

    a: int = 1

    def __eq__(self, other: object) -> bool:
        """Ask for more than the fields."""
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def test_what_is_no_field_is_left_out_where_somebody_wants_to_know() -> None:
    lost: list[tuple[Any, Any]] = []
    tree = capture({"x": changed(Shared(2), more=5)}, losing=lambda path, value: lost.append((path, value)))
    assert lost == [(("x", "more"), 5)]
    assert tree == capture({"x": Shared(2)})


@pytest.mark.parametrize(
    ("obj", "name"),
    [
        (changed(Shared(), limit=4), "limit"),  # others read what all share
        (changed(Itself(), more=5), "more"),
        (changed(Asking(), more=5), "more"),
        (changed(r.Attrs(), made=8), "made"),
        (changed(r.Total(), total=9), "total"),
    ],
)
def test_what_counts_is_refused_all_the_same(obj: Any, name: str) -> None:
    with pytest.raises(CaptureError, match=f"whose '{name}' is"):
        capture(obj, losing=lambda path, value: pytest.fail(f"{path} was lost"))


def test_dicts_with_other_defaults_are_not_the_same() -> None:
    assert same(collections.defaultdict(set), collections.defaultdict(set)) is True
    assert same(collections.defaultdict(set), collections.defaultdict(list)) is False


@dataclasses.dataclass
class Grouping:
    """A field whose default has no form here."""

    groups: dict[str, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))


def test_a_default_that_a_factory_makes_needs_no_form() -> None:
    assert capture(Grouping()) == Call(f"{__name__}.Grouping", {}, (), CONFIG)
    filled = Grouping()
    filled.groups["a"].add("b")
    with pytest.raises(CaptureError, match="groups: a defaultdict object"):
        capture(filled)
