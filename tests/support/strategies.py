"""Hypothesis strategies that make recipes, and an oracle for their equality that shares no code with the package.

``recipes()`` makes nested ``run.Config``, ``run.Partial`` and ``fiddle.Config`` objects over the targets of
``tests.support.targets``. Each parameter is left unset, set to its own default, given a value of its type, or given
any value at all (recipes do contradict their annotations); containers and buildables are shared between places.
"""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import functools
import inspect
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import fiddle
import nemo_run as run
from hypothesis import strategies as st

from . import targets as t

TRICKY = (
    "",
    " ",
    "null",
    "Null",
    "~",
    "true",
    "yes",
    "off",
    "y",
    "1",
    "-1",
    "0x10",
    "0o7",
    "1_000",
    "1e-3",
    "1e3",
    ".5",
    "1.",
    ".inf",
    "-.inf",
    ".nan",
    "nan",
    "inf",
    "1:30",
    "1:30:00",
    "2020-01-01",
    "???",
    " ???",
    "${x}",
    "${.x}",
    "${oc.env:HOME}",
    "a${x}b",
    "$",
    "${",
    "\\${x}",
    "\\\\${x}",
    "\\",
    "a\nb",
    "\n",
    "a\n",
    " a",
    "a ",
    "a: b",
    "a #b",
    "#a",
    "- a",
    "[a]",
    "{a: 1}",
    "'a'",
    '"a"',
    "a'b\"c",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "=",
    "<<",
    "---",
    "...",
    "a,b",
    "\t",
    "\r\n",
    "\x00",
    "\x07",
    "\x85",
    "\u2028",
    "\ufeff",
    "é",
    "日本",
    "😀",
    "tests.support.targets.Color.RED",
    "RED",
    "builtins.int",
    "_target_",
    "1 day, 0:00:00",
    "0:00:01",
    "/a/b",
    "None",
    "Ellipsis",
    "${a:${b}}",
    "${a:b}",
)

tricky_text = st.sampled_from(TRICKY)
texts = st.one_of(tricky_text, st.text(max_size=8), st.text(alphabet="${}\\.:a", max_size=8))
integers = st.one_of(
    st.integers(-5, 5), st.integers(), st.sampled_from((10**30, -(10**30), 10**400, 257, -6, 2**63, 2**64))
)
finite = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from((0.0, -0.0, 1.0, 1e-3, 1e22, 5e-324))
)
floats = st.one_of(finite, st.sampled_from((math.inf, -math.inf, math.nan)))
paths = st.sampled_from(("", ".", "a", "/a/b c", "~/x", "${x}", "null", "1", "a\nb")).map(pathlib.Path)
pure_paths = st.one_of(
    st.sampled_from(("", "/a", "a/b")).map(pathlib.PurePosixPath),
    st.sampled_from(("", "C:\\a")).map(pathlib.PureWindowsPath),
)
durations = st.one_of(
    st.sampled_from((datetime.timedelta(0), datetime.timedelta(days=-1, seconds=5), datetime.timedelta.max)),
    st.timedeltas(),
)
zones = st.sampled_from((None, datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))))
moments = st.one_of(st.datetimes(timezones=zones), st.dates(), st.times())
numbers = st.one_of(
    st.decimals(allow_nan=False),
    st.fractions(),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
    st.builds(range, st.integers(-3, 3), st.integers(-3, 9), st.integers(1, 3)),
    st.uuids(),
)
enums = st.sampled_from((*t.Color, *t.Other, *t.Flavour, *t.Level, *t.Bits, *t.Round))
# A bound method is a new object at each access, and fiddle's ``==`` looks at that: none is drawn twice.
functions = st.sampled_from((t.double, t.half, t.typed, math.sqrt, len)) | st.sampled_from(
    (t.Optimizer, t.SubOptimizer)
).map(lambda cls: cls.default)
classes = st.sampled_from((t.Optimizer, t.SubOptimizer.Nested, t.Color, int, dict, pathlib.Path, datetime.timedelta))
atoms = st.one_of(st.none(), st.booleans(), integers, floats, texts, st.binary(max_size=6))
values = st.one_of(paths, pure_paths, durations, moments, numbers)
leaves = st.one_of(atoms, values, enums, functions, classes)
keys = st.one_of(texts, st.integers(-3, 12), st.booleans(), st.none(), finite, st.binary(max_size=3))
hashables = st.one_of(
    st.none(), st.booleans(), integers, finite, texts, st.binary(max_size=3), paths, enums, st.tuples(integers, texts)
)

