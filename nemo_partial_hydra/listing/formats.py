"""How a listing is printed: as a table, a tree, JSON, YAML or a page; paged on a terminal, plain in a pipe.

May import: rich, where a terminal is written to or ``COLUMNS`` says how wide the lines may be. A plain table is not
laid out by rich: a path stays on one line there, and 100,000 of them take no time.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from nemo_partial_hydra.composition.error_text import end_of_pipe
from nemo_partial_hydra.dialect.yaml import dump
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import cells, escaped, json_text, nearest, one_line, one_of, padded

from .columns import COLUMNS, JobListing, below, branches, heading, value
from .record import PathInfo


def check_format(name: str) -> str:
    """Return a format's name.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    if name not in NAMES:
        hint = nearest(name, NAMES)
        raise UsageError(f"--cfg-paths={name}: there is no such format; expected {one_of(NAMES)}{hint}")
    return name


def print_jobs(jobs: Sequence[JobListing], format: str, *, many: bool, out: TextIO | None = None) -> None:
    """Print the listing of one config, or of ``many`` jobs; a reader that closes the pipe early ends it quietly."""
    stream = sys.stdout if out is None else out
    try:
        if stream.isatty() and format in ("table", "tree"):
            from .terminal import page

            page(jobs, format, many)
        else:
            for text in FORMATS[format](jobs, many):
                stream.write(escaped(text))
        stream.flush()
    except BrokenPipeError:
        end_of_pipe()


def _json(jobs: Sequence[JobListing], many: bool) -> Iterator[str]:
    """Yield a JSON array with one record a line."""
    yield from _array(jobs, many, json_text)
    yield "\n"


def _array(jobs: Sequence[JobListing], many: bool, write: Callable[[Any], str]) -> Iterator[str]:
    if not many:
        yield from _records(jobs[0][2], write)
        return
    for index, (number, overrides, records) in enumerate(jobs):
        yield ",\n" if index else "[\n"
        yield f'{{"job": {number}, "overrides": {write(list(overrides))}, "paths": '
        yield from _records(records, write)
        yield "}"
    yield "\n]" if jobs else "[]"


def _records(records: Sequence[PathInfo], write: Callable[[Any], str]) -> Iterator[str]:
    for index, info in enumerate(records):
        yield ",\n" if index else "[\n"
        yield write(info.record())
    yield "\n]" if records else "[]"


def _yaml(jobs: Sequence[JobListing], many: bool) -> Iterator[str]:
    for number, overrides, records in jobs:
        if many:
            yield f"- job: {number}\n"
            yield "".join(f"  {line}\n" for line in dump({"overrides": list(overrides)}).splitlines())
            yield "  paths:\n" if records else "  paths: []\n"
        for info in records:
            text = dump([_texts(info.record())])
            yield "".join(f"  {line}\n" for line in text.splitlines()) if many else text
    if not many and not jobs[0][2]:
        yield "[]\n"


def _texts(data: Any) -> Any:
    """Return data whose keys are texts: YAML would read others back as they are, JSON has none."""
    return json.loads(json.dumps(data))


def _table(jobs: Sequence[JobListing], many: bool) -> Iterator[str]:
    if _wants_folding(os.environ):
        from .terminal import table

        yield from table(jobs, many, width=shutil.get_terminal_size().columns)
        return
    for number, overrides, records in jobs:
        if many:
            yield f"{heading(number, overrides)}\n"
        rows = [[column.head for column in COLUMNS]]
        rows += [[column.cell(info) for column in COLUMNS] for info in records]
        widths = [max(map(cells, texts)) for texts in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def _wants_folding(environment: Mapping[str, str]) -> bool:
    """Whether somebody says how wide lines may be: GNU readline exports ``COLUMNS`` too, and ``LINES`` with it."""
    return "COLUMNS" in environment and "LINES" not in environment


def _tree(jobs: Sequence[JobListing], many: bool) -> Iterator[str]:
    for number, overrides, records in jobs:
        if many:
            yield f"{heading(number, overrides)}\n"
        for depth, name, info in branches(records):
            left_out = below(info)
            note = (f"  ({left_out})" if left_out else "") + (f"  # {info.doc}" if info.doc else "")
            held = value(info)
            line = f"{'  ' * depth}{name}: {info.type}{f' = {held}' if held else ''}{note}"
            yield f"{one_line(line)}\n"


def _html(jobs: Sequence[JobListing], many: bool) -> Iterator[str]:
    from .html_page import page

    yield from page(jobs, many)


FORMATS: dict[str, Callable[[Sequence[JobListing], bool], Iterator[str]]] = {
    "table": _table,
    "tree": _tree,
    "json": _json,
    "yaml": _yaml,
    "html": _html,
}
BROWSE = "browse"  # no text: the explorer, which composes anew what is edited, so that only an app can start it
NAMES = (*FORMATS, BROWSE)
