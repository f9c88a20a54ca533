"""How a listing is printed: as a table, a tree, JSON or YAML; paged on a terminal, plain in a pipe.

May import: rich, where a terminal is written to or ``COLUMNS`` says how wide the lines may be. A plain table is not
laid out by rich: a path stays on one line there, and 100,000 of them take no time.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO

from nemo_partial_hydra.composition.error_text import end_of_pipe
from nemo_partial_hydra.dialect.yaml import dump
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import nearest, one_of
from nemo_partial_hydra.recipes.values import VALUE_FORMS

from .override_text import value_text
from .record import GROUP, PathInfo

Job = tuple[int, Sequence[str], Sequence[PathInfo]]
SHOWN = 12  # options of a group in a table
HEADS = ("PATH", "TYPE", "VALUE", "SET BY")
WIDEST = (0, 32, 44, 0)  # of the plain table's columns; 0 is as wide as it gets
_ROW = tuple[str, ...]


def check_format(name: str) -> str:
    """Return a format's name.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    if name not in FORMATS:
        hint = nearest(name, FORMATS)
        raise UsageError(f"--cfg-paths={name}: there is no such format; expected {one_of(FORMATS)}{hint}")
    return name


def print_jobs(jobs: Sequence[Job], format: str, *, many: bool, out: TextIO | None = None) -> None:
    """Print the listing of one config, or of ``many`` jobs; a reader that closes the pipe early ends it quietly."""
    stream = sys.stdout if out is None else out
    try:
        if stream.isatty() and format in ("table", "tree"):
            _paged(jobs, format, many)
        else:
            for text in FORMATS[format](jobs, many):
                stream.write(text)
        stream.flush()
    except BrokenPipeError:
        end_of_pipe()


def _json(jobs: Sequence[Job], many: bool) -> Iterator[str]:
    """Yield a JSON array with one record a line."""
    yield from _array(jobs, many, lambda data: json.dumps(data, ensure_ascii=False))
    yield "\n"


def _array(jobs: Sequence[Job], many: bool, write: Callable[[Any], str]) -> Iterator[str]:
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


def _yaml(jobs: Sequence[Job], many: bool) -> Iterator[str]:
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


def brief(value: Any) -> str:
    """Spell a value in one short line."""
    if isinstance(value, dict) and isinstance(value.get("_target_"), str):
        if set(value) == {"_target_", "_args_"} and value["_target_"] in VALUE_FORMS:
            return ", ".join(map(brief, value["_args_"]))
        return str(value["_target_"]) if value.get("_call_") is False else str(value["_target_"]).rpartition(".")[2]
    if isinstance(value, list):
        return "[" + ", ".join(map(brief, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {brief(item)}" for key, item in value.items()) + "}"
    return value_text(value) or str(value)


def shown(info: PathInfo) -> str:
    """Spell what a path holds."""
    if info.default_text is not None and not info.set:
        return info.default_text
    if info.required and info.value is None:
        return "???"
    if info.path.endswith("**kwargs") and info.value is None:
        return ""
    return brief(info.value)


def set_by(info: PathInfo) -> str:
    """Spell where a value comes from, or why it cannot be set."""
    if info.type == GROUP:
        options = _options(info)
        return f"{_place(info) if info.overridable else info.why_not}  [{options}]"
    if info.path.endswith(".**kwargs") and info.why_not is not None:
        return info.why_not
    text = _place(info)
    if info.follows is not None:
        text += f", follows {info.follows}"
    if info.before is not None:
        text += f" (was {brief(info.before)})"
    # That a recipe node is replaced, not overridden, is no news in each of its lines.
    usual = info.why_not is None or "its target is fixed" in info.why_not
    return text if usual else f"{text}; fixed: {info.why_not}"


def _options(info: PathInfo) -> str:
    """Spell a group's options, as many as fit in a line or two; a library has a hundred (JSON has all of them)."""
    names = list(map(str, info.choices))
    if len(names) <= SHOWN:
        return "|".join(names)
    return f"{'|'.join(names[:SHOWN])}|... {len(names)} in all"


def _place(info: PathInfo) -> str:
    if info.kind == "default":
        return "default" if not (info.required and info.value is None) else "required"
    if info.kind == "override":
        return f"override {info.source}" if info.source else "override"
    place = f"{info.source}:{info.line}" if info.line is not None else info.source
    return place or info.kind


def rows(records: Iterable[PathInfo]) -> Iterator[_ROW]:
    """Yield a table's rows."""
    for info in records:
        yield info.path, info.type, shown(info), set_by(info)


def _table(jobs: Sequence[Job], many: bool) -> Iterator[str]:
    if "COLUMNS" in os.environ:
        from .terminal import table

        yield from table(jobs, many, width=shutil.get_terminal_size().columns)
        return
    for number, overrides, records in jobs:
        if many:
            yield f"{heading(number, overrides)}\n"
        cells = [HEADS, *(tuple(map(_cut, row, WIDEST)) for row in rows(records))]
        widths = [max(len(row[column]) for row in cells) for column in range(len(HEADS))]
        for row in cells:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def heading(number: int, overrides: Sequence[str]) -> str:
    """Spell the line above a job's listing."""
    return f"job {number}: {' '.join(overrides)}"


def _cut(text: str, width: int) -> str:
    return text if not width or len(text) <= width else f"{text[: width - 3]}..."


def _tree(jobs: Sequence[Job], many: bool) -> Iterator[str]:
    for number, overrides, records in jobs:
        if many:
            yield f"{heading(number, overrides)}\n"
        for depth, name, info in branches(records):
            note = f"  # {info.doc}" if info.doc else ""
            value = f" = {shown(info)}" if shown(info) else ""
            yield f"{'  ' * depth}{name}: {info.type}{value}{note}\n"


def branches(records: Iterable[PathInfo]) -> Iterator[tuple[int, str, PathInfo]]:
    """Yield each record with its depth below what is listed above it, and its name there."""
    above: list[str] = []
    for info in records:
        while above and not info.path.startswith(f"{above[-1]}."):
            above.pop()
        yield len(above), info.path[len(above[-1]) + 1 :] if above else info.path, info
        above.append(info.path)


def _paged(jobs: Sequence[Job], format: str, many: bool) -> None:
    from .terminal import page

    page(jobs, format, many)


FORMATS: dict[str, Callable[[Sequence[Job], bool], Iterator[str]]] = {
    "table": _table,
    "tree": _tree,
    "json": _json,
    "yaml": _yaml,
}