# What each annotation of ``typed``, ``contained`` and ``mixed`` asks for.
MATCHING: dict[str, st.SearchStrategy[Any]] = {
    "i": integers,
    "f": floats,
    "b": st.booleans(),
    "s": texts,
    "data": st.binary(max_size=6),
    "path": paths,
    "pure": st.just(pathlib.PurePosixPath("/y")),
    "wait": durations,
    "color": st.sampled_from(t.Color),
    "flavour": st.sampled_from(t.Flavour),
    "level": st.sampled_from(t.Level),
    "word": st.sampled_from(("a", "b", 3, True, None)),
    "fn": functions,
    "cls": classes,
    "day": st.dates(),
    "key": st.none() | st.uuids(),
    "oi": st.none() | integers,
    "os": st.none() | texts,
    "of": st.none() | floats,
    "op": st.none() | paths,
    "oc": st.none() | st.sampled_from(t.Color),
    "ow": st.none() | durations,
    "ofn": st.none() | functions,
    "ints": st.lists(integers, max_size=3),
    "floats": st.lists(floats, max_size=3) | st.tuples(floats, floats),
    "pair": st.tuples(integers, texts),
    "betas": st.lists(floats, max_size=3).map(tuple),
    "names": st.sets(texts, max_size=3),
    "frozen": st.frozensets(integers, max_size=3),
    "paths": st.none() | st.lists(paths, max_size=3),
    "colors": st.dictionaries(texts, st.sampled_from(t.Color), max_size=3),
    "by_int": st.dictionaries(st.integers(-2, 9), texts, max_size=3),
    "nested": st.dictionaries(texts, st.lists(st.lists(integers, max_size=2).map(tuple), max_size=2), max_size=2),
    "waits": st.lists(durations, max_size=2).map(tuple),
    "either": st.none() | st.lists(integers, max_size=2) | st.lists(texts, max_size=2).map(tuple),
    "set_or_list": st.none() | st.lists(integers, max_size=2) | st.sets(texts, max_size=2),
    "many": st.lists(integers, max_size=2) | st.lists(integers, max_size=2).map(tuple),
    "number": integers | texts,
    "text": integers | texts,
    "where": paths | texts,
    "colour": st.sampled_from(t.Color) | texts,
    "flag": st.booleans() | integers,
    "real": floats | st.none() | texts,
    "call": functions | texts | st.none(),
}

BUILDABLES: tuple[Any, ...] = (run.Config, run.Config, run.Partial, fiddle.Config, fiddle.Partial)
TARGETS: tuple[Any, ...] = (
    t.typed,
    t.contained,
    t.mixed,
    t.untyped,
    t.keywords,
    t.int_keywords,
    t.Optimizer,
    t.SubOptimizer,
    t.Trainer,
    t.Plain,
    t.contradicting,
    t.implicit,
    t.unresolvable,
    t.required,
    t.Optimizer.default,
    t.SubOptimizer.Nested,
    dict,
)
KEYWORDS = ("extra", "items", "keys", "pop", "flags", "content", "class", "1", "parent", "é")


@st.composite
def recipes(draw: st.DrawFn, *, depth: int = 3, root: tuple[Any, ...] = (run.Partial, run.Config)) -> Any:
    """Make a recipe; at most ``depth`` buildables deep."""
    pool: list[Any] = []
    return _buildable(draw, pool, depth, draw(st.sampled_from(root)))


def _buildable(draw: st.DrawFn, pool: list[Any], depth: int, kind: Any = None) -> Any:
    target = draw(st.sampled_from(TARGETS))
    kind = kind or draw(st.sampled_from(BUILDABLES))
    made = kind(target)
    names = list(_parameters(target))
    takes_more = (
        any(p.kind is p.VAR_KEYWORD for p in inspect.signature(target).parameters.values())
        if target is not dict
        else True
    )
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else []
    for name in chosen:
        setattr(made, name, _argument(draw, pool, depth, name, _parameters(target)[name]))
    for name in draw(st.lists(st.sampled_from(KEYWORDS), max_size=2, unique=True)) if takes_more else ():
        setattr(made, name, _value(draw, pool, depth))
    pool.append(made)
    return made


