"""The laws: ``build(to_config(p)) == p`` and ``from_yaml(to_yaml(p)) == p``, and one example of each construct."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime
import decimal
import functools
import http
import io
import math
import operator
import pathlib
import pickle
import textwrap
from collections.abc import Callable
from typing import Any

import fiddle
import nemo_run as run
import pytest
from hypothesis import HealthCheck, assume, given, settings
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.errors import CaptureError, RecipeError
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from nemo_partial_hydra.signatures.convert import same
from tests.support import laws
from tests.support import targets as t
from tests.support.strategies import difference, fiddle_equal, nested, recipes

T = "tests.support.targets"
Way = Callable[[Any], Any]


def by_yaml(p: Any) -> Any:
    return nph.from_yaml(nph.to_yaml(p))


def by_config(p: Any) -> Any:
    return nph.build(nph.to_config(p))


def by_copy(p: Any) -> Any:
    return nph.build(copy.deepcopy(nph.to_config(p)))


def by_pickle(p: Any) -> Any:
    return nph.build(pickle.loads(pickle.dumps(nph.to_config(p))))


def by_merge(p: Any) -> Any:
    """As a part of a larger config, which is how Hydra composes it."""
    return nph.build(OmegaConf.merge({"unrelated": 1}, {"job": nph.to_config(p)}))


WAYS = (by_yaml, by_config, by_copy, by_pickle, by_merge)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


def check(way: Way, p: Any) -> Any:
    """Check the law for one recipe and return what came back."""
    q = way(p)
    assert difference(p, q) is None
    assert fiddle_equal(p, q) in (True, None)
    assert type(q) is type(p)
    return q


def law(examples: int) -> Callable[[Any], Any]:
    def decorate(test: Any) -> Any:
        wanted = settings(max_examples=laws.tries(examples), suppress_health_check=list(HealthCheck))
        return wanted(given(recipes())(test))

    return decorate


# The laws ----------------------------------------------------------------------------------------------------------


@law(150)
def test_yaml_is_lossless(p: Any) -> None:
    check(by_yaml, p)


@law(150)
def test_config_is_lossless(p: Any) -> None:
    check(by_config, p)


@law(40)
def test_a_copied_config_builds_the_same(p: Any) -> None:
    check(by_copy, p)


@law(60)
def test_a_pickled_config_builds_the_same(p: Any) -> None:
    check(by_pickle, p)


@law(60)
def test_a_merged_config_builds_the_same(p: Any) -> None:
    check(by_merge, p)


@law(60)
def test_yaml_of_what_was_read_is_the_same_text_of_the_same_tree(p: Any) -> None:
    q = by_yaml(p)
    assert same(WORKSPACE.captured(p), WORKSPACE.captured(q))
    assert nph.to_yaml(q) == nph.to_yaml(p)


@law(60)
def test_yaml_of_what_the_config_gave_back_says_the_same(p: Any) -> None:
    check(by_yaml, by_config(p))


@law(40)
def test_unset_stays_unset_and_set_stays_set(p: Any) -> None:
    for way in (by_yaml, by_config):
        assert _set_arguments(way(p)) == _set_arguments(p)


def _set_arguments(value: Any) -> Any:
    if isinstance(value, fiddle.Buildable):
        return {str(name): _set_arguments(held) for name, held in value.__arguments__.items()}
    if isinstance(value, dict):
        return [_set_arguments(held) for held in value.values()]
    return [_set_arguments(held) for held in value] if isinstance(value, (list, tuple)) else None


@given(recipes(depth=2))
@settings(max_examples=laws.tries(40), suppress_health_check=list(HealthCheck))
def test_the_oracle_sees_a_changed_argument(p: Any) -> None:
    """The tests above can fail: a change anywhere makes a difference."""
    q = copy.deepcopy(p)
    assert difference(p, q) is None
    assume(q.__arguments__)
    name = sorted(q.__arguments__, key=str)[0]
    del q.__arguments__[name]
    assert difference(p, q) is not None


# One value at a time -----------------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "one": 1,
    "one_float": 1.0,
    "minus_zero": -0.0,
    "big": 10**30,
    "bigger": 10**400,
    "too_big_for_decimal_text": 10**5000,
    "small_float": 5e-324,
    "inf": math.inf,
    "minus_inf": -math.inf,
    "nan": math.nan,
    "empty_text": "",
    "text_null": "null",
    "text_true": "true",
    "text_float": "1e-3",
    "text_int": "12",
    "text_missing": "???",
    "text_interpolation": "${x}",
    "text_relative": "${.x}",
    "text_resolver": "${oc.env:HOME}",
    "text_nested": "${a:${b}}",
    "text_backslash": "\\${x}",
    "text_half": "${",
    "text_lines": "a\nb\n",
    "text_spaces": " a ",
    "text_control": "\x00\x07\x85",
    "text_date": "2020-01-01",
    "text_name": f"{T}.Color.RED",
    "text_equals": "=",
    "text_merge": "<<",
    "text_emoji": "😀",
    "text_long": "x " * 600,
    "text_surrogate": "\ud800",
    "bytes": b"\x00\xff",
    "empty_bytes": b"",
    "enum": t.Color.GREEN,
    "enum_alias": t.Color.CRIMSON,
    "str_enum": t.Flavour.SOUR,
    "int_enum": t.Level.HIGH,
    "flag": t.Bits.A,
    "sub_enum": t.Round.CIRCLE,
    "stdlib_enum": http.HTTPStatus.OK,
    "path": pathlib.Path("/a/b c"),
    "empty_path": pathlib.Path(),
    "pure_path": pathlib.PurePosixPath("x"),
    "windows_path": pathlib.PureWindowsPath("C:\\x"),
    "path_interpolation": pathlib.Path("${x}"),
    "timedelta": datetime.timedelta(days=1, seconds=3, microseconds=7),
    "negative_timedelta": datetime.timedelta(-1),
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc),
    "date": datetime.date(2026, 1, 2),
    "time": datetime.time(1, 2),
    "decimal": decimal.Decimal("1.10"),
    "complex": 1 + 2j,
    "range": range(1, 10, 2),
    "function": t.double,
    "builtin": len,
    "stdlib_function": math.sqrt,
    "stdlib_class": collections.OrderedDict,
    "class": t.Optimizer,
    "nested_class": t.SubOptimizer.Nested,
    "classmethod": t.Optimizer.default,
    "inherited_classmethod": t.SubOptimizer.default,
    "method": str.upper,
    "operator": operator.add,
    "list": [1, [2.0, ["3"]]],
    "empty_list": [],
    "tuple": (1, (2.0, ("3",))),
    "empty_tuple": (),
    "one_tuple": ((),),
    "set": {1, "1", 2.5, None, (1, "a")},
    "empty_set": set(),
    "frozenset": frozenset({b"a", "b"}),
    "empty_frozenset": frozenset(),
    "set_of_paths": {pathlib.Path("b"), "a", t.Color.RED, 3},
    "dict": {"a": {"b": [1]}},
    "empty_dict": {},
    "odd_keys": {
        1: "int",
        "1": "text",
        -1: "minus",
        "a.b": "dot",
        "a b": "space",
        "": "empty",
        "${x}": 1,
        "???": 2,
        "é": 3,
    },
    "more_keys": {None: 1, True: 2, 2.5: 3, b"b": 4, "null": 5, "true": 6, math.inf: 7, "a\nb": 8, "a: b": 9, "=": 10},
    "one_bytes_key": {b"k": 1},
    "long_key": {"k" * 2000: 1},
    "big_key": {10**400: 1},
    "reserved_keys": {"_target_": "x", "_args_": [1], "_partial_": True},
    "call_key": {"_call_": False},
    "edit_keys": {"_append_": {}, "_delete_": [], "_replace_": {}},
    "convert_key": {"_convert_": "all"},
    "ordered_dict": collections.OrderedDict([("b", 1), ("a", 2)]),
    "list_of_dicts": [{}, {"a": ()}, []],
    "config": run.Config(t.Plain, size=2),
    "partial": run.Partial(t.double, x=2.0),
    "fiddle_config": fiddle.Config(t.Plain),
    "fiddle_partial": fiddle.Partial(t.double),
    "configs": [run.Config(t.Plain), (run.Partial(t.half), {"a": run.Config(dict)})],
    "arg_factory": fiddle.ArgFactory(t.Plain, size=3),
    "dict_config": run.Config(dict, a=1, b=run.Config(t.Plain)),
}


@every_way
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_where_nothing_tells_its_type(value: Any, way: Way) -> None:
    check(way, run.Partial(t.untyped, a=value))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_as_a_keyword_as_a_positional_argument_and_deep_inside(value: Any) -> None:
    for p in (
        run.Config(t.keywords, extra=value),
        run.Config(t.positional, 1, "b", 2.0, value),
        run.Config(t.untyped, a=[{"k": (value,)}]),
    ):
        check(by_yaml, p)
        check(by_config, p)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("way", [by_yaml, by_config], ids=lambda way: way.__name__)
def test_a_value_that_contradicts_every_annotation(value: Any, way: Way) -> None:
    """NeMo's recipes hold such values (T5: ``False`` where a float is meant): they are kept."""
    for name in ("i", "f", "b", "s", "data", "path", "wait", "color", "word", "fn", "day", "oi"):
        check(way, run.Partial(t.typed, **{name: value}))
    for name in ("ints", "floats", "pair", "betas", "names", "colors", "by_int", "nested", "either", "many"):
        check(way, run.Partial(t.contained, **{name: value}))
    check(way, run.Partial(t.takes_options, options=value, shape=value))


