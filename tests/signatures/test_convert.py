"""One value against one type: the table of what becomes what, and the messages."""

# ruff: noqa: UP006, UP007, UP035, UP045  # old spellings of types are what some of these tests are about

from __future__ import annotations

import datetime
import math
import pathlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Dict, List, Literal, Optional, Set, Tuple, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_partial_hydra.recipes.tree import Call, Link, Map, Opaque, Ref, Seq, Tree, Value
from nemo_partial_hydra.recipes.values import read_duration, write_duration
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from nemo_partial_hydra.signatures.convert import Mismatch, convert, fits, same
from nemo_partial_hydra.signatures.types import parse
from tests.support import laws
from tests.support import targets as t
from tests.support.strategies import durations, leaves, texts

T = "tests.support.targets"
RED, DOUBLE = Ref(f"{T}.Color.RED"), Ref(f"{T}.double")
HOUR = Value("datetime.timedelta", (0, 3600, 0))
DAY = Value("datetime.date.fromisoformat", ("2026-01-02",))
PATH = pathlib.Path("a")
BIG = 10**5000  # more digits than Python writes in decimal

# (type, what is given, what becomes of it)
TABLE: list[tuple[Any, Tree, Tree]] = [
    (Any, "x", "x"),
    (Any, None, None),
    (object, RED, RED),
    (type(None), None, None),
    (int, 5, 5),
    (int, 5.0, 5),
    (int, "5", 5),
    (int, "-5", -5),
    (int, "0x10", 16),
    (int, "1_000", 1000),
    (int, BIG, BIG),
    (float, 0.5, 0.5),
    (float, 1, 1),
    (float, "1e-3", 0.001),
    (float, "1", 1.0),
    (float, "inf", math.inf),
    (float, "-inf", -math.inf),
    (float, math.inf, math.inf),
    (float, BIG, BIG),
    (bool, True, True),
    (bool, "true", True),
    (bool, "Yes", True),
    (bool, "off", False),
    (bool, 0, False),
    (bool, 1, True),
    (str, "x", "x"),
    (str, "", ""),
    (str, 5, "5"),
    (str, 0.5, "0.5"),
    (str, True, "True"),
    (str, PATH, "a"),
    (bytes, b"x", b"x"),
    (pathlib.Path, PATH, PATH),
    (pathlib.Path, "a", PATH),
    (pathlib.Path, 2026, pathlib.Path("2026")),
    (pathlib.PurePosixPath, "a", pathlib.PurePosixPath("a")),
    (pathlib.PureWindowsPath, "a", pathlib.PureWindowsPath("a")),
    (datetime.timedelta, HOUR, HOUR),
    (datetime.timedelta, "1:00:00", HOUR),
    (datetime.timedelta, 3600, HOUR),
    (datetime.timedelta, 0.5, Value("datetime.timedelta", (0, 0, 500000))),
    (datetime.timedelta, -1, Value("datetime.timedelta", (-1, 86399, 0))),
    (datetime.timedelta, "1 day, 0:30:00", Value("datetime.timedelta", (1, 1800, 0))),
    (datetime.timedelta, "-1 day, 23:00:00", Value("datetime.timedelta", (-1, 82800, 0))),
    (datetime.timedelta, "2 days", Value("datetime.timedelta", (2, 0, 0))),
    (datetime.timedelta, "26:00:00", Value("datetime.timedelta", (1, 7200, 0))),
    (t.Color, RED, RED),
    (t.Color, "RED", RED),
    (t.Color, "Color.RED", RED),
    (t.Color, f"{T}.Color.RED", RED),
    (t.Flavour, "SWEET", Ref(f"{T}.Flavour.SWEET")),
    (t.Shape, Ref(f"{T}.Round.CIRCLE"), Ref(f"{T}.Round.CIRCLE")),
    (Literal["a", "b"], "a", "a"),
    (Literal[1, 2], "2", 2),
    (Literal["1"], 1, "1"),
    (Literal[True], "True", True),
    (Literal[t.Color.RED, "x"], "RED", RED),
    (Literal[t.Color.RED], RED, RED),
    (Literal[t.Color.RED], f"{T}.Color.RED", RED),
    (Literal[None, "a"], None, None),
    (Optional[int], None, None),
    (Optional[int], "5", 5),
    (Optional[int], 5, 5),
    (Optional[str], 5, "5"),
    (Optional[str], "null", "null"),
    (Optional[t.Color], "RED", RED),
    (Optional[pathlib.Path], "a", PATH),
    (Optional[float], "1e3", 1000.0),
    (Union[int, str], 5, 5),
    (Union[str, int], 5, 5),
    (Union[int, str], "5", "5"),
    (Union[str, int], "x", "x"),
    (Union[int, float], 1.5, 1.5),
    (Union[int, float], "1.5", 1.5),
    (Union[int, float], "1", 1),
    (Union[float, int], 1, 1),
    (Union[bool, int], True, True),
    (Union[bool, int], 1, 1),
    (Union[int, bool], True, True),
    (Union[str, pathlib.Path], PATH, PATH),
    (Union[str, pathlib.Path], "a", "a"),
    (Union[t.Color, str], "RED", "RED"),
    (Union[t.Color, str], RED, RED),
    (Union[str, List[str]], Seq(("a",)), Seq(("a",))),
    (Union[int, List[int]], "3", 3),
    (List[int], Seq((1, 2)), Seq((1, 2))),
    (List[int], Seq(("1", 2.0)), Seq((1, 2))),
    (List[int], Seq(()), Seq(())),
    (list, Seq((1, "a")), Seq((1, "a"))),
    (List[t.Color], Seq(("RED",)), Seq((RED,))),
    (Tuple[float, float], Seq((1.0, "2")), Seq((1.0, 2.0), "tuple")),
    (Tuple[int, ...], Seq(("1",) * 3), Seq((1,) * 3, "tuple")),
    (Tuple[()], Seq(()), Seq((), "tuple")),
    (tuple, Seq((1,)), Seq((1,), "tuple")),
    (Tuple[int, str], Seq((1, 2)), Seq((1, "2"), "tuple")),
    (Set[int], Seq((1,)), Seq((1,), "set")),
    (frozenset, Seq((1,)), Seq((1,), "frozenset")),
    (Sequence[int], Seq((1,)), Seq((1,))),
    (Sequence[int], Seq((1,), "tuple"), Seq((1,), "tuple")),
    (Iterable[int], Seq(("1",), "tuple"), Seq((1,), "tuple")),
    (Sequence[int], Seq(("1",)), Seq((1,))),
    (Dict[str, int], Map((("a", "1"),)), Map((("a", 1),))),
    (Dict[int, str], Map((("1", "x"),)), Map(((1, "x"),))),
    (dict, Map(((None, 1),)), Map(((None, 1),))),
    (Mapping[str, Any], Map((("a", 1),)), Map((("a", 1),))),
    (Dict[str, Dict[str, int]], Map((("a", Map((("b", "1"),))),)), Map((("a", Map((("b", 1),))),))),
    (Callable, DOUBLE, DOUBLE),
    (Callable[[int], int], f"{T}.double", DOUBLE),
    (type, "builtins.int", Ref("builtins.int")),
    (Optional[Callable[..., Any]], None, None),
    (Optional[Callable[..., Any]], f"{T}.double", DOUBLE),
    (Union[str, Callable[..., Any]], "a.b", "a.b"),
    (datetime.date, DAY, DAY),
    (Optional[uuid.UUID], None, None),
    (t.Optimizer, Call(f"{T}.Optimizer"), Call(f"{T}.Optimizer")),
    (int, Call("a.b"), Call("a.b")),
    (int, Link(("a",)), Link(("a",))),
    (t.Options, Map((("a", 1),)), Map((("a", 1),))),
]


