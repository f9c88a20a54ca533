"""Composed config -> recipe: which node is the recipe, and what of it is set.

May import: OmegaConf; neither Hydra nor fiddle.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.dialect.scalars import escape_interpolation, reference_path, unescape_interpolation
from nemo_partial_hydra.dialect.step_references import is_marked, spelled
from nemo_partial_hydra.dialect.writer import relative
from nemo_partial_hydra.errors import ConfigError, ValidationError
from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.data import Kept, KeptSeq, Untyped, children
from nemo_partial_hydra.recipes.keys import FACTORY, MISSING, PARTIAL_KEY, TARGET
from nemo_partial_hydra.recipes.tree import PATHS, SCALARS, Opaque, Path, Tree
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.convert import same
from nemo_partial_hydra.signatures.signature import Signature

from .budget import Resolution, leads_nowhere
from .compat import child_nodes, content, flag, is_absent, is_missing, own_node, path_of
from .edit_places import absolute, standing
from .flags import EXACT, hidden, is_arguments, kind_of
from .live_objects import refuse_unsent
from .nodes import DEFAULT, NOTHING, Leaf, RecipeNode, is_part, keeps_parts, refuse_shown, refuse_text
from .unset import shows_default


def config_to_tree(cfg: Any, allow: Iterable[str] = ()) -> Tree:
    """Read the recipe of a composed config, edits applied, types and policy checked.

    Raises
    ------
    ConfigError
        If there is not exactly one recipe.
    ValidationError, PolicyError
        For what the targets or the runner do not accept; all mistakes at once.
    """
    return recipe_tree(cfg, allow)[0]


def recipe_tree(
    cfg: Any,
    allow: Iterable[str] = (),
    *,
    resolution: Resolution | None = None,
    known: dict[str, Signature | None] | None = None,
) -> tuple[Tree, Path]:
    """Read the recipe of a composed config, as :func:`config_to_tree` does, and the path at which it stands.

    What was checked before the app's function was called, and is the same still, is not read again.

    Parameters
    ----------
    cfg, allow : as there.
    resolution : resolves the interpolations.
    known : signatures that are kept from one recipe to the next.
    """
    data, place = recipe_data(cfg, resolution=resolution)
    app = session.current()
    if app is not None and app.checked is not None:
        checked, checked_place, tree = app.checked
        if place == checked_place and _same_data(data, checked):
            return tree, place
    return session.workspace().read_tree(data, allow, place=place, known=known), place


def _same_data(a: Any, b: Any) -> bool:
    """Whether two structures of plain data are the same, the types of values and the order of keys included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Kept):
        return same(a.tree, b.tree)
    if isinstance(a, KeptSeq) and (a.kind, a.exact) != (b.kind, b.exact):
        return False
    below, others = list(children(a)), list(children(b))
    if below or others:
        return len(below) == len(others) and all(
            type(key) is type(other) and key == other and _same_data(value, found)
            for (key, value), (other, found) in zip(below, others, strict=True)
        )
    if isinstance(a, KeptSeq):
        return True
    return repr(a) == repr(b) if isinstance(a, float) else same(a, b)


def recipe_data(
    cfg: Any, name: str | None = None, *, before_run: bool = False, resolution: Resolution | None = None
) -> tuple[Any, Path]:
    """Return the recipe of a config as plain data, and the path at which it stands.

    Parameters
    ----------
    cfg : what ``build`` and ``run`` take.
    name : the path of the recipe, where it is said.
    before_run : whether to leave open what only the running job knows: ``${hydra:runtime.output_dir}``.
    resolution : resolves the interpolations.
    """
    cfg = as_config(cfg)
    resolution = resolution or Resolution()
    key = recipe_key(cfg, name or _wanted(), resolution)
    place: Path = (*path_of(cfg), *(key.split(".") if key else ()))
    node = resolution.select(cfg, key) if key else cfg
    data = _Reader(node, place, before_run, resolution=resolution).mapping(node, ())
    return apply_edits(data, place), place


Visit = Callable[[Any, Path], None]


@dataclass(frozen=True)
class Loose:
    """A whole config as plain data for a listing, which shows what is missing or unresolved instead of refusing it.

    ``follows`` has the texts of interpolations, ``required`` the places that say ``???``, by path.
    """

    data: Any
    follows: Mapping[Path, str]
    required: frozenset[Path]


def loose_data(node: DictConfig, place: Path, visit: Visit | None = None) -> Loose:
    """Read a config, or the part of one at ``place``, beyond its recipe; ``visit`` gets each of its nodes once."""
    reader = _Reader(node, place, before_run=True, loose=True, visit=visit)
    return Loose(reader.mapping(node, ()), reader.follows, frozenset(reader.required))


