"""The walker of plain data: order, paths, copies; parts that are trees already are leaves."""

from __future__ import annotations

from nemo_partial_hydra.recipes.data import Kept, KeptSeq, children, mapped, walk
from nemo_partial_hydra.recipes.tree import Ref

INNER = [1, {"b": "x"}]
DATA = {"a": INNER, "c": KeptSeq("tuple", [Kept(Ref("p.q")), 2]), "d": (3, Ref("r.s")), "e": KeptSeq("dict", {5: 6})}


def test_parents_come_before_children_and_in_order() -> None:
    assert [path for path, _ in walk(DATA, ("root",))] == [
        ("root",),
        ("root", "a"),
        ("root", "a", 0),
        ("root", "a", 1),
        ("root", "a", 1, "b"),
        ("root", "c"),
        ("root", "c", 0),
        ("root", "c", 1),
        ("root", "d"),
        ("root", "d", 0),
        ("root", "d", 1),
        ("root", "e"),
        ("root", "e", 5),
    ]


def test_a_leaf_has_no_children() -> None:
    assert [list(children(leaf)) for leaf in ("text", None, Ref("p.q"), Kept(Ref("p.q")))] == [[], [], [], []]


def test_what_is_mapped_is_a_copy_with_its_leaves_changed() -> None:
    doubled = mapped(DATA, lambda leaf: leaf * 2 if isinstance(leaf, int) else leaf)
    assert doubled == {
        "a": [2, {"b": "x"}],
        "c": KeptSeq("tuple", [Kept(Ref("p.q")), 4]),
        "d": (6, Ref("r.s")),
        "e": KeptSeq("dict", {5: 12}),
    }
    copied = mapped({"x": INNER, "y": INNER}, lambda leaf: leaf)
    assert copied["x"] == copied["y"] == INNER
    assert copied["x"] is not copied["y"]
    assert copied["x"][1] is not INNER[1]


def test_deep_data_is_walked_without_recursion() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert sum(1 for _ in walk(deep)) == 5001