def spelled(case: tuple[Any, Tree, Tree]) -> str:
    given_text = "BIG" if case[1] is BIG else repr(case[1])[:30]
    return f"{parse(case[0]).text}<-{given_text}"


@pytest.mark.parametrize("case", TABLE, ids=spelled)
def test_the_table(case: tuple[Any, Tree, Tree]) -> None:
    annotation, value, expected = case
    made = convert(value, parse(annotation))
    assert same(made, expected), made
    assert same(convert(made, parse(annotation)), made)


# (type, what is given, words of the message)
WRONG: list[tuple[Any, Tree, list[str]]] = [
    (type(None), 1, ["None", "1"]),
    (int, "abc", ["expected int", "'abc'"]),
    (int, 1.5, ["expected int", "1.5"]),
    (int, True, ["expected int", "True"]),
    (int, None, ["expected int", "None"]),
    (int, "", ["expected int"]),
    (int, math.inf, ["expected int"]),
    (int, math.nan, ["expected int"]),
    (int, Seq((1,)), ["expected int", "a list of 1"]),
    (int, Map(()), ["expected int", "a dict"]),
    (int, RED, ["expected int", "RED"]),
    (float, "fast", ["expected float", "'fast'"]),
    (float, True, ["expected float"]),
    (float, None, ["expected float"]),
    (bool, "maybe", ["expected bool", "'maybe'"]),
    (bool, 2, ["expected bool", "2"]),
    (bool, 1.0, ["expected bool"]),
    (bool, BIG, ["expected bool"]),
    (str, None, ["expected str"]),
    (str, Seq(()), ["expected str"]),
    (str, RED, ["expected str"]),
    (str, b"x", ["expected str"]),
    (bytes, "x", ["expected bytes", "!!binary"]),
    (pathlib.Path, True, ["expected Path"]),
    (pathlib.Path, None, ["expected Path"]),
    (pathlib.Path, Seq(()), ["expected Path"]),
    (datetime.timedelta, "soon", ["expected timedelta", "'soon'", "1 day, 0:30:00"]),
    (datetime.timedelta, "", ["expected timedelta"]),
    (datetime.timedelta, True, ["expected timedelta"]),
    (datetime.timedelta, math.inf, ["expected timedelta"]),
    (datetime.timedelta, math.nan, ["expected timedelta"]),
    (datetime.timedelta, 1e300, ["expected timedelta"]),
    (datetime.timedelta, "99999999999 days", ["expected timedelta"]),
    (datetime.timedelta, BIG, ["expected timedelta"]),
    (t.Color, "REDD", ["expected Color", "RED, GREEN", "did you mean 'RED'"]),
    (t.Color, 1, ["expected Color", "RED, GREEN"]),
    (t.Color, "red", ["expected Color", "RED"]),
    (t.Color, Ref(f"{T}.Other.RED"), ["expected Color", "Other.RED"]),
    (t.Color, BIG, ["expected Color"]),
    (t.Color, None, ["expected Color"]),
    (Literal["adam", "sgd"], "adamm", ["Literal['adam', 'sgd']", "did you mean 'adam'"]),
    (Literal[1], True, ["Literal[1]"]),
    (Literal["a.b"], "b", ["Literal['a.b']"]),
    (Literal["a"], None, ["Literal['a']"]),
    (Literal[1], BIG, ["Literal[1]"]),
    (Optional[int], "abc", ["expected", "int", "'abc'"]),
    (Optional[t.Color], "REDD", ["Color", "RED, GREEN", "did you mean 'RED'"]),
    (Union[int, t.Color], "x", ["Union[int, Color]", "RED, GREEN"]),
    (Union[int, float], None, ["Union[int, float]"]),
    (Tuple[int, int], Seq((1,)), ["Tuple[int, int]", "2 elements", "got 1"]),
    (Tuple[int, int], 5, ["Tuple[int, int]"]),
    (Optional[Tuple[int, int]], Seq((1, 2, 3)), ["2 elements", "got 3"]),
    (List[int], "1,2", ["List[int]", "'1,2'"]),
    (List[int], Map(()), ["List[int]", "a dict"]),
    (List[int], Seq((1,), "tuple"), ["List[int]"]),
    (Dict[str, int], Seq(()), ["Dict[str, int]", "a list of 0"]),
    (Dict[str, int], "a", ["Dict[str, int]"]),
    (Callable, 5, ["Callable", "dotted name"]),
    (Callable, "double", ["Callable", "dotted name"]),
    (Callable, "a b.c", ["Callable"]),
    (Callable, "a..b", ["Callable"]),
    (Optional[Callable[..., Any]], "x", ["Callable"]),
    (t.Optimizer, 5, ["expected Optimizer", "_target_"]),
    (t.Optimizer, "x", ["expected Optimizer"]),
]


