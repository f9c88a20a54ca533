"""The report of a real sweep, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra import results
from tests.pages.looks import overflowing, too_faint
from tests.support.made_jobs import maker
from tests.support.recipes import nemo_hydra
from tools.browser import Browser, browsing

pytestmark = pytest.mark.browser

SIZES = [(1400, 1000), (400, 800)]
CELLS = """
const index = [...document.querySelectorAll("#jobs th")].findIndex(head => head.textContent.trim() === arguments[0]);
return [...document.querySelectorAll("#jobs tbody tr")].filter(row => row.offsetParent !== null)
  .map(row => row.cells[index].textContent);
"""


def cells(browser: Browser, column: str) -> list[str]:
    """Return what a column shows, from top to bottom."""
    found: list[str] = browser.driver.execute_script(CELLS, column)
    return found


def all_of(browser: Browser, selector: str) -> list[Any]:
    found: list[Any] = browser.driver.find_elements("css selector", selector)
    return found


def one(browser: Browser, selector: str) -> Any:
    return browser.driver.find_element("css selector", selector)


def head(browser: Browser, column: str) -> Any:
    """Return the button in the head of a column."""
    return next(it for it in all_of(browser, "#jobs th button") if it.text == column)


def in_order(texts: list[str], *, reverse: bool) -> bool:
    """Say whether numbers are in order, with what is empty below them."""
    numbers = [float(text) for text in texts if text]
    return numbers == sorted(numbers, reverse=reverse) and texts[len(numbers) :] == [""] * (len(texts) - len(numbers))


def test_each_plot_has_as_many_marks_as_there_are_jobs(browser: Browser, report: Path, sweep: Path) -> None:
    browser.open(report)
    records = results(sweep)
    failed = [record for record in records if record["state"] == "failed"]
    assert len(records) == 24
    assert 0 < len(failed) < 12
    plots = all_of(browser, "h2 + .plots svg")
    names = {re.sub(r"\s+", " ", plot.get_attribute("aria-label") or "") for plot in plots}
    assert len(names) == len(plots) > 0
    for plot in plots:
        points, crosses = (plot.find_elements("css selector", mark) for mark in ("circle", ".none"))
        if points:  # else it is a heat map
            assert len(points) + len(crosses) == 24
            assert all(point.is_displayed() for point in points)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_table_is_sorted_both_ways_and_what_is_empty_comes_last(browser: Browser, report: Path, by: str) -> None:
    browser.open(report)
    for column in ("job", "lr", "train_loss", "loss", "slope"):
        for reverse in (False, True):
            button = head(browser, column)
            if by == "mouse":
                button.click()
            else:
                button.send_keys("\ue007")  # Enter
            found = cells(browser, column)
            assert len(found) == 24
            assert in_order(found, reverse=reverse), (column, found)
            state = button.find_element("xpath", "..").get_attribute("aria-sort")
            assert state == ("descending" if reverse else "ascending")


def test_the_table_shows_what_is_looked_for(browser: Browser, report: Path, sweep: Path) -> None:
    browser.open(report)
    failed = [str(record["job"]) for record in results(sweep) if record["state"] == "failed"]
    one(browser, "#search").send_keys("failed")
    assert cells(browser, "job") == failed
    assert one(browser, "#count").text == f"{len(failed)} of 24 jobs"
    one(browser, "#search").clear()
    one(browser, "#search").send_keys("FAILED 1.1")  # both words, in whatever case
    assert set(cells(browser, "lr")) == {"1.1"}
    assert set(cells(browser, "state")) == {"failed"}
    browser.open(report, "#again")
    browser.driver.refresh()
    one(browser, "#state").send_keys("done")
    assert len(cells(browser, "job")) == 24 - len(failed)
    assert set(cells(browser, "state")) == {"done"}


def test_a_mark_leads_to_its_job(browser: Browser, report: Path) -> None:
    browser.open(report)
    mark = one(browser, "svg a[href='#job-17'] circle, svg a[href='#job-17'] .none")
    job = one(browser, "#job-17")
    assert not job.get_attribute("open")
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    mark.click()
    browser.until(lambda: job.get_attribute("open"))
    assert job.is_displayed()
    assert "nemo-hydra" in job.text


def test_nothing_is_asked_for_and_nothing_complained_about(browser: Browser, report: Path) -> None:
    browser.open(report)
    head(browser, "loss").click()
    for details in all_of(browser, "details"):
        browser.driver.execute_script("arguments[0].open = true", details)
    assert browser.requests() == [report.resolve().as_uri()]
    assert browser.complaints() == []


def test_what_is_looked_for_is_all_that_a_small_screen_shows(browser: Browser, report: Path) -> None:
    browser.look(400, 800)
    browser.open(report)
    one(browser, "#search").send_keys("FAILED 1.1")
    assert set(cells(browser, "lr")) == {"1.1"}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_all_of_it_can_be_read_on_each_screen(
    browser: Browser, report: Path, size: tuple[int, int], dark: bool
) -> None:
    browser.look(*size, dark=dark)
    browser.open(report)
    for details in all_of(browser, "details"):
        browser.driver.execute_script("arguments[0].open = true", details)
    assert overflowing(browser) == []
    assert too_faint(browser) == []
    shown = browser.picture()
    browser.look(*size, dark=not dark)
    assert browser.picture() != shown


@pytest.mark.usefixtures("chromium")
def test_it_is_read_where_scripts_are_not_run(report: Path) -> None:
    with browsing(scripts=False) as other:
        other.open(report)
        assert len(cells(other, "job")) == 24
        assert not one(other, "form").is_displayed()
        one(other, "#job-3 summary").click()
        assert "nemo-hydra" in one(other, "#job-3").text


def test_on_paper_there_is_no_form_and_all_else(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.on_paper()
    assert not one(browser, "form").is_displayed()
    assert all(plot.is_displayed() for plot in all_of(browser, "svg"))
    assert overflowing(browser) == []
    assert browser.printed().startswith(b"%PDF")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=document.title='done'>",
        "</script><script>document.title='done'</script>",
        "\" autofocus onfocus=\"document.title='done'",
        "<a href=javascript:document.title='done' id=search>",
        "<style>*{background:url(http://127.0.0.1:9/)}</style>",
    ],
)
def test_what_a_job_says_does_nothing_in_a_browser(browser: Browser, tmp_path: Path, text: str) -> None:
    job = maker(tmp_path)
    for number in range(3):
        paths = job(number, f"name={text}{number}", f"lr={number}", result={text: number}, values={"word": text})
        paths.attempt(1).mkdir(parents=True)
        paths.err(1).write_text(f"ValueError: {text}\n")
    job(3, "name=plain", "lr=1", state="failed", result={"loss": text})
    done = nemo_hydra(tmp_path, "report", "s", "--out", "page.html")
    assert done.code == 0, done.err
    browser.open(tmp_path / "page.html")
    for details in all_of(browser, "details"):
        browser.driver.execute_script("arguments[0].open = true", details)
    for button in all_of(browser, "#jobs th button"):
        button.click()
    one(browser, "#search").send_keys("autofocus")
    assert browser.driver.title != "done"
    assert browser.requests() == [(tmp_path / "page.html").resolve().as_uri()]
    assert browser.complaints() == []
    assert text in browser.driver.execute_script("return document.body.textContent")
