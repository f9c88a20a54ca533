"""The values that differ between the jobs of sweeps, read from their overrides.

May import: Hydra's parser of overrides, where a text is more than a number, a word or a path.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_WHOLE, _DIGITS = r"(0|[1-9](_?[0-9])*)", r"[0-9](_?[0-9])*"
_INT = re.compile(rf"[+-]?{_WHOLE}")
_FLOAT = re.compile(rf"[+-]?(({_WHOLE}?\.{_DIGITS}|{_WHOLE}\.)([eE][+-]?{_DIGITS})?|{_WHOLE}[eE][+-]?{_DIGITS})")
_WORD = re.compile(r"[A-Za-z/_][A-Za-z0-9_./@-]*")
_WORDS: Final[Mapping[str, Any]] = {
    "null": None,
    "true": True,
    "false": False,
    "nan": float("nan"),
    "inf": float("inf"),
}


def values_of(overrides: Iterable[str]) -> dict[str, Any]:
    """Return what overrides set, by the key as it is typed without its sign; of several the last counts.

    Parameters
    ----------
    overrides : texts as in job.yaml; one that deletes a key (``~key``) sets it to None.
    """
    out: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        out[key.lstrip("+~")] = typed(value) if equals and not text.startswith("~") else None
    return out


@functools.lru_cache(maxsize=4096)
def typed(text: str) -> Any:
    """Return the value that an override's text stands for; where it is no value by itself, the text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text if _WORD.fullmatch(text) else _parsed(text)


def _parsed(text: str) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"x={text}")
        value = None if override.is_sweep_override() else override.value()
    except (HydraException, ValueError, RecursionError):
        return text
    return value if isinstance(value, (bool, int, float, str)) else text


def differing(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values differ between jobs, in the order in which they were typed; all keys of one job."""
    keys = dict.fromkeys(key for job in jobs for key in job)
    if len(jobs) < 2:
        return [*keys]
    missing = object()
    found = []
    for key in keys:
        first = jobs[0].get(key, missing)
        if any(_other(job.get(key, missing), first) for job in jobs[1:]):
            found.append(key)
    return found


def _other(value: Any, first: Any) -> bool:
    return type(value) is not type(first) or repr(value) != repr(first)


def short_names(keys: Sequence[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return the shortest ends of dotted keys that are distinct from each other and from names that are taken.

    A number says nothing by itself: ``optimizers.0.lr`` and ``optimizers.1.lr`` are ``0.lr`` and ``1.lr``, and
    ``layers.0`` is ``layers.0``.
    """
    parts = {key: re.split(r"[./]", key) for key in keys}
    length = {key: next((n for n in range(1, len(p) + 1) if not p[-n].isdigit()), len(p)) for key, p in parts.items()}
    used = set(taken)
    while True:
        names = {key: _end(key, length[key]) for key in keys}
        counts: dict[str, int] = {}
        for name in names.values():
            counts[name] = counts.get(name, 0) + 1
        longer = [
            key for key, name in names.items() if (counts[name] > 1 or name in used) and length[key] < len(parts[key])
        ]
        if not longer:
            return {key: name if name not in used else f"{key}=" for key, name in names.items()}
        for key in longer:
            length[key] += 1


def _end(key: str, count: int) -> str:
    """Return the last parts of a key, with the dots and slashes between them."""
    ends = [match.end() for match in re.finditer(r"[./]", key)]
    starts = [0, *ends]
    return key[starts[-count] :]