@pytest.mark.parametrize("case", WRONG, ids=spelled)
def test_what_does_not_fit_says_what_was_expected(case: tuple[Any, Tree, list[str]]) -> None:
    annotation, value, words = case
    with pytest.raises(Mismatch) as info:
        convert(value, parse(annotation))
    assert all(word in info.value.text for word in words), info.value.text
    assert "\n" not in info.value.text
    assert len(info.value.text) < 400


@pytest.mark.parametrize(
    ("annotation", "value", "path", "word"),
    [
        (List[int], Seq((1, "x")), (1,), "expected int"),
        (Dict[str, List[int]], Map((("a", Seq((1, 2, "x"))),)), ("a", 2), "expected int"),
        (Tuple[int, t.Color], Seq((1, "REDD")), (1,), "expected Color"),
        (Optional[List[int]], Seq((1, "x")), (1,), "expected int"),
        (Dict[int, int], Map((("x", 1),)), ("x",), "expected int"),
        (List[List[int]], Seq((Seq(("x",)),)), (0, 0), "expected int"),
    ],
)
def test_a_part_that_does_not_fit_is_named_by_its_path(annotation: Any, value: Tree, path: Any, word: str) -> None:
    with pytest.raises(Mismatch) as info:
        convert(value, parse(annotation))
    assert info.value.path == path
    assert word in info.value.text


