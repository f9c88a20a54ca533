"""The public functions that need a composed config or a recipe's objects.

May import: what the function at hand needs, inside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import ValidationError
from .messages import Problems
from .runtime import session


def build(cfg: Any, *, allow: Iterable[str] = ()) -> Any:
    """Build the ``run.Partial`` or ``run.Config`` that a composed config describes.

    Parameters
    ----------
    cfg : a ``DictConfig`` or a plain dict; its recipe is its root, or the only top-level Partial or node in it.
    allow : dotted prefixes that it may name besides what is allowed already.

    Returns
    -------
    The buildable: equal to the one that was registered, with the overrides applied.

    Raises
    ------
    ConfigError
        If there is not exactly one recipe.
    PolicyError
        If it names a target that is not allowed; before anything is imported.
    ValidationError
        If a target does not accept a value; all mistakes at once, each with its full path.
    """
    from .composition.decode import config_to_tree
    from .runtime.construct import buildables

    allowed = session.allowed(allow)
    return buildables(config_to_tree(cfg, allowed), allowed)


def run(cfg: Any, *, allow: Iterable[str] = ()) -> Any:
    """Make the objects of a recipe and call it: what ``fiddle.build(...)()`` does, without needing fiddle.

    Parameters and errors are those of :func:`build`; besides, a required parameter that nobody set is an error
    before anything is made. Returns what the recipe's function returns; for a ``run.Config``, the object.
    """
    from .composition.decode import config_to_tree, recipe_place
    from .recipes.tree import Call
    from .runtime.construct import make
    from .runtime.workspace import missing

    allowed = session.allowed(allow)
    tree = config_to_tree(cfg, allowed)
    problems = Problems()
    problems.messages += missing(tree, recipe_place(cfg))
    problems.check(ValidationError)
    made = make(tree, allowed)
    return made() if isinstance(tree, Call) and tree.partial else made
