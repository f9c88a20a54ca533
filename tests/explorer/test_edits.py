"""The overrides after edits, and the texts in cells: laws over made examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nemo_partial_hydra.app.browsing import program, with_each_value
from nemo_partial_hydra.explorer.cells import fitted, wrapped
from nemo_partial_hydra.explorer.edits import dropped, is_sweep, key_of, path_of, place_of, with_edits
from nemo_partial_hydra.explorer.keys import KEYS, help_lines
from nemo_partial_hydra.messages import one_line
from tests.test_terminal import FORBIDDEN, texts

keys = st.sampled_from(["a", "a.b", "a.b.c", "b", "b.c", "opt", "_replace_.a"])
overrides = st.builds(
    lambda sign, key, value: f"{sign}{key}={value}", st.sampled_from(["", "+", "++"]), keys, st.integers(0, 9)
)
lists = st.lists(overrides, max_size=5)


@given(lists, lists)
def test_an_edit_takes_the_place_of_what_has_its_key(start: list[str], edits: list[str]) -> None:
    out = with_edits(start, edits)
    for key, last in {key_of(edit): edit for edit in edits}.items():
        same = [text for text in out if key_of(text) == key]
        assert [text.partition("=")[2] for text in same] == [last.partition("=")[2]]
    keys = {key_of(edit) for edit in edits}
    assert [text for text in out if key_of(text) not in keys] == [text for text in start if key_of(text) not in keys]


@given(lists, lists)
def test_what_is_set_above_or_below_comes_before_a_new_edit_of_it(start: list[str], edits: list[str]) -> None:
    for edit in edits:
        out = with_edits(start, (edit,))
        place = next(index for index, text in enumerate(out) if key_of(text) == key_of(edit))
        root = key_of(edit).partition(".")[0]
        assert not any(key_of(text).partition(".")[0] == root for text in out[place + 1 :])


@given(lists, lists)
def test_without_its_edits_a_line_is_what_it_was(start: list[str], edits: list[str]) -> None:
    assert with_edits(start, dropped(edits, map(place_of, edits))) == start
    assert dropped(edits, ()) == tuple(edits)


def test_what_was_added_stays_added() -> None:
    assert with_edits(["+a=1", "b=2"], ["a=3"]) == ["+a=3", "b=2"]
    assert with_edits(["~a", "b=2"], ["a=3"]) == ["a=3", "b=2"]


def test_what_was_deleted_can_be_put_there_again() -> None:
    assert with_edits([], ["~a", "+a=3"]) == ["a=3"]
    assert with_edits(["~a", "b=1"], ["++a=3"]) == ["++a=3", "b=1"]
    assert with_edits([], ["+a=1", "~a", "+a=3"]) == ["+a=3"]
    assert with_edits([], ["~a", "+a={b: 1}", "a={c: 1}"]) == ["~a", "+a={c: 1}"]
    assert with_edits([], ["~a", "+a={b: 1}", "~a"]) == ["~a"]


def test_what_was_added_is_deleted_with_what_adds_it() -> None:
    assert with_edits(["+a=1", "a=2", "b=2"], ["~a"]) == ["b=2"]
    assert with_edits(["+a={x: 1}", "b=2"], ["~a"]) == ["~a", "b=2"]
    assert with_edits(["++a=1"], ["~a"]) == ["~a"]


def test_what_was_added_and_changed_stays_added() -> None:
    assert with_edits(["+a=1", "a=2"], ["a=3"]) == ["+a=3"]
    assert with_edits(["+a=1", "~a"], ["a=3"]) == ["a=3"]


@pytest.mark.parametrize(
    ("override", "place", "path"),
    [
        ("a.b=1", ("a.b",), "a.b"),
        ("++a={b:1}", ("a",), "a"),
        ("a={b.c:1}", ("a", "b.c"), "a.b.c"),
        ("a={b.c:{d:1}}", ("a", "b.c", "d"), "a.b.c.d"),
        ("a={b.c:1,d:2}", ("a",), "a"),
        ("a={1:x}", ("a", "1"), "a.1"),
        ("a={b.c:1},{b.c:2}", ("a", "b.c"), "a.b.c"),
        ("a={b.c:1},{d.e:2}", ("a",), "a"),
        (r"++a._replace_={b.\u00fc:3}", ("a._replace_", r"b.\u00fc"), r"a.b.\u00fc"),
        ("+a._append_.b=[1]", ("a._append_.b",), "a.b"),
        ("+_replace_.a={_target_: x}", ("_replace_.a",), "a"),
        ("~a", ("a",), "a"),
        ("a={", ("a",), "a"),
    ],
)
def test_an_entry_that_no_key_can_spell_has_its_own_place(override: str, place: tuple[str, ...], path: str) -> None:
    assert place_of(override) == place
    assert path_of(override) == path


def test_entries_of_one_dict_do_not_take_each_others_place() -> None:
    edits = ["a={b.c:1}", "a={d.e:2}", "a={b.c:3}"]
    assert with_edits([], edits) == ["a={d.e:2}", "a={b.c:3}"]
    assert with_edits([], [*edits, "a={x:1}"]) == ["a={x:1}"]


@pytest.mark.parametrize(
    ("text", "several"),
    [("a=1,2", True), ("a=range(1,3)", True), ("a=glob(*)", True), ("a=[1,2]", False), ("a='1,2'", False),
     ("a=1", False), ("a=1,", False), ("a={b:1,c:2}", False)],
)  # fmt: skip
def test_several_values_are_a_sweep(text: str, several: bool) -> None:
    assert is_sweep(text) == several


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_each_value_of_a_sweep_is_in_one_of_few_jobs(sizes: list[int]) -> None:
    import itertools

    grid = [[f"k{key}={value}" for value in range(size)] for key, size in enumerate(sizes)]
    jobs = [list(job) for job in itertools.product(*grid)]
    chosen = list(with_each_value(jobs))
    assert chosen[0] == (0, jobs[0])
    assert {value for _, job in chosen for value in job} == {value for values in grid for value in values}
    assert len(chosen) <= sum(sizes) - len(sizes) + 1
    assert all(jobs[number] == job for number, job in chosen)


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["t.py", "a=1"], ["python", "t.py", "a=1"], ["python", "t.py"]),
        (["x/t.py"], ["/usr/bin/python3.11", "-X", "dev", "x/t.py"], ["/usr/bin/python3.11", "-X", "dev", "x/t.py"]),
        (["/x/t.py", "a=1"], ["python", "-m", "x.t", "a=1"], ["python", "-m", "x.t"]),
        (["/v/bin/no-such-command"], ["/v/bin/python", "/v/bin/no-such-command"], ["/v/bin/no-such-command"]),
        (["t.py", "a=1"], ["pytest", "-q"], ["python", "t.py"]),
    ],
)
def test_the_command_is_as_it_was_typed(arguments: list[str], typed: list[str], said: list[str]) -> None:
    assert program(arguments, typed) == said


wide = st.text(st.one_of(st.sampled_from("ab 模型👩\u0301\u05d0"), st.characters(codec="utf-8")), max_size=40)


@given(wide | texts, st.integers(0, 30), st.sampled_from(["...", "\u2026"]))
def test_a_text_takes_the_cells_that_it_is_given(text: str, width: int, dots: str) -> None:
    shown = fitted(one_line(text), width, dots)
    assert cell_len(shown) == width
    assert "\n" not in shown
    assert not FORBIDDEN.search(shown)


@given(wide | texts, st.integers(4, 30))
def test_a_wrapped_text_is_all_there(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert not any(FORBIDDEN.search(line) or "\n" in line for line in lines)
    assert "".join("".join(lines).split()) == "".join("\n".join(wrapped(text, 10_000)).split())


def test_each_key_is_bound_once_and_in_the_help() -> None:
    bound = [key for one in KEYS for key in one.keys.split(",")]
    assert len(set(bound)) == len(bound)
    page = "\n".join(help_lines())
    assert all(key.doc in page and key.shown in page for key in KEYS)
