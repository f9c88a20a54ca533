"""A real browser without a screen: Debian's Chromium, driven by selenium, for tests of pages and for their pictures.

It keeps to the machine: what a browser asks of its maker by itself is turned off, and a page that makes a request is
found out by ``requests``.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools import debian

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PACKAGES = ("chromium", "chromium-driver")
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",  # in a container there is none for root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--no-first-run",
    "--hide-scrollbars",
)


class BrowserError(Exception):
    """There is no browser; the message says how to have one."""


def found() -> tuple[str, str] | None:
    """Return the browser and its driver, from the PATH; None unless both are there."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def install() -> None:
    """Install both, where this is root on a Debian; do nothing if they are there.

    Raises
    ------
    BrowserError
        If they are not there afterwards.
    """
    if found():
        return
    said = debian.install(*PACKAGES)
    if not found():
        why = f"; apt-get: {said}" if said else ""
        raise BrowserError(f"there is no browser with its driver (Debian: apt install {' '.join(PACKAGES)}){why}")


class Browser:
    """A page in a browser.

    Attributes
    ----------
    driver : selenium's own driver of it.
    """

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of this size, in pixels, whose owner likes light or dark pages."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._do("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._do("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})

    def on_paper(self) -> None:
        """Show pages as they are printed."""
        self._do("Emulation.setEmulatedMedia", {"media": "print"})

    def until(self, met: Callable[[], object], seconds: float = 30) -> None:
        """Wait until something holds.

        Raises
        ------
        selenium.common.TimeoutException
            If it does not.
        """
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(lambda _: met())

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a file."""
        self.driver.get(page.resolve().as_uri() + fragment)

    def picture(self) -> bytes:
        """Return the whole page as a PNG, beyond what the screen shows of it."""
        shown = self._do("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        return base64.b64decode(shown["data"])

    def printed(self) -> bytes:
        """Return the page as it is printed, a PDF."""
        return base64.b64decode(self._do("Page.printToPDF", {})["data"])

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last call, that of the page among them."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [str(parameters["request"]["url"]) for parameters in sent]

    def complaints(self) -> list[str]:
        """Return what has been written to the console since the last call, errors and warnings among it."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def _do(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(command, arguments)
        return answer


@contextmanager
def browsing(*, scripts: bool = True) -> Iterator[Browser]:
    """Start a browser; end it, and remove what it has written, when this is left.

    Parameters
    ----------
    scripts : whether pages may run any.

    Raises
    ------
    BrowserError
        If there is none.
    """
    from selenium import webdriver

    where = found()
    if where is None:
        raise BrowserError(f"there is no browser with its driver (Debian: apt install {' '.join(PACKAGES)})")
    options = webdriver.ChromeOptions()
    options.binary_location = where[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        for argument in (*QUIET, f"--user-data-dir={profile}", "--window-size=1400,1000"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(where[1]))
        try:
            yield Browser(driver)
        finally:
            driver.quit()