@every_way
def test_a_value_set_to_its_default_stays_set(way: Way) -> None:
    p = run.Partial(t.typed, i=0, f=0.5, b=False, s="text", color=t.Color.RED, oi=None)
    assert set(check(way, p).__arguments__) == {"i", "f", "b", "s", "color", "oi"}
    p = run.Partial(t.contained, ints=[], betas=(0.9, 0.999), paths=None, colors={})
    assert set(check(way, p).__arguments__) == {"ints", "betas", "paths", "colors"}


@every_way
def test_unset_parameters_stay_unset(way: Way) -> None:
    for target in (t.typed, t.contained, t.mixed, t.Explosive, t.Plain, t.required, t.odd_defaults, t.contradicting):
        assert check(way, run.Partial(target)).__arguments__ == {}


UNIONS: dict[str, dict[str, Any]] = {
    "tuple_in_union_with_list": {"either": ("a",)},
    "list_in_union_with_tuple": {"either": [1]},
    "contradicting_list": {"either": ["a"]},
    "set_in_union_with_list": {"set_or_list": {"a"}},
    "empty_tuple_in_union": {"either": ()},
    "empty_set_in_union": {"set_or_list": set()},
    "sequence_tuple": {"floats": (1.0,)},
    "sequence_list": {"floats": [1.0]},
    "iterable_tuple": {"many": (1,)},
    "int_keys_as_texts": {"by_int": {"1": "x"}},
    "int_keys": {"by_int": {1: "x"}},
    "both_keys": {"by_int": {1: "x", "1": "y"}},
    "list_for_tuple": {"betas": [0.1]},
    "tuple_for_list": {"ints": (1,)},
    "set_for_tuple": {"pair": {None, (0, ""), "x"}},
    "wrong_length": {"pair": (1,)},
    "texts_for_ints": {"ints": ["1", "2"]},
    "set_for_set_of_others": {"names": {1, "1"}},
    "frozenset_for_set": {"names": frozenset({"a"})},
    "dict_in_list": {"ints": [{"a": 1}]},
    "list_in_dict": {"colors": {"a": [1]}},
    "texts_for_enums": {"colors": {"a": "RED", "b": t.Color.RED}},
    "ints_for_waits": {"waits": (1, datetime.timedelta(1))},
    "dict_for_list": {"ints": {"a": 1}},
    "text_for_list": {"ints": "abc"},
    "list_of_tuples": {"nested": {"a": [(1,), [1]]}},
}


