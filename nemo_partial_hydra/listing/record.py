"""The record of one path in a listing, and how its fields are written.

May import: the standard library only.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.dialect.writer import Writer
from nemo_partial_hydra.recipes.data import Kept, KeptSeq
from nemo_partial_hydra.recipes.keys import ARGS, TARGET
from nemo_partial_hydra.recipes.tree import SCALARS, Call, Link, Map, Opaque, Ref, Seq, Tree, Value
from nemo_partial_hydra.signatures.convert import Mismatch, convert, fits, same
from nemo_partial_hydra.signatures.signature import Lookup, Parameter, Required, Unknown
from nemo_partial_hydra.signatures.types import TypeSpec

GROUP = "config group"
KWARGS = "**kwargs"


@dataclass(frozen=True)
class PathInfo:
    """One path of a config.

    Attributes
    ----------
    path : str
        As the command line writes it: ``optimizers.0.lr``.
    type : str
        As Python spells it: ``Optional[int]``; ``config group`` for a group.
    value : JSON value
        The current value in the dialect's JSON form; of a recipe node only its head, ``{"_target_": ...}``.
    default : JSON value
        The default, in the same form; None also where there is none.
    required : bool
        Whether it has no default.
    set : bool
        Whether the recipe, a config file or an override sets it.
    overridable : bool
        Whether an override can set it.
    override : str or None
        The argument to put on the command line, ``key=current value``, quoted for a shell; None if there is none.
    why_not : str or None
        Why it cannot be overridden, and what to do instead.
    choices : tuple
        A group's options, an enum's members, Literal values; where no object stands, the node of the class that the
        annotation names.
    kind : str
        What sets it: ``default``, ``recipe``, ``config`` or ``override``.
    source : str or None
        The target whose default it is, the file or module, or the override as typed.
    line : int or None
        Line in that file or module.
    doc : str
        What the target's docstring says about it.
    follows : str or None
        The interpolation that gives the value.
    before : JSON value
        The value that an override replaced.
    default_text : str or None
        How Python shows a default that has no form in the dialect.
    same_as : str or None
        The path of the object that stands here once more; what is below it is listed there, and only there.
    below : int
        How many paths below it ``--depth`` leaves out.
    """

    path: str
    type: str
    value: Any = None
    default: Any = None
    required: bool = False
    set: bool = False
    overridable: bool = True
    override: str | None = None
    why_not: str | None = None
    choices: tuple[Any, ...] = ()
    kind: str = "default"
    source: str | None = None
    line: int | None = None
    doc: str = ""
    follows: str | None = None
    before: Any = None
    default_text: str | None = None
    same_as: str | None = None
    below: int = 0

    def record(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        out = {field.name: getattr(self, field.name) for field in _FIELDS}
        out["choices"] = list(self.choices)
        return out


_FIELDS = dataclasses.fields(PathInfo)


def choices(spec: TypeSpec) -> tuple[Any, ...]:
    """Return the values that a type names one by one: an enum's members, Literal values."""
    found: list[Any] = []
    for member in spec.members():
        if member.kind in ("enum", "literal"):
            found += [c.target.rpartition(".")[2] if isinstance(c, Ref) else c for c in member.choices]
    return tuple(found)


def default_data(parameter: Parameter | None, lookup: Lookup) -> Any:
    """Return a parameter's default in the dialect's JSON form; None where there is none to write."""
    if parameter is None or isinstance(parameter.default, (Required, Unknown)):
        return None
    return strict(Writer(lookup, frozenset()).write(parameter.default, parameter.type, (), ()))


def current(tree: Tree, value: Any, spec: TypeSpec) -> Any:
    """Return what an override has to say for a value: a name where the annotation takes one."""
    if isinstance(tree, Ref):
        try:
            return tree.target if same(convert(tree.target, spec), tree) else value
        except Mismatch:
            return value
    if isinstance(tree, float):
        return tree if fits(tree, spec) else value
    explicit = value.get(ARGS) if isinstance(value, dict) and TARGET in value else None
    if isinstance(tree, Seq) and explicit is not None:
        return explicit[0]  # the composed list knows its kind
    if isinstance(tree, Map) and explicit is not None:
        return dict(map(tuple, explicit[0]))  # whose keys are texts, or it would be none that can be overridden
    return value


def plain(value: Any) -> Any:
    """Return what a layer set as plain data."""
    if isinstance(value, KeptSeq):
        return plain(value.items)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Kept):
        return plain(value.tree)
    if isinstance(value, Ref):
        return value.target
    if isinstance(value, enum.Enum):
        return value.name
    return value if type(value) in SCALARS else str(value)


def strict(value: Any) -> Any:
    """Return data that JSON can hold: what is no number is written out as in the dialect."""
    if isinstance(value, float) and not math.isfinite(value):
        return {TARGET: "builtins.float", ARGS: [str(value)]}
    if isinstance(value, list):
        return [strict(item) for item in value]
    if isinstance(value, dict) and value.get(TARGET) == "builtins.float":
        return {**value, ARGS: [str(arg) if isinstance(arg, float) else arg for arg in value.get(ARGS, [])]}
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    return value


def type_text(tree: Tree) -> str:
    """Spell the type of a value that has no annotation."""
    if isinstance(tree, Call):
        return tree.target.rpartition(".")[2]
    if isinstance(tree, (Seq, Map)):
        return tree.kind
    if isinstance(tree, (Ref, Value)):
        return tree.target
    if isinstance(tree, Opaque):
        return "str" if isinstance(tree.value, str) else type(tree.value).__name__
    return "Any" if tree is None or isinstance(tree, Link) else type(tree).__name__


def opaque_text(value: Any) -> Any:
    """Spell what has no text form; a text stands for an interpolation that cannot be resolved yet."""
    return value if isinstance(value, str) else f"<raw {type(value).__name__}>"
