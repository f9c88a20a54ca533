"""A recipe factory called, and its recipe as the plain data of a file.

May import: the standard library, PyYAML, fiddle through the recipes.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.data import mapped
from nemo_partial_hydra.recipes.keys import MISSING
from nemo_partial_hydra.recipes.tree import Tree
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.convert import same
from nemo_partial_hydra.signatures.introspect import read

from .arguments import OPEN, Arguments
from .factories import Factory
from .kept import look, refer


class NoRecipe(Exception):
    """A factory gave nothing that can be exported; ``guessed`` if perhaps it is no factory."""

    def __init__(self, text: str, *, guessed: bool = False) -> None:
        super().__init__(text)
        self.guessed = guessed


@dataclass(frozen=True)
class Recipe:
    """What a factory gave: plain data, and why which of the factory's arguments are fixed in it."""

    data: Any
    fixed: Mapping[str, str] = field(default_factory=dict)


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
    data, tree = _called(factory, values)
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
    return Recipe(data, fixed)


def _called(factory: Factory, values: Mapping[str, Any]) -> tuple[Any, Tree]:
    """Call a factory, and return its recipe as plain data and as a tree."""
    try:
        made = factory.call(**values)
    except Exception as error:  # whatever a factory raises is the answer
        first = (str(error).strip().splitlines() or ["it says nothing"])[0]
        raise NoRecipe(f"raises {type(error).__name__}: {first}") from None
    fiddle = importlib.import_module("fiddle") if not factory.registered or factory.option is None else None
    if fiddle is not None and not isinstance(made, fiddle.Buildable):
        raise NoRecipe(f"gives a {type(made).__name__}, not a run.Partial or run.Config", guessed=True)
    workspace = session.workspace()
    try:
        tree = workspace.captured(made)
        return to_data(tree, workspace.signature_of), tree
    except RecipeError as error:
        raise NoRecipe(str(error)) from None