@every_way
@pytest.mark.parametrize("arguments", UNIONS.values(), ids=UNIONS.keys())
def test_containers_that_another_alternative_could_read(arguments: Any, way: Way) -> None:
    check(way, run.Partial(t.contained, **arguments))


TEXTS: dict[str, dict[str, Any]] = {
    "number_text": {"number": "1"},
    "text_number": {"text": 1},
    "where_path": {"where": pathlib.Path("x")},
    "where_text": {"where": "x"},
    "colour_text": {"colour": "RED"},
    "colour_member": {"colour": t.Color.RED},
    "flag_int": {"flag": 1},
    "flag_bool": {"flag": True},
    "real_text": {"real": "1.5"},
    "real_int": {"real": 1},
    "call_text": {"call": f"{T}.double"},
    "call_function": {"call": t.double},
}


@every_way
@pytest.mark.parametrize("arguments", TEXTS.values(), ids=TEXTS.keys())
def test_unions_in_which_a_text_could_be_something_else(arguments: Any, way: Way) -> None:
    check(way, run.Partial(t.mixed, **arguments))


# Sharing -----------------------------------------------------------------------------------------------------------


def _shared(place: str) -> Any:
    one = run.Config(t.Plain, size=5)
    if place == "arguments":
        return run.Partial(t.untyped, a=one, b=one)
    if place == "list":
        return run.Partial(t.untyped, a=[one, one, run.Config(t.Plain, size=5)])
    if place == "deep":
        return run.Partial(t.untyped, a=run.Config(t.Trainer, optimizer=one), b={"x": [(one,)]})
    if place == "keyword_first":
        p = run.Partial(t.keywords)
        p.extra, p.x = one, one
        return p
    if place == "keyword_first_list":
        p, items = run.Partial(t.keywords), [1, [2]]
        p.extra, p.x, p.more = items, items, items[1]
        return p
    if place == "positional":
        return run.Config(t.positional, one, "b", one, one, d=one)
    if place == "inside_shared":
        outer = run.Config(t.Trainer, optimizer=one)
        return run.Partial(t.untyped, a=one, b=[outer, outer], c=outer)
    if place in ("list_object", "dict_object", "set_object"):
        made: Any = {"list_object": [1], "dict_object": {"a": 1}, "set_object": {1}}[place]
        return run.Partial(t.untyped, a=made, b=[made], c={"k": made})
    if place == "empty_lists":
        made = []
        return run.Partial(t.contained, ints=made, paths=made, floats=[])
    if place == "in_tuple":
        return run.Partial(t.untyped, a=(one, (one,)), b=one)
    if place == "path_in_set":
        where = pathlib.Path("zz")
        return run.Partial(t.untyped, a={where, pathlib.Path("b"), "a", 3, None}, b=where, c=[where])
    if place == "reserved_dict":
        return run.Partial(t.untyped, a={"_target_": one, None: [one]}, b=one)
    keys: dict[str, Any] = {
        "int_key": 1,
        "dot_key": "a.b",
        "space_key": "a b",
        "empty_key": "",
        "bytes_key": b"b",
        "none_key": None,
        "bool_key": True,
        "minus_key": -1,
        "unicode_key": "é",
        "bracket_key": "a[0]",
        "brace_key": "a}",
        "float_key": 2.5,
    }
    return run.Partial(t.untyped, a={keys[place]: one, "x": 1}, b=one)


