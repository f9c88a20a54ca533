"""What a parameter accepts, as data: read from annotations once, kept in snapshots, checked without imports.

May import: the standard library only. A ``TypeSpec`` is a small expression (``Optional[int]`` is a union of
``int`` and ``None``) together with the text that Python uses for it. It never holds a live class: an enum is
its dotted name and members, a class is its dotted name and those of its bases.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import enum
import functools
import pathlib
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.recipes.names import name_of
from nemo_partial_hydra.recipes.tree import Ref

SIMPLE: dict[Any, str] = {
    type(None): "none",
    None: "none",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    datetime.timedelta: "timedelta",
    Any: "any",
    object: "any",
}
CONTAINERS: dict[Any, str] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    dict: "dict",
    collections.abc.Sequence: "list",
    collections.abc.MutableSequence: "list",
    collections.abc.Iterable: "list",
    collections.abc.Collection: "list",
    collections.abc.Set: "set",
    collections.abc.Mapping: "dict",
    collections.abc.MutableMapping: "dict",
    collections.OrderedDict: "dict",
    collections.defaultdict: "dict",
}
SEQUENCE_KINDS = ("list", "tuple", "set", "frozenset")
CONTAINER_KINDS = (*SEQUENCE_KINDS, "dict")
ABSTRACT = (collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)


@dataclass(frozen=True)
class TypeSpec:
    """One type expression.

    ``kind`` is one of: any, none, bool, int, float, str, bytes, path, timedelta, enum, literal, union, list,
    tuple, set, frozenset, dict, callable, type, dtype, object. ``text`` is how Python spells it. ``args`` are
    the element types (of a union, its members); ``variadic`` marks ``tuple[X, ...]``. ``choices`` are Literal
    values or enum member names; ``target`` is the dotted name of an enum or class.
    """

    kind: str
    text: str
    args: tuple[TypeSpec, ...] = ()
    choices: tuple[Any, ...] = ()
    target: str = ""
    variadic: bool = False

    def members(self) -> Iterator[TypeSpec]:
        """Yield the alternatives of a union, or the type itself."""
        if self.kind == "union":
            for arg in self.args:
                yield from arg.members()
        else:
            yield self

    @functools.cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of all alternatives."""
        return frozenset(member.kind for member in self.members())


ANY = TypeSpec("any", "Any")


def class_of(spec: TypeSpec) -> str | None:
    """Return the dotted name of the one class whose objects a type takes; None if there is none, or are several."""
    found = {member.target for member in spec.members() if member.kind == "object"}
    name = found.pop() if len(found) == 1 else ""
    return name if "." in name else None


@functools.lru_cache(maxsize=4096)
def loosened(spec: TypeSpec) -> TypeSpec:
    """Return the type without its elements' types: what is left to check once the elements are done."""
    if spec.kind == "union":
        return dataclasses.replace(spec, args=tuple(loosened(arg) for arg in spec.args))
    if spec.kind in SEQUENCE_KINDS:
        return dataclasses.replace(spec, args=(ANY,) * len(spec.args))
    if spec.kind == "dict":
        return dataclasses.replace(spec, args=(*spec.args[:1], ANY))
    return spec


