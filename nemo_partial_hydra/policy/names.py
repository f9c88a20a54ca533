"""One name: whether it is allowed, as far as the name itself tells, and what would allow it.

May import: the standard library, and from here ``rules`` and below.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterable
from typing import Any

from nemo_partial_hydra.recipes.names import public
from nemo_partial_hydra.recipes.values import HARMLESS

from .rules import BUILT_IN, DENIED, DENIED_LAST, FOREIGN, OWN_MODULES, POWERFUL, STACK, STDLIB

BUILT_IN_SET = frozenset(BUILT_IN)
_LONGEST = 1_000  # characters of a dotted name


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is a prefix or stands below it, on module boundaries."""
    return name == prefix or name.startswith(prefix + ".")


def refusal(target: str, prefixes: Iterable[str]) -> str | None:
    """Say why a name is refused, with the line that would allow it; None if it is allowed.

    The longest prefix decides: what is denied inside an allowed package is opened by naming it, or more of it.
    """
    known = prefixes if isinstance(prefixes, (set, frozenset)) else set(prefixes)
    if target in HARMLESS or target in known:
        return None
    parts = target.split(".") if len(target) <= _LONGEST else [""]
    if not all(part.isidentifier() for part in parts):
        return f"{shown(target)} is no dotted name like 'package.module.name'"
    if read_as(target) != target:
        return f"{shown(target)} is refused: Python's own text reads it as {shown(read_as(target))}; write that"
    heads = heads_of(target)
    granted = next((head for head in heads if head in known), "") if parts[0] not in STDLIB else ""
    denied = denied_prefix(target)
    if denied is not None and len(granted) < len(denied):
        return f"'{target}' is refused: '{denied}' {DENIED[denied]}{allowing(target)}"
    rest = parts[len(granted.split(".")) if granted else 0 :]
    if not all(map(public, rest)):
        return f"'{target}' is refused: it has a private part{allowing(target)}"
    ours = not granted or granted in BUILT_IN_SET
    if granted and ours and parts[-1] in DENIED_LAST:
        return f"'{target}' is refused: '{parts[-1]}' {DENIED_LAST[parts[-1]]}{allowing(target)}"
    through = _detour(rest if granted else rest[1:], ours=bool(granted) and ours)
    if through is not None:
        return f"'{target}' is refused: it leads through '{through}', a module of others{allowing(target)}"
    if granted:
        return None
    own = parts[0] not in STDLIB and parts[0] not in STACK and len(parts) > 1
    return f"'{target}' is not in an allowed package{allowing('.'.join(parts[:-1]) if own else target)}"


@functools.lru_cache(maxsize=4096)
def heads_of(target: str) -> tuple[str, ...]:
    parts = target.split(".")
    return tuple(".".join(parts[:cut]) for cut in range(len(parts), 0, -1))


def denied_prefix(target: str) -> str | None:
    return next((head for head in heads_of(target) if head in DENIED), None)


def _detour(parts: list[str], *, ours: bool) -> str | None:
    """Return the part of a name that is a module of another package, as far as the name alone tells."""
    strangers = (STDLIB - OWN_MODULES) | FOREIGN if ours else POWERFUL
    return next((part for part in parts[:-1] if part in strangers), None) or (
        parts[-1] if parts and parts[-1] in POWERFUL and ours else None
    )


def read_as(name: str) -> str:
    """Return a name as Python reads it in source: of letters in several forms (full width, ligatures) the plain one."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def allowing(line: str) -> str:
    if not line.isascii():  # a letter of another alphabet may look like one of ours, to who copies the line too
        return f"; not all of its letters are ASCII ({_escaped(line)}): is it what it looks like?{_way(line)}"
    return _way(line)


def _escaped(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 160 else f"{text[:157]}..."


def _way(line: str) -> str:
    plain = all(part.isidentifier() for part in line.split("."))  # other keys may be a command to a shell
    return f"; to allow it: nph.main(allow=[{line!r}]), or --allow {line if plain else shlex.quote(line)}"


def shown(target: Any) -> str:
    text = repr(target)
    return text if len(text) <= 80 else f"{text[:77]}..."
