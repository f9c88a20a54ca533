"""A recipe factory called, and its recipe as the plain data of a file.

May import: the standard library, PyYAML; fiddle only where a factory has imported it.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Final

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.messages import Problems, dotted
from nemo_partial_hydra.recipes.data import mapped
from nemo_partial_hydra.recipes.keys import MISSING
from nemo_partial_hydra.recipes.tree import Path, Tree
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.convert import same
from nemo_partial_hydra.signatures.introspect import read

from .arguments import OPEN, Arguments
from .factories import Factory
from .kept import look, refer

SERVERS: Final = {"huggingface_hub", "httpx", "requests", "urllib3"}
"""Packages that raise errors of their own where a server does not answer, or refuses."""


class NoRecipe(Exception):
    """A factory gave nothing that can be exported; ``guessed`` if perhaps it is no factory."""

    def __init__(self, text: str, *, guessed: bool = False) -> None:
        super().__init__(text)
        self.guessed = guessed


@dataclass(frozen=True)
class Recipe:
    """What a factory gave: plain data, why which of the factory's arguments are fixed in it, and what was left out."""

    data: Any
    fixed: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def recipe_of(factory: Factory, arguments: Arguments, *, keep: bool = False) -> Recipe:
    """Call a factory and return its recipe as plain data.

    Parameters
    ----------
    factory, arguments : it, and what it is called with.
    keep : whether the recipe is to refer to the arguments that are passed through, see ``kept``.

    Raises
    ------
    NoRecipe
        If it gives none, or one that has no text form; what was written is read back to be sure that nothing is lost.
    """
    try:
        values = arguments.of(factory)
    except RecipeError as error:
        raise NoRecipe(str(error), guessed=True) from None
    notes: list[str] = []
    data, tree = _called(factory, values, notes)
    fixed: Mapping[str, str] = {}
    if keep:
        signature = read(factory.call, factory.name)
        found = look(data, lambda others: _called(factory, {**values, **others})[0], signature, values)
        defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
        data, fixed = refer(data, found, {**defaults, **values}), found.fixed
    try:
        problems = Problems()
        back = from_data(apply_edits(load(dump(data))), session.workspace().signature_of, problems)
        problems.check()
    except RecipeError as error:
        raise NoRecipe(str(error)) from None
    if not same(tree, back):
        raise NoRecipe("its YAML reads back as another recipe: please report it")
    data = mapped(data, lambda leaf: MISSING if leaf == OPEN else leaf)
    if OPEN in str(data):
        raise NoRecipe("an argument that was left open (???) is part of another text in it: give it a value")
    return Recipe(data, fixed, tuple(notes))


def _called(factory: Factory, values: Mapping[str, Any], notes: list[str] | None = None) -> tuple[Any, Tree]:
    """Call a factory, and return its recipe as plain data and as a tree; ``notes`` gets what was left out of it."""

    def losing(path: Path, value: Any) -> None:
        given = f"{dotted(path)} = {reprlib.repr(value)}"
        if notes is not None:
            notes.append(f"{given} is left out: it is no field of the dataclass it is set on")

    try:
        made = factory.call(**values)
    except Exception as error:  # whatever a factory raises is the answer
        first = (str(error).strip().splitlines() or ["it says nothing"])[0]
        raise NoRecipe(f"raises {type(error).__name__}: {first}{_way_out(error)}") from None
    if factory.option is None and not _is_recipe(made, factory):
        raise NoRecipe(f"gives a {type(made).__name__}, not a run.Partial, run.Config or dataclass", guessed=True)
    workspace = session.workspace()
    try:
        tree = workspace.captured(made, losing=losing)
        return to_data(tree, workspace.signature_of), tree
    except RecipeError as error:
        raise NoRecipe(str(error)) from None


def _is_recipe(made: Any, factory: Factory) -> bool:
    fiddle = sys.modules.get("fiddle")  # a buildable cannot exist without it
    if fiddle is not None and isinstance(made, fiddle.Buildable):
        return True
    return factory.registered and is_dataclass(made) and not isinstance(made, type)


def _way_out(error: BaseException) -> str:
    """Return a hint where what failed is a server that another machine may reach."""
    if any(isinstance(one, ConnectionError) or _top(one) in SERVERS for one in _causes(error)):
        return "; it asks a server (a model hub): run the export where that answers and allows it"
    return ""


def _top(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
