"""Which paths are shown: laws over made trees, beside an implementation that looks at each path by itself."""

from __future__ import annotations

import dataclasses
import fnmatch

from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.explorer.forest import Forest
from nemo_partial_hydra.explorer.view import View
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.listing.selection import Selection

names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=4).map(tuple)


@st.composite
def made_records(draw: st.DrawFn) -> list[PathInfo]:
    """Make records, parents before children, as a listing has them."""
    found: dict[str, PathInfo] = {}
    for path in draw(st.lists(paths, max_size=8)):
        for cut in range(1, len(path) + 1):
            name = ".".join(path[:cut])
            value = draw(st.sampled_from([1, True, "x", None]))
            found.setdefault(name, PathInfo(name, "int", value, set=draw(st.booleans()), doc=draw(names)))
    return list(found.values())


def opened(view: View, path: str) -> bool:
    """Whether all that contains a path is opened."""
    above = path.rpartition(".")[0]
    return not above or (above in view.opened and opened(view, above))


def shown(view: View) -> list[str]:
    return [view.forest.records[number].path for number in view.shown]


@given(made_records())
def test_a_forest_has_each_path_once_below_what_contains_it(records: list[PathInfo]) -> None:
    forest = Forest(records)
    seen: list[int] = []
    ahead = forest.roots[:]
    while ahead:
        number = ahead.pop(0)
        seen.append(number)
        ahead = forest.children[number] + ahead
        above = [forest.names[other] for other in (number, *forest.up(number))]
        assert ".".join(above[::-1]) == forest.records[number].path
        assert forest.depths[number] == len(above) - 1
    assert sorted(seen) == list(range(len(records)))


@given(made_records(), st.sets(paths, max_size=5))
def test_what_is_opened_is_shown(records: list[PathInfo], wide: set[tuple[str, ...]]) -> None:
    view = View(records, Selection())
    for path in wide:
        number = view.forest.places.get(".".join(path))
        if number is not None:
            view.open(number)
    assert sorted(shown(view)) == sorted(info.path for info in records if opened(view, info.path))


@given(
    made_records(), st.sampled_from([None, "a", "b.c", "int", "*"]), st.sampled_from([None, "*.a", "b*"]), st.booleans()
)
def test_what_is_wanted_is_shown_with_what_contains_it(
    records: list[PathInfo], search: str | None, glob: str | None, set_only: bool
) -> None:
    view = View(records, Selection())
    view.narrow(Selection(search=search, filter=glob, set_only=set_only))
    wanted = {
        info.path
        for info in records
        if (search is None or any(search in text for text in (info.path, info.type, info.doc)))
        and (glob is None or fnmatch.fnmatchcase(info.path, glob))
        and (info.set or not set_only)
    }
    if not view.narrowed:
        return
    assert {records[number].path for number in view.found} == wanted
    leading = {
        path[:cut] for path in wanted for cut in (*(at for at, char in enumerate(path) if char == "."), len(path))
    }
    assert set(shown(view)) == leading
    for line, number in enumerate(view.shown):
        after = view.next_found(line, 1)
        assert after is not None
        assert view.shown[after] in view.found
        assert view.has_more(number) == any(path.startswith(f"{records[number].path}.") for path in leading)


@given(made_records(), made_records())
def test_what_differs_is_what_is_not_as_it_was(before: list[PathInfo], after: list[PathInfo]) -> None:
    view = View(before, Selection())
    view.show(after)
    view.narrow(Selection(), changed_only=True)
    was = {info.path: (type(info.value), info.value) for info in before}
    now = {info.path: (type(info.value), info.value) for info in after}
    differs = {path for path in {*was, *now} if was.get(path, ...) != now.get(path, ...)}
    assert {view.forest.records[number].path for number in view.found} == differs
    view.narrow(Selection())
    assert not any(view.forest.gone(number) for number in view.shown)
    view.show(before)
    assert not view.changed


@given(made_records(), st.integers(1, 12))
def test_as_many_levels_are_opened_as_can_be_seen(records: list[PathInfo], lines: int) -> None:
    view = View(records, Selection())
    levels = view.levels_in(lines)
    view.open_levels(levels)
    assert len(view.shown) <= lines or levels == 1
    assert all(path.count(".") < levels for path in shown(view))
    view.open_levels(levels + 1)
    assert len(view.shown) > lines or len(view.shown) == len(records)


@given(made_records(), paths)
def test_a_path_is_revealed_or_what_contains_it(records: list[PathInfo], wanted: tuple[str, ...]) -> None:
    view = View(records, Selection())
    path = ".".join(wanted)
    view.reveal(path)
    line = view.line_of(path)
    known = {info.path for info in records}
    while path and path not in known:
        path = path.rpartition(".")[0]
    assert (shown(view)[line] if line is not None else "") == path


def test_one_object_at_two_places_is_found_below_both() -> None:
    records = [
        PathInfo("a", "A", {"_target_": "A"}),
        PathInfo("a.lr", "float", 1.0),
        PathInfo("b", "A", None, same_as="a"),
    ]
    view = View(records, Selection())
    view.narrow(dataclasses.replace(Selection(), filter="b.lr"))
    assert shown(view) == ["b"]
