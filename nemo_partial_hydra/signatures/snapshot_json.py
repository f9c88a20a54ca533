"""Defaults and types as the JSON data of a snapshot: exact, and read without evaluating anything.

May import: the standard library only. A plain JSON value is itself, an array is a list, and an object with one key is
what that key says (see ``snapshot``). What is no such data raises ``ValueError``, which says what was expected.
"""

from __future__ import annotations

import collections
import functools
import json
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nemo_partial_hydra.recipes.tree import (
    BUILDABLES,
    PATHS,
    SCALARS,
    Call,
    Link,
    Map,
    Opaque,
    Ref,
    Seq,
    Tree,
    Value,
    walk,
)
from nemo_partial_hydra.recipes.values import BY_TARGET, CONTAINERS, is_utf8

from .signature import Default, Required, Signature, Unknown
from .types import TypeSpec

# Defaults ----------------------------------------------------------------------------------------------------------


def write_default(default: Default) -> Any:
    """Write a parameter's default as JSON data."""
    if isinstance(default, Required):
        raise TypeError("a parameter without a default is written without one")
    if not isinstance(default, Unknown):
        hidden = next((node for _, node in walk(default) if isinstance(node, Opaque)), None)
        if hidden is None:
            return write(default)
        default = Unknown(f"raw(<{type(hidden.value).__name__}>)")  # a live object has no text form
    return {"unknown": write(default.text)}


def write(tree: Tree) -> Any:
    """Write a tree as JSON data."""
    if isinstance(tree, Seq):
        items = [write(item) for item in tree.items]
        return items if tree.kind == "list" else {tree.kind: items}
    if isinstance(tree, Map):
        return {tree.kind: [[write(key), write(item)] for key, item in tree.items]}
    if isinstance(tree, Ref):
        return {"ref": tree.target}
    if isinstance(tree, Value):
        return {"value": [tree.target, *map(write, tree.args)]}
    if isinstance(tree, Call):
        named = [[name, write(item)] for name, item in tree.kwargs.items()]
        return {"call": [tree.buildable, tree.target, [write(item) for item in tree.args], named]}
    if isinstance(tree, Link):
        return {"link": [write(key) for key in tree.path]}
    if isinstance(tree, bytes):
        return {"bytes": tree.hex()}
    if type(tree) in PATHS:
        return {type(tree).__name__: write(str(tree))}
    if type(tree) not in SCALARS:
        raise TypeError(f"{tree!r} is no part of a tree")
    return _plain_scalar(tree)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, str) and not is_utf8(value):
        return {"str": list(value)}  # JSON takes two halves of a character that stand in a row for the whole one
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, int) and value.bit_length() > 64:
        return {"int": hex(value)}  # Python neither writes nor reads long integers in decimal
    return value


def brief(data: Any) -> str:
    """Spell JSON data in a message."""
    text = json.dumps(data)
    return "missing" if data is None else text if len(text) <= 40 else f"{text[:37]}..."


def need(data: Any, kind: type, what: str) -> Any:
    """Return data that is of a type, or say what it is instead."""
    if type(data) is not kind:  # not isinstance: true is no number
        raise ValueError(f"{what} is {brief(data)}, expected {_SPELLED[kind]}")
    return data


def text_in(data: Any, what: str = "it") -> str:
    """Return data that is a text."""
    return data if type(data) is str else str(need(data, str, what))


def list_in(data: Any, what: str = "it") -> list[Any]:
    """Return data that is an array."""
    return data if type(data) is list else list(need(data, list, what))


def read_default(data: Any) -> Default:
    """Read what :func:`write_default` wrote."""
    if type(data) is dict and data.keys() == {"unknown"}:
        return Unknown(words_in(data["unknown"]))
    return read(data)


def read(data: Any) -> Tree:
    """Read what :func:`write` wrote."""
    kind = type(data)
    if kind is list:
        return Seq(tuple(map(read, data)))
    if kind is not dict:
        leaf: Tree = data
        return leaf
    tag, body = next(iter(data.items()), (None, None))
    if len(data) != 1 or tag not in _READERS:
        raise ValueError(f"{brief(data)} is no value")
    return _READERS[tag](body)


def _leaf(data: Any) -> Any:
    leaf = read(data)
    if type(leaf) not in SCALARS and type(leaf) is not bytes:
        raise ValueError(f"{brief(data)} is no plain value")
    return leaf


def _container(kind: str, body: Any) -> Seq | Map:
    if CONTAINERS[kind].held == "map":
        return Map(_pairs(body, _leaf), kind)
    return Seq(tuple(map(read, list_in(body))), kind)


def _path(kind: type[pathlib.PurePath], body: Any) -> pathlib.PurePath:
    return kind(words_in(body))


def words_in(data: Any, what: str = "it") -> str:
    """Read a text that may hold halves of characters."""
    text = read(data)
    return text if isinstance(text, str) else text_in(data, what)


def _value(body: Any) -> Value:
    target, *args = [_leaf(arg) for arg in list_in(body)] or [None]
    row = BY_TARGET.get(target) if isinstance(target, str) else None
    if row is None or row.held != "value" or tuple(map(type, args)) != row.argument_types:
        raise ValueError(f"{brief(body)} is no value of the standard library")
    return Value(target, tuple(args))