PLACES = (
    "arguments",
    "list",
    "deep",
    "positional",
    "keyword_first",
    "keyword_first_list",
    "inside_shared",
    "list_object",
    "dict_object",
    "set_object",
    "empty_lists",
    "in_tuple",
    "path_in_set",
    "reserved_dict",
    "int_key",
    "dot_key",
    "space_key",
    "empty_key",
    "bytes_key",
    "none_key",
    "bool_key",
    "minus_key",
    "unicode_key",
    "bracket_key",
    "brace_key",
    "float_key",
)


@every_way
@pytest.mark.parametrize("place", PLACES)
def test_one_object_stays_one_object(place: str, way: Way) -> None:
    check(way, _shared(place))


@every_way
def test_equal_objects_stay_two(way: Way) -> None:
    q = check(way, run.Partial(t.untyped, a=run.Config(t.Plain), b=run.Config(t.Plain)))
    assert q.a is not q.b


def test_a_structure_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append({"a": loop})
    with pytest.raises(CaptureError, match=r"a\.0\.a: the structure contains itself"):
        nph.to_yaml(run.Partial(t.untyped, a=loop))


# Positional arguments ----------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[], Any]] = {
    "positional_only": lambda: fiddle.Config(t.positional, 1, "x"),
    "all": lambda: fiddle.Config(t.positional, 1, "x", 2.0, pathlib.Path("p"), pathlib.Path("q"), d=5, e=6),
    "rest": lambda: fiddle.Config(t.record, 1, "2", [3], a=4),
    "by_name": lambda: run.Config(t.untyped, 1, 2, d=3),
    "nemo_run": lambda: run.Config(t.positional, 1, "x"),
    "nested": lambda: fiddle.Config(t.record, fiddle.Config(t.record, (1,)), fiddle.Partial(t.record, {})),
    "value_form": lambda: run.Config(t.untyped, a=fiddle.Config(tuple, [1, 2]), b=fiddle.Config(datetime.timedelta, 3)),
    "path_form": lambda: run.Config(t.untyped, a=fiddle.Config(pathlib.PurePosixPath, "a", "b")),
    "dict_form": lambda: run.Config(t.untyped, a=fiddle.Config(collections.OrderedDict, [("a", 1)])),
}


