"""docs/api.md is made from the docstrings: it is current, and every public name is documented in full."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import nemo_partial_hydra as nph
from tools import api_docs
from tools.api_docs import Public, entries, sections

PUBLIC = api_docs.public()


def test_the_page_is_current() -> None:
    assert api_docs.main(["--check"]) == 0


def test_a_stale_page_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api_docs, "ROOT", tmp_path)
    monkeypatch.setattr(api_docs, "PAGE", tmp_path / "api.md")
    assert api_docs.main(["--check"]) == 1
    assert api_docs.main([]) == 0
    assert api_docs.main(["--check"]) == 0


def test_the_page_has_every_public_name() -> None:
    assert {entry.name for entry in PUBLIC} == set(nph.__all__) - {"__version__"}
    page = api_docs.PAGE.read_text(encoding="utf-8")
    for entry in PUBLIC:
        assert (f"| `{entry.name}` |" if entry.is_error else f"## {entry.name}\n") in page


@pytest.mark.parametrize("entry", PUBLIC, ids=lambda entry: entry.name)
def test_a_public_name_is_documented(entry: Public) -> None:
    found = sections(entry.doc)
    assert found[""].splitlines()[0].endswith("."), "the first line is a sentence"
    assert not re.search(r"^-{3,}$", found[""], re.MULTILINE), "a section that api_docs does not know"
    if entry.is_error:
        return
    heading = "Parameters" if isinstance(entry.node, ast.FunctionDef) else "Attributes"
    text = found.get(heading, "")
    for base in entry.bases:
        text = sections(ast.get_docstring(base) or "").get(heading, "") + "\n" + text
    said = [(name, kind, about) for names, kind, about in entries(text.strip("\n")) for name in names.split(", ")]
    assert [name for name, _, _ in said] == entry.parameters
    assert all(kind and about for _, kind, about in said), "each has a type and a meaning"
    if isinstance(entry.node, ast.FunctionDef) and ast.unparse(entry.node.returns or ast.Constant(None)) != "None":
        assert found.get("Returns"), "what it returns"