def _pairs(body: Any, key: Callable[[Any], Any]) -> tuple[tuple[Any, Tree], ...]:
    if not all(type(pair) is list and len(pair) == 2 for pair in list_in(body)):
        raise ValueError(f"{brief(body)} is no list of pairs")
    return tuple((key(name), read(item)) for name, item in body)


def _call(body: Any) -> Call:
    buildable, target, args, kwargs = list_in(body) if len(list_in(body)) == 4 else [None] * 4
    if buildable not in BUILDABLES:
        raise ValueError(f"{brief(body)} is no call")
    return Call(text_in(target), dict(_pairs(kwargs, text_in)), tuple(map(read, list_in(args))), buildable)


_SPELLED = {dict: "an object", list: "a list", str: "a text", int: "a whole number", bool: "true or false"}
_READERS: dict[Any, Callable[[Any], Tree]] = {
    "ref": lambda body: Ref(text_in(body)),
    "str": lambda body: "".join(map(text_in, list_in(body))),
    "int": lambda body: int(text_in(body), 16),
    "float": lambda body: float(text_in(body)),
    "bytes": lambda body: bytes.fromhex(text_in(body)),
    "value": _value,
    "call": _call,
    "link": lambda body: Link(tuple(map(_leaf, list_in(body)))),
    **{kind: functools.partial(_container, kind) for kind in CONTAINERS if kind != "list"},  # which is an array
    **{kind.__name__: functools.partial(_path, kind) for kind in PATHS},
}


# Types -------------------------------------------------------------------------------------------------------------


class TypeWriter:
    """The table of all types of some signatures: each once, named by how Python spells it.

    Types that are spelled alike are numbered: ``Sequence[int]`` is the union of a list and a tuple, both spelled like
    it. The one that most parameters have goes first.
    """

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._specs: dict[str, TypeSpec] = {}
        uses: collections.Counter[str] = collections.Counter()
        for signature in signatures:
            for found in (signature.extra, signature.rest, *(p.type for p in signature.parameters.values())):
                self._add(found)
                if found is not None:
                    uses[_canonical(found)] += 1
        self._keys: dict[str, str] = {}
        taken: set[str] = set()
        for canonical in sorted(self._specs, key=lambda key: (-uses[key], self._specs[key].kind != "union", key)):
            text, number = self._specs[canonical].text.encode("utf-8", "backslashreplace").decode(), 1
            while (key := text if number == 1 else f"{text} #{number}") in taken:
                number += 1
            taken.add(key)
            self._keys[canonical] = key
        self.table = {key: self._row(self._specs[canonical], key) for canonical, key in self._keys.items()}

    def key(self, spec: TypeSpec) -> str:
        """Return the name of a type in the table."""
        return self._keys[_canonical(spec)]

    def _add(self, spec: TypeSpec | None) -> None:
        if spec is not None and self._specs.setdefault(_canonical(spec), spec) is spec:
            for arg in spec.args:
                self._add(arg)

    def _row(self, spec: TypeSpec, key: str) -> Any:
        fields = {
            "text": write(spec.text) if spec.text != key else None,
            "args": [self.key(arg) for arg in spec.args],
            "choices": [write(choice) for choice in spec.choices],
            "target": spec.target or None,
            "variadic": spec.variadic,
        }
        # What is empty is what is read where nothing stands, but for an empty text.
        more = {name: value for name, value in fields.items() if value or value == ""}
        return {"kind": spec.kind, **more} if more else spec.kind


def _canonical(spec: TypeSpec) -> str:
    """Spell a type so that equal texts are equal types: to Python's ``==`` Literal[1] is Literal[True]."""
    return json.dumps(_whole(spec))


def _whole(spec: TypeSpec) -> Any:
    choices, args = [write(choice) for choice in spec.choices], [_whole(arg) for arg in spec.args]
    return [write(spec.text), spec.kind, spec.target, spec.variadic, choices, args]


class TypeReader:
    """The types of a table that a :class:`TypeWriter` made, read when they are first asked for."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table
        self._specs: dict[str, TypeSpec] = {}

    def read(self, key: Any) -> TypeSpec:
        """Return the type of a name in the table."""
        if text_in(key, "the name of a type") not in self._specs:
            if key not in self._table:
                raise ValueError(f"the type '{key}' is not in the file")
            self._specs[key] = self._type(key, self._table[key])
        return self._specs[key]

    def _type(self, key: str, data: Any) -> TypeSpec:
        data = {"kind": data} if isinstance(data, str) else need(data, dict, f"the type '{key}'")
        kind, text = text_in(data.get("kind"), f"the kind of '{key}'"), words_in(data.get("text", key), "text")
        args = tuple(self.read(arg) for arg in list_in(data.get("args", []), "args"))
        choices = tuple(read(choice) for choice in list_in(data.get("choices", []), "choices"))
        if (kind == "union" and not args) or (kind == "enum" and not all(isinstance(c, str) for c in choices)):
            raise ValueError(f"the type '{key}' has no {'members' if kind == 'union' else 'names of members'}")
        variadic = need(data.get("variadic", False), bool, "variadic")
        return TypeSpec(kind, text, args, choices, text_in(data.get("target", ""), "target"), variadic)
