"""Plain data (dict, list, scalars, as YAML gives them), parts of which may be trees already, and its one walker.

May import: the standard library only. A composed config is read into such data, of which the reader makes a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .tree import Path, Tree


@dataclass(frozen=True)
class Kept:
    """A leaf in plain data that is a tree already and must not be converted."""

    tree: Tree


@dataclass(frozen=True)
class KeptSeq:
    """A sequence in plain data whose kind is known; ``exact`` if its type contradicts its annotation.

    A ``dict`` among them is one whatever its keys are: of one that is not ``exact`` none of them is a reserved key.
    """

    kind: str
    items: Any
    exact: bool = False


class Untyped(dict[Any, Any]):
    """A node of a config whose types are lost: it was saved, or made plain data. It may list what nobody has set."""


def children(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys and values directly below a container; nothing for a leaf."""
    inner = data.items if isinstance(data, KeptSeq) else data
    if isinstance(inner, Mapping):
        yield from inner.items()
    elif isinstance(inner, list) or type(inner) is tuple:  # a Ref is a tuple too, and a leaf
        yield from enumerate(inner)


def walk(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every container and leaf with its path, parents before children, in order."""
    stack: list[tuple[Path, Any]] = [(path, data)]
    while stack:
        here, node = stack.pop()
        yield here, node
        stack += reversed([((*here, key), child) for key, child in children(node)])


def mapped(data: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy of plain data with ``change(leaf)`` in the place of each leaf; no container is shared with it."""
    if isinstance(data, KeptSeq):
        return KeptSeq(data.kind, mapped(data.items, change), data.exact)
    if isinstance(data, Mapping):
        made = {key: mapped(value, change) for key, value in data.items()}
        return Untyped(made) if isinstance(data, Untyped) else made
    if isinstance(data, list):
        return [mapped(value, change) for value in data]
    if type(data) is tuple:
        return tuple(mapped(value, change) for value in data)
    return change(data)
