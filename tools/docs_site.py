"""Builds the documentation as a site: pictures, Sphinx with warnings as errors, checks of what came of it.

    python -m tools.docs_site [--out build/docs] [--without-pictures]

Run by ``make docs`` in an environment that has Sphinx. It needs no network: to connect to another host is an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools import browser, docs_pages, docs_pictures
from tools.docs_checks import Site

ROOT = docs_pages.ROOT
REQUIRED = "NPH_REQUIRE_ALL"
SEARCHED = "momentum"  # a word that the search must find pages for


class BuildError(Exception):
    """The site cannot be built, or is wrong; the message says why."""


def keep_to_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to connect to other hosts: an audit hook."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in {None, "", "localhost", "127.0.0.1", "::1"}:
        raise BuildError(f"the build asked for {host}, and it is to need no network")


def take_pictures() -> None:
    """Take pictures; where there is no browser say so, which is an error only where all is required."""
    try:
        print("\n".join(docs_pictures.make()), flush=True)
    except browser.BrowserError as error:
        if os.environ.get(REQUIRED) == "1":
            raise BuildError(str(error)) from None
        print(f"pictures are left out: {error}", flush=True)


def run_sphinx(out: Path) -> None:
    """Build the pages into ``out/html``; what Sphinx keeps between two runs is in ``out/doctrees``."""
    from sphinx.cmd.build import build_main

    arguments = ["-b", "html", "-W", "--keep-going", "-n", "-q", "-j", "auto", "-c", str(ROOT / "docs")]
    code = build_main([*arguments, "-d", str(out / "doctrees"), str(ROOT), str(out / "html")])
    if code:
        raise BuildError(f"sphinx ends with exit code {code}")


def check(html: Path) -> None:
    """Check the pages, and search them in a browser if there is one."""
    documents = [docs_pages.INDEX, *docs_pages.documents()]
    there = set(docs_pages.pictures())
    shown = {name: there & set(docs_pages.files(name)) for page in documents for name in docs_pages.wanted(page)}
    missing = [name for name, files in shown.items() if not files]
    if missing and os.environ.get(REQUIRED) == "1":
        raise BuildError(f"there is no picture of {', '.join(missing)}")
    wrong = Site(html).wrong(documents, sorted(set().union(*shown.values())))
    if browser.found():
        wrong += search(html)
    if wrong:
        raise BuildError("\n".join(["the site is built, but:", *(f"  {text}" for text in wrong)]))


def search(html: Path) -> list[str]:
    """Search for a word as somebody does who has opened the site from a disk; return what is wrong."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with browser.browsing() as window:
        window.driver.get((html / "search.html").resolve().as_uri() + f"?q={SEARCHED}")
        wait = WebDriverWait(window.driver, 30)
        try:
            wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "#search-results li a"))
        except Exception as error:  # selenium's, and those of its browser
            return [f"the search finds no page with {SEARCHED!r}: {type(error).__name__}"]
        asked = [address for address in window.requests() if address.startswith(("http:", "https:", "ws:", "wss:"))]
        return [f"the search asks for {address}" for address in asked]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs_site", description="Build the documentation's site.")
    parser.add_argument("--out", default=str(ROOT / "build" / "docs"), help="the folder of html/ and of what is kept")
    parser.add_argument("--without-pictures", action="store_true", help="take none; those that are there are shown")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    out = Path(options.out).resolve()
    sys.addaudithook(keep_to_this_machine)
    try:
        if not options.without_pictures:
            take_pictures()
        run_sphinx(out)
        check(out / "html")
    except (BuildError, docs_pictures.PictureError) as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    pages = len(docs_pages.documents()) + 1
    print(f"{os.path.relpath(out / 'html' / 'index.html')}: {pages} pages, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
