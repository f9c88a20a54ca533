"""What an edit of a path begins with: the key that is fixed, the text that is changed, and the values that complete it.

May import: the standard library only. The texts are those of the listing: what its ``override`` says, or where there is
none, what ``why_not`` proposes instead.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.listing.completion import named_values
from nemo_partial_hydra.listing.record import GROUP, KWARGS, PathInfo
from nemo_partial_hydra.recipes.keys import APPEND, MISSING, TARGET

from .edits import Place, key_of, place_of, value_of

# How the listing proposes an override: in quotes, or a word that adds: "add it with +group=option".
_PROPOSED = re.compile(r"'([+~]{0,2}[^'=\s]+=\{[^']*\})'|(?<!\S)(\+[^\s=]+=\S+|[^\s=]+=OPTION)")
_SHOWN = 12


@dataclass(frozen=True)
class Draft:
    """An override that is being written: ``head`` stays, ``text`` is changed, ``choices`` may complete it."""

    head: str
    text: str
    choices: tuple[str, ...] = ()

    def completions(self, typed: str) -> list[str]:
        """Return the texts that complete what has been typed; of several values, the last."""
        before, comma, last = typed.rpartition(",")
        found = [choice for choice in self.choices if choice.startswith(last.lstrip()) and choice != last]
        return [f"{before}{comma}{choice}" for choice in found]

    def hint(self) -> str:
        """Spell the choices in one line; an empty text if there are none."""
        shown = ", ".join(self.choices[:_SHOWN])
        more = f", ... {len(self.choices)} in all" if len(self.choices) > _SHOWN else ""
        return f"one of: {shown}{more}" if shown else ""


def of_value(info: PathInfo, overrides: Sequence[str]) -> Draft:
    """Return the draft of another value for a path.

    Parameters
    ----------
    info : the path's record.
    overrides : those of the command line; one of the same key is what is changed, with all values of a sweep.

    Raises
    ------
    UsageError
        If nothing can be put there; with what to do instead.
    """
    text = shlex.split(info.override)[0] if info.override is not None else _proposed(info)
    if text is None or info.path.endswith(KWARGS):
        raise UsageError(f"{info.path}: {info.why_not or 'it cannot be overridden'}")
    head, _, value = text.partition("=")
    if value in ("OPTION", MISSING):
        value = ""
    place = place_of(text)
    given = [value_of(other) for other in overrides if place_of(other) == place and not other.startswith("~")]
    if info.type == GROUP and info.override is None:
        value = ""
    return Draft(f"{head}=", given[-1] if given else value, tuple(named_values(info)))


def of_entry(info: PathInfo, above: Iterable[PathInfo], overrides: Sequence[str], *, recipe: bool) -> Draft:
    """Return the draft of something more at a path: a keyword, an entry of a dict, elements of a list.

    Parameters
    ----------
    info : the path's record.
    above : the records of what contains it, nearest first.
    overrides : those of the command line.
    recipe : whether the whole config is a recipe: only in a recipe has a list something appended.

    Raises
    ------
    UsageError
        If nothing can be added there.
    """
    if info.path.endswith(f".{KWARGS}") or info.path == KWARGS:
        return Draft(f"+{info.path.removesuffix(KWARGS)}", "NAME=VALUE")
    if isinstance(info.value, list):
        owner = next((node.path for node in above if _is_node(node)), "")
        if not owner and not recipe:
            return of_value(info, overrides)
        rest = info.path[len(owner) + 1 :] if owner else info.path
        head = "+" + ".".join(filter(None, [owner, APPEND, rest]))
        given = [value_of(other) for other in overrides if key_of(other) == key_of(head)]
        return Draft(f"{head}=", given[-1] if given else "[]")
    if isinstance(info.value, dict) and TARGET not in info.value:
        return Draft(f"+{info.path}.", "KEY=VALUE")
    if info.type == GROUP and info.override is None:
        return of_value(info, overrides)
    raise UsageError(f"{info.path}: nothing can be added here, but to a dict, a list or **kwargs")


@dataclass(frozen=True)
class AnyOverride(Draft):
    """Any override: completed by the paths that there are, then by the values that a path's type names.

    Parameters
    ----------
    records : the paths' records.
    """

    records: Mapping[str, PathInfo] = field(default_factory=dict)

    def completions(self, typed: str) -> list[str]:
        """Return the texts that complete what has been typed."""
        head, equals, value = typed.partition("=")
        key = key_of(typed)
        if equals:
            info = self.records.get(key)
            values = Draft(f"{head}=", "", tuple(named_values(info)) if info is not None else ())
            return [values.head + text for text in values.completions(value)]
        sign = head[: len(head) - len(head.lstrip("+~"))]
        return [f"{sign}{path}=" for path in self.records if path.startswith(key)]

    def hint(self) -> str:
        """Spell what is expected."""
        return "KEY=VALUE, +KEY=VALUE or ~KEY; Tab completes"


def places_at(info: PathInfo) -> set[Place]:
    """Return the places of the overrides that set a path itself."""
    texts = [shlex.split(info.override)[0]] if info.override is not None else []
    proposed = _proposed(info)
    return {(info.path,), *map(place_of, texts), *([place_of(proposed)] if proposed is not None else [])}


def _proposed(info: PathInfo) -> str | None:
    """Return the override that the listing proposes where a path cannot be set as it is; None if it does not."""
    found = _PROPOSED.search(info.why_not or "")
    if found is None:
        return None
    text = found.group(1) or found.group(2)
    target = info.value.get(TARGET) if _is_node(info) else None
    return text.replace(f"{TARGET}: ...", f"{TARGET}: {target}") if target else text


def _is_node(info: PathInfo) -> bool:
    return isinstance(info.value, dict) and isinstance(info.value.get(TARGET), str)
