r"""References to the steps of a pipeline: ``${step:train}`` is what one returned, ``${step:train.dir}`` its directory.

May import: the standard library only. While a config is resolved a mark stands for each, which no text of a config
contains; ``spelled`` writes them back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .scalars import escape_interpolation

RESOLVER = "step"
DIRECTORY = "dir"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""What a step may be called."""
_MARK = "\0"
_TEXT = re.compile(rf"(\\*)\$\{{{RESOLVER}:({NAME.pattern})(\.{DIRECTORY})?\}}")


@dataclass(frozen=True)
class StepReference:
    """A reference to what a step returned, or to its directory."""

    step: str
    directory: bool = False

    @property
    def text(self) -> str:
        """The reference as an interpolation."""
        return f"${{{RESOLVER}:{self.step}{f'.{DIRECTORY}' if self.directory else ''}}}"


def reference(argument: str) -> StepReference | None:
    """Read what stands behind the colon; None where it is neither ``NAME`` nor ``NAME.dir``."""
    name, dot, rest = argument.partition(".")
    if not NAME.fullmatch(name) or (dot and rest != DIRECTORY):
        return None
    return StepReference(name, bool(dot))


def mark(argument: str) -> str:
    """Return what stands for a reference while a config is resolved."""
    return f"{_MARK}{argument}{_MARK}"


def is_marked(text: str) -> bool:
    """Whether a resolved text has references to steps in it."""
    return _MARK in text


def parts(marked: str) -> list[str]:
    """Split a resolved text: literal texts at even places, what references say at odd ones."""
    return marked.split(_MARK)


def spelled(marked: str) -> str:
    """Write a resolved text in the dialect, with its references as interpolations."""
    found = parts(marked)
    out = []
    for index, part in enumerate(found):
        if index % 2:
            out.append(f"${{{RESOLVER}:{part}}}")
            continue
        text = escape_interpolation(part)
        # Backslashes before an interpolation are doubled, or they would escape it.
        out.append(text + "\\" * (len(text) - len(text.rstrip("\\"))) if index + 1 < len(found) else text)
    return "".join(out)


def references(text: str) -> Iterator[StepReference]:
    """Yield the references in a text of the dialect."""
    for slashes, step, directory in _TEXT.findall(text):
        if len(slashes) % 2 == 0:
            yield StepReference(step, bool(directory))


def whole(text: str) -> StepReference | None:
    """Return the reference that a text of the dialect is, with nothing beside it."""
    match = _TEXT.fullmatch(text)
    return StepReference(match[2], bool(match[3])) if match is not None and not match[1] else None


def filled(text: str, value: Callable[[StepReference], str]) -> str:
    """Return a text of the dialect with ``value(reference)``, a literal text, in the place of each reference."""
    out, position = "", 0
    for match in _TEXT.finditer(text):
        slashes = len(match[1])
        if slashes % 2 == 0:
            before = text[position : match.start()]
            out += before + "\\" * (slashes // 2) + escape_interpolation(value(StepReference(match[2], bool(match[3]))))
            position = match.end()
    return out + text[position:]