def test_many_choices_are_cut() -> None:
    many = Literal[tuple(f"choice{i}" for i in range(100))]  # type: ignore[valid-type]
    with pytest.raises(Mismatch) as info:
        convert("choice5x", parse(many))
    assert "did you mean 'choice5" in info.value.text
    assert len(info.value.text) < 1500


@pytest.mark.nemo
def test_a_dtype_by_its_short_or_full_name() -> None:
    import torch

    spec = parse(torch.dtype)
    assert convert("bfloat16", spec) == convert("torch.bfloat16", spec) == Ref("torch.bfloat16")
    assert convert(Ref("torch.bfloat16"), spec) == Ref("torch.bfloat16")
    with pytest.raises(Mismatch, match="dtype"):
        convert(16, spec)


def test_two_keys_that_become_one_are_not_lost_silently() -> None:
    """``{1: a, '1': b}`` where integers are meant."""
    given_map = Map(((1, "a"), ("1", "b")))
    try:
        made = convert(given_map, parse(Dict[int, str]))
    except Mismatch:
        return
    assert isinstance(made, Map)
    assert len({key for key, _ in made.items}) == 2


# Laws --------------------------------------------------------------------------------------------------------------

ANNOTATIONS: tuple[Any, ...] = (
    Any,
    int,
    float,
    bool,
    str,
    bytes,
    type(None),
    pathlib.Path,
    pathlib.PurePosixPath,
    datetime.timedelta,
    datetime.date,
    t.Color,
    t.Flavour,
    t.Shape,
    Literal["a", 1, True, None, "1"],
    Literal[t.Color.RED, "RED"],
    Callable,
    type,
    t.Optimizer,
    Optional[int],
    Optional[str],
    Optional[t.Color],
    Union[int, str],
    Union[str, int],
    Union[bool, int],
    Union[int, float],
    Union[float, str, None],
    Union[t.Color, str],
    Union[str, pathlib.Path],
    Union[str, Callable[..., Any]],
    Union[datetime.timedelta, float, str],
    List[int],
    List[Union[int, str]],
    Sequence[float],
    Iterable[str],
    Tuple[int, str],
    Tuple[float, ...],
    Set[str],
    Dict[str, int],
    Dict[int, str],
    Dict[str, List[Tuple[int, ...]]],
    Union[List[int], Tuple[str, ...], None],
    Union[int, List[int], Dict[str, int]],
)

