"""What the site makes of the pages, without Sphinx: their reading order, and where pictures stand.

``docs/index.md`` lists the pages for people. The table of contents of the site is read from that list, so that there is
one order. A picture stands where a page has a comment, which a code forge does not show:

    <!-- picture: report: a report of six jobs -->

It is ``docs/_pictures/report-light.png`` and ``report-dark.png``, or ``report.svg``; without these files, nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX = "docs/index"
PICTURES = ROOT / "docs" / "_pictures"

SECTION = re.compile(r"^## +(.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)#]+)\.md\)", re.MULTILINE)
PICTURE = re.compile(r"^<!-- picture: ([a-z-]+): (.+?) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A part of the reading order.

    Attributes
    ----------
    title : its heading.
    pages : of each page its short name, and its document: the path from the checkout without ``.md``.
    """

    title: str
    pages: tuple[tuple[str, str], ...]


def sections(index: str | None = None) -> list[Section]:
    """Return the parts of the reading order, from the text of ``docs/index.md``."""
    text = (ROOT / f"{INDEX}.md").read_text(encoding="utf-8") if index is None else index
    found = []
    for title, body in SECTION.findall(text):
        pages = ((name, posixpath.normpath(f"docs/{link}")) for name, link in ITEM.findall(body))
        found.append(Section(title, tuple(pages)))
    return [section for section in found if section.pages]


def documents() -> list[str]:
    """Return the documents of all pages in reading order, without the index."""
    return [document for section in sections() for _, document in section.pages]


def pictures() -> list[str]:
    """Return the names of the picture files that are there."""
    return sorted(file.name for file in PICTURES.glob("*") if file.suffix in {".png", ".svg"})


def wanted(document: str) -> list[str]:
    """Return the names of the pictures that a page has a place for."""
    text = (ROOT / f"{document}.md").read_text(encoding="utf-8")
    return [name for name, _ in PICTURE.findall(text)]


def for_the_site(document: str, text: str, there: Collection[str]) -> str:
    """Return a page with what only the site shows.

    Parameters
    ----------
    document : which page it is.
    text : its Markdown.
    there : the names of the picture files that are there.
    """
    text = PICTURE.sub(lambda match: "\n".join(_figures(match[1], match[2], there)), text)
    if document == INDEX:
        text += "".join(f"\n{_contents(section)}" for section in sections(text))
    return text


def _contents(section: Section) -> str:
    lines = [f"{name} </{document}>" for name, document in section.pages]
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {section.title}", "", *lines, "```", ""])


def files(name: str) -> dict[str, str]:
    """Return the files that a picture may be, each with the theme's class of when it is shown."""
    return {f"{name}.svg": "", f"{name}-light.png": "only-light", f"{name}-dark.png": "only-dark"}


def _figures(name: str, caption: str, there: Collection[str]) -> Iterator[str]:
    """Yield a figure, or one for light and one for dark pages."""
    for file, scheme in files(name).items():
        if file in there:
            yield f"```{{figure}} /docs/_pictures/{file}"
            yield f":alt: {caption}"
            yield from [f":figclass: {scheme}"] if scheme else []
            yield from ["", caption, "```", ""]
