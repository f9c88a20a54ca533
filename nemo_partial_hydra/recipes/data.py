"""Plain data with parts that are trees already: what a composed config is read into, and the dialect's reader reads.

May import: the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .tree import Tree


@dataclass(frozen=True)
class Kept:
    """A leaf in plain data that is a tree already and must not be converted."""

    tree: Tree


@dataclass(frozen=True)
class KeptSeq:
    """A sequence in plain data whose kind is known; ``exact`` if its type contradicts its annotation.

    A ``dict`` among them is one that contradicts its annotation.
    """

    kind: str
    items: Any
    exact: bool = False
