"""Immutable standard-library values: which there are, how they are written, how they are made again.

May import: the standard library only. A value form is exactly ``{_target_: <name>, _args_: [...]}`` with one
of the names below; it stands where no annotation tells the type.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import re
import uuid
from collections.abc import Callable
from typing import Any

VALUE_TYPES: dict[type, str] = {
    datetime.timedelta: "datetime.timedelta",
    datetime.datetime: "datetime.datetime.fromisoformat",
    datetime.date: "datetime.date.fromisoformat",
    datetime.time: "datetime.time.fromisoformat",
    decimal.Decimal: "decimal.Decimal",
    fractions.Fraction: "fractions.Fraction",
    uuid.UUID: "uuid.UUID",
    complex: "builtins.complex",
    range: "builtins.range",
}

_LARGE_EXPONENT = re.compile(r"[eE][-+]?[0-9_]{5,}")


def fraction(*args: Any) -> fractions.Fraction:
    """Make a Fraction; one like ``1e999999999``, whose digits fill the memory, is a ValueError."""
    if any(isinstance(arg, str) and _LARGE_EXPONENT.search(arg) for arg in args):
        raise ValueError("the exponent is out of range")
    return fractions.Fraction(*args)


MAKERS: dict[str, Callable[..., Any]] = {
    "datetime.timedelta": datetime.timedelta,
    "datetime.datetime.fromisoformat": datetime.datetime.fromisoformat,
    "datetime.date.fromisoformat": datetime.date.fromisoformat,
    "datetime.time.fromisoformat": datetime.time.fromisoformat,
    "decimal.Decimal": decimal.Decimal,
    "fractions.Fraction": fraction,
    "uuid.UUID": uuid.UUID,
    "builtins.complex": complex,
    "builtins.range": range,
}

# Written around a plain value where its annotation would read it as something else.
EXACT: dict[str, type] = {f"builtins.{kind.__name__}": kind for kind in (bool, int, float, str)}
SEQUENCES: dict[str, str] = {f"builtins.{kind}": kind for kind in ("list", "tuple", "set", "frozenset")}
PATH_TARGETS: dict[str, type] = {
    f"pathlib.{kind.__name__}": kind
    for kind in (pathlib.Path, pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PurePath, pathlib.PureWindowsPath)
}
BYTES = "builtins.bytes.fromhex"
STRIP = "builtins.str.strip"  # the text ``???`` alone would mean "missing"
MAPS: dict[str, str] = {"builtins.dict": "dict", "collections.OrderedDict": "OrderedDict"}
NONE = "builtins.None"

_DURATION = re.compile(
    r"^(?:(?P<days>-?\d+) days?,? ?)?(?:(?P<h>\d+):(?P<m>[0-5]?\d):(?P<s>[0-5]?\d)(?:\.(?P<us>\d{1,6}))?)?$"
)


def read_duration(text: str) -> tuple[int, int, int] | None:
    """Read what ``str(timedelta)`` writes (``1 day, 0:30:00``) as (days, seconds, microseconds)."""
    match = _DURATION.match(text.strip())
    if match is None or not text.strip():
        return None
    part = {name: int(found or 0) for name, found in match.groupdict(default="0").items() if name != "us"}
    micro = int((match["us"] or "0").ljust(6, "0"))
    try:
        made = datetime.timedelta(part["days"], part["h"] * 3600 + part["m"] * 60 + part["s"], micro)
    except OverflowError:
        return None
    return made.days, made.seconds, made.microseconds


VALUE_FORMS = {*MAKERS, *EXACT, *SEQUENCES, *MAPS, *PATH_TARGETS, BYTES, STRIP}
