"""One value against one type: convert it, or say what was expected.

May import: the standard library only. ``convert`` leaves a value alone that has the type already; a text given
where an enum member, a path, a function or a number is meant becomes one, as on a command line. Converting
twice changes nothing more.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from nemo_partial_hydra.messages import nearest, one_of
from nemo_partial_hydra.recipes.tree import Call, Link, Map, Opaque, Path, Ref, Result, Seq, Tree, Value
from nemo_partial_hydra.recipes.values import PATH_TYPES, read_bool, read_duration

from .types import TypeSpec

MAX_BITS = 14_000  # Python writes no longer integers as decimal text


class Mismatch(Exception):
    """A value that does not fit; carries the path below the value and what was expected."""

    def __init__(self, text: str, path: Path = ()) -> None:
        super().__init__(text)
        self.text = text
        self.path = path


def convert(value: Tree, spec: TypeSpec) -> Tree:
    """Return the value as the type asks for it.

    Raises
    ------
    Mismatch
        With what was expected, and the path of the part that does not fit.
    """
    if isinstance(value, (Call, Link, Result, Opaque)) or spec.kind == "any":
        return value
    if isinstance(value, int) and value.bit_length() >= MAX_BITS and spec.kind not in ("int", "float", "union"):
        raise _expected(value, spec)
    if spec.kind == "union":
        return _union(value, spec)
    return _CONVERTERS.get(spec.kind, _object)(value, spec)


def _union(value: Tree, spec: TypeSpec) -> Tree:
    members = list(spec.members())
    for member in members:
        if fits(value, member):
            return value
    problems: list[Mismatch] = []
    meant: Mismatch | None = None  # what the only member that is not None says
    # A text is the last resort: ``Union[str, int]`` must not turn a number into a text.
    for member in sorted(members, key=lambda m: m.kind == "str"):
        try:
            return convert(value, member)
        except Mismatch as problem:
            problems.append(problem)
            meant = problem if member.kind != "none" else meant
    deepest = max(problems, key=lambda problem: len(problem.path))
    real = [m for m in members if m.kind != "none"]
    if deepest.path or len(real) == 1 or any(p.text.startswith("index") for p in problems):
        raise deepest if deepest.path or meant is None else meant
    choices = [c for m in real if m.kind in ("enum", "literal") for c in m.choices]
    raise _expected(value, spec, f" ({one_of(choices)})" if choices else "")


def fits(value: Tree, spec: TypeSpec) -> bool:
    """Whether a value has the type as it stands."""
    try:
        converted = convert(value, spec)
    except Mismatch:
        return False
    return same(converted, value)


def same(a: Tree, b: Tree) -> bool:
    """Whether two trees are equal, types of leaves included (``1``, ``1.0`` and ``True`` differ)."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Seq) and isinstance(b, Seq):
        return a.kind == b.kind and len(a.items) == len(b.items) and all(map(same, a.items, b.items))
    if isinstance(a, Map) and isinstance(b, Map):
        return (
            a.kind == b.kind
            and len(a.items) == len(b.items)
            and all(
                type(k) is type(m) and k == m and same(x, y) for (k, x), (m, y) in zip(a.items, b.items, strict=True)
            )
        )
    if isinstance(a, Call) and isinstance(b, Call):
        return (
            (a.target, a.buildable, len(a.args)) == (b.target, b.buildable, len(b.args))
            and all(map(same, a.args, b.args))
            and a.kwargs.keys() == b.kwargs.keys()
            and all(same(value, b.kwargs[name]) for name, value in a.kwargs.items())
        )
    return bool(a == b) or (a != a and b != b)


def shown(value: Tree) -> str:
    """Spell a value in a message."""
    if isinstance(value, Ref):
        return value.target
    if isinstance(value, Value):
        return f"{value.target}{value.args!r}"
    if isinstance(value, Seq):
        return f"a {value.kind} of {len(value.items)}"
    if isinstance(value, Map):
        return "a dict"
    if isinstance(value, int) and value.bit_length() >= MAX_BITS:
        return "a very large integer"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _expected(value: Tree, spec: TypeSpec, more: str = "") -> Mismatch:
    return Mismatch(f"expected {spec.text}{more}, got {shown(value)}")


def _none(value: Tree, spec: TypeSpec) -> Tree:
    if value is None:
        return None
    raise _expected(value, spec)


def _bool(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, int)):
        read = read_bool(str(value))
        if read is not None:
            return read
    raise _expected(value, spec)


