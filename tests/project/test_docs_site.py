"""The site of the documentation, as far as it can be told without Sphinx; ``make docs`` checks what it has built."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import ROOT
from tools import browser, docs_pages, docs_pictures, docs_site, venvs
from tools.docs_checks import Site

DEMANDED = """
    README docs/guide docs/listing docs/libraries docs/two-teams docs/launcher docs/status docs/failures docs/pipelines
    docs/security docs/api docs/design
""".split()


def test_the_pages_are_in_reading_order() -> None:
    assert [document for document in docs_pages.documents() if document in DEMANDED] == DEMANDED
    assert [section.title for section in docs_pages.sections()] == ["Start", "Recipes", "Jobs", "Security", "Reference"]


def test_every_page_is_in_the_contents_once() -> None:
    listed = docs_pages.documents()
    assert len(listed) == len(set(listed))
    pages = {page.relative_to(ROOT).with_suffix("").as_posix() for page in (ROOT / "docs").glob("*.md")}
    pages |= {"README", "SECURITY", "CONTRIBUTING", "CHANGELOG", "benchmarks/README"}
    assert pages - {docs_pages.INDEX} <= set(listed)
    assert all((ROOT / f"{document}.md").is_file() for document in listed)


def test_each_line_of_the_index_is_read() -> None:
    text = (ROOT / f"{docs_pages.INDEX}.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^- ", text, re.MULTILINE)) == len(docs_pages.documents())
    names = [name for section in docs_pages.sections() for name, _ in section.pages]
    assert len(set(names)) == len(names)


def test_the_index_becomes_a_table_of_contents() -> None:
    text = "# T\n\n## One\n\n- [A b](a.md): a\n- [B](../B.md)\n\n## None\n\ntext\n\n## Two\n\n- [C](x/c.md)\n"
    assert docs_pages.for_the_site("docs/index", text, []) == text + (
        "\n```{toctree}\n:hidden:\n:caption: One\n\nA b </docs/a>\nB </B>\n```\n"
        "\n```{toctree}\n:hidden:\n:caption: Two\n\nC </docs/x/c>\n```\n"
    )
    assert docs_pages.for_the_site("docs/guide", text, []) == text


def test_a_picture_stands_where_it_is_there() -> None:
    text = "a\n\n<!-- picture: one: What it is -->\n\n<!-- picture: two: Other -->\n\n`<!-- picture: one: No -->`\n"
    shown = docs_pages.for_the_site("docs/guide", text, ["one-dark.png", "one-light.png", "three.svg"])
    assert re.findall(r"^```\{figure\} (.*)\n:alt: (.*)\n:figclass: (.*)\n\n(.*)\n```$", shown, re.MULTILINE) == [
        ("/docs/_pictures/one-light.png", "What it is", "only-light", "What it is"),
        ("/docs/_pictures/one-dark.png", "What it is", "only-dark", "What it is"),
    ]
    assert "two" not in shown
    assert docs_pages.for_the_site("docs/guide", text, ["two.svg"]).count("{figure} /docs/_pictures/two.svg") == 1


def test_each_picture_that_is_taken_has_a_place() -> None:
    wanted = [name for document in docs_pages.documents() for name in docs_pages.wanted(document)]
    assert sorted(wanted) == sorted(docs_pictures.NAMES)


def test_the_extra_and_the_target() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extra = re.search(r"^docs = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert extra is not None
    assert re.findall(r'^  "([\w-]+)>=[\d.]+,<[\d.]+"', extra.group(1), re.MULTILINE) == [
        "sphinx",
        "myst-parser",
        "furo",
    ]
    assert set(venvs.NAMED["docs"][0].extras.split(",")) >= {"docs", "run", "pages"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^docs:  ## .+\n(\t.+\n)+\t\S+ -m tools\.docs_site ", makefile, re.MULTILINE)
    assert re.search(r"^\.PHONY:.* docs ", makefile, re.MULTILINE), "there is a folder of that name"
    assert re.search(r"^begin docs make docs$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert "docs/_pictures/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


HEAD = '<html><head><title>T</title><link rel="stylesheet" href="s.css"><script src="t.js"></script></head><body>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site without fault: two pages, one in a folder, and a picture."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.html").write_text(f'{HEAD}<h1 id="a-b">R</h1><a href="docs/a.html#x">a</a><a href="#a-b">b</a>')
    (tmp_path / "docs" / "a.html").write_text(
        '<title>A</title><h1 id="x"><code>A</code> b</h1><img src="../p.png"><a href="https://a.example/">b</a>'
        '<a href="../search.html?q=a">s</a>'
    )
    for name in ("s.css", "t.js", "p.png", "search.html"):
        (tmp_path / name).write_text("")
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"docnames": ["README", "docs/a"]})')
    return tmp_path


def wrong(site: Path) -> list[str]:
    return Site(site).wrong(["README", "docs/a"], ["p.png"])


def test_a_site_without_fault(site: Path) -> None:
    assert wrong(site) == []


def rewrite(name: str, old: str, new: str) -> Callable[[Path], Any]:
    def change(site: Path) -> None:
        text = (site / name).read_text()
        assert old in text
        (site / name).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda site: (site / "docs" / "a.html").unlink(), "docs/a.html is missing"),
        (rewrite("README.html", "s.css", "https://fonts.example/s.css"), "asks for https://fonts.example/s.css"),
        (rewrite("README.html", "t.js", "//cdn.example/t.js"), "asks for //cdn.example/t.js"),
        (rewrite("docs/a.html", "../p.png", "http://i.example/p.png"), "the picture p.png"),
        (rewrite("docs/a.html", "../p.png", "http://i.example/q.png"), "asks for http://i.example/q.png"),
        (lambda site: (site / "s.css").write_text("@import 'https://f.example/c';"), "s.css: asks for @import"),
        (lambda site: (site / "s.css").write_text("a{src: url(//f.example/w)}"), "s.css: asks for url(//f.example/w"),
        (
            lambda site: (site / "p.svg").write_text("<style>@font-face{src: url('https://f.example/w')}"),
            "p.svg: asks for",
        ),
        (lambda site: (site / "t.js").write_text(f"// {Path.cwd()}/docs"), "t.js: has the path"),
        (rewrite("README.html", "docs/a.html#x", "docs/a.html#y"), "where no such anchor is"),
        (rewrite("README.html", "docs/a.html#x", "docs/b.html"), "docs/b.html, which is not there"),
        (rewrite("README.html", "docs/a.html#x", "../elsewhere.html"), "../elsewhere.html, which is not there"),
        (lambda site: (site / "p.png").unlink(), "../p.png, which is not there"),
        (rewrite("docs/a.html", "<title>A</title>", ""), "docs/a.html has no title"),
        (rewrite("README.html", "h1", "h2"), "README.html has no h1"),
        (rewrite("searchindex.js", "docs/a", "docs/c"), "the search does not know docs/a"),
        (lambda site: (site / "searchindex.js").unlink(), "the search does not know README"),
    ],
)
def test_a_fault_is_found(site: Path, change: Callable[[Path], Any], said: str) -> None:
    change(site)
    assert any(said in text for text in wrong(site)), wrong(site)


def test_the_build_keeps_to_this_machine() -> None:
    for event, arguments in (
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, "/run/a.sock")),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("open", ("/etc/hosts", "r", 0)),
    ):
        docs_site.keep_to_this_machine(event, arguments)
    with pytest.raises(docs_site.BuildError, match=r"asked for a\.example"):
        docs_site.keep_to_this_machine("socket.getaddrinfo", ("a.example", 443, 0, 0, 0))
    with pytest.raises(docs_site.BuildError, match=r"asked for 192\.0\.2\.1"):
        docs_site.keep_to_this_machine("socket.connect", (None, ("192.0.2.1", 443)))


def test_without_a_browser_the_pictures_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> list[str]:
        raise browser.BrowserError("there is no browser")

    monkeypatch.setattr(docs_pictures, "make", none)
    monkeypatch.delenv(docs_site.REQUIRED, raising=False)
    docs_site.take_pictures()
    assert capsys.readouterr().out == "pictures are left out: there is no browser\n"
    monkeypatch.setenv(docs_site.REQUIRED, "1")
    with pytest.raises(docs_site.BuildError, match="there is no browser"):
        docs_site.take_pictures()