def _parameters(target: Any) -> dict[str, inspect.Parameter]:
    if target is dict:
        return {}
    found = inspect.signature(target).parameters
    return {name: p for name, p in found.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _argument(draw: st.DrawFn, pool: list[Any], depth: int, name: str, parameter: inspect.Parameter) -> Any:
    way = draw(st.sampled_from(("matching", "matching", "any", "default")))
    if way == "default" and parameter.default is not parameter.empty and repr(parameter.default) != "<factory>":
        return _another(parameter.default)
    if way == "matching" and name in MATCHING:
        return draw(MATCHING[name])
    return _value(draw, pool, depth)


def _another(value: Any) -> Any:
    """Return an equal object: to fiddle's ``==`` the default object itself is shared with every unset parameter."""
    return (*value,) if type(value) is tuple else copy.deepcopy(value)


def _value(draw: st.DrawFn, pool: list[Any], depth: int) -> Any:
    way = draw(st.sampled_from(("leaf", "leaf", "leaf", "list", "tuple", "dict", "set", "shared", "buildable")))
    if way == "shared" and pool:
        return draw(st.sampled_from(pool))
    if way == "buildable" and depth > 1:
        return _buildable(draw, pool, depth - 1)
    if way in ("list", "tuple", "dict") and depth > 0:
        return _container(draw, pool, depth - 1, way)
    if way == "set":
        return draw(st.one_of(st.sets(hashables, max_size=3), st.frozensets(hashables, max_size=3)))
    return draw(leaves)


def _container(draw: st.DrawFn, pool: list[Any], depth: int, kind: str) -> Any:
    items = [_value(draw, pool, depth) for _ in range(draw(st.integers(0, 3)))]
    made: Any = items
    if kind == "tuple":
        return tuple(items)
    if kind == "dict":
        names = draw(st.lists(keys, min_size=len(items), max_size=len(items), unique=True))
        made = draw(st.sampled_from((dict, dict, collections.OrderedDict)))(zip(names, items, strict=True))
    pool.append(made)
    return made


# The oracle --------------------------------------------------------------------------------------------------------


def difference(a: Any, b: Any) -> str | None:
    """Say where two recipes differ: types, values, which arguments are set, order of dicts, what is shared."""
    return next(_differences(a, b, "recipe", {}, {}), None)


def _differences(a: Any, b: Any, path: str, there: dict[int, Any], back: dict[int, Any]) -> Iterator[str]:
    if type(a) is not type(b):
        yield f"{path}: {type(a)} became {type(b)} ({_brief(a)} -> {_brief(b)})"
        return
    if isinstance(a, (fiddle.Buildable, list, dict, set)):
        paired = there.setdefault(id(a), (b, a))[0] is b and back.setdefault(id(b), (a, b))[0] is a
        if not paired:
            yield f"{path}: an object that was shared is not, or the other way round"
            return
    compare = next((function for kinds, function in _COMPARE if isinstance(a, kinds)), _leaf)
    for key, one, other in compare(a, b, path):
        if key is None:
            yield one
            return
        yield from _differences(one, other, f"{path}.{key}", there, back)


Found = Iterator[tuple[Any, Any, Any]]


def _of_buildable(a: Any, b: Any, path: str) -> Found:
    if a.__fn_or_cls__ != b.__fn_or_cls__:
        yield None, f"{path}: the target {a.__fn_or_cls__} became {b.__fn_or_cls__}", None
        return
    ours, theirs = a.__arguments__, b.__arguments__
    if set(ours) != set(theirs):
        yield None, f"{path}: the arguments {sorted(map(str, ours))} became {sorted(map(str, theirs))}", None
        return
    for name in ours:
        yield name, ours[name], theirs[name]


def _of_sequence(a: Any, b: Any, path: str) -> Found:
    if len(a) != len(b):
        yield None, f"{path}: {len(a)} elements became {len(b)}", None
        return
    for index, pair in enumerate(zip(a, b, strict=True)):
        yield (index, *pair)


def _of_set(a: Any, b: Any, path: str) -> Found:
    ours, theirs = (sorted(s, key=lambda i: (type(i).__name__, repr(i))) for s in (a, b))
    yield from _of_sequence(ours, theirs, path)


def _of_dict(a: Any, b: Any, path: str) -> Found:
    if [(type(k), k) for k in a] != [(type(k), k) for k in b]:
        yield None, f"{path}: the keys {list(a)!r} became {list(b)!r}", None
        return
    for key, value in a.items():
        yield repr(key), value, b[key]


def _of_float(a: Any, b: Any, path: str) -> Found:
    alike = (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if not alike:
        yield None, f"{path}: {a!r} became {b!r}", None


def _leaf(a: Any, b: Any, path: str) -> Found:
    if not (a is b or a == b):
        yield None, f"{path}: {_brief(a)} became {_brief(b)}", None
    elif isinstance(a, (datetime.datetime, datetime.time)) and (a.tzinfo is None) != (b.tzinfo is None):
        yield None, f"{path}: the time zone of {a} was lost", None
    elif isinstance(a, decimal.Decimal) and a.as_tuple() != b.as_tuple():
        yield None, f"{path}: {a!r} became {b!r}", None


def _brief(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)[:80]


_COMPARE: tuple[tuple[Any, Callable[[Any, Any, str], Found]], ...] = (
    (fiddle.Buildable, _of_buildable),
    ((list, tuple), _of_sequence),
    ((set, frozenset), _of_set),
    (dict, _of_dict),
    (float, _of_float),
)


def fiddle_equal(a: Any, b: Any) -> bool | None:
    """Compare with fiddle's own ``==``; None where that cannot tell (``nan``, dicts with keys of several types)."""
    if has_nan(a):
        return None
    try:
        return cast(bool, a == b)
    except TypeError:  # fiddle sorts the keys of dicts
        return None


def has_nan(value: Any) -> bool:
    """Whether a ``nan`` stands somewhere in a recipe: it is not even equal to itself."""
    if isinstance(value, fiddle.Buildable):
        return any(map(has_nan, value.__arguments__.values()))
    if isinstance(value, dict):
        return any(map(has_nan, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(has_nan, value))
    return isinstance(value, float) and value != value


def nested(levels: int, make: Callable[[Any], Any]) -> Any:
    """Put a value into ``make`` again and again."""
    return functools.reduce(lambda inner, _: make(inner), range(levels), cast(Any, 1))
