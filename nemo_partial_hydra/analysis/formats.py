"""Results as text: a table for people, CSV and JSON for programs.

May import: the standard library. All texts of jobs are foreign: control characters are shown escaped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.messages import cells, escaped, json_text, padded

from .records import OWN, SECONDS, STATE, Results

_WIDEST = 40  # characters of a cell of the table


def table(found: Results, columns: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table: numbers to the right, texts to the left; texts that are long are cut."""
    heads = [escaped(name) for name in columns]
    heads = [head.upper() if name in OWN else head for head, name in zip(heads, columns, strict=True)]
    rows = [[cell(record[name], name) for name in columns] for record in found.records]
    right = [all(is_number(record[name]) for record in found.records) for name in columns]
    widths = [max(map(cells, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        shown = (padded(text, width, right=number) for text, width, number in zip(row, widths, right, strict=True))
        yield "  ".join(shown).rstrip()


def is_number(value: Any) -> bool:
    """Whether a value stands to the right in a table: a number, or nothing."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def cell(value: Any, column: str) -> str:
    """Return what a table shows of a value."""
    if value is None:
        return ""
    if column == SECONDS:
        return f"{value:.1f}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = escaped(value if isinstance(value, str) else json_text(plain(value))).replace("\n", " ")
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def plain(value: Any) -> Any:
    """Return a value as JSON has it: a number that JSON has not is a text, ``NaN`` or ``Infinity``."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def csv_text(found: Results, columns: Sequence[str]) -> str:
    """Return the results as CSV, a cell as JSON where it is neither a number nor a text.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_csv_cell, columns))
    for record in found.records:
        writer.writerow(_csv_cell(record[name]) for name in columns)
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return json_text(plain(value))


def records(found: Results, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the results as JSON data, a mapping a job."""
    return [{name: plain(record[name]) for name in columns} for record in found.records]


def html_table(records_: Sequence[Mapping[str, Any]]) -> str:
    """Return the results as an HTML table, for notebooks."""
    names = [*records_[0]] if records_ else []
    heads = "".join(f'<th scope="col">{escape(escaped(name))}</th>' for name in names)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell(record[name], name))}</td>' for name in names)}</tr>\n" for record in records_
    )
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def summary(found: Results) -> str:
    """Return the line that counts: ``24 jobs: 22 done, 2 failed``."""
    total = len(found.records)
    counts: dict[str, int] = {}
    for record in found.records:
        counts[record[STATE]] = counts.get(record[STATE], 0) + 1
    spelled = ", ".join(f"{counts[state]} {state}" for state in states.STATES if state in counts)
    return f"{total} job{'' if total == 1 else 's'}{': ' if spelled else ''}{spelled}"
