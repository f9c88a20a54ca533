"""What each target accepts: name, type, default and doc of every parameter, set or not.

May import: the standard library; docstring_parser only when docs are asked for. A signature is data without
live objects, so it can come from the live target or from a snapshot file alike. A default is never evaluated:
what cannot be written down is kept as the text that Python shows for it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from nemo_partial_hydra.recipes.keys import RESERVED
from nemo_partial_hydra.recipes.names import resolve

from .convert import fits
from .signature import Default, Lookup, Parameter, Signature, opaque_signature
from .types import ANY, TypeSpec, parse


def read(obj: Any, target: str) -> Signature:
    """Read the signature of a live callable."""
    try:
        signature = inspect.signature(obj)
    except (ValueError, TypeError):
        return opaque_signature(target)
    from .defaults import default_of, factories  # with all of capturing, which a signature that is known needs not

    hints = _Hints(obj)
    made = factories(obj)
    parameters: dict[str, Parameter] = {}
    extra = rest = None
    hidden = (
        False  # a field that says which class a config of Hydra's is for: no recipe can give it, by position neither
    )
    for name, parameter in signature.parameters.items():
        if name in RESERVED and parameter.default is not parameter.empty:
            hidden = True
            continue
        spec = hints.spec(name, parameter.annotation)
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = spec
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = spec
        else:
            default = default_of(parameter, made.get(name), spec)
            if default is None and "none" not in spec.kinds and "any" not in spec.kinds:
                none = TypeSpec("none", "None")  # ``x: int = None`` means Optional, whatever it says
                spec = TypeSpec("union", f"Optional[{spec.text}]", args=(spec, none))
            spec = _widened(spec, default)
            kind = parameter.kind
            parameters[name] = Parameter(
                name, spec, default, kind is parameter.POSITIONAL_ONLY, hidden or kind is parameter.KEYWORD_ONLY
            )
    return Signature(target, parameters, extra, rest, computed=_computed(obj, parameters))


def _computed(obj: Any, parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    """Return the fields of a dataclass that its constructor does not take."""
    if not (isinstance(obj, type) and dataclasses.is_dataclass(obj)):
        return ()
    return tuple(field.name for field in dataclasses.fields(obj) if not field.init and field.name not in parameters)


def _widened(spec: TypeSpec, default: Default) -> TypeSpec:
    """Return a type that takes its own default too: ``std: int = 0.02`` has to accept 0.02 once more."""
    kind = type(default).__name__
    if not isinstance(default, (bool, int, float, str)) or fits(default, spec):
        return spec
    return TypeSpec("union", spec.text, args=(spec, TypeSpec(kind, kind)))


class _Hints:
    """Annotations of a callable, resolved one by one, so that one that fails does not take the rest along."""

    def __init__(self, obj: Any) -> None:
        self.scopes = _scopes(obj)
        self.resolved = _all_hints(self.scopes[0])

    def spec(self, name: str, annotation: Any) -> TypeSpec:
        if annotation is inspect.Parameter.empty:
            return ANY
        if not isinstance(annotation, str):
            return parse(annotation)
        if name in self.resolved:
            return parse(self.resolved[name])
        for scope in self.scopes:
            namespace = _namespace(scope)
            holder = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                return parse(typing.get_type_hints(holder, namespace)[name])
            except Exception:  # evaluating a foreign annotation may raise anything: try the next class's module
                continue
        return TypeSpec("any", annotation)


def _all_hints(obj: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(obj, include_extras=False)
    except Exception:  # as above; then each annotation is tried alone
        return {}


def _scopes(obj: Any) -> list[Any]:
    """Return what holds the annotations of a callable: a function, or a dataclass and its bases."""
    holder: Any = obj
    if not isinstance(obj, type):
        return [inspect.unwrap(obj)]
    init = inspect.unwrap(holder.__init__)
    code = getattr(init, "__code__", None)
    generated = code is None or code.co_filename == "<string>"  # what @dataclass writes
    return list(obj.__mro__[:-1]) if generated else [init]


def _namespace(scope: Any) -> dict[str, Any]:
    module = sys.modules.get(getattr(scope, "__module__", "") or "")
    return {**vars(typing), **(vars(module) if module else {}), **getattr(scope, "__globals__", {})}


class Signatures:
    """Signatures by target name, from the first source that has them, kept once read."""

    def __init__(self, *sources: Lookup) -> None:
        self.sources: list[Lookup] = list(sources)
        self._known: dict[str, Signature | None] = {}
        self._objects: dict[str, Any] = {}  # what was read by `add`

    def get(self, target: str) -> Signature | None:
        """Return the signature of a target, or None if no source knows it."""
        if target not in self._known:
            found = next((s for s in (source(target) for source in self.sources) if s is not None), None)
            if found is None:
                return None
            self._known[target] = found
        return self._known[target]

    def known(self, target: str) -> Signature | None:
        """Return a signature that has been read already."""
        return self._known.get(target)

    def add(self, target: str, obj: Any) -> None:
        """Read and keep the signature of a live object, unless it is known; a notebook may define it again."""
        if target not in self._known or self._objects.get(target, obj) is not obj:
            self._known[target] = read(obj, target)
        self._objects[target] = obj

    def forget(self, target: str) -> None:
        """Drop what is kept of a target."""
        self._known.pop(target, None)
        self._objects.pop(target, None)


def live(target: str) -> Signature | None:
    """Read the signature of a target by importing it; None if it is not callable."""
    obj = resolve(target)
    return read(obj, target) if callable(obj) else None


def docs_of(obj: Any) -> dict[str, str]:
    """Return the docs of a live callable: of each parameter, and the first line of its own under ``""``."""
    lines = str(obj.__doc__ or "").strip().splitlines()
    generated = bool(lines) and lines[0].startswith(f"{getattr(obj, '__name__', '')}(")  # by @dataclass
    return {**parameter_docs(obj), **({"": lines[0].strip()} if lines and not generated else {})}


def parameter_docs(obj: Any) -> dict[str, str]:
    """Return the first paragraph that a docstring gives to each parameter."""
    return dict(_docs(obj))


def _parsed(holder: Any) -> Any:
    """Parse a docstring alone."""
    import docstring_parser

    return docstring_parser.parse(holder.__doc__)


def _describes_below(owner: type, target: Any) -> bool:
    """Whether a text below an attribute of a class can describe a parameter of a target.

    Only its source would tell, and to find a class in a source of thousands of lines takes a tenth of a second.
    """
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return True
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return True
    own = {*vars(owner), *vars(owner).get("__annotations__", ())}
    return any(parameter.name in own for parameter in parameters)


@functools.lru_cache(maxsize=512)
def _docs(obj: Any) -> tuple[tuple[str, str], ...]:
    try:
        import docstring_parser
    except ModuleNotFoundError:
        return ()  # in an image that has only what the recipes need

    found: dict[str, str] = {}
    owners = list(reversed(obj.__mro__[:-1])) if isinstance(obj, type) else [obj]
    for owner in owners:
        for holder in (owner, vars(owner).get("__init__") if isinstance(owner, type) else None):
            described = isinstance(holder, type) and _describes_below(holder, obj)
            if holder is None or not (holder.__doc__ or described):
                continue
            try:
                parsed = (docstring_parser.parse_from_object if described else _parsed)(holder)
            except (docstring_parser.ParseError, OSError, TypeError, SyntaxError):
                continue
            for param in parsed.params:
                if param.description:
                    found[param.arg_name] = " ".join(param.description.split("\n\n")[0].split())
    return tuple(found.items())
