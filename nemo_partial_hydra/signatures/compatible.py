"""Whether one type accepts all that another does, and types as texts that every version of Python writes alike.

May import: the standard library only. ``Optional[int]``, ``Union[int, None]`` and ``int | None`` are one text here,
``int | None``; a class is its full name, an enum has its members beside it. The text is a Python expression, so that
reading it needs no parser of its own; nothing in it is evaluated.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Iterator
from typing import Any

from nemo_partial_hydra.recipes.tree import Ref

from .types import ANY, CONTAINER_KINDS, TypeSpec

UNKNOWN = TypeSpec("any", "?")  # a type that could not be read: nothing can be said about it
LIMIT = 20_000  # characters of a text that is read

_PLAIN = {"none": "None", "any": "Any"} | {
    kind: kind for kind in "bool int float str bytes timedelta path callable type".split()
}
_KINDS = {text: kind for kind, text in _PLAIN.items()}
_UNTYPED = ("Any", "object")


# Texts -------------------------------------------------------------------------------------------------------------


def text_of(spec: TypeSpec) -> str:
    """Write a type so that equal types have equal texts, whatever way they were annotated."""
    if spec.kind == "union":
        found = {text_of(member) for member in spec.members()}
        return "Any" if "Any" in found else " | ".join(sorted(found, key=lambda text: (text == "None", text)))
    if spec.kind == "any":
        return "Any" if spec.text in _UNTYPED else "Unknown"
    if spec.kind == "literal":
        return f"Literal[{', '.join(_choice(choice) for choice in spec.choices)}]"
    if spec.kind == "enum":
        return f"Enum[{', '.join(map(repr, (spec.target, *spec.choices)))}]"
    if spec.kind in CONTAINER_KINDS:
        inner = [text_of(arg) for arg in spec.args]
        if spec.kind == "tuple" and spec.variadic:
            inner.append("...")
        return f"{spec.kind}[{', '.join(inner) or '()'}]"
    if spec.kind in ("object", "dtype"):
        return spec.target if _dotted(spec.target) else "Unknown"
    return _PLAIN.get(spec.kind, "Unknown")


def _choice(choice: Any) -> str:
    return f"Ref[{choice.target!r}]" if isinstance(choice, Ref) else ascii(choice)


def _dotted(name: str) -> bool:
    return name.isascii() and all(part.isidentifier() for part in name.split("."))


def read_text(text: str) -> TypeSpec:
    """Read what :func:`text_of` wrote; UNKNOWN for what it did not write."""
    if len(text) > LIMIT:
        return UNKNOWN
    try:
        return _read(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNKNOWN


def _read(node: ast.expr) -> TypeSpec:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        members = (*_read(node.left).members(), *_read(node.right).members())
        return TypeSpec("union", ast.unparse(node), members)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return _subscript(node.value.id, node.slice)
    name = "None" if isinstance(node, ast.Constant) and node.value is None else _name(node)
    if name == "Unknown":
        return UNKNOWN
    if name in _KINDS:
        return ANY if name == "Any" else TypeSpec(_KINDS[name], name)
    return TypeSpec("dtype" if name in ("torch.dtype", "numpy.dtype") else "object", name, target=name)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    raise ValueError(f"{ast.unparse(node)} is no type")


def _subscript(name: str, inner: ast.expr) -> TypeSpec:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    text = f"{name}[{ast.unparse(inner)}]"
    if name == "Literal":
        return TypeSpec("literal", text, choices=tuple(map(_value, parts)))
    if name == "Enum":
        target, *members = [str(_value(part)) for part in parts]
        return TypeSpec("enum", target, choices=tuple(members), target=target)
    if name not in CONTAINER_KINDS:
        raise ValueError(f"{name} takes no types")
    variadic = isinstance(parts[-1], ast.Constant) and parts[-1].value is ... if parts else False
    args = tuple(map(_read, parts[:-1] if variadic else parts))
    return TypeSpec(name, text, args, variadic=variadic)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Ref":
        return Ref(str(ast.literal_eval(node.slice)))
    return ast.literal_eval(node)  # constants only, whatever its name says


# Widening ----------------------------------------------------------------------------------------------------------


def accepts(new: TypeSpec, old: TypeSpec) -> bool:
    """Whether every value of the old type is one of the new type as well; a type that is not known is no obstacle."""
    if unknown(old) or "any" in new.kinds:
        return True
    if old.kind == "union":
        return all(accepts(new, member) for member in old.members())
    if old.kind == "literal":
        return all(_takes_choice(new, choice) for choice in old.choices)
    return any(_takes(member, old) for member in new.members())


def unknown(spec: TypeSpec) -> bool:
    """Whether nothing can be said about a type: a name that could not be read, a type variable."""
    return spec.kind == "any" and spec.text not in _UNTYPED


def _takes(new: TypeSpec, old: TypeSpec) -> bool:
    if new.kind == "literal":
        return old.kind == "bool" and {True, False} <= {c for c in new.choices if isinstance(c, bool)}
    if new.kind in ("float", "callable") and (new.kind, old.kind) in (("float", "int"), ("callable", "type")):
        return True
    if new.kind != old.kind:
        return False
    if new.kind == "enum":  # where it moved to another module it is the same
        return _last(new.target) == _last(old.target) and set(old.choices) <= set(new.choices)
    if new.kind in ("object", "dtype"):
        return _last(new.target) == _last(old.target) or _derives(old.target, new.target)
    return _takes_elements(new, old) if new.kind in CONTAINER_KINDS else True


def _takes_elements(new: TypeSpec, old: TypeSpec) -> bool:
    if new.kind == "tuple" and new.variadic:
        return all(accepts(new.args[0], arg) for arg in old.args)
    if new.variadic != old.variadic or len(new.args) != len(old.args):
        return False
    return all(itertools.starmap(accepts, zip(new.args, old.args, strict=True)))


_BY_VALUE = {bool: "bool", int: "int", str: "str", bytes: "bytes", type(None): "none"}


def _takes_choice(new: TypeSpec, choice: Any) -> bool:
    for member in new.members():
        if member.kind == "literal" and any(type(c) is type(choice) and c == choice for c in member.choices):
            return True
        if isinstance(choice, Ref):
            owner, _, name = choice.target.rpartition(".")
            if member.kind == "enum" and _last(member.target) == _last(owner) and name in member.choices:
                return True
        elif _takes(member, TypeSpec(_BY_VALUE.get(type(choice), "object"), "")):
            return True
    return False


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _derives(name: str, base: str) -> bool:
    """Whether one class is another's subclass, as far as they are loaded: nothing is imported to find out."""
    classes = list(_loaded(base))
    return any(any(kind in found.__mro__ for kind in classes) for found in _loaded(name))


def _loaded(name: str) -> Iterator[type]:
    module, _, last = name.rpartition(".")
    found = getattr(sys.modules.get(module), last, None)
    if isinstance(found, type):
        yield found
