"""In which lines the recipes of two jobs of a sweep differ.

May import: the standard library only. Recipes are compared as the texts that they are in job.yaml: of hundreds of jobs
that takes no time, and each line is shown with the keys above it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs.layout import JobPaths

MAX_BYTES = 1 << 20
_MOST = 40  # lines that are shown
_SECTION = re.compile(r"^(recipe|call):", re.MULTILINE)
_AFTER = re.compile(r"^signatures:", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """The text of a recipe, or of the config of an app, as it is in job.yaml."""

    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()


def recipe_text(paths: JobPaths) -> Recipe | None:
    """Return the recipe of a job; None where there is none that can be read."""
    try:
        text = files.read_text(paths.root, paths.job, MAX_BYTES)
    except (OSError, UnicodeDecodeError):
        return None
    found = _SECTION.search(text)
    if found is None:
        return None
    after = _AFTER.search(text, found.end())
    return Recipe(text[found.start() : after.start() if after else len(text)].rstrip())


def differences(base: Recipe, other: Recipe) -> list[str]:
    """Return the lines that differ, ``- `` of the first and ``+ `` of the other recipe, each with the keys above it."""
    found = [*_pairs(base.lines, other.lines)]
    return found if len(found) <= _MOST else [*found[:_MOST], f"... and {len(found) - _MOST} more lines"]


def _pairs(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    if len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            if before != after:
                yield f"- {_place(old, index)}"
                yield f"+ {_place(new, index)}"
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind != "equal":
            yield from (f"- {_place(old, index)}" for index in range(first, last))
            yield from (f"+ {_place(new, index)}" for index in range(start, end))


def _place(lines: Sequence[str], index: int) -> str:
    """Return a line with the keys of the lines that it is below."""
    line = lines[index]
    indent = len(line) - len(line.lstrip())
    keys: list[str] = []
    for above in reversed(lines[:index]):
        here = len(above) - len(above.lstrip())
        if here < indent and above.strip():
            indent = here
            keys.append(above.strip().removeprefix("- ").partition(":")[0])
        if indent == 0:
            break
    return ".".join([*reversed(keys), line.strip()])