numerals = st.sampled_from(
    ("1", "0", "true", "1.5", "1e3", "RED", "Color.RED", "a", "1:00:00", "1 day", "x.y", "nan", "0x1", "None", "-1")
)
plain = (
    leaves.map(WORKSPACE.captured)
    | numerals
    | st.sampled_from((RED, DOUBLE, HOUR, 10**400, Call("a.b"), Link(("a",)), Opaque(1)))
).filter(lambda tree: not isinstance(tree, Seq))
trees: st.SearchStrategy[Any] = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.builds(Seq, st.lists(inner, max_size=3).map(tuple), st.sampled_from(("list", "tuple", "set", "frozenset"))),
        st.lists(st.tuples(texts | st.integers(0, 3), inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda i: Map(tuple(i))
        ),
    ),
    max_leaves=6,
)


@given(trees, st.sampled_from(ANNOTATIONS))
@settings(max_examples=laws.tries(800))
def test_converting_twice_changes_nothing_more(value: Any, annotation: Any) -> None:
    spec = parse(annotation)
    try:
        once = convert(value, spec)
    except Mismatch:
        return
    assert same(convert(once, spec), once)
    assert fits(once, spec)


@given(trees, st.sampled_from(ANNOTATIONS))
@settings(max_examples=laws.tries(400))
def test_a_value_that_fits_one_alternative_is_left_alone(value: Any, annotation: Any) -> None:
    spec = parse(Optional[annotation])
    if fits(value, parse(annotation)):
        assert same(convert(value, spec), value)


@given(durations)
@settings(max_examples=laws.tries(200))
def test_durations_are_read_as_they_are_written(value: datetime.timedelta) -> None:
    parts = (value.days, value.seconds, value.microseconds)
    assert read_duration(write_duration(*parts)) == parts
    assert read_duration(str(value)) == parts


@given(st.floats(-1e9, 1e9))
@settings(max_examples=laws.tries(200))
def test_a_number_of_seconds_is_a_duration(seconds: float) -> None:
    made = convert(seconds, parse(datetime.timedelta))
    assert isinstance(made, Value)
    wanted = datetime.timedelta(seconds=seconds)
    assert abs(datetime.timedelta(*made.args) - wanted) <= datetime.timedelta(microseconds=1)
    assert 0 <= made.args[1] < 86400
    assert 0 <= made.args[2] < 1_000_000


@given(trees)
@settings(max_examples=laws.tries(200))
def test_same_is_equality_with_types(value: Any) -> None:
    assert same(value, value)
    assert not same(Seq((value,)), Seq((value, value)))
    assert not same(Seq((value,)), Seq((value,), "tuple"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        ("1", 1),
        (b"a", "a"),
        (None, False),
        (Seq((1,)), Seq((1.0,))),
        (Map((("a", 1),)), Map((("a", True),))),
        (Map(((1, 1),)), Map((("1", 1),))),
        (Map(((1, 1),)), Map(((True, 1),))),
        (Call("a", {"x": 1}), Call("a", {"x": 1.0})),
        (Call("a"), Call("a", {}, (), "nemo_run.Partial")),
        (Call("a", {}, (1,)), Call("a", {"x": 1})),
        (pathlib.Path("a"), pathlib.PurePosixPath("a")),
    ],
)
def test_what_differs_in_type_is_not_the_same(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_nan_is_the_same_as_nan() -> None:
    assert same(math.nan, float("nan"))
    assert same(Seq((math.nan,)), Seq((float("nan"),)))
