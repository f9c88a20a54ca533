"""How long a text becomes when its interpolations are resolved: a dozen lines that double each other fill a memory.

May import: OmegaConf. OmegaConf resolves each reference anew, wherever it leads and however often, so the length is
computed first, each node once.
"""

from __future__ import annotations

import re
from typing import Any

from omegaconf import DictConfig, ListConfig

from .omega import child_nodes, content, referred

LIMIT, REFERENCES = 1_000_000, 5_000
"""Characters that the texts of a config may have together, and references that their references may lead to."""
_EACH = LIMIT // REFERENCES
_NAMED = re.compile(r"\$\{\s*(?:oc\.select:|oc\.dict\.(?:keys|values):)?\s*([^${}:,\s]+)")


class Growth:
    """The lengths of the texts of one config."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._spent = 0

    def too_long(self, text: str, parent: Any) -> bool:
        """Whether a text that stands in a container becomes too long, those that were asked for before included."""
        try:
            # As many references as somebody wrote down are honest, however many.
            self._spent += self._text(text, parent) - _EACH * len(_NAMED.findall(text))
        except RecursionError:
            return True
        return self._spent > LIMIT

    def _text(self, text: str, parent: Any) -> int:
        total = len(text)
        for name in _NAMED.findall(text):
            total += _EACH + self._node(referred(parent, name))
            if total > LIMIT:
                break
        return total

    def _node(self, node: Any) -> int:
        if node is None:
            return 0
        if id(node) not in self._known:
            self._known[id(node)] = 0  # one that leads back to itself is an error of OmegaConf's
            held = content(node)
            if isinstance(held, str):
                self._known[id(node)] = self._text(held, node._get_parent()) if "${" in held else len(held)
            elif isinstance(node, (DictConfig, ListConfig)):
                self._known[id(node)] = sum(self._node(child) for _, child in child_nodes(node))
        return self._known[id(node)]
