"""What a listing is made from: the config read as one tree, and what only its composed nodes know.

May import: OmegaConf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.composition.compat import flag
from nemo_partial_hydra.composition.decode import loose_data
from nemo_partial_hydra.composition.nodes import OVERRIDE, PART, UNTOUCHED, Leaf
from nemo_partial_hydra.dialect.edits import Move, apply_edits, origin
from nemo_partial_hydra.dialect.reader import from_data_placed
from nemo_partial_hydra.dialect.writer import Writer, linked_paths
from nemo_partial_hydra.errors import ConfigError, ValidationError
from nemo_partial_hydra.messages import Problems, dotted
from nemo_partial_hydra.recipes.tree import Call, Map, Opaque, Path, Tree
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Lookups
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.types import ANY, TypeSpec

from .record import opaque_text

if TYPE_CHECKING:
    from .provenance import Claims


@dataclass
class Nodes:
    """What only the composed nodes know and their tree does not, by path.

    ``closed`` are default objects that have no nodes of their own below them, ``parts`` what a default object sets,
    ``factories`` what the factories of recipes were given, by the path of the recipe.
    """

    overridden: set[Path] = dataclasses.field(default_factory=set)
    locked: set[Path] = dataclasses.field(default_factory=set)
    closed: set[Path] = dataclasses.field(default_factory=set)
    parts: set[Path] = dataclasses.field(default_factory=set)
    signatures: dict[Path, Signature] = dataclasses.field(default_factory=dict)
    factories: dict[Path, DictConfig] = dataclasses.field(default_factory=dict)

    def note(self, node: Any, path: Path) -> None:
        """Note what one node knows: a leaf that an override set, a read-only node, a dataclass of the app's own."""
        if type(node) is Leaf:
            if node.state == OVERRIDE:
                self.overridden.add(tuple(map(str, path)))
            elif node.state == PART:
                self.parts.add(tuple(map(str, path)))
            if isinstance(node.exact, Call) and node.state in UNTOUCHED:
                self.closed.add(tuple(map(str, path)))
            return
        if flag(node, "readonly"):
            self.locked.add(tuple(map(str, path)))
        kind = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
        if getattr(kind, "arguments_", None) is not None and path:
            self.factories[tuple(map(str, path[:-1]))] = node
        if kind is not None and not hasattr(kind, "signature_") and dataclasses.is_dataclass(kind):
            from nemo_partial_hydra.signatures.introspect import read

            self.signatures[tuple(map(str, path))] = read(kind, f"{kind.__module__}.{kind.__qualname__}")


@dataclass(frozen=True)
class Context:
    """What the listing of one tree needs besides it; ``place`` is where the tree stands in the whole config."""

    place: Path
    follows: Mapping[Path, str]
    required: frozenset[Path]
    moves: list[Move]
    placed: Mapping[Path, Path]
    nodes: Nodes
    history: Claims | None
    lookup: Lookups
    docs: bool

    def spelled_out(self, path: Path) -> bool:
        """Whether a path leads into a dict that stands in the config as a list of pairs."""
        here = tuple(map(str, path))
        return bool(self.placed) and any(here[:cut] in self.placed for cut in range(1, len(here) + 1))

    def composed(self, path: Path) -> Path | None:
        """Return where in the composed config stands what the tree has at a path; None if nothing names it."""
        here = tuple(map(str, path))
        for cut in range(len(here), 0, -1) if self.placed else ():
            moved = self.placed.get(here[:cut])
            if moved is not None:
                here = (*map(str, moved), *here[cut:])
                break
        return origin(here, self.moves) if self.moves else here


class Values(Writer):
    """Writes a tree and remembers what it wrote for each path."""

    def __init__(self, lookup: Lookups, tree: Tree, nodes: Nodes) -> None:
        super().__init__(lookup, linked_paths(tree))
        self.nodes = nodes
        self.values: dict[Path, Any] = {}

    def write(self, tree: Tree, spec: TypeSpec, path: Path, doc: Path) -> Any:
        typed = self.nodes.signatures.get(tuple(map(str, path[:-1]))) if path else None
        if typed is not None and isinstance(path[-1], str):
            spec = typed.type_of(path[-1]) or spec
        if isinstance(tree, Map) and "object" in spec.kinds:
            spec = ANY  # a dataclass of the app's own, which is a plain mapping in its config
        out = opaque_text(tree.value) if isinstance(tree, Opaque) else super().write(tree, spec, path, doc)
        self.values[path] = out
        return out


def prepare(
    config: DictConfig, history: Claims | None, place: Path, allow: Iterable[str], docs: bool
) -> tuple[Tree, Context]:
    """Read a config, or the part of it at ``place``, as a tree, with what a listing needs besides.

    Raises
    ------
    ConfigError
        If nothing stands at ``place``.
    ValidationError
        If a target does not accept a value.
    """
    node = OmegaConf.select(config, dotted(place)) if place else config
    if not isinstance(node, DictConfig):
        raise ConfigError(f"'{dotted(place)}' is no node with paths below it")
    nodes = Nodes()
    loose = loose_data(node, place, nodes.note)
    moves: list[Move] = []
    data = apply_edits(loose.data, place, moves)
    workspace = session.workspace()
    lookup = workspace.lookups(allow)
    problems = Problems()
    tree, placed = from_data_placed(data, lookup, problems, place=place)
    if problems.messages and workspace.differs(data):
        # List what it was written for; ``cfg_paths`` says that it cannot be run.
        lookup, problems = workspace.lookups(allow, drifted=True), Problems()
        tree, placed = from_data_placed(data, lookup, problems, place=place)
    problems.check(ValidationError)
    return tree, Context(place, loose.follows, loose.required, moves, placed, nodes, history, lookup, docs)
