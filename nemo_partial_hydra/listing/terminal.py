"""The listing on a terminal: coloured, folded to its width, paged when it is long.

May import: rich.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from nemo_partial_hydra.messages import escaped, one_line

from .columns import COLUMNS, JobListing, below, branches, heading, value
from .record import GROUP, PathInfo

WIDE = 160  # characters; from there on the columns are as wide as their texts
GAPS = 2 * (len(COLUMNS) - 1)  # characters between the columns
COLOURS = {"default": "dim", "recipe": "bold", "config": "bold", "override": "bold green"}


def table(jobs: Sequence[JobListing], many: bool, width: int) -> Iterator[str]:
    """Yield tables of a given width as plain text."""
    console = Console(width=width, no_color=True, highlight=False)
    for part in _tables(jobs, many, width):
        with console.capture() as captured:
            console.print(part)
        yield "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def page(jobs: Sequence[JobListing], format: str, many: bool) -> None:
    """Print to the terminal, through a pager if it is longer than the screen."""
    console = Console(highlight=False)
    parts = list(_tables(jobs, many, console.width) if format == "table" else _trees(jobs, many))
    if sum(len(records) for _, _, records in jobs) < console.height - 2:
        for part in parts:
            console.print(part)
        return
    os.environ.setdefault("LESS", "-RFX")  # keep the colours, leave the text on the screen
    with console.pager(styles=True):
        for part in parts:
            console.print(part)


def _tables(jobs: Sequence[JobListing], many: bool, width: int) -> Iterator[RenderableType]:
    wide = width >= WIDE
    room = max(16, (width - GAPS) * COLUMNS[0].ratio // sum(column.ratio for column in COLUMNS))
    for number, overrides, records in jobs:
        if many:
            yield Text(escaped(heading(number, overrides)), style="bold")
        made = Table(box=None, pad_edge=False, width=None if wide else width, header_style="bold")
        for column in COLUMNS:
            made.add_column(column.head, overflow="fold", ratio=None if wide else column.ratio)
        for info in records:
            style = "cyan" if info.type == GROUP else COLOURS.get(info.kind, "")
            path, *rest = (one_line(column.value(info)) for column in COLUMNS)
            made.add_row(Text(path if wide else _folded(path, room)), *map(Text, rest), style=style)
        yield made


def _folded(path: str, width: int) -> str:
    """Break a long path at its dots."""
    lines = [""]
    for part in path.split("."):
        piece = f".{part}" if lines[-1] else part
        if len(lines[-1]) + len(piece) > width and lines[-1].strip():
            lines.append(f"  .{part}")
        else:
            lines[-1] += piece
    return "\n".join(lines)


def _trees(jobs: Sequence[JobListing], many: bool) -> Iterator[RenderableType]:
    for number, overrides, records in jobs:
        if many:
            yield Text(escaped(heading(number, overrides)), style="bold")
        for depth, name, info in branches(records):
            yield _branch(depth, name, info)


def _branch(depth: int, name: str, info: PathInfo) -> Text:
    line = Text("  " * depth)
    line.append(one_line(name), style=COLOURS.get(info.kind, ""))
    line.append(one_line(f": {info.type} = "), style="dim")
    line.append(one_line(value(info)), style=COLOURS.get(info.kind, ""))
    if info.below:
        line.append(f"  ({below(info)})", style="dim")
    if info.doc:
        line.append(one_line(f"  # {info.doc}"), style="dim italic")
    return line
