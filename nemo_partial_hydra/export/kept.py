"""How a recipe depends on the arguments of its factory, found by calling that with others.

May import: the standard library, PyYAML. Where an argument is passed through as it is, the recipe refers to it from
then on (``dialect.kept_arguments``); all others are fixed, and it is said why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.dialect.writer import relative
from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.messages import dotted
from nemo_partial_hydra.recipes.data import children
from nemo_partial_hydra.recipes.keys import ARGS, CALL_KEY, FACTORY, TARGET
from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.signatures.convert import Mismatch, convert, same
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.types import TypeSpec

from .arguments import OPEN

Make = Callable[[Mapping[str, Any]], Any]
"""Gives the plain data of the recipe that a factory makes with some arguments beside or instead of those given."""

_OTHERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    bool: lambda value: (not value,),
    int: lambda value: (value + 1, 2 * value + 5, 97),
    float: lambda value: (value + 1.0, value * 3 + 0.1875),
    str: lambda value: (f"{value}-other", "another"),
}
_EDGES: dict[str, tuple[Any, ...]] = {
    "none": (None,),
    "bool": (False, True),
    "int": (0, -1, 100_003),
    "float": (0.0, -1.5, 1e-9, 1234.56789),
    "str": ("", " A b ", "~/a//B/"),
}
"""Values at which factories take other ways (``n or 8``, ``max(n, 1)``, ``int(lr)``, ``path.rstrip("/")``), by kind."""
_OF_NONE = {"str": ("one", "another"), "int": (3, 97), "float": (0.375, 2.5), "bool": (True, False), "path": ("one/a",)}


_NONE = {TARGET: "builtins.None", CALL_KEY: False}


@dataclass
class Kept:
    """What calling a factory with other arguments has shown.

    Attributes
    ----------
    places : the paths that an argument is passed through to, by its name.
    fixed : why another is not one that can be changed, by its name.
    """

    places: dict[str, list[Path]] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)


def look(data: Any, make: Make, signature: Signature, given: Mapping[str, Any]) -> Kept:
    """Find which arguments of a factory are passed through.

    Parameters
    ----------
    data : what it makes with the arguments that were given, as plain data.
    make : calls it with others.
    signature : its own.
    given : the values of arguments that were given.
    """
    kept = Kept()
    for name, parameter in signature.parameters.items():
        value = given.get(name, parameter.default)
        if parameter.positional:
            kept.fixed[name] = "it is given by position alone"
        elif not isinstance(data, dict) or TARGET not in data:
            kept.fixed[name] = "the recipe is no single call"
        elif name not in given and parameter.required:
            kept.fixed[name] = "it is given in no way"
        else:
            _probe(name, value, parameter.type, data, make, kept)
    others = {
        name: _others(given.get(name, parameter.default), parameter.type)[0]
        for name, parameter in signature.parameters.items()
        if name in kept.places
    }
    while not _hold_together({name: others[name] for name in kept.places}, data, make, kept):
        pass  # each time there is one less
    return kept


def _others(value: Any, spec: TypeSpec) -> tuple[Any, ...]:
    """Return other values of an argument, of a Literal all; none where its type does not say which there are."""
    named = [choice for member in spec.members() if member.kind == "literal" for choice in member.choices]
    if named:
        found = tuple(choice for choice in named if not same(choice, value))
    elif value is None or value == OPEN:
        found = next((values for kind, values in _OF_NONE.items() if kind in spec.kinds), ())
    else:
        found = _OTHERS.get(type(value), lambda _: ())(value)
    return tuple(other for other in found if _accepts(spec, other))


def _edges(value: Any, spec: TypeSpec) -> tuple[Any, ...]:
    """Return the odd ones among the values that an argument may have."""
    kinds = spec.kinds
    if "any" in kinds:  # what number is meant, nobody says
        kinds = kinds | {type(value).__name__} | ({"float"} if type(value) is int else set())
    return tuple(edge for kind, edges in _EDGES.items() if kind in kinds for edge in edges if not same(edge, value))


def _accepts(spec: TypeSpec, value: Any) -> bool:
    try:
        convert(value, spec)
    except Mismatch:
        return False
    return True


def _probe(name: str, value: Any, spec: TypeSpec, data: Any, make: Make, kept: Kept) -> None:
    """Note whether an argument is passed through."""
    others = _others(value, spec)
    if not others:
        kept.fixed[name] = f"no other value of type {spec.text} is known to try"
        return
    found: list[Path] | None = None
    for other in others:
        try:
            made = make({name: other})
        except Exception as error:  # whatever a factory says to another value is the answer
            kept.fixed[name] = f"with {other!r} the factory gives nothing: {_line(error)}"
            return
        changed = list(_changed(data, made))
        odd = next((path for path, old, new in changed if not (_is(old, value) and _is(new, other))), None)
        if odd is not None:
            kept.fixed[name] = f"{dotted(odd) or 'the recipe'} is made from it" if odd else "the recipe is made from it"
            return
        paths = [path for path, _, _ in changed]
        if found is not None and paths != found:
            kept.fixed[name] = f"where it goes depends on its value ({other!r})"
            return
        found = paths
    if not found:
        kept.fixed[name] = "nothing in the recipe is made from it"
    elif not all(_nameable(path) for path in found):
        kept.fixed[name] = "it goes to a place that no reference can stand at"
    else:
        kept.places[name] = found
        why = _odd_edge(name, _edges(value, spec), found, data, make)
        if why is not None:
            _fix(name, why, kept)


def _odd_edge(name: str, edges: tuple[Any, ...], places: list[Path], data: Any, make: Make) -> str | None:
    """Say at which of some values an argument is not passed through; None if it is with all that the factory takes."""
    for edge in edges:
        try:
            made = make({name: edge})
        except Exception:  # there is no recipe of that value, so none that differs
            continue
        changed = {path: new for path, _, new in _changed(data, made)}
        odd = next(
            (path for path in (*places, *changed) if path not in places or not _holds(changed, path, edge)), None
        )
        if odd is not None:
            return f"with {edge!r} {dotted(odd) or 'the recipe'} is something else"
    return None


def _holds(changed: Mapping[Path, Any], path: Path, value: Any) -> bool:
    """Whether a value stands at a place, be it one that does not take such."""
    new = changed.get(path, ...)
    if not isinstance(new, dict):
        return _is(new, value)
    return new == _NONE if value is None else new == {TARGET: f"builtins.{type(value).__name__}", ARGS: [value]}


def _hold_together(others: Mapping[str, Any], data: Any, make: Make, kept: Kept) -> bool:
    """Whether arguments are passed through where all of them are changed; one that is not is fixed from then on."""
    if len(others) < 2:
        return True
    try:
        changed = {path: new for path, _, new in _changed(data, make(others))}
    except Exception as error:  # as in ``_probe``
        name = [*others][-1]
        _fix(name, f"with others too, {others[name]!r} makes the factory fail: {_line(error)}", kept)
        return False
    for name, other in others.items():
        if any(not _is(changed.pop(path, None), other) for path in kept.places[name]):
            _fix(name, "what is made from it depends on other arguments", kept)
            return False
    if changed:
        _fix([*others][-1], f"with others it changes {dotted(next(iter(changed)))}", kept)
    return not changed


def _fix(name: str, why: str, kept: Kept) -> None:
    del kept.places[name]
    kept.fixed[name] = why


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _changed(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Yield each place at which plain data differs, with what stands there in both."""
    below, others = dict(children(old)), dict(children(new))
    if type(old) is not type(new) or not (isinstance(old, (dict, list)) and below.keys() == others.keys()):
        if not same(old, new):
            yield path, old, new
        return
    for key, value in below.items():
        yield from _changed(value, others[key], (*path, key))


