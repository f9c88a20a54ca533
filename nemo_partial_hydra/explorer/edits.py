"""The overrides of a command line after edits: an edit takes the place of an earlier override of its key.

May import: Hydra's parser of overrides, inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile


def key_of(override: str) -> str:
    """Return the key of an override, without what says that it adds or deletes."""
    return override.partition("=")[0].lstrip("+~").strip()


def value_of(override: str) -> str:
    """Return what stands behind the key."""
    return override.partition("=")[2]


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


def dropped(edits: Sequence[str], keys: Iterable[str]) -> tuple[str, ...]:
    """Return edits without those of some keys."""
    gone = set(keys)
    return tuple(text for text in edits if key_of(text) not in gone)


def _put(overrides: list[str], edit: str) -> None:
    """Put an edit among overrides so that it takes effect.

    It stands where the earlier override of its key stood, unless a later one sets something above or below: then it
    comes last. What an earlier one added stays added, with another value.
    """
    key = key_of(edit)
    same = [index for index, text in enumerate(overrides) if key_of(text) == key]
    if not same:
        overrides.append(edit)
        return
    last = same[-1]
    sign = _sign(overrides[last])
    if sign.startswith("+") and not _sign(edit):
        edit = sign + edit
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
