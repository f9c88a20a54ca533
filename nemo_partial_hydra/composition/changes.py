"""What has been set in a recipe's node since it was made, put into another one.

May import: OmegaConf.
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, ListConfig

from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.signatures.convert import same

from .compat import child_nodes, content, drop_child, is_absent, own_node, put_child, raw_children, raw_content
from .nodes import OVERRIDE, Leaf


def carry(old: Any, node: DictConfig, new: DictConfig, kept: str) -> list[Path]:
    """Put into ``new`` what has been set in ``node`` since that was as ``old``; the nodes that hold it move there.

    Parameters
    ----------
    old : the node as it was made; None where all that stands in it was set.
    node, new : the node as it is, and the one that takes its place.
    kept : the key of a child that stays whatever it is.

    Returns
    -------
    The paths of what has no place there: elements of lists that are shorter now.
    """
    lost: list[Path] = []
    _carry(old, node, new, kept, (), lost)
    put_child(new, kept, own_node(node, kept))
    return lost


def _carry(old: Any, node: Any, new: Any, kept: str, path: Path, lost: list[Path]) -> None:
    held = dict(raw_children(node))
    for key, child in held.items():
        before, there = own_node(old, key) if old is not None else None, own_node(new, key)
        if key == kept:
            continue
        if _inside(child, there) and _partly(before, child):
            _carry(before, child, there, kept, (*path, key), lost)
        elif not _differs(before, child):
            continue
        elif there is None and isinstance(new, ListConfig):
            lost.append((*path, key))
        else:
            put_child(new, key, child)
    if isinstance(node, DictConfig) and old is not None:
        for key, _ in child_nodes(old):
            if key not in held:
                drop_child(new, key)


def _partly(before: Any, child: Any) -> bool:
    """Whether some of what a node holds may have been set, and not the node as a whole."""
    if before is None:
        return isinstance(child, DictConfig)
    return _inside(before, child) and not _whole(before, child)


def _inside(a: Any, b: Any) -> bool:
    """Whether two nodes hold others in the same way."""
    both = (isinstance(a, DictConfig) and isinstance(b, DictConfig)) or (
        isinstance(a, ListConfig) and isinstance(b, ListConfig)
    )
    return both and not is_absent(a) and not is_absent(b)


def _whole(before: Any, child: Any) -> bool:
    """Whether a list has been replaced as a whole: by a file or an override, whose elements know no type."""
    if not isinstance(child, ListConfig):
        return False
    if len(raw_content(before)) != len(raw_content(child)):
        return True
    leaves = [one for _, one in child_nodes(child) if not isinstance(one, (DictConfig, ListConfig))]
    return any(not isinstance(one, Leaf) for one in leaves)


def _differs(before: Any, child: Any) -> bool:
    """Whether somebody has set a node, or something below it."""
    if _inside(before, child):
        keys, names = {key for key, _ in child_nodes(before)}, {key for key, _ in child_nodes(child)}
        return keys != names or any(_differs(own_node(before, key), one) for key, one in child_nodes(child))
    if before is None or isinstance(before, (DictConfig, ListConfig)) or isinstance(child, (DictConfig, ListConfig)):
        return before is None or type(before) is not type(child) or content(before) != content(child)
    if isinstance(child, Leaf) != isinstance(before, Leaf):
        return True
    if isinstance(child, Leaf) and (child.state == OVERRIDE or child.state != before.state):
        return True
    return not (type(content(child)) is type(content(before)) and same(content(child), content(before)))
