"""The public functions that join several folders: configs, texts and recipes are turned into each other.

May import: what the function at hand needs, inside it. The other public functions stand where their work is done; the
table in ``nemo_partial_hydra/__init__.py`` says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .errors import DialectError, ValidationError
from .messages import Problems
from .runtime import session

_RESOLVER = re.compile(r"\$\{[^${}]*(:|\$\{)")  # an interpolation that only OmegaConf can resolve


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

    return buildables(config_to_tree(cfg, allow), session.workspace().policy, allow)


def run(cfg: Any, *, allow: Iterable[str] = ()) -> Any:
    """Make the objects of a recipe and call it: what ``fiddle.build(...)()`` does, without needing fiddle.

    Parameters and errors are those of :func:`build`; besides, a required parameter that nobody set is an error
    before anything is made. Returns what the recipe's function returns; for a ``run.Config``, the object.
    """
    from .composition.decode import config_to_tree, recipe_place
    from .recipes.tree import Call
    from .runtime.construct import make

    workspace = session.workspace()
    tree = config_to_tree(cfg, allow)
    problems = Problems()
    problems.messages += workspace.missing(tree, recipe_place(cfg))
    problems.check(ValidationError)
    made = make(tree, workspace.policy, allow)
    return made() if isinstance(tree, Call) and tree.partial else made


def to_yaml(partial: Any, *, auto: bool = True) -> str:
    """Write a ``run.Partial`` or ``run.Config`` as YAML in the dialect; ``from_yaml`` gives an equal one back.

    Raises
    ------
    CaptureError
        With the path, for a value that has no text form.
    """
    from .dialect.writer import to_data
    from .dialect.yaml import dump

    workspace = session.workspace()
    return dump(to_data(workspace.captured(partial, auto=auto), workspace.signature_of))


def from_yaml(text: str, *, allow: Iterable[str] = ()) -> Any:
    """Read YAML in the dialect and build the ``run.Partial`` or ``run.Config`` that it describes.

    Parameters
    ----------
    text : the YAML text.
    allow : dotted prefixes that may be named besides what is allowed already.

    Raises
    ------
    DialectError
        If the text is no YAML of the dialect; with line and column.
    PolicyError
        If it names something that is not allowed; before anything is imported.
    ValidationError
        If a target does not accept a value; all mistakes at once, each with its path.
    """
    from .dialect.edits import apply_edits
    from .dialect.interop import adopted
    from .dialect.yaml import load
    from .policy.scan import names_in
    from .recipes.keys import TARGET
    from .runtime.construct import buildables

    data = load(text)
    if not isinstance(data, dict) or TARGET not in data:
        raise DialectError("YAML text: a recipe is a mapping with _target_")
    workspace = session.workspace()
    workspace.policy.check_names(names_in(data), allow)
    data = adopted(data, workspace.lookups(allow))
    if _RESOLVER.search(text):
        from .composition.decode import config_to_tree

        tree = config_to_tree(data, allow)
    else:
        tree = workspace.read_tree(apply_edits(data), allow)
    return buildables(tree, workspace.policy, allow)
