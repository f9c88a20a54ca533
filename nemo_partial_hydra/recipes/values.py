"""The standard-library values a recipe can hold: one table, one row a type, from which all others derive.

May import: the standard library only. A value form is exactly ``{_target_: <name>, _args_: [...]}`` with the name of
a row; it stands in YAML where no annotation tells the type. Capturing, writing, reading, snapshots, the JSON schema
and the policy follow the table: a new type is one row here, and one example in ``tests/recipes/test_values.py``.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import pathlib
import re
import signal
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

Held = Literal["value", "leaf", "name", "sequence", "map"]


@dataclass(frozen=True)
class ValueType:
    """One row: a type, and how its values are held, written and made again.

    Attributes
    ----------
    cls : the Python type; a value is captured by it where its own type is exactly this one.
    target : the name in its explicit form.
    held : what a tree has of it: ``value`` a ``tree.Value``, ``leaf`` the value itself, ``name`` the value itself,
        which a name gives without arguments, ``sequence`` a ``tree.Seq``, ``map`` a ``tree.Map``.
    make : makes a value of the arguments of the explicit form.
    arguments : gives these arguments of a value.
    argument_types : their types, by which a snapshot checks what it reads.
    names : its other names that a recipe may name, whatever the policy.
    """

    cls: type[Any]
    target: str
    held: Held
    make: Callable[..., Any]
    arguments: Callable[[Any], tuple[Any, ...]] = lambda value: (str(value),)
    argument_types: tuple[type, ...] = (str,)
    names: tuple[str, ...] = ()


_LARGE_EXPONENT = re.compile(r"[eE][-+]?[0-9_]{5,}")


def fraction(*args: Any) -> fractions.Fraction:
    """Make a Fraction; one like ``1e999999999``, whose digits fill the memory, is a ValueError."""
    if any(isinstance(arg, str) and _LARGE_EXPONENT.search(arg) for arg in args):
        raise ValueError("the exponent is out of range")
    return fractions.Fraction(*args)


def _itself(value: Any) -> tuple[Any, ...]:
    return (value,)


def _items(value: Any) -> tuple[Any, ...]:
    return (list(value),)


def _pairs(value: Any) -> tuple[Any, ...]:
    return ([list(pair) for pair in value.items()],)


def _iso(value: Any) -> tuple[Any, ...]:
    return (value.isoformat(),)


def _time(kind: Any) -> ValueType:
    name = f"datetime.{kind.__name__}"
    return ValueType(kind, f"{name}.fromisoformat", "value", kind.fromisoformat, _iso, names=(name,))


def _path(kind: Any) -> ValueType:
    return ValueType(kind, f"pathlib.{kind.__name__}", "leaf", kind)


BYTES: Final = "builtins.bytes.fromhex"
STRIP: Final = "builtins.str.strip"  # the text ``???`` alone would mean "missing"
NONE: Final = "builtins.None"

TABLE: Final = (
    ValueType(
        datetime.timedelta,
        "datetime.timedelta",
        "value",
        datetime.timedelta,
        lambda value: (value.days, value.seconds, value.microseconds),
        (int, int, int),
    ),
    _time(datetime.datetime),
    _time(datetime.date),
    _time(datetime.time),
    ValueType(decimal.Decimal, "decimal.Decimal", "value", decimal.Decimal),
    ValueType(fractions.Fraction, "fractions.Fraction", "value", fraction),
    ValueType(uuid.UUID, "uuid.UUID", "value", uuid.UUID),
    ValueType(complex, "builtins.complex", "value", complex, lambda value: (value.real, value.imag), (float, float)),
    ValueType(
        range, "builtins.range", "value", range, lambda value: (value.start, value.stop, value.step), (int, int, int)
    ),
    # Written around a plain value where its annotation would read it as something else.
    *(ValueType(kind, f"builtins.{kind.__name__}", "leaf", kind, _itself, (kind,)) for kind in (bool, int, float, str)),
    ValueType(str, STRIP, "leaf", str.strip, lambda value: (f" {value}",)),
    ValueType(bytes, BYTES, "leaf", bytes.fromhex, lambda value: (value.hex(),), names=("builtins.bytes",)),
    ValueType(type(None), NONE, "name", lambda: None, lambda value: (), ()),
    *map(
        _path,
        (pathlib.Path, pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PurePath, pathlib.PureWindowsPath),
    ),
    *(
        ValueType(kind, f"builtins.{kind.__name__}", "sequence", kind, _items, (list,))
        for kind in (list, tuple, set, frozenset)
    ),
    ValueType(dict, "builtins.dict", "map", dict, _pairs, (list,)),
    ValueType(collections.OrderedDict, "collections.OrderedDict", "map", collections.OrderedDict, _pairs, (list,)),
)

BY_TYPE: Final = {row.cls: row for row in reversed(TABLE)}  # of two rows of a type the first
BY_TARGET: Final = {row.target: row for row in TABLE if row.held != "name"}
VALUE_FORMS: Final = frozenset(BY_TARGET)
SIGNALS: Final = frozenset(f"signal.Signals.{name}" for name in signal.Signals.__members__)
"""Which signal ends a training, say: numbers with a name, which send nothing."""
HARMLESS: Final = SIGNALS | {name for row in TABLE for name in (row.target, *row.names)}
"""Names that only make values: any recipe may name them."""

EXACT: Final = {row.target: row.cls for row in TABLE if row.cls in (bool, int, float, str) and row.target != STRIP}
SEQUENCES: Final = {row.target: row.cls.__name__ for row in TABLE if row.held == "sequence"}
MAPS: Final = {row.target: row.cls.__name__ for row in TABLE if row.held == "map"}
PATH_TYPES: Final = {row.target: row.cls for row in TABLE if issubclass(row.cls, pathlib.PurePath)}
CONTAINERS: Final = {row.cls.__name__: row for row in TABLE if row.held in ("sequence", "map")}


# How values are written --------------------------------------------------------------------------------------------


def is_utf8(text: str) -> bool:
    """Whether a text can be written at all (a lone surrogate cannot)."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def read_bool(text: str) -> bool | None:
    """Read a boolean as OmegaConf does on the command line; None if it is none."""
    low = text.lower()
    if low in ("true", "yes", "on", "y", "1"):
        return True
    return False if low in ("false", "no", "off", "n", "0") else None


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


def write_duration(days: int, seconds: int, micro: int) -> str:
    """Write a duration as :func:`read_duration` reads it."""
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{micro:06}" if micro else "")
    return f"{days} days, {clock}" if days else clock
