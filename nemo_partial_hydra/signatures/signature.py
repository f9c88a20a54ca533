"""Signatures as data: name, type and default of every parameter of a target, set or not.

May import: the standard library only. A signature holds no live objects, so it can come from the live target or from
a snapshot alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.tree import Call, Map, Seq, Tree, walk

from .types import ANY, TypeSpec


@dataclass(frozen=True)
class Unknown:
    """A default that exists but has no form in the dialect; ``text`` is how Python shows it."""

    text: str


class Required:
    """The mark of a parameter without a default."""

    def __repr__(self) -> str:
        return "<required>"

    def __reduce__(self) -> str:
        return "REQUIRED"


REQUIRED = Required()


Default = Tree | Unknown | Required


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, type and default; ``positional`` if it cannot be given by name."""

    name: str
    type: TypeSpec
    default: Default = REQUIRED
    positional: bool = False
    keyword_only: bool = False

    @property
    def required(self) -> bool:
        """Whether the target cannot be called without it."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Signature:
    """The parameters of a target.

    ``extra`` is the type of further keywords (``**kwargs``), ``rest`` that of further positional arguments
    (``*args``); None where the target takes none. ``known`` is False where Python cannot tell the parameters:
    then everything is accepted. ``computed`` are the fields that a dataclass has but does not take (``init=False``).
    """

    target: str
    parameters: Mapping[str, Parameter]
    extra: TypeSpec | None = None
    rest: TypeSpec | None = None
    known: bool = True
    computed: tuple[str, ...] = ()

    @functools.cached_property
    def positional(self) -> tuple[Parameter, ...]:
        """The parameters that a positional argument can fill, in order."""
        return tuple(parameter for parameter in self.parameters.values() if not parameter.keyword_only)

    @functools.cached_property
    def required(self) -> tuple[str, ...]:
        """The names of the parameters without which the target cannot be called, in order."""
        return tuple(name for name, parameter in self.parameters.items() if parameter.required)

    def type_of(self, name: str) -> TypeSpec | None:
        """Return the type of a keyword argument, or None if the target does not accept it."""
        parameter = self.parameters.get(name)
        return parameter.type if parameter is not None and not parameter.positional else self.extra

    def type_at(self, index: int) -> TypeSpec | None:
        """Return the type of a positional argument, or None if the target does not accept it."""
        names = self.positional
        return names[index].type if index < len(names) else self.rest


def part_of(default: Call | None, signature: Signature, name: str) -> Default:
    """Return what holds for an argument that nobody sets: what the default object around it says, else the signature.

    Parameters
    ----------
    default : the object that some parameter holds by default, or None.
    signature : that of the target.
    name : of the argument.
    """
    if default is not None and name in default.kwargs:
        return default.kwargs[name]
    parameter = signature.parameters.get(name)
    return None if parameter is None else parameter.default


def changed(data: Mapping[Any, Any], spec: TypeSpec, default: Default) -> Call | None:
    """Return the default object of which a mapping sets something; None if the mapping is a value of its own.

    It is one if it names a target, and where the parameter takes dicts.
    """
    takes_dict = spec.kinds & {"any", "dict"}
    return default if isinstance(default, Call) and TARGET not in data and not takes_dict else None


Lookup = Callable[[str], Signature | None]
"""Gives the signature of a target, or None where it is not known."""


def with_defaults(targets: Iterable[str], signature: Lookup) -> list[str]:
    """Return targets with those of the objects that they make by default, those that these make, and so on.

    Parameters
    ----------
    targets : dotted names.
    signature : gives the ``Signature`` of a target, or None where it is not known: such a default is left out.
    """
    found = list(dict.fromkeys(targets))
    seen = set(found)
    for target in found:  # which grows meanwhile
        known = signature(target)
        for parameter in known.parameters.values() if known is not None else ():
            if isinstance(parameter.default, (Call, Seq, Map)):
                named = {node.target for _, node in walk(parameter.default) if isinstance(node, Call)}
                more = [name for name in sorted(named - seen) if signature(name) is not None]
                found += more
                seen |= named
    return found


def opaque_signature(target: str) -> Signature:
    """Return the signature of a target about which nothing can be known: it accepts everything."""
    return Signature(target, {}, ANY, ANY, known=False)