@every_way
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_positional_arguments(call: Callable[[], Any], way: Way) -> None:
    p = call()
    q = check(way, p)
    assert sorted(map(str, q.__arguments__)) == sorted(map(str, p.__arguments__))


@every_way
def test_keywords_with_any_name(way: Way) -> None:
    names = ("a b", "a.b", "class", "", "1", "é", "keys", "items", "_x_", "a\nb", "flags", "__class_", "signature_")
    for maker in (run.Config, fiddle.Config):
        p = maker(dict, **{name: i for i, name in enumerate(names)})
        assert sorted(check(way, p).__arguments__) == sorted(p.__arguments__)


def tried(way: Way, p: Any) -> Any:
    """Return what came back, or the refusal."""
    try:
        return way(p)
    except CaptureError as error:
        return error


@pytest.mark.parametrize("name", ["_target_", "_partial_", "_args_", "_call_", "_buildable_", "_convert_", "_append_"])
def test_a_reserved_name_of_a_keyword_is_kept_or_refused_with_its_path(name: str) -> None:
    p = run.Partial(t.untyped, a=run.Config(dict, **{name: False, "x": 1}))
    for way in (by_yaml, by_config):
        q = tried(way, p)
        if isinstance(q, CaptureError):
            assert str(q).startswith("a")
            assert name in str(q)
        else:
            assert difference(p, q) is None


def test_tags_are_kept_or_refused() -> None:
    p = run.Partial(t.typed, i=3)
    fiddle.add_tag(p, "i", ATag)
    for way in (by_yaml, by_config):
        q = tried(way, p)
        if isinstance(q, CaptureError):
            assert str(q).startswith("i: ")
        else:
            assert fiddle.get_tags(q, "i") == {ATag}


class ATag(fiddle.Tag):  # type: ignore[misc]
    """A tag of the tests."""


# Depth -------------------------------------------------------------------------------------------------------------

NESTS: dict[str, Callable[[Any], Any]] = {
    "configs": lambda inner: run.Config(t.untyped, a=inner),
    "partials": lambda inner: run.Partial(t.keywords, extra=inner),
    "lists": lambda inner: [inner],
    "tuples": lambda inner: (inner, 1.5),
    "dicts": lambda inner: {"a": inner},
    "odd_dicts": lambda inner: {None: inner},
    "all": lambda inner: run.Config(t.Trainer, callbacks=[{"x": (inner,)}]),
}


@pytest.mark.parametrize("way", [by_yaml, by_config, by_copy], ids=lambda way: way.__name__)
@pytest.mark.parametrize("make", NESTS.values(), ids=NESTS.keys())
def test_thirty_levels(make: Callable[[Any], Any], way: Way) -> None:
    p = run.Partial(t.untyped, a=nested(30, make))
    assert difference(p, way(p)) is None  # fiddle's own == takes twice as long with every level


# Captured automatically --------------------------------------------------------------------------------------------

OBJECTS: dict[str, tuple[Any, Any]] = {
    "dataclass": (
        t.Plain(2, ["a"], t.Plain(), pathlib.Path("p"), t.Color.RED),
        run.Config(
            t.Plain,
            size=2,
            names=["a"],
            where=pathlib.Path("p"),
            mode=t.Color.RED,
            child=run.Config(t.Plain, size=1, names=[], child=None, where=pathlib.Path("a"), mode=t.Color.GREEN),
        ),
    ),
    "frozen": (t.Frozen(3), run.Config(t.Frozen, a=3, b=(1, 2))),
    "partial": (functools.partial(t.double, x=2.5), run.Partial(t.double, x=2.5)),
    "partial_with_positional": (functools.partial(t.positional, 1, "b", d=2), run.Partial(t.positional, 1, "b", d=2)),
    "nested_partial": (
        functools.partial(t.needs_function, functools.partial(t.half, x=1.0)),
        run.Partial(t.needs_function, fn=run.Partial(t.half, x=1.0)),
    ),
    "named_tuple": (t.Point(1, 2.5), run.Config(t.Point, x=1, y=2.5)),
}


