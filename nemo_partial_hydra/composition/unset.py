"""Which nodes of a composed config nobody set: they only show a default.

May import: OmegaConf.
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from nemo_partial_hydra.recipes.tree import Map, Seq

from .compat import child_nodes, content, flag, is_absent
from .flags import UNSET, hidden
from .nodes import UNTOUCHED, Leaf, is_part, keeps_parts, shows


def shows_default(node: Any, default: Any = None) -> bool:
    """Whether a node only shows a default: nobody set it, or what was set is hidden below it."""
    if isinstance(node, Leaf):
        return node.state in UNTOUCHED and node.untouched(content(node))
    if not isinstance(node, (DictConfig, ListConfig)) or not flag(node, UNSET) or is_absent(node):
        return False
    if isinstance(default, (Seq, Map)) and len(default.items) != len(node):
        return False
    below = [shows_default(child) for _, child in child_nodes(node)]
    if not below and default is not None:
        return shows(node, default)
    # Merging one list over another leaves plain nodes: then only the values tell.
    return all(below) or shows(node, default)


def keys_set(node: DictConfig) -> set[Any]:
    """Return the keys of a recipe's node that somebody has set, a file, an override or the object that it shows."""
    signature = getattr(OmegaConf.get_type(node), "signature_", None)
    parameters = signature.parameters if signature is not None else {}
    out: set[Any] = set()
    for key, child in child_nodes(node):
        if is_part(child) and shows_default(child):
            kept = keeps_parts(node)
        else:
            shown = shows_default(child, parameters[key].default if key in parameters else None)
            kept = not shown or (isinstance(child, (DictConfig, ListConfig)) and hidden(child) is not None)
        if kept:
            out.add(key)
    return out