def _is(found: Any, value: Any) -> bool:
    """Whether what stands in plain data is a value as it is."""
    shown = escape_interpolation(value) if isinstance(value, str) else value
    return type(found) is type(shown) and bool(found == shown)


def _nameable(path: Path) -> bool:
    """Whether a place is a value of the recipe, from which a reference can lead to its arguments."""
    try:
        relative(path, (FACTORY, "x"))
    except CaptureError:
        return False
    return path[-1] != TARGET and all(isinstance(key, (str, int)) for key in path)


def refer(data: dict[Any, Any], kept: Kept, values: Mapping[str, Any]) -> dict[Any, Any]:
    """Return a recipe's data with its arguments, and references to them where they are passed through.

    Parameters
    ----------
    data : the recipe; it stays as it is.
    kept : what was found of its arguments.
    values : theirs.
    """
    if not kept.places:
        return data
    out = _with(data, (), {path: name for name, paths in kept.places.items() for path in paths})
    plain = {name: values[name] for name in kept.places}
    given = {name: escape_interpolation(v) if isinstance(v, str) else v for name, v in plain.items()}
    head = [key for key in out if isinstance(key, str) and key.startswith("_") and key.endswith("_")]
    return {**{key: out[key] for key in head}, FACTORY: given, **{k: v for k, v in out.items() if k not in head}}


def _with(node: Any, path: Path, names: Mapping[Path, str]) -> Any:
    if path in names:
        return relative(path, (FACTORY, names[path]))
    if isinstance(node, dict):
        return {key: _with(value, (*path, key), names) for key, value in node.items()}
    return [_with(value, (*path, i), names) for i, value in enumerate(node)] if isinstance(node, list) else node