def holding(**values: Any) -> Any:
    """Make a recipe that holds objects as they are: nemo_run's constructors turn dataclass instances into configs."""
    p = run.Partial(t.untyped)
    for name, value in values.items():
        setattr(p, name, value)
        assert getattr(p, name) is value
    return p


@every_way
@pytest.mark.parametrize(("value", "expected"), OBJECTS.values(), ids=OBJECTS.keys())
def test_objects_become_nodes_by_themselves(value: Any, expected: Any, way: Way) -> None:
    for place in (lambda v: {"a": v}, lambda v: {"a": [{"x": (v,)}]}):
        q = way(holding(**place(value)))
        assert difference(holding(**place(expected)), q) is None


def test_the_same_dataclass_instance_twice_is_one_object() -> None:
    one = t.Plain()
    for way in (by_yaml, by_config):
        q = way(holding(a=one, b=[one]))
        assert q.a is q.b[0]


@dataclasses.dataclass
class Taught:
    """An object that learns more after it was made."""

    a: int = 1


def _taught() -> Any:
    made = Taught()
    made.more = 5  # type: ignore[attr-defined]
    return made


def _hidden() -> Any:
    made = t.Hidden()
    made.b = 5
    return made


@pytest.mark.parametrize(
    "make",
    [_taught, _hidden, lambda: t.WithInitVar(3)],
    ids=["attribute", "field", "init_var"],
)
def test_an_object_that_its_constructor_would_make_differently_is_refused(make: Callable[[], Any]) -> None:
    """Otherwise running the recipe would silently use another object than the one it was given."""
    with pytest.raises(CaptureError, match=r"^a: "):
        nph.to_yaml(holding(a=make()))


def _local() -> Any:
    def inner() -> None:
        pass

    return inner


UNCAPTURABLE: dict[str, Callable[[], Any]] = {
    "lambda": lambda: lambda: 1,
    "file": lambda: open(__file__),  # noqa: SIM115  # the test closes it
    "vague": lambda: t.Vague(1),
    "generator": lambda: (i for i in "a"),
    "refusing": lambda: t.Refusing(1),
    "arrayish": lambda: t.Arrayish(1),
    "unshown": lambda: t.Unwritable(1),
    "module": lambda: math,
    "bound_method": lambda: t.Vague(1).step,
    "ellipsis_key": lambda: {...: 1},
    "tuple_key": lambda: {(1, 2): 1},
    "enum_key": lambda: {t.Color.RED: 1},
    "local": _local,
    "flags": lambda: t.Bits.A | t.Bits.B,
    "odd_member": lambda: t.Odd["a-b"],
    "defaultdict": lambda: collections.defaultdict(list, a=[1]),
}


@pytest.mark.parametrize("make", UNCAPTURABLE.values(), ids=UNCAPTURABLE.keys())
def test_what_has_no_form_is_refused_with_its_path_and_both_ways_out(make: Callable[[], Any]) -> None:
    value = make()
    p = run.Partial(t.untyped, a=run.Config(t.keywords, extra=[value]))
    for way in (nph.to_yaml, nph.to_config):
        with pytest.raises(CaptureError, match=r"^a\.extra\.0.*nph\.raw|^a\.extra\.0.*run\.Config"):
            way(p)
    wrapped = run.Partial(t.untyped, a=run.Config(t.keywords, extra=[nph.raw(value)]))
    assert nph.build(nph.to_config(wrapped)).a.extra[0] is value
    if hasattr(value, "close"):
        value.close()


def test_raw_lives_in_this_process_only() -> None:
    value = {"a": [1]}
    p = holding(a=nph.raw(value), b=[nph.raw(t.Plain(3))])
    q = nph.build(nph.to_config(p))
    assert q.a is value
    assert q.b[0] == t.Plain(3)
    with pytest.raises(CaptureError, match=r"^a: .*this process only"):
        nph.to_yaml(p)


def test_auto_false_keeps_objects_whole_but_not_buildables() -> None:
    value = t.Plain(3)
    p = holding(a=value, b=run.Config(t.Plain, size=4))
    q = nph.build(nph.to_config(p, auto=False))
    assert q.a is value
    assert difference(q.b, p.b) is None
    with pytest.raises(CaptureError, match=r"^a: "):
        nph.to_yaml(p, auto=False)


