"""The recipe tree: the small immutable form in the middle of all others, and its one walker.

May import: the standard library only, so that the half that runs inside an image can use it.

A tree is one of

* a leaf: ``None``, ``bool``, ``int``, ``float``, ``str``, ``bytes``, a ``pathlib`` path;
* ``Value``: an immutable standard-library value given by its constructor's arguments (a ``timedelta``);
* ``Ref``: a function, class, dtype, enum member or constant by its dotted name;
* ``Seq`` and ``Map``: list, tuple, set, frozenset and dict;
* ``Call``: a ``run.Config`` or ``run.Partial``: a target with arguments, not called yet;
* ``Link``: "the same object as the one at that path";
* ``Result``: what another step of a pipeline gives, which is known when that has run;
* ``Opaque``: a live object that has no text form (``raw(value)``).
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nemo_partial_hydra.recipes.keys import ARGS

Key = str | int
Path = tuple[Any, ...]
Losing = Callable[[Path, Any], None] | None
"""Is told the place and value of an attribute that is left out, since it is no field of its dataclass."""

CONFIG = "nemo_run.Config"
PARTIAL = "nemo_run.Partial"
FIDDLE_CONFIG = "fiddle.Config"
FIDDLE_PARTIAL = "fiddle.Partial"
ARG_FACTORY = "fiddle.ArgFactory"
BUILDABLES = (CONFIG, PARTIAL, FIDDLE_CONFIG, FIDDLE_PARTIAL, ARG_FACTORY)
PARTIALS = (PARTIAL, FIDDLE_PARTIAL)

SCALARS = (type(None), bool, int, float, str)
PATHS = (pathlib.PosixPath, pathlib.PurePosixPath, pathlib.WindowsPath, pathlib.PureWindowsPath)


class Ref(NamedTuple):
    """A function, class, dtype, enum member or other constant, by dotted name."""

    target: str


@dataclass(frozen=True)
class Value:
    """An immutable value of a standard-library type: ``target(*args)`` makes it again."""

    target: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Seq:
    """A list, tuple, set or frozenset; ``kind`` is the name of the type."""

    items: tuple[Tree, ...]
    kind: str = "list"


@dataclass(frozen=True)
class Map:
    """A dict, in order; keys are any plain values."""

    items: tuple[tuple[Any, Tree], ...]
    kind: str = "dict"


@dataclass(frozen=True)
class Call:
    """A target and the arguments that are set: a Config is called when built, a Partial is not.

    ``buildable`` is the class that holds it in Python, one of ``BUILDABLES``.
    """

    target: str
    kwargs: Mapping[str, Tree] = field(default_factory=dict)
    args: tuple[Tree, ...] = ()
    buildable: str = CONFIG

    @property
    def partial(self) -> bool:
        """Whether building gives a function that waits to be called."""
        return self.buildable in PARTIALS


@dataclass(frozen=True)
class Link:
    """The same object as the one at ``path``, counted from the root of the tree."""

    path: Path


@dataclass(frozen=True)
class Result:
    """What steps of a pipeline give: a text with references to them, as it is written in the dialect."""

    text: str


@dataclass(frozen=True, eq=False)
class Opaque:
    """One live object as a whole; it exists in this process only."""

    value: Any


Tree = (
    None | bool | int | float | str | bytes | pathlib.PurePath | Value | Ref | Seq | Map | Call | Link | Result | Opaque
)


def children(tree: Tree) -> Iterator[tuple[Any, Tree]]:
    """Yield the keys and values directly below a node, positional arguments as ``(_args_, i)``."""
    if isinstance(tree, Call):
        for index, item in enumerate(tree.args):
            yield (ARGS, index), item
        yield from tree.kwargs.items()
    elif isinstance(tree, Seq):
        yield from enumerate(tree.items)
    elif isinstance(tree, Map):
        yield from tree.items


def step(path: Path, key: Any) -> Path:
    """Extend a path by one key of :func:`children`."""
    return (*path, *key) if isinstance(key, tuple) and key[:1] == (ARGS,) else (*path, key)


def walk(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
    """Yield every node with its path, parents before children, in order. The one walker."""
    stack: list[tuple[Path, Tree]] = [(path, tree)]
    while stack:
        here, node = stack.pop()
        yield here, node
        if type(node) is Call and not node.args:  # most of a recipe
            stack.extend([((*here, name), child) for name, child in reversed([*node.kwargs.items()])])
        elif isinstance(node, (Call, Seq, Map)):
            below = [(step(here, key), child) for key, child in children(node)]
            stack.extend(reversed(below))


def rebuild(tree: Tree, change: Callable[[Path, Tree], Tree], path: Path = ()) -> Tree:
    """Return the tree with ``change(path, child)`` in the place of each direct child."""
    if isinstance(tree, Call):
        return Call(
            tree.target,
            {name: change((*path, name), child) for name, child in tree.kwargs.items()},
            tuple(change((*path, ARGS, i), child) for i, child in enumerate(tree.args)),
            tree.buildable,
        )
    if isinstance(tree, Seq):
        return Seq(tuple(change((*path, i), item) for i, item in enumerate(tree.items)), tree.kind)
    if isinstance(tree, Map):
        return Map(tuple((key, change((*path, key), item)) for key, item in tree.items), tree.kind)
    return tree


def at(tree: Tree, path: Path) -> Tree:
    """Return the node at a path, following links on the way.

    Raises
    ------
    KeyError
        If nothing stands there; its argument is the longest part of the path that exists.
    """
    root, node, done = tree, tree, 0
    seen = 0
    while True:
        if isinstance(node, Link):
            seen += 1
            if seen > 1000:
                raise KeyError(path[:done])
            path, done, node = (*node.path, *path[done:]), 0, root
            continue
        if done == len(path):
            return node
        key = path[done]
        if isinstance(node, Call) and key == ARGS:
            node, done = Seq(node.args), done + 1
        elif isinstance(node, Call) and key in node.kwargs:
            node, done = node.kwargs[key], done + 1
        elif isinstance(node, Seq) and str(key).isdigit() and int(key) < len(node.items):
            node, done = node.items[int(key)], done + 1
        elif isinstance(node, Map):
            found = [item for name, item in node.items if name == key or str(name) == str(key)]
            if not found:
                raise KeyError(path[:done])
            node, done = found[0], done + 1
        else:
            raise KeyError(path[:done])
