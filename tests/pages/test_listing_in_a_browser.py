"""The listing of a recipe as a page, in a real browser."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.pages.conftest import EXAMPLES
from tests.pages.looks import overflowing, too_faint
from tests.support.recipes import python
from tools.browser import Browser, browsing

pytestmark = pytest.mark.browser

SHOWN = """
return [...document.querySelectorAll("tbody tr")].filter(row => row.offsetParent !== null)
  .map(row => row.cells[0].textContent.trim());
"""


def shown(browser: Browser) -> list[str]:
    """Return the paths that are shown."""
    found: list[str] = browser.driver.execute_script(SHOWN)
    return found


@pytest.mark.parametrize("size", [(1400, 1000), (400, 800)])
def test_a_text_is_searched_as_soon_as_it_is_typed(browser: Browser, listing: Path, size: tuple[int, int]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.look(*size)
    browser.open(listing)
    everything = shown(browser)
    assert len(everything) > 400
    page = browser.driver.find_element("css selector", "body")
    page.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("warmup_steps")
    assert "optim.lr_scheduler.warmup_steps" in shown(browser)
    assert len(shown(browser)) < 10
    page.send_keys(Keys.ESCAPE)
    assert shown(browser) == everything
    browser.driver.find_element("css selector", "select option[value=override]").click()
    assert shown(browser) == ["trainer.max_steps"]
    assert browser.driver.find_element("css selector", "output").text == f"1 of {len(everything)} paths"


def test_a_click_copies_an_override_that_a_command_line_takes(browser: Browser, listing: Path) -> None:
    browser.open(listing)
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    browser.driver.find_element("css selector", "input").send_keys("trainer.max_steps")
    browser.driver.find_element("css selector", "tbody tr:not([hidden]) button").click()
    output = browser.driver.find_element("css selector", "output")
    browser.until(lambda: output.text.startswith("copied: "))
    copied = browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == output.text.removeprefix("copied: ") == "trainer.max_steps=100"
    again = python(EXAMPLES / "pretrain", "pretrain.py", "--cfg-paths", "-p", "trainer.max_steps", *shlex.split(copied))
    assert "override trainer.max_steps=100" in again.out


@pytest.mark.usefixtures("chromium")
def test_it_is_a_plain_table_where_scripts_are_not_run(listing: Path) -> None:
    with browsing(scripts=False) as other:
        other.open(listing)
        assert len(shown(other)) > 400
        assert not other.driver.find_element("css selector", "form").is_displayed()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(1400, 1000), (400, 800)])
def test_it_can_be_read_on_each_screen(browser: Browser, listing: Path, size: tuple[int, int], dark: bool) -> None:
    browser.look(*size, dark=dark)
    browser.open(listing)
    assert overflowing(browser) == []
    assert too_faint(browser) == []
    assert browser.requests() == [listing.resolve().as_uri()]
    assert browser.complaints() == []
