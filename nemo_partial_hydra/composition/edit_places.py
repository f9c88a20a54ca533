"""Where the new nodes of edits will stand, from which their relative references count, as in a recipe file.

May import: OmegaConf. OmegaConf itself counts from where an edit is written: ``${..config.layers}`` within
``_replace_.model.opt`` leads nowhere for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, ListConfig

from nemo_partial_hydra.dialect.scalars import path_keys
from nemo_partial_hydra.recipes.keys import APPEND, REPLACE, TARGET
from nemo_partial_hydra.recipes.tree import Path

from .compat import is_absent, own_node, parent_of, path_of

_RELATIVE = re.compile(r"(?<!\\)\$\{(\.+)([^${}:\[\]'\"\s]*)")


def standing(root: Any, path: Path) -> tuple[Path, int]:
    """Return the path at which a node stands after all edits, and how many keys of its own path lead to the new node.

    Parameters
    ----------
    root : the recipe's node.
    path : the path of a node from there; one that is part of no edit stays where it is.
    """
    at = next((index for index, key in enumerate(path) if key in (APPEND, REPLACE)), None)
    if at is None:
        return path, 0
    final: list[Any] = [*path[:at]]
    node, inner = _below(root, path[: at + 1]), at + 1
    while inner < len(path) and isinstance(node, DictConfig) and own_node(node, TARGET) is None:
        final += path_keys(str(path[inner]))
        node, inner = own_node(node, path[inner]), inner + 1
    if path[at] == APPEND:
        before = _below(root, final)
        start = len(before) if isinstance(before, ListConfig) and not is_absent(before) else 0
        listed = isinstance(node, ListConfig) and inner < len(path)
        final.append(start + int(path[inner]) if listed else start)
        inner += listed
    return (*final, *path[inner:]), inner


def _below(node: Any, keys: Iterable[Any]) -> Any:
    for key in keys:
        node = own_node(node, key)
    return node


def absolute(root: Any, text: str, path: Path) -> DictConfig | None:
    """Return a config whose ``value`` is a text of a new node, its references counted from where that will stand.

    None where all references of the text lead to what is in the new node too, or none is relative.
    """
    final, inner = standing(root, path)
    found = list(_RELATIVE.finditer(text)) if inner else []

    def inside(match: re.Match[str]) -> bool:
        place = path[: len(path) - len(match.group(1))]
        if len(place) >= inner:
            return True
        same_edit = APPEND not in path and REPLACE in place  # what it puts elsewhere, as after the edit
        return same_edit and _below(root, (*place, *match.group(2).split("."))) is not None

    if all(map(inside, found)):
        return None
    above = path_of(root)

    def named(match: re.Match[str]) -> str:
        base = path if inside(match) else final
        place = (*above, *base[: max(len(base) - len(match.group(1)), 0)])
        return "${" + ".".join(map(str, (*place, match.group(2))))

    top = root
    while parent_of(top) is not None:
        top = parent_of(top)
    return DictConfig({"value": _RELATIVE.sub(named, text)}, parent=top)
