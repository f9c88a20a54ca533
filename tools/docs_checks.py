"""What must hold of the site that was built: it reads the files, needs no Sphinx, and returns what is wrong.

No page asks the network for anything, no path of this machine is in it, links and anchors and pictures are there, and
the index of the search has all pages.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ELSEWHERE = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)
STYLE_ELSEWHERE = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//[^)"'\s]+""", re.IGNORECASE)
TEXTS = {".html", ".js", ".css", ".txt", ".svg", ".json", ".xml"}
LOADED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("object", "data")}


class Page(HTMLParser):
    """A page of the site: what it loads, where it links, its anchors and texts."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what a tag loads or links."""
        if tag in {"title", "h1"}:
            self._inside = tag
        for name, value in attrs:
            if value is None:
                continue
            if (tag, name) in LOADED:
                self.loaded.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)
            elif name == "id":
                self.anchors.add(value)

    def handle_endtag(self, tag: str) -> None:
        """Leave a title or a heading."""
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        """Take the title and the first heading."""
        if self._inside and data.strip():
            self.texts.setdefault(self._inside, data.strip())


class Site:
    """A folder of pages.

    Parameters
    ----------
    folder : where ``index.html`` is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @cached_property
    def pages(self) -> dict[Path, Page]:
        """All pages, by their file."""
        return {file: Page(file) for file in sorted(self.folder.rglob("*.html"))}

    def wrong(self, documents: Sequence[str], pictures: Sequence[str]) -> list[str]:
        """Return what is wrong, each with its file.

        Parameters
        ----------
        documents : of the pages that must be there.
        pictures : the names of the files of pictures that must be there.
        """
        found = [*self._missing(documents), *self._unseen(documents)]
        loaded = [link for page in self.pages.values() for link in page.loaded if not ELSEWHERE.match(link)]
        shown = {Path(link).name for link in loaded}
        found += [f"the picture {name} is on no page" for name in pictures if name not in shown]
        for page in self.pages.values():
            found += [f"{self._name(page.file)}: {text}" for text in self._wrong_of(page)]
        return [*found, *self._wrong_texts()]

    def _missing(self, documents: Sequence[str]) -> Iterator[str]:
        for document in documents:
            page = self.pages.get(self.folder / f"{document}.html")
            if page is None:
                yield f"{document}.html is missing"
            else:
                yield from (f"{document}.html has no {tag}" for tag in ("title", "h1") if not page.texts.get(tag))

    def _unseen(self, documents: Sequence[str]) -> Iterator[str]:
        index = self.folder / "searchindex.js"
        text = index.read_text(encoding="utf-8") if index.is_file() else "Search.setIndex({})"
        known = json.loads(text.removeprefix("Search.setIndex(").rstrip(";\n").removesuffix(")")).get("docnames", [])
        yield from (f"the search does not know {document}" for document in documents if document not in known)

    def _wrong_of(self, page: Page) -> Iterator[str]:
        for link in page.loaded:
            if ELSEWHERE.match(link):
                yield f"asks for {link}"
        for link in {*page.loaded, *page.links}:
            if ELSEWHERE.match(link) or link.startswith(("data:", "mailto:")):
                continue
            name, _, anchor = link.partition("#")
            target = (page.file.parent / unquote(name.partition("?")[0])).resolve() if name else page.file
            if not target.is_relative_to(self.folder) or not target.is_file():
                yield f"links to {link}, which is not there"
            elif anchor and target in self.pages and unquote(anchor) not in self.pages[target].anchors:
                yield f"links to {link}, where no such anchor is"

    def _wrong_texts(self) -> Iterator[str]:
        mine = [place for place in (os.getcwd(), str(Path.home()), f"{tempfile.gettempdir()}/nph-") if len(place) > 2]
        for file in sorted(self.folder.rglob("*")):
            if file.suffix not in TEXTS or not file.is_file():
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from (f"{self._name(file)}: has the path {place}" for place in mine if place in text)
            if file.suffix in {".css", ".html", ".svg"}:
                yield from (f"{self._name(file)}: asks for {found}" for found in STYLE_ELSEWHERE.findall(text))

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()