def spell(annotation: Any) -> str:
    """Spell an annotation as a reader would write it: ``Optional[int]``, ``Literal['a', 'b']``."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return f"Literal[{', '.join(repr(arg) for arg in args)}]"
    if origin is typing.Annotated:
        return spell(args[0])
    if origin in (typing.Union, types.UnionType):
        rest = [arg for arg in args if arg is not type(None)]
        inner = spell(rest[0]) if len(rest) == 1 else f"Union[{', '.join(map(spell, rest))}]"
        return f"Optional[{inner}]" if len(rest) < len(args) else inner
    if origin is collections.abc.Callable:
        if not args:
            return "Callable"
        head = f"[{', '.join(map(spell, args[0]))}]" if isinstance(args[0], (list, tuple)) else "..."
        return f"Callable[{head}, {spell(args[-1])}]"
    if origin is not None:
        name = getattr(annotation, "_name", None) or getattr(origin, "__name__", str(origin))
        inner = ", ".join("..." if arg is Ellipsis else "()" if arg == () else spell(arg) for arg in args)
        return f"{name}[{inner}]" if args else str(name)
    if isinstance(annotation, type):
        module = annotation.__module__
        own = module in ("builtins", "typing", "collections.abc")
        return annotation.__qualname__ if own or annotation.__qualname__ != annotation.__name__ else annotation.__name__
    return str(annotation).replace("typing.", "")


def parse(annotation: Any) -> TypeSpec:
    """Turn a resolved annotation into a ``TypeSpec``; what is not understood accepts anything."""
    try:
        return _parse(annotation)
    except TypeError:  # an unhashable or exotic annotation object
        return TypeSpec("any", spell(annotation))


def _parse(annotation: Any) -> TypeSpec:
    text = spell(annotation)
    if isinstance(annotation, (str, typing.ForwardRef, typing.TypeVar)):
        return TypeSpec("any", text)
    if annotation in SIMPLE:
        return TypeSpec(SIMPLE[annotation], text)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _parse(args[0])
    if origin is typing.Literal:
        return TypeSpec("literal", text, choices=tuple(_plain_choice(arg) for arg in args))
    if origin in (typing.Union, types.UnionType):
        return TypeSpec("union", text, args=tuple(_parse(arg) for arg in args))
    if annotation is typing.Callable or collections.abc.Callable in (origin, annotation):
        return TypeSpec("callable", text)
    if origin is type or annotation is type:
        return TypeSpec("type", text)
    if (origin or annotation) in CONTAINERS:
        return _container(origin or annotation, args, text)
    if isinstance(annotation, type):
        return _class(annotation, text)
    if isinstance(origin, type):
        return _class(origin, text)
    return TypeSpec("any", text)


def _plain_choice(value: Any) -> Any:
    return Ref(f"{name_of(type(value))}.{value.name}") if isinstance(value, enum.Enum) else value


def _container(origin: Any, args: tuple[Any, ...], text: str) -> TypeSpec:
    kind = CONTAINERS[origin]
    if kind == "tuple":
        variadic = len(args) == 2 and args[1] is Ellipsis
        if variadic or not args:
            return TypeSpec(kind, text, args=(_parse(args[0]) if args else ANY,), variadic=True)
        items = () if args == ((),) else args
        return TypeSpec(kind, text, args=tuple(_parse(arg) for arg in items))
    count = 2 if kind == "dict" else 1
    inner = tuple(_parse(arg) for arg in args[:count]) if args else (ANY,) * count
    spec = TypeSpec(kind, text, args=inner)
    if origin in ABSTRACT:  # a tuple is a Sequence too: the value keeps the type it has
        return TypeSpec("union", text, args=(spec, TypeSpec("tuple", text, args=inner, variadic=True)))
    return spec


def _class(cls: type, text: str) -> TypeSpec:
    if typing.is_typeddict(cls):
        return TypeSpec("dict", text, args=(ANY, ANY))
    if issubclass(cls, enum.Enum) and not cls.__members__:
        return TypeSpec("any", text)  # a base of enums: its subclasses have the members
    if issubclass(cls, enum.Enum):
        return TypeSpec("enum", text, choices=tuple(cls.__members__), target=name_of(cls) or text)
    if issubclass(cls, pathlib.PurePath):
        return TypeSpec("path", text, target=f"pathlib.{cls.__name__}")
    full = name_of(cls) or text
    if full == "os.PathLike":
        return TypeSpec("union", text, args=(TypeSpec("str", "str"), TypeSpec("path", "Path", target="pathlib.Path")))
    if full in ("torch.dtype", "numpy.dtype"):
        return TypeSpec("dtype", full, target=full)
    return TypeSpec("object", text, target=full)
