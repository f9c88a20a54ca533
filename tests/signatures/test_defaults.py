"""Defaults that are objects are read as what makes them, and none is evaluated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nemo_partial_hydra.recipes.tree import Call, Map, Seq
from nemo_partial_hydra.signatures.introspect import live
from nemo_partial_hydra.signatures.signature import Default, Unknown, with_defaults
from nemo_partial_hydra.signatures.snapshot import Snapshot, encode
from tests.support import deep

HERE = "tests.support.deep."


def made(name: str, /, **kwargs: Any) -> Call:
    return Call(HERE + name, kwargs)


def default(target: str, name: str) -> Default:
    signature = live(HERE + target)
    assert signature is not None
    return signature.parameters[name].default


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("att", made("Att")),
        ("rope", made("make_rope")),
        ("partial", made("Att", heads=9)),
        ("lambda_", made("Att", heads=5, rope=made("Rope", scale=0.5))),
        ("many", Seq((made("Att"), made("Att", heads=2)))),
        ("named", Map((("a", made("Rope")), ("b", made("Rope", base=7))))),
        ("point", made("Point", x=5)),
        ("maybe", None),
    ],
)
def test_an_object_is_read_as_what_makes_it(name: str, expected: Any) -> None:
    assert default("Net", name) == expected


def test_an_instance_in_a_signature_has_what_it_was_given() -> None:
    assert default("use", "point") == made("Point", y=8)


@pytest.mark.parametrize("name", "loop sum_ deep text number plain".split())
def test_what_has_no_form_stays_a_text(name: str) -> None:
    assert isinstance(default("Unreadable", name), Unknown)


def test_nothing_is_called_to_see_a_default() -> None:
    assert default("Lazy", "made") == made("Att", rope=made("called", base=1))


def test_a_snapshot_keeps_the_targets_of_defaults() -> None:
    targets = with_defaults([HERE + "train", HERE + "Net"], live)
    assert sorted(targets) == sorted(HERE + name for name in "train Net Att Rope make_rope Point".split())
    signatures = [found for found in map(live, targets) if found is not None]
    read = Snapshot(json.loads(encode(signatures, {}, {})), "here")
    assert [read.get(target) for target in targets] == signatures


def test_targets_that_make_each_other_are_kept_once() -> None:
    assert with_defaults([HERE + "Left"], live) == [HERE + "Left", HERE + "Right"]


def test_the_module_still_does_what_it_says() -> None:
    assert deep.Net().lambda_ == deep.Att(5, rope=deep.Rope(scale=0.5))
