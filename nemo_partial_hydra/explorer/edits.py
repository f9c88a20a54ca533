"""The overrides of a command line after edits: an edit takes the place of an earlier override of the same place.

May import: ``listing.override_text``; Hydra's parser of overrides, inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from nemo_partial_hydra.listing.override_text import key_text
from nemo_partial_hydra.recipes.keys import EDITS, REPLACE

Place = tuple[str, ...]


def key_of(override: str) -> str:
    """Return the key of an override, without what says that it adds or deletes."""
    return override.partition("=")[0].lstrip("+~").strip()


def value_of(override: str) -> str:
    """Return what stands behind the key."""
    return override.partition("=")[2]


def place_of(override: str) -> Place:
    """Return what an override sets: its key; of an entry of a dict that no key can spell, the entry's keys as well.

    Overrides of such entries (``extra={spark.yarn.max:3}``) share a key, and Hydra merges them: each has its own place.
    """
    key = key_of(override)
    if not value_of(override).lstrip().startswith("{"):
        return (key,)
    entries = {tuple(_entry(value)) for value in _values(override)}
    entry = entries.pop() if len(entries) == 1 else ()
    odd = key.rpartition(".")[2] == REPLACE or any(type(name) is not str or not key_text(("x", name)) for name in entry)
    return (key, *map(str, entry)) if odd else (key,)


def path_of(override: str) -> str:
    """Return the path that an override sets, as the listing has it."""
    names = (name for part in place_of(override) for name in part.split("."))
    return ".".join(name for name in names if name not in EDITS)


def _values(override: str) -> list[Any]:
    """Return the values that an override gives one by one; none if it cannot be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep
    from hydra.errors import HydraException

    try:
        value = OverridesParser.create().parse_override(override).value()
    except HydraException:
        return []
    return list(value.list) if isinstance(value, ChoiceSweep) else [value]


def _entry(value: Any) -> Iterator[Any]:
    """Yield the keys of a dict with one entry, and those of what stands there."""
    while isinstance(value, dict) and len(value) == 1:
        [(name, value)] = value.items()
        yield name


def with_edits(start: Sequence[str], edits: Iterable[str]) -> list[str]:
    """Return the overrides that a command line has after edits.

    Parameters
    ----------
    start : the overrides that it began with.
    edits : the edits, in order.
    """
    out = list(start)
    for edit in edits:
        _put(out, edit)
    return out


def dropped(edits: Sequence[str], places: Iterable[Place]) -> tuple[str, ...]:
    """Return edits without those of some places."""
    gone = set(places)
    return tuple(text for text in edits if place_of(text) not in gone)


def _put(overrides: list[str], edit: str) -> None:
    """Put an edit among overrides so that it takes effect.

    It stands where the earlier override of its place stood, unless a later one sets something above or below: then it
    comes last. What an earlier one added stays added, with another value.
    """
    place = place_of(edit)
    same = [index for index, text in enumerate(overrides) if place_of(text)[: len(place)] == place]
    if not same:
        overrides.append(edit)
        return
    first, last = overrides[same[0]], same[-1]
    if edit.startswith("~") and _sign(first) == "+" and not value_of(first).lstrip().startswith(("{", "[")):
        for index in reversed(same):  # it is there for this override alone: a dict or a list may be merged
            del overrides[index]
        return
    added = [sign for sign in (_sign(overrides[index]) for index in same) if sign.startswith("+")]
    if added and not overrides[last].startswith("~") and not _sign(edit):
        edit = added[0] + edit
    if first.startswith("~") and _sign(edit) == "+":  # it was there before it was deleted
        if value_of(edit).lstrip().startswith("{"):  # without the deletion it would be merged
            same = same[1:]
        else:
            edit = edit[1:]
    if not same:
        overrides.append(edit)
        return
    related = any(_root(text) == _root(edit) for text in overrides[last + 1 :])
    for index in reversed(same):
        del overrides[index]
    overrides.insert(len(overrides) if related else last - len(same) + 1, edit)


def _sign(override: str) -> str:
    return "".join(takewhile(lambda char: char in "+~", override))


def _root(override: str) -> str:
    """Return the first name of a key: what is below one root is taken as related."""
    return key_of(override).partition(".")[0].partition("@")[0].partition("/")[0]


def is_sweep(override: str) -> bool:
    """Whether an override has several values; one that cannot be read has not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if not any(char in override for char in ",("):
        return False
    try:
        return bool(OverridesParser.create().parse_override(override).is_sweep_override())
    except HydraException:
        return False
