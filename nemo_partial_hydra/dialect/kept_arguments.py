"""Recipes whose values refer to the arguments of the factory that made them.

May import: the standard library only. Such a recipe has its arguments beside its target, ``_factory_: {num_nodes: 1}``,
and a reference wherever the factory passed one through, ``num_nodes: ${.._factory_.num_nodes}``. The reference is
relative, so it holds wherever the recipe is put.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_partial_hydra.messages import Problems, nearest
from nemo_partial_hydra.recipes.data import children, walk
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.recipes.tree import Path

from .scalars import reference_path
from .writer import relative


def argument_at(value: Any, path: Path) -> Path | None:
    """Return the path of the argument that the value at a path refers to, as texts; None if it refers to none."""
    if not isinstance(value, str) or FACTORY not in value:
        return None
    keys = reference_path(value, path)
    return tuple(map(str, keys)) if keys is not None and FACTORY in keys[-2:-1] else None


def unknown(name: str, known: Mapping[str, Any]) -> str:
    """Return what is wrong with a reference to an argument that there is not."""
    return f"refers to '{name}', which {FACTORY} does not have{nearest(name, known)}"


UNUSED = "no value of the recipe is a reference to it"


def put_in_place(root: Any, doc: Path, given: Mapping[str, Any], place: Path, problems: Problems) -> bool:
    """Put the arguments of a recipe where its values refer to them; return whether any does.

    Parameters
    ----------
    root : plain data, which is changed.
    doc : where the recipe stands in it.
    given : its arguments.
    place : where the data stands, for messages.
    problems : where arguments are noted that there are not, or to which nothing refers.
    """
    here = (*map(str, doc), FACTORY)
    unused = set(given)
    found = False
    for path, node in [*walk(root)]:
        for key, value in [*children(node)] if isinstance(node, (dict, list)) else ():
            named = argument_at(value, (*path, key))
            if named is None or named[:-1] != here:
                continue
            found, name = True, named[-1]
            unused.discard(name)
            if name in given:
                node[key] = _moved(given[name], (*doc, FACTORY, name), (*path, key))
            else:
                problems.add((*place, *path, key), unknown(name, given))
    for name in sorted(unused) if found else ():
        problems.add((*place, *doc, FACTORY, name), UNUSED)
    return found


def _moved(value: Any, source: Path, path: Path) -> Any:
    """Return the value of an argument as it is said elsewhere: where it is a relative reference, as that from there."""
    keys = reference_path(value, source) if isinstance(value, str) else None
    return value if keys is None else relative(path, keys)