def test_private_names_of_live_objects_come_back() -> None:
    """A live object is trusted; only text is not."""
    for way in (by_yaml, by_config):
        check(way, run.Partial(t.untyped, a=t._private_helper))
        check(way, run.Partial(t._private_helper, x=2.0))


# The YAML forms ----------------------------------------------------------------------------------------------------


def _twice(one: Any) -> Any:
    return run.Config(t.untyped, a=one, b=[one])


FORMS: dict[str, tuple[Any, str]] = {
    "partial": (run.Partial(t.untyped, a=1), f"_target_: {T}.untyped\n_partial_: true\na: 1\n"),
    "config": (run.Config(t.untyped, a=1), f"_target_: {T}.untyped\na: 1\n"),
    "nested": (
        run.Partial(t.Trainer, optimizers=[run.Config(t.Optimizer, lr=0.1)], optimizer=run.Partial(t.Optimizer)),
        f"""
        _target_: {T}.Trainer
        _partial_: true
        optimizers:
        - _target_: {T}.Optimizer
          lr: 0.1
        optimizer:
          _target_: {T}.Optimizer
          _partial_: true
        """,
    ),
    "fiddle": (
        run.Partial(t.untyped, a=fiddle.Config(t.Plain)),
        f"_target_: {T}.untyped\n_partial_: true\na:\n  _target_: {T}.Plain\n  _buildable_: fiddle.Config\n",
    ),
    "function": (
        run.Config(t.untyped, a=t.double),
        f"_target_: {T}.untyped\na:\n  _target_: {T}.double\n  _call_: false\n",
    ),
    "class": (
        run.Config(t.untyped, a=t.SubOptimizer.Nested),
        f"_target_: {T}.untyped\na:\n  _target_: {T}.SubOptimizer.Nested\n  _call_: false\n",
    ),
    "enum_without_annotation": (
        run.Config(t.untyped, a=t.Color.RED),
        f"_target_: {T}.untyped\na:\n  _target_: {T}.Color.RED\n  _call_: false\n",
    ),
    "annotated": (
        run.Config(
            t.typed,
            color=t.Color.RED,
            path=pathlib.Path("/x"),
            wait=datetime.timedelta(hours=1),
            flavour=t.Flavour.SOUR,
        ),
        f'_target_: {T}.typed\npath: /x\nwait: "1:00:00"\ncolor: RED\nflavour: SOUR\n',
    ),
    "annotated_tuple": (run.Config(t.Optimizer, betas=(0.5, 1.0)), f"_target_: {T}.Optimizer\nbetas: [0.5, 1.0]\n"),
    "tuple": (
        run.Config(t.untyped, a=(1, 2)),
        f"_target_: {T}.untyped\na:\n  _target_: builtins.tuple\n  _args_:\n  - [1, 2]\n",
    ),
    "set": (
        run.Config(t.untyped, a={2, 1}),
        f"_target_: {T}.untyped\na:\n  _target_: builtins.set\n  _args_:\n  - [1, 2]\n",
    ),
    "path": (
        run.Config(t.untyped, a=pathlib.PurePosixPath("/x")),
        f"_target_: {T}.untyped\na:\n  _target_: pathlib.PurePosixPath\n  _args_:\n  - /x\n",
    ),
    "shared": (
        _twice(run.Config(t.Plain)),
        f'_target_: {T}.untyped\na:\n  _target_: {T}.Plain\nb:\n- "${{..a}}"\n',
    ),
    "positional": (
        fiddle.Config(t.record, 1, "x", y=2),
        f'_target_: {T}.record\n_buildable_: fiddle.Config\n_args_:\n- 1\n- x\n"y": 2\n',
    ),
    "dict": (run.Config(t.untyped, a={"x": 1, 2: None}), f"_target_: {T}.untyped\na:\n  x: 1\n  2: null\n"),
    "texts": (
        run.Config(t.untyped, a=["null", "1e-3", "${x}", "a\nb", "plain"]),
        f'_target_: {T}.untyped\na:\n- "null"\n- "1e-3"\n- "\\\\${{x}}"\n- "a\\nb"\n- plain\n',
    ),
    "numbers": (
        run.Config(t.untyped, a=[1e-3, math.inf, 10**20, True]),
        f"_target_: {T}.untyped\na: [0.001, .inf, 100000000000000000000, true]\n",
    ),
    "unset": (run.Config(t.typed), f"_target_: {T}.typed\n"),
    "classmethod": (run.Config(t.SubOptimizer.default, lr=0.5), f"_target_: {T}.SubOptimizer.default\nlr: 0.5\n"),
    "empty": (run.Config(t.untyped, a=[], b={}), f"_target_: {T}.untyped\na: []\nb: {{}}\n"),
}