def node_data(node: DictConfig, resolution: Resolution, *, before_run: bool = False) -> Any:
    """Return what stands in a recipe's own node, wherever that is, as plain data."""
    place = path_of(node)
    return apply_edits(_Reader(node, place, before_run, resolution=resolution).mapping(node, ()), place)


def set_data(config: DictConfig) -> Any:
    """Return what a recipe's own config sets, as plain data."""
    open_ = Resolution()
    open_.steps = lambda marked, path: Kept(Opaque(spelled(marked)))
    return _Reader(config, (), before_run=True, resolution=open_).mapping(config, ())


def as_config(cfg: Any) -> DictConfig:
    """Return a config for what ``build`` and ``run`` take.

    Raises
    ------
    ConfigError
        If it is neither a DictConfig nor a dict that OmegaConf can hold.
    """
    if isinstance(cfg, DictConfig):
        return cfg
    if isinstance(cfg, RecipeNode):
        cfg = OmegaConf.to_container(OmegaConf.structured(cfg))
    if not isinstance(cfg, dict):
        raise ConfigError(f"expected a DictConfig or a dict, got {type(cfg).__name__}")
    try:
        return OmegaConf.create(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from None
    except RecursionError:  # OmegaConf takes several calls a level
        raise ConfigError("the recipe is nested too deeply for a config") from None


def _wanted() -> str | None:
    return app.recipe if (app := session.current()) is not None else None


def recipe_key(cfg: DictConfig, name: str | None, resolution: Resolution) -> str:
    """Find the recipe of a config: its root, else its only Partial, else its only node with ``_target_``."""
    if name:
        if not _has_target(resolution.select(cfg, name)):
            raise ConfigError(f"'{name}' is no recipe: no node with {TARGET} stands there")
        return name
    if _has_target(cfg):
        return ""
    nodes = {
        str(key): node for key, node in child_nodes(cfg) if key != "hydra" and _has_target(node) and not is_absent(node)
    }
    targets = [*nodes]
    partials = [key for key, node in nodes.items() if _is_partial(node, resolution)]
    found = partials if len(partials) == 1 else targets
    if len(found) == 1 and len(partials) <= 1:
        return found[0]
    if not targets:
        raise ConfigError(f"the config has no recipe: neither its root nor a top-level node has {TARGET}")
    raise ConfigError(
        f"the config has several recipes ({', '.join(partials or targets)}); "
        f"say which one with nph.main(recipe='{(partials or targets)[0]}')"
    )


def _has_target(node: Any) -> bool:
    target = own_node(node, TARGET) if isinstance(node, DictConfig) else None
    return target is not None and not is_missing(target)


def _is_partial(node: Any, resolution: Resolution) -> bool:
    flagged = own_node(node, PARTIAL_KEY)
    if flagged is None or is_missing(flagged):
        return False
    held = content(flagged)
    return (resolution.get(node, PARTIAL_KEY) if isinstance(held, str) else held) is True


class _Reader:
    """Composed config -> plain data, unset parameters left out."""

    def __init__(
        self,
        root: Any,
        place: Path,
        before_run: bool,
        *,
        loose: bool = False,
        visit: Visit | None = None,
        resolution: Resolution | None = None,
    ) -> None:
        self.root = root
        self.place = place
        self.before_run = before_run
        self.loose = loose
        self.resolution = resolution or Resolution()
        self.follows: dict[Path, str] = {}
        self.required: set[Path] = set()
        self.inside: dict[int, Path] = {}
        self.index(root, (), visit)

    def index(self, node: Any, path: Path, visit: Visit | None) -> None:
        self.inside[id(node)] = standing(self.root, path)[0]
        if visit is not None:
            visit(node, path)
        for key, child in self.children(node, path):
            # Most are leaves; asking an abstract class about them is what takes time.
            if type(child) is Leaf:
                if visit is not None:
                    visit(child, (*path, key))
            elif isinstance(child, (DictConfig, ListConfig)) and not is_absent(child):
                self.index(child, (*path, key), visit)

    def children(self, node: Any, path: Path) -> Iterator[tuple[Any, Any]]:
        """Yield the nodes below a node; Hydra's own settings beside the recipe are none of it."""
        for key, child in child_nodes(node):
            if path or self.place or key != "hydra":
                yield key, child

    def mapping(self, node: DictConfig, path: Path) -> dict[Any, Any]:
        signature = getattr(OmegaConf.get_type(node), "signature_", None)
        out: dict[Any, Any] = {} if signature is not None else Untyped()
        parameters = signature.parameters if signature is not None else {}
        for key, child in self.children(node, path):
            if key == FACTORY and isinstance(child, DictConfig) and (signature is None or is_arguments(child)):
                continue  # it says with what a registered factory made the recipe
            if type(child) is Leaf and child.state == DEFAULT and child.untouched(content(child)):
                continue  # most of a config
            if is_part(child) and shows_default(child):
                if keeps_parts(node):
                    out[key] = self.value(child, node, key, (*path, key))
                continue
            default = parameters[key].default if key in parameters else None
            shown = shows_default(child, default)
            beneath = hidden(child) if shown and isinstance(child, (DictConfig, ListConfig)) else None
            if beneath is not None:
                out[key] = self.container(ListConfig(beneath.items, key, node, flags=beneath.flags), (*path, key))
            elif self.loose and not shown and is_missing(child):
                self.required.add((*path, key))
            elif not shown:
                out[key] = self.value(child, node, key, (*path, key))
        return out

    def value(self, node: Any, parent: Any, key: Any, path: Path) -> Any:
        if isinstance(node, (DictConfig, ListConfig)) and not is_absent(node):
            return self.container(node, path)
        held = content(node)
        if isinstance(node, Leaf) and node.exact is not NOTHING and node.untouched(held):
            if not self.loose:
                refuse_unsent(node.exact, held, (*self.place, *path))
            return Kept(node.exact)
        if isinstance(held, str) and "${" in held:
            return self.interpolation(held, parent, key, path)
        if not self.loose and not isinstance(node, Leaf) and isinstance(held, str):
            refuse_shown(held, (*self.place, *path))
        if self.loose:
            return self.leaf(held)
        return held

    @staticmethod
    def leaf(held: Any) -> Any:
        """Return a leaf of a config beside the recipe, which may hold what OmegaConf's own types convert to."""
        if held == MISSING or type(held) in (*SCALARS, bytes, *PATHS):
            return Kept(Opaque(held)) if held == MISSING else held
        if not isinstance(held, enum.Enum):
            return Kept(Opaque(held))
        from nemo_partial_hydra.recipes.capture import capture_default

        return Kept(capture_default(held))

    def container(self, node: Any, path: Path) -> Any:
        if isinstance(node, DictConfig):
            mapping = self.mapping(node, path)
            return KeptSeq("dict", mapping, True) if flag(node, EXACT) else mapping
        items = [self.value(child, node, index, (*path, index)) for index, child in child_nodes(node)]
        kind, exact = kind_of(node)
        return KeptSeq(kind, items, exact) if kind != "list" or exact else items

    def names_set_leaf(self, text: str, path: Path) -> bool:
        """Whether an interpolation is relative and names a leaf of the recipe that is set."""
        keys = reference_path(text, path)
        node: Any = self.root
        for key in keys or ():
            if not isinstance(node, (DictConfig, ListConfig)) or is_absent(node):
                return False
            node = next((child for name, child in child_nodes(node) if str(name) == str(key)), None)
        return keys is not None and FACTORY not in keys and isinstance(node, Leaf) and not shows_default(node)

    def interpolation(self, text: str, parent: Any, key: Any, path: Path) -> Any:
        if self.loose and unescape_interpolation(text) is None:
            self.follows[path] = text
        final, _ = standing(self.root, path)
        if self.names_set_leaf(text, path) or self.names_set_leaf(text, final):
            return text  # the reader of the dialect follows it: two places may share one Path object
        if self.before_run and "${hydra:" in text:
            return Kept(Opaque(text))
        known = self.resolution.open
        try:
            moved = absolute(self.root, text, path)
            value = self.resolution.get(parent, key) if moved is None else self.resolution.get(moved, "value")
        except OmegaConfBaseException as error:
            if self.loose or (self.before_run and self.resolution.open > known):
                return Kept(Opaque(text))
            raise ValidationError(placed((*self.place, *path), leads_nowhere(text, error))) from None
        if isinstance(value, str) and is_marked(value):
            return Kept(Opaque(spelled(value))) if self.loose else self.resolution.steps(value, (*self.place, *path))
        if not self.loose and isinstance(value, str):
            refuse_text(value, (*self.place, *path), self.root, text)
        if isinstance(value, (DictConfig, ListConfig)):
            first = self.inside.get(id(value))
            if first is not None:
                return relative(final, first)
            self.inside[id(value)] = final
            return self.container(value, path)
        return escape_interpolation(value) if isinstance(value, str) else value
