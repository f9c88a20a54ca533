"""``nemo-hydra report``: a page on which every job is, and on which nothing of a job does anything."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.analysis.axes import axis
from nemo_partial_hydra.analysis.differences import Recipe, differences
from nemo_partial_hydra.analysis.metrics import Choice
from nemo_partial_hydra.analysis.plots import CELL, Point, Span, fitted, heat_map, scatter, time_line
from nemo_partial_hydra.analysis.records import read
from nemo_partial_hydra.analysis.report import report
from nemo_partial_hydra.launchers.status.look import overview
from nemo_partial_hydra.messages import cells, escaped
from tests.support.made_jobs import Made
from tests.support.pages import Page
from tests.support.recipes import nemo_hydra


def page_of(folder: Path, **kwargs: Any) -> Page:
    return Page("".join(report(overview(str(folder)), read([folder], Choice()), **kwargs)))


def marks(page: Page) -> int:
    """Count the marks of jobs in plots: points, and crosses where there is no value."""
    return len(page.all_of("circle")) + sum(a.get("class") == "none" for a in page.all_of("path"))


def test_every_job_is_in_every_plot_the_table_and_the_details(job: Made, tmp_path: Path) -> None:
    for number in range(12):
        failed = number == 5
        result = None if failed else {"loss": 1 / (number + 1), "note": "text"}
        values = f"lr={10.0 ** -(number % 4)}", f"depth={number % 3}", f"kind={'ab'[number % 2]}"
        job(number, *values, result=result, state="failed" if failed else "done")
    page = page_of(tmp_path / "s")
    assert marks(page) == 12 * 3  # loss against each value
    assert page.texts["h2"] == ["Metrics", "Two values at a time", "Times", "Jobs", "Each job"]
    assert len(page.all_of("tr")) == 1 + 12
    assert len([a for a in page.all_of("details") if a.get("id")]) == 12
    links = {a["href"] for a in page.all_of("a")}
    assert links == {f"#job-{number}" for number in range(12)}
    assert any("nemo-hydra retry" in text and text.endswith(" 5") for text in page.texts["code"])
    assert sum("(log)" in text for text in page.texts["text"]) >= 1


def test_what_a_job_said_last_is_there_and_how_its_recipe_differs(job: Made, tmp_path: Path) -> None:
    job(0, "lr=1")
    paths = job(1, "lr=2", state="failed", values={"net": {"lr": 2}})
    paths.attempt(1).mkdir(parents=True)
    paths.err(1).write_text("Traceback\n\x1b[31mValueError: <b>no</b>\x1b[0m\n")
    page = page_of(tmp_path / "s")
    said = "\n".join(page.texts["pre"])
    assert "ValueError: <b>no</b>" in said
    assert "\x1b" not in said
    assert "+ recipe.net.lr: 2" in said


@pytest.mark.parametrize(
    "text", ["</script><script>x()</script>", "<img src=x onerror=x>", "\" onclick='x'", "\x1b[2J"]
)
def test_no_text_of_a_job_becomes_an_element(job: Made, tmp_path: Path, text: str) -> None:
    for sweep, word in {"s": text, "t": "word"}.items():
        job(0, f"name={word}", result={word: 1.0, "note": word}, sweep=sweep)
        job(1, "name=b", result={word: 2.0}, sweep=sweep, values={"word": word})
    hostile, plain = page_of(tmp_path / "s"), page_of(tmp_path / "t")
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert not {"img", "b"} & {tag for tag, _ in hostile.tags}
    assert len(hostile.all_of("script")) == 1
    assert not [name for _, attributes in hostile.tags for name in attributes if name.startswith("on")]
    assert all(escaped(found) == found for found in hostile.texts["td"])


def test_its_policy_knows_its_own_script_and_style_alone(job: Made, tmp_path: Path) -> None:
    job(0, "lr=1", result=1)
    page = page_of(tmp_path / "s")
    policy = next(a["content"] or "" for a in page.all_of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.texts[tag][0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert all((a["href"] or "").startswith("#") for a in page.all_of("a"))
    assert not [name for _, attributes in page.tags for name in attributes if name in ("src", "style", "action")]


def test_a_page_of_a_sweep_that_runs_loads_itself_again(job: Made, tmp_path: Path) -> None:
    job(0, "lr=1", result=1)
    refresh = [
        a["content"] for a in page_of(tmp_path / "s", refresh=30).all_of("meta") if a.get("http-equiv") == "refresh"
    ]
    assert refresh == ["30"]
    done = nemo_hydra(tmp_path, "report", "s", "--watch")  # nothing waits or runs
    assert (done.code, done.out) == (
        0,
        f"s/report.html: 1 job, {(tmp_path / 's/report.html').stat().st_size / 1e6:.2f} MB\n",
    )
    assert 'http-equiv="refresh"' not in (tmp_path / "s/report.html").read_text()


def test_two_hundred_jobs_are_less_than_a_megabyte(job: Made, tmp_path: Path) -> None:
    for number in range(200):
        metrics = {f"m{index}": number * index + 0.123456 for index in range(4)}
        job(number, f"optim.lr={1 / (number + 1)}", f"model={number % 3}", f"seed={number}", result=metrics)
    assert len("".join(report(overview(str(tmp_path / "s")), read([tmp_path / "s"], Choice()))).encode()) < 1_000_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["nowhere"], "nowhere: there is no such directory"),
        (["s", "--out", "no/such/page.html"], "no/such/page.html: No such file or directory"),
        (["s", "--interval", "0"], "--interval: at least 1 second, not 0"),
    ],
)
def test_a_mistake_is_one_line(job: Made, tmp_path: Path, line: list[str], message: str) -> None:
    job(0, "lr=1")
    done = nemo_hydra(tmp_path, "report", *line)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not os.path.exists(tmp_path / "s/report.html")


# Laws --------------------------------------------------------------------------------------------------------------

NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e299, 1e299)
ANY_NUMBERS = (
    NUMBERS | st.floats() | st.integers(-(10**310), 10**310) | st.sampled_from([0.0, 5e-324, -1.7e308, 1.7e308])
)
VALUES = ANY_NUMBERS | st.none() | st.booleans() | st.sampled_from(["a", "b", "<c>", math.nan, math.inf])


@given(st.lists(NUMBERS, min_size=1, max_size=12))
def test_numbers_stand_in_their_order_and_ticks_beside_them(values: list[float]) -> None:
    made = axis(values)
    assert made is not None
    places = [made.place(value) for value in sorted(values)]
    assert places == sorted(places, key=lambda place: -1.0 if place is None else place)
    assert all(place is not None and -1e-6 <= place <= 1 + 1e-6 for place in places)
    assert all(-1e-6 <= place <= 1 + 1e-6 for place, _ in made.ticks)


@given(st.lists(st.tuples(VALUES, ANY_NUMBERS | st.none()), max_size=20), VALUES)
def test_a_plot_has_a_mark_for_each_job(pairs: list[tuple[Any, Any]], first: Any) -> None:
    points = [Point(x, y, "done", "t", "#j") for x, y in [(first, 1.0), *pairs]]
    made = scatter(points, "x", "y")
    assert made is not None
    assert marks(Page(made)) == len(points)


@pytest.mark.parametrize("values", [[1e9, 1e9 + 1], [-12345.678, -12345.679], [0.1, 0.2], [3]])
def test_ticks_differ(values: list[float]) -> None:
    made = axis(values)
    assert made is not None
    assert len({name for _, name in made.ticks}) == len(made.ticks) > 1


LABELS = st.text(st.sampled_from("abW./-\u6c49"), max_size=30)


@given(st.lists(LABELS, min_size=1, max_size=12, unique=True), st.integers(4, 12))
def test_labels_have_room_and_are_whole_where_they_can_be(names: list[str], room: int) -> None:
    made = fitted(names, room)
    assert all(cells(label) <= room for label in made)
    assert [label for name, label in zip(names, made, strict=True) if cells(name) <= room and label != name] == []


def test_labels_with_one_beginning_are_told_apart() -> None:
    names = [f"/data/checkpoints/{name}" for name in ("tiny", "small", "large")]
    assert fitted(names, 10) == ["\u2026ints/tiny", "\u2026nts/small", "\u2026nts/large"]
    made = scatter([Point(name, index, "done", "t", "#j") for index, name in enumerate(names)], "x", "y")
    assert made is not None
    assert all(label in made for label in fitted(names, 10))


@pytest.mark.parametrize("count", [3, 6, 12, 24])
def test_labels_below_a_plot_do_not_overlap(count: int) -> None:
    made = scatter([Point(f"{index:02}wwwwwwwwwwww", 1, "done", "t", "#j") for index in range(count)], "x", "y")
    assert made is not None
    found = re.findall(r'<text x="([0-9.]+)" y="[0-9]+" text-anchor="middle">([0-9]+w[^<]*)<', made)
    assert found
    for (left, label), (right, _) in pairwise(found):
        assert float(right) - float(left) > cells(label) * CELL


@given(st.lists(st.fixed_dictionaries({"x": VALUES, "y": VALUES, "m": VALUES}), max_size=20))
def test_a_heat_map_has_a_cell_for_each_pair(records: list[dict[str, Any]]) -> None:
    made = heat_map(records, "x", "y", "m")
    if made is not None:
        assert 2 <= len(Page(made).all_of("g")) <= len(records)


TIMES = st.none() | st.floats(0, 1e6)


@given(st.lists(st.tuples(TIMES, TIMES, TIMES), min_size=1, max_size=8), st.floats(0.001, 1e7))
def test_a_line_of_time_has_a_row_for_each_job(times: list[tuple[Any, Any, Any]], length: float) -> None:
    spans = [Span(str(index), f"#{index}", "done", "t", *each) for index, each in enumerate(times)]
    page = Page(time_line(spans, length))
    assert len(page.all_of("a")) == len(spans)
    assert all(float(a["width"] or 0) >= 1 for a in page.all_of("rect"))


@given(st.lists(st.sampled_from(["a: 1", "b:", "  c: 2", "  d:", "    e: 3", "- f: 4"]), max_size=8), st.data())
def test_recipes_differ_in_the_lines_that_differ(lines: list[str], data: st.DataObject) -> None:
    base = Recipe("\n".join(lines))
    assert differences(base, base) == []
    if lines:
        index = data.draw(st.integers(0, len(lines) - 1))
        other = Recipe("\n".join([*lines[:index], f"{lines[index]}x", *lines[index + 1 :]]))
        assert len(differences(base, other)) == 2
        longer = Recipe("\n".join([*lines, "z: 9"]))
        assert differences(base, longer) == ["+ z: 9"]