@pytest.mark.parametrize(("p", "text"), FORMS.values(), ids=FORMS.keys())
def test_the_yaml_form_of_each_construct(p: Any, text: str) -> None:
    assert nph.to_yaml(p) == textwrap.dedent(text).lstrip("\n")
    check(by_yaml, p)
    check(by_config, p)


@pytest.mark.parametrize(("p", "text"), FORMS.values(), ids=FORMS.keys())
def test_the_yaml_form_is_what_omegaconf_reads(p: Any, text: str) -> None:
    """OmegaConf's loader and ours give the same config of the same file."""
    cfg = OmegaConf.load(io.StringIO(textwrap.dedent(text)))
    assert difference(p, nph.build(cfg)) is None


def test_tuple_elements_are_plain_paths_in_the_config() -> None:
    cfg = nph.to_config(run.Partial(t.untyped, a=(1, (2, 3))))
    assert cfg.a[0] == 1
    assert cfg.a[1][0] == 2
    cfg.a[1][0] = 7
    assert nph.build(cfg).a == (1, (7, 3))


@pytest.mark.parametrize(
    ("target", "name", "new"),
    [
        (t.contained, "betas", []),
        (t.contained, "pair", [2, "b"]),
    ],
)
def test_an_override_of_a_default_container_is_set(target: Any, name: str, new: list[Any]) -> None:
    for cfg in (nph.to_config(run.Partial(target)), copy.deepcopy(nph.to_config(run.Partial(target)))):
        OmegaConf.update(cfg, name, new, merge=True)
        built = nph.build(cfg)
        assert name in built.__arguments__
        assert list(getattr(built, name)) == new
        assert isinstance(getattr(built, name), tuple)


def test_an_override_of_a_shared_objects_field_shows_at_both_places() -> None:
    one = run.Config(t.Plain, size=1)
    cfg = nph.to_config(run.Partial(t.untyped, a=one, b=[one]))
    cfg.a.size = 9
    built = nph.build(cfg)
    assert built.b[0] is built.a
    assert built.a.size == 9


def test_the_config_is_a_config_of_every_parameter() -> None:
    cfg = nph.to_config(run.Partial(t.Trainer, optimizer=run.Config(t.Optimizer)))
    assert set(cfg) == {"_target_", "_partial_", "optimizers", "optimizer", "max_steps", "callbacks", "extra"}
    assert cfg.optimizer.lr == 1e-3
    assert cfg.max_steps == -1


@pytest.mark.nemo
def test_dtypes() -> None:
    import torch

    p = run.Partial(t.untyped, a=torch.bfloat16, b=[torch.float32, (torch.int8,)], c={"d": torch.bfloat16})
    for way in WAYS:
        check(way, p)
    assert "_target_: torch.bfloat16\n  _call_: false" in nph.to_yaml(p)


def test_a_method_of_a_type_is_named_and_getattr_is_never_trusted() -> None:
    """``builtins.getattr`` in a YAML file reaches everything: capturing ``str.upper`` must not open it."""
    nph.to_yaml(run.Partial(t.untyped, a=str.upper))
    with pytest.raises(RecipeError, match="getattr"):
        nph.from_yaml(f"_target_: {T}.untyped\na: {{_target_: builtins.getattr, _args_: [x, upper]}}\n")


@pytest.mark.parametrize("text", ["${a:b}", "${a:${b}}", "x ${oc.env:HOME}"])
def test_a_text_that_looks_like_a_resolver_leaves_the_rest_as_it_is(text: str) -> None:
    recipe = run.Partial(t.untyped, a=None, b=None, c=None, d={text})  # all are set, and to their defaults
    for way in (by_yaml, by_config, by_copy):
        assert difference(recipe, way(recipe)) is None
