"""The plain table and the one on a terminal show the same columns, from one list."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nemo_partial_hydra.listing import columns, formats, terminal
from nemo_partial_hydra.listing.columns import Column, JobListing
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.messages import cells, padded

INFO = PathInfo("model.layers", "int", value=2, set=True, override="model.layers=2", kind="config", source="a.yaml")


@pytest.fixture
def another_column(monkeypatch: Any) -> None:
    made = (*columns.COLUMNS, Column("LETTERS", lambda info: info.path * 20, 2, widest=20))
    for module in (columns, formats, terminal):
        monkeypatch.setattr(module, "COLUMNS", made)


@pytest.mark.usefixtures("another_column")
def test_a_column_more_is_one_entry_more(monkeypatch: Any) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    out = io.StringIO()
    formats.print_jobs([JobListing(0, [], [INFO])], "table", many=False, out=out)
    head, row = out.getvalue().splitlines()
    assert head.split() == ["PATH", "TYPE", "VALUE", "SET", "BY", "LETTERS"]
    assert row.split()[-1] == "model.layersmodel..."
    wide = "".join(terminal.table([JobListing(0, [], [INFO])], False, width=400))
    assert wide.splitlines()[0].split() == head.split()
    assert INFO.path * 20 in wide


@pytest.mark.parametrize("format", ["table", "tree"])
def test_a_path_stays_on_one_line_whatever_it_holds(format: str, monkeypatch: Any) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    info = PathInfo("tags.a\nb", "str", value="x\ny\tz", set=True, kind="override", source="tags={a\tb:\n}", doc="d\ne")
    out = io.StringIO()
    formats.print_jobs([JobListing(0, [], [info])], format, many=False, out=out)
    assert len(out.getvalue().splitlines()) == (2 if format == "table" else 1)
    assert "\t" not in out.getvalue()
    assert r"tags.a\nb" in out.getvalue()


def test_columns_stand_below_each_other_whatever_characters_there_are(monkeypatch: Any) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    values = ["plain", "\u6c49\u5b57", "e\u0301\u00e9", "\uff21b", "a\nb"]
    records = [PathInfo(f"{value}.x", "str", value=value, kind="default") for value in values]
    out = io.StringIO()
    formats.print_jobs([JobListing(0, [], records)], "table", many=False, out=out)
    lines = out.getvalue().splitlines()
    assert {cell_len(line[: line.index(" str") + 1]) for line in lines[1:]} == {lines[0].index("TYPE")}
    assert {cell_len(line[: line.index(" default") + 1]) for line in lines[1:]} == {lines[0].index("SET BY")}


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_is_padded_to_the_cells_that_it_is_given(text: str) -> None:
    assert padded(text, 0) == text
    assert cells(padded(text, cells(text) + 3)) == cells(text) + 3 == cells(padded(text, cells(text) + 3, right=True))


def test_only_the_plain_table_cuts_cells() -> None:
    column = Column("X", lambda info: "y" * 50, 1, widest=10)
    assert column.cell(INFO) == "yyyyyyy..."
    assert len(Column("X", column.value, 1).cell(INFO)) == 50