def _int(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            pass
    raise _expected(value, spec)


def _float(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value  # an int is a float to Python's type rules: it keeps its type
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    raise _expected(value, spec)


def _str(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)) and (isinstance(value, float) or value.bit_length() < MAX_BITS):
        return str(value)
    if type(value) in PATH_TYPES.values():
        return str(value)
    raise _expected(value, spec)


def _bytes(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, bytes):
        return value
    raise _expected(value, spec, " (write it as !!binary)")


def _path(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, tuple(PATH_TYPES.values())):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a directory named 2026 is a number to the command line
    if isinstance(value, str):
        path: Tree = PATH_TYPES.get(spec.target, PATH_TYPES["pathlib.Path"])(value)
        return path
    raise _expected(value, spec)


def _timedelta(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, Value) and value.target == "datetime.timedelta":
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            made = datetime.timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise _expected(value, spec, " (as many seconds are out of range)") from None
        return Value("datetime.timedelta", (made.days, made.seconds, made.microseconds))
    if isinstance(value, str):
        read = read_duration(value)
        if read is not None:
            return Value("datetime.timedelta", read)
    raise _expected(value, spec, " (seconds, or '1 day, 0:30:00')")


def _enum(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, Ref):
        owner, _, member = value.target.rpartition(".")
        if owner == spec.target and member in spec.choices:
            return value
    elif isinstance(value, str):
        member = value.rpartition(".")[2]
        if member in spec.choices:
            return Ref(f"{spec.target}.{member}")
        raise _expected(value, spec, f" ({one_of(spec.choices)})" + nearest(value, spec.choices).replace(";", ","))
    raise _expected(value, spec, f" ({one_of(spec.choices)})")


def _literal(value: Tree, spec: TypeSpec) -> Tree:
    choices: dict[str, Tree] = {}
    for choice in spec.choices:
        if type(choice) is type(value) and choice == value:
            return value
        choices[choice.target.rpartition(".")[2] if isinstance(choice, Ref) else str(choice)] = choice
    for choice in spec.choices:
        if isinstance(choice, Ref) and choice.target == value:
            return choice
    if str(value) in choices:
        return choices[str(value)]
    raise _expected(value, spec, nearest(str(value), choices).replace(";", ","))


def _reference(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, Ref):
        return value
    if isinstance(value, str):
        parts = value.split(".")
        if len(parts) > 1 and all(part.isidentifier() for part in parts):
            return Ref(value)
        if spec.kind == "dtype" and value.isidentifier():
            return Ref(f"{spec.target.partition('.')[0]}.{value}")
    raise _expected(value, spec, " by dotted name, like 'package.module.name'")


def _sequence(value: Tree, spec: TypeSpec) -> Tree:
    if not isinstance(value, Seq) or value.kind not in ("list", spec.kind):
        raise _expected(value, spec)
    if spec.kind == "tuple" and not spec.variadic:
        if len(value.items) != len(spec.args):
            raise Mismatch(f"expected {spec.text} with {len(spec.args)} elements, got {len(value.items)}")
        return Seq(tuple(_item(v, s, i) for i, (v, s) in enumerate(zip(value.items, spec.args, strict=True))), "tuple")
    inner = spec.args[0] if spec.args else None
    if inner is None or inner.kind == "any":
        return value if value.kind == spec.kind else Seq(value.items, spec.kind)
    items = tuple(_item(item, inner, i) for i, item in enumerate(value.items))
    if value.kind == spec.kind and all(map(same, items, value.items)):
        return value
    return Seq(items, spec.kind)


def _item(value: Tree, spec: TypeSpec, key: Any) -> Tree:
    try:
        return convert(value, spec)
    except Mismatch as problem:
        raise Mismatch(problem.text, (key, *problem.path)) from None


def _map(value: Tree, spec: TypeSpec) -> Tree:
    if not isinstance(value, Map):
        raise _expected(value, spec)
    key_spec, item_spec = spec.args if len(spec.args) == 2 else (None, None)
    if key_spec is None or item_spec is None:
        return value
    items = tuple((_key(k, key_spec), _item(v, item_spec, k)) for k, v in value.items)
    if len({key for key, _ in items}) < len(items):
        raise Mismatch(f"expected {spec.text}, and two of the keys mean the same")
    return Map(items, value.kind)


def _key(key: Any, spec: TypeSpec) -> Any:
    if "int" in spec.kinds and "str" not in spec.kinds and isinstance(key, str):
        return _item(key, spec, key)
    return key  # keys are often annotated carelessly: only what a command line cannot write is converted


def _object(value: Tree, spec: TypeSpec) -> Tree:
    if isinstance(value, (Ref, Value)):
        return value
    named = f": {spec.target}" if isinstance(value, Map) and "." in spec.target else ""
    raise _expected(value, spec, f" (a node with _target_{named})")


_CONVERTERS: dict[str, Callable[[Tree, TypeSpec], Tree]] = {
    "none": _none,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "bytes": _bytes,
    "path": _path,
    "timedelta": _timedelta,
    "enum": _enum,
    "literal": _literal,
    "callable": _reference,
    "type": _reference,
    "dtype": _reference,
    "list": _sequence,
    "tuple": _sequence,
    "set": _sequence,
    "frozenset": _sequence,
    "dict": _map,
    "object": _object,
}
