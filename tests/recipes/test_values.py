"""The table of value types: each row is captured, written, read, kept in a snapshot, described and allowed.

A new row needs an example here; the rest follows from the table.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
import pathlib
import uuid
from typing import Any

import jsonschema
import pytest

from nemo_partial_hydra.dialect.json_schema import file_targets, schema
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.policy.names import refusal
from nemo_partial_hydra.policy.policy import Policy
from nemo_partial_hydra.recipes.capture import capture
from nemo_partial_hydra.recipes.tree import Call, Map, Seq, Tree, Value
from nemo_partial_hydra.recipes.values import BY_TYPE, HARMLESS, TABLE, VALUE_FORMS, ValueType
from nemo_partial_hydra.runtime.construct import make
from nemo_partial_hydra.signatures.convert import same
from nemo_partial_hydra.signatures.signature import Parameter, Signature
from nemo_partial_hydra.signatures.snapshot import Snapshot, encode
from nemo_partial_hydra.signatures.types import ANY

# A value of each row, and what a tree has of it.
EXAMPLES: dict[str, tuple[Any, Tree]] = {
    "datetime.timedelta": (
        datetime.timedelta(1, 2, 3),
        Value("datetime.timedelta", (1, 2, 3)),
    ),
    "datetime.datetime.fromisoformat": (
        datetime.datetime(2026, 1, 2, 3, 4, 5),
        Value("datetime.datetime.fromisoformat", ("2026-01-02T03:04:05",)),
    ),
    "datetime.date.fromisoformat": (
        datetime.date(2026, 1, 2),
        Value("datetime.date.fromisoformat", ("2026-01-02",)),
    ),
    "datetime.time.fromisoformat": (datetime.time(3, 4), Value("datetime.time.fromisoformat", ("03:04:00",))),
    "decimal.Decimal": (decimal.Decimal("1.50"), Value("decimal.Decimal", ("1.50",))),
    "fractions.Fraction": (fractions.Fraction(1, 3), Value("fractions.Fraction", ("1/3",))),
    "uuid.UUID": (uuid.UUID(int=7), Value("uuid.UUID", (str(uuid.UUID(int=7)),))),
    "builtins.complex": (1 + 2j, Value("builtins.complex", (1.0, 2.0))),
    "builtins.range": (range(1, 9, 2), Value("builtins.range", (1, 9, 2))),
    "builtins.bool": (True, True),
    "builtins.int": (3, 3),
    "builtins.float": (0.5, 0.5),
    "builtins.str": ("a ${b}", "a ${b}"),
    "builtins.str.strip": ("???", "???"),
    "builtins.bytes.fromhex": (b"\0\xff", b"\0\xff"),
    "builtins.None": (None, None),
    "pathlib.Path": (pathlib.Path("a/b"), pathlib.PosixPath("a/b")),
    "pathlib.PosixPath": (pathlib.PosixPath("/a"), pathlib.PosixPath("/a")),
    "pathlib.PurePosixPath": (pathlib.PurePosixPath("a"), pathlib.PurePosixPath("a")),
    "pathlib.PurePath": (pathlib.PurePath("a"), pathlib.PurePosixPath("a")),
    "pathlib.PureWindowsPath": (pathlib.PureWindowsPath("c:/a"), pathlib.PureWindowsPath("c:/a")),
    "builtins.list": ([1, "a"], Seq((1, "a"))),
    "builtins.tuple": ((1, "a"), Seq((1, "a"), "tuple")),
    "builtins.set": ({1}, Seq((1,), "set")),
    "builtins.frozenset": (frozenset({1}), Seq((1,), "frozenset")),
    "builtins.dict": ({"a": 1, 2: "b"}, Map((("a", 1), (2, "b")))),
    "collections.OrderedDict": (collections.OrderedDict(a=1), Map((("a", 1),), "OrderedDict")),
}
ROWS = [pytest.param(row, *EXAMPLES.get(row.target, (None, None)), id=row.target) for row in TABLE]
each_row = pytest.mark.parametrize(("row", "value", "tree"), ROWS)


def read(data: Any) -> Tree:
    problems = Problems()
    tree = from_data(data, lambda target: None, problems)
    assert not problems.messages
    return tree


def test_every_row_has_an_example() -> None:
    assert [row.target for row in TABLE] == list(EXAMPLES)


@each_row
def test_it_is_captured(row: ValueType, value: Any, tree: Tree) -> None:
    assert same(capture(value), tree)
    assert BY_TYPE[type(value)].held == row.held


@each_row
def test_it_is_written_and_read_where_no_annotation_tells(row: ValueType, value: Any, tree: Tree) -> None:
    text = dump(to_data(Call("a.f", {"x": tree}), lambda target: None))
    back = read(load(text))
    assert isinstance(back, Call)
    assert same(back.kwargs["x"], tree)


@each_row
def test_its_explicit_form_is_read_as_itself(row: ValueType, value: Any, tree: Tree) -> None:
    if row.held == "name":
        assert read({"_target_": row.target, "_call_": False}) is None
        return
    arguments = row.arguments(value)
    escaped = [arg.replace("${", "\\${") if isinstance(arg, str) else arg for arg in arguments]
    assert same(read({"_target_": row.target, "_args_": escaped}), tree)
    assert row.make(*arguments) == value


@each_row
def test_it_is_made_again(row: ValueType, value: Any, tree: Tree) -> None:
    made = make(tree, Policy())
    assert made == value
    assert type(made) is type(value)


@each_row
def test_a_snapshot_keeps_it_as_a_default(row: ValueType, value: Any, tree: Tree) -> None:
    signature = Signature("a.f", {"x": Parameter("x", ANY, tree)})
    found = Snapshot(json.loads(encode([signature], {}, {})), "").get("a.f")
    assert found is not None
    default = found.parameters["x"].default
    assert type(default) is type(tree)
    assert same(default, tree)


@each_row
def test_its_form_is_valid_by_the_schema_and_is_no_target_of_its_own(row: ValueType, value: Any, tree: Tree) -> None:
    data = to_data(Call("a.f", {"x": tree}), lambda target: None)
    assert file_targets({"_target_": "a.f", "x": {"_target_": row.target, "_args_": []}}) == (
        ["a.f"] if row.target in VALUE_FORMS else ["a.f", row.target]
    )
    made = schema(["a.f"], lambda target: Signature(target, {"x": Parameter("x", ANY)}), lambda target: {})
    jsonschema.Draft7Validator(made).validate(data)


@each_row
def test_the_policy_lets_it_through(row: ValueType, value: Any, tree: Tree) -> None:
    for name in (row.target, *row.names):
        assert name in HARMLESS
        assert refusal(name, ()) is None


@pytest.mark.parametrize("args", [[], ["ab"], [{"a": 1}], [[["a", 1]], 2]])
def test_a_dict_is_made_of_one_list_of_pairs(args: Any) -> None:
    problems = Problems()
    assert from_data({"_target_": "builtins.dict", "_args_": args}, lambda target: None, problems) is None
    assert "takes one list of [key, value] pairs" in problems.messages[0]


def test_missing_is_no_row_of_its_own() -> None:
    assert BY_TYPE[str].target == "builtins.str"
