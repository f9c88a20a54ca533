"""Edits in reserved keys: append, delete, replace; their order, and the errors."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.recipes.data import KeptSeq

Node = dict[str, Any]


def node(**values: Any) -> Node:
    """Make a recipe node of plain data."""
    return {"_target_": "pkg.f", **values}


def test_data_without_edits_is_unchanged() -> None:
    data = node(a=[1, {"b": 2}], c=KeptSeq("tuple", [1]))
    assert apply_edits(data) == data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([3], [1, 2, 3]),
        ([3, 4], [1, 2, 3, 4]),
        (3, [1, 2, 3]),
        ([], [1, 2]),
        ([[3]], [1, 2, [3]]),
        ([None], [1, 2, None]),
    ],
)
def test_append_adds_elements_at_the_end(value: Any, expected: list[Any]) -> None:
    assert apply_edits(node(opts=[1, 2], _append_={"opts": value})) == node(opts=expected)


def test_append_takes_a_single_recipe_node() -> None:
    assert apply_edits(node(opts=[1], _append_={"opts": node(a=1)})) == node(opts=[1, node(a=1)])


def test_append_to_what_is_not_set_or_none_makes_a_list() -> None:
    assert apply_edits(node(_append_={"opts": [1]})) == node(opts=[1])
    assert apply_edits(node(opts=None, _append_={"opts": [1]})) == node(opts=[1])


def test_append_keeps_a_tuple_a_tuple() -> None:
    assert apply_edits(node(opts=KeptSeq("tuple", [1]), _append_={"opts": [2]})) == node(opts=KeptSeq("tuple", [1, 2]))


@pytest.mark.parametrize("edit", [{"model.opts": [2]}, {"model": {"opts": [2]}}])
def test_append_reaches_below_the_node_by_dots_or_nesting(edit: Any) -> None:
    assert apply_edits(node(model=node(opts=[1]), _append_=edit)) == node(model=node(opts=[1, 2]))


def test_append_into_a_list_inside_a_list() -> None:
    assert apply_edits(node(a=[[1], [2]], _append_={"a.1": [3]})) == node(a=[[1], [2, 3]])


def test_paths_count_from_the_node_that_holds_the_edit() -> None:
    data = node(opts=[0], model=node(opts=[1], _append_={"opts": [2]}))
    assert apply_edits(data) == node(opts=[0], model=node(opts=[1, 2]))


def test_edits_in_elements_of_lists_and_tuples_are_applied() -> None:
    inner = node(a=[1], _append_={"a": [2]})
    assert apply_edits(node(x=[inner], y=KeptSeq("tuple", [inner]))) == node(
        x=[node(a=[1, 2])], y=KeptSeq("tuple", [node(a=[1, 2])])
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["opts.0"], [2, 3]),
        (["opts.2"], [1, 2]),
        ("opts.1", [1, 3]),
        (["opts.0", "opts.2"], [2]),
        (["opts.2", "opts.0"], [2]),
        (["opts.0", "opts.1", "opts.2"], []),
        ([], [1, 2, 3]),
    ],
)
def test_delete_counts_by_the_indices_before_the_edit(names: Any, expected: list[int]) -> None:
    assert apply_edits(node(opts=[1, 2, 3], _delete_=names)) == node(opts=expected)


def test_delete_of_one_element_named_twice_deletes_it_once() -> None:
    assert apply_edits(node(opts=[1, 2, 3], _delete_=["opts.0", "opts.0"])) == node(opts=[2, 3])


def test_delete_takes_away_an_argument_and_a_key() -> None:
    assert apply_edits(node(a=1, b={"x": 1, 2: 3}, _delete_=["a", "b.2"])) == node(b={"x": 1})


def test_delete_in_two_lists_at_once() -> None:
    data = node(a=[1, 2], b=[[3, 4], [5]], _delete_=["a.0", "b.0.1", "b.1"])
    assert apply_edits(data) == node(a=[2], b=[[3]])


def test_delete_of_an_element_and_of_something_inside_it() -> None:
    assert apply_edits(node(a=[node(x=1), node(x=2)], _delete_=["a.0", "a.0.x"])) == node(a=[node(x=2)])


@pytest.mark.parametrize("value", [5, None, [1], {"_target_": "pkg.g", "z": 1}, {}])
def test_replace_puts_a_whole_new_value(value: Any) -> None:
    assert apply_edits(node(opt=node(lr=1, betas=[1]), _replace_={"opt": value})) == node(opt=value)


def test_replace_an_element_and_a_nested_argument() -> None:
    data = node(a=[1, 2], m=node(x=1), _replace_={"a.1": 5, "m": {"x": 7}})
    assert apply_edits(data) == node(a=[1, 5], m=node(x=7))


def test_replace_does_not_keep_what_the_old_node_had() -> None:
    assert apply_edits(node(opt={"_target_": "pkg.a", "lr": 1}, _replace_={"opt": {"_target_": "pkg.b"}})) == node(
        opt={"_target_": "pkg.b"}
    )


def test_replace_then_delete_then_append() -> None:
    data = node(
        opts=[1, 2, 3],
        _append_={"opts": [9]},
        _delete_=["opts.0"],
        _replace_={"opts.1": 8},
    )
    assert apply_edits(data) == node(opts=[8, 3, 9])


def test_delete_sees_what_replace_put_there() -> None:
    assert apply_edits(node(opts=[1], _replace_={"opts": [4, 5]}, _delete_=["opts.0"])) == node(opts=[5])


def test_an_edit_below_one_alias_leaves_its_twin_alone() -> None:
    twice = [1, 2]  # as YAML's anchors and aliases give it
    edited = apply_edits(node(a=twice, b=twice, _delete_=["a.0"]))
    assert edited == node(a=[2], b=[1, 2])


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"_delete_": ["opts.5"]}, ["_delete_", "opts.5", "out of range", "2 elements"]),
        ({"_delete_": ["optz"]}, ["_delete_", "optz", "did you mean 'opts'"]),
        ({"_delete_": ["opts.x"]}, ["_delete_", "opts.x"]),
        ({"_delete_": ["opts.-1"]}, ["_delete_", "opts.-1"]),
        ({"_delete_": ["opts.\u00b2"]}, ["_delete_", "opts.\u00b2"]),
        ({"_delete_": ["number.0"]}, ["_delete_", "number", "single value"]),
        ({"_delete_": {"opts": 0}}, ["_delete_", "expected a list of paths"]),
        ({"_delete_": [0]}, ["_delete_", "expected a list of paths"]),
        ({"_append_": {"number": [1]}}, ["_append_", "number", "no list"]),
        ({"_append_": [1]}, ["_append_", "expected a mapping"]),
        ({"_append_": {"optz.0": [1]}}, ["_append_", "optz", "did you mean 'opts'"]),
        ({"_append_": {"opts.7": [1]}}, ["_append_", "opts.7", "out of range"]),
        ({"_replace_": {"opts.2": 1}}, ["_replace_", "opts.2", "out of range"]),
        ({"_replace_": {"nodule.x": 1}}, ["_replace_", "nodule.x"]),
        ({"_replace_": 3}, ["_replace_", "expected a mapping"]),
    ],
)
def test_an_edit_that_fits_nothing_is_an_error_with_its_path(edits: Node, words: list[str]) -> None:
    with pytest.raises(ValidationError) as info:
        apply_edits(node(model=node(opts=[1, 2], number=1, **edits)), ("job",))
    assert "job.model." in str(info.value)
    for word in words:
        assert word in str(info.value)


def test_all_wrong_edits_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as info:
        apply_edits(node(a=[1], _delete_=["a.4", "nope"], _append_={"b.c": [1]}, _replace_={"a.9": 1}))
    text = str(info.value)
    assert text.startswith("4 problems")
    assert all(word in text for word in ("a.4", "nope", "b.c", "a.9"))


def test_reserved_keys_in_a_plain_dict_are_not_edits() -> None:
    data = node(d={"_append_": {"x": [1]}})
    assert apply_edits(data) == data


# Through build -----------------------------------------------------------------------------------------------------


def _built(**values: Any) -> Any:
    from nemo_partial_hydra.api import build

    return build({"_target_": "tests.support.targets.untyped", **values}, allow=["tests.support"])


def _plain(size: int) -> Node:
    return {"_target_": "tests.support.targets.Plain", "size": size}


def test_build_applies_edits_and_validates_what_they_put() -> None:
    made = _built(a=[_plain(0), _plain(1)], _append_={"a": [_plain(2)]}, _delete_=["a.0"], _replace_={"a.1": _plain(7)})
    assert [item.size for item in made.a] == [7, 2]
    with pytest.raises(ValidationError, match="size: expected int"):
        _built(a=[], _append_={"a": [{"_target_": "tests.support.targets.Plain", "size": "x"}]})


@pytest.mark.parametrize("link", ["${.a.1}", "${a.1}"])
def test_a_reference_keeps_its_object_when_one_before_it_is_deleted(link: str) -> None:
    made = _built(a=[_plain(0), _plain(1), _plain(2)], b=link, _delete_=["a.0"])
    assert made.b is made.a[0]
    assert made.b.size == 1


def test_a_reference_to_what_is_deleted_is_an_error() -> None:
    with pytest.raises(ValidationError, match=r"^b: .*a\.0"):
        _built(a=[_plain(0), _plain(1)], b="${.a.0}", _delete_=["a.0"])
