"""Recipe tree <-> Hydra structured config (OmegaConf).

May import: OmegaConf; neither Hydra nor fiddle. Every parameter of every target, set or not, is a field, so an
override needs no ``+``. The way back reads the sparse recipe out of the composed config.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from . import session
from .convert import same
from .core import captured, read_tree, signature_of
from .dialect import (
    TARGET,
    call_head,
    explicit_leaf,
    item_spec,
    linked_paths,
    nameable,
    relative,
    restores,
    short_form,
)
from .edits import apply_edits
from .errors import ConfigError, Path, ValidationError, dots, dotted, placed
from .nodes import DEFAULT, NOTHING, RECIPE, Leaf, node_class
from .omega import NO_COPY, child_nodes, content, detached, flag, full_key, is_absent, own_flags, set_flag
from .reading import Kept, KeptSeq
from .scalars import escape_interpolation, reference_path
from .signatures import Parameter, Required, Unknown, opaque_signature
from .tree import ARGS, PATHS, Call, Link, Map, Opaque, Ref, Seq, Tree, Value, walk
from .typespec import ANY, TypeSpec

KINDS = ("tuple", "set", "frozenset")
UNSET, EXACT_SEQ, GIVEN = "nph_default", "nph_exact", "nph_given:"
_given: list[Any] = []


def remember(node: ListConfig | DictConfig) -> None:
    """Mark a container that a file sets: a default merged over it later leaves the mark, by which it is found again.

    Hydra merges lists as a whole and keeps the flags of both; a leaf needs no such mark (see ``Leaf._set_key``).
    """
    _given.append(node)
    set_flag(node, f"{GIVEN}{len(_given) - 1}")


def given(node: ListConfig | DictConfig) -> ListConfig | DictConfig | None:
    """Return what a file set where a container now shows a mere default; None if no file did."""
    if not flag(node, UNSET):
        return None
    marks = [name for name in own_flags(node) if name.startswith(GIVEN)]
    if not marks:
        return None
    number = int(marks[-1].removeprefix(GIVEN))
    if number >= len(_given):
        raise ConfigError(
            f"{dots(full_key(node))}: a file sets it, and a default of a recipe merged later hides it; "
            "put _self_ last in the defaults list"
        )
    found: ListConfig | DictConfig = _given[number]
    return found


def to_config(partial: Any, *, auto: bool = True) -> DictConfig:
    """Turn a ``run.Partial`` or ``run.Config`` into a structured config; ``build`` gives an equal one back.

    Parameters
    ----------
    partial : the recipe.
    auto : whether objects inside it become nodes by themselves.

    Raises
    ------
    CaptureError
        With the path, for a value that has no form in the dialect.
    """
    return tree_to_config(captured(partial, auto=auto))


def tree_to_config(tree: Tree) -> DictConfig:
    """Turn a tree whose root is a Call into a structured config."""
    if not isinstance(tree, Call):
        raise ConfigError("a recipe is a run.Partial or run.Config, or something that can say how it was made")
    return detached(_Writer(linked=linked_paths(tree)).call(tree, (), ()))


class _Writer:
    def __init__(self, scratch: DictConfig | None = None, linked: frozenset[Path] = frozenset()) -> None:
        self.linked = linked
        self.document: dict[Path, Path] = {}
        # The parent while nodes are made: with its flag, children are put in place instead of copied.
        self.scratch = DictConfig({}, flags={NO_COPY: True}) if scratch is None else scratch

    def node(self, tree: Tree, spec: TypeSpec, path: Path, doc: Path, state: str = RECIPE) -> Any:
        if isinstance(tree, Call):
            return self.call(tree, path, doc)
        if isinstance(tree, Seq):
            return self.sequence(tree, spec, path, doc, state)
        if isinstance(tree, Map):
            return self.map(tree, spec, path, doc, state)
        if isinstance(tree, Link):
            return reference_node(relative(doc, self.document.get(tree.path, tree.path)))
        if isinstance(tree, Opaque):
            return Leaf(f"<raw {type(tree.value).__name__}>", spec, state, tree)
        if isinstance(tree, (Value, *PATHS)):
            self.document[path] = doc
        return leaf_node(tree, spec, state)

    def sequence(self, tree: Seq, spec: TypeSpec, path: Path, doc: Path, state: str) -> ListConfig:
        self.document[path] = doc
        items = [self.node(v, item_spec(spec, i), (*path, i), (*doc, i), state) for i, v in enumerate(tree.items)]
        flags = {UNSET: state == DEFAULT}
        if tree.kind != "list":
            flags[f"nph_{tree.kind}"] = True
        if not restores(Seq(tree.items, "list"), tree, spec) and not restores(tree, tree, spec):
            flags[EXACT_SEQ] = True
        return ListConfig(items, parent=self.scratch, flags=flags)

    def map(self, tree: Map, spec: TypeSpec, path: Path, doc: Path, state: str) -> DictConfig:
        self.document[path] = doc
        if not isinstance(short_form(tree), Map) or not nameable(tree, path, self.linked):
            below = (*doc, ARGS, 0)
            pairs = [
                ListConfig([self.node(k, ANY, (), ()), self.node(v, ANY, (*path, k), (*below, i, 1))])
                for i, (k, v) in enumerate(tree.items)
            ]
            name = "collections.OrderedDict" if tree.kind == "OrderedDict" else "builtins.dict"
            out = DictConfig({TARGET: name, ARGS: []}, flags={UNSET: state == DEFAULT})
            out[ARGS].append(ListConfig(pairs))
            return out
        exact = not restores(tree, tree, spec)
        out = DictConfig({}, flags={UNSET: state == DEFAULT, NO_COPY: True, **({EXACT_SEQ: True} if exact else {})})
        for key, value in tree.items:
            out[key] = self.node(value, item_spec(spec, key), (*path, key), (*doc, key), state)
        return out

    def call(self, tree: Call, path: Path, doc: Path) -> DictConfig:
        self.document[path] = doc
        signature = signature_of(tree.target) or opaque_signature(tree.target)
        head = call_head(tree)
        parameters = signature.parameters
        extras = [name for name in head if name != TARGET]
        if tree.args:
            extras.append(ARGS)
        extras += [name for name in tree.kwargs if name not in parameters or parameters[name].positional]
        made = node_class(signature, tuple(extras))
        node = made()
        for name, value in head.items():
            setattr(node, name, value)
        if tree.args:
            types = [signature.type_at(i) or ANY for i in range(len(tree.args))]
            items = [self.node(v, types[i], (*path, ARGS, i), (*doc, ARGS, i)) for i, v in enumerate(tree.args)]
            setattr(node, ARGS, ListConfig(items, parent=self.scratch))
        covered = {parameter.name for parameter in signature.positional[: len(tree.args)]}
        for name, value in tree.kwargs.items():
            spec = signature.type_of(name) or ANY
            setattr(node, name, self.node(value, spec, (*path, name), (*doc, name)))
        for name, parameter in parameters.items():
            if name not in tree.kwargs and not parameter.positional:
                setattr(node, name, default_node(parameter, name in covered, self.scratch))
        made_node: DictConfig = OmegaConf.structured(node, parent=self.scratch)
        return made_node


def reference_node(text: str) -> DictConfig:
    """Make the node of a reference: a container, or an override below it would put an empty dict in its place."""
    return DictConfig(text, flags={UNSET: False})


def default_node(parameter: Parameter, covered: bool, scratch: DictConfig) -> Any:
    """Make the node of a parameter that is not set: its default, or ``???`` where there is none to show."""
    default = parameter.default
    if covered or isinstance(default, (Required, Unknown)):
        return Leaf("???", parameter.type, DEFAULT)
    if isinstance(default, (Seq, Map)):
        return _Writer(scratch).node(default, parameter.type, ("?",), ("?",), DEFAULT)
    return leaf_node(default, parameter.type, DEFAULT)


def leaf_node(tree: Tree, spec: TypeSpec, state: str) -> Any:
    """Make the node of a leaf: its shortest text, with the exact value behind it."""
    if isinstance(tree, (bool, int, float)) or tree is None:
        return Leaf(tree, spec, state, tree)
    if isinstance(tree, str) and tree != "???":
        return Leaf(escape_interpolation(tree), spec, state, tree)
    short = short_form(tree)
    if isinstance(short, str) and restores(short, tree, spec):
        return Leaf(escape_interpolation(short), spec, state, tree)
    if state == DEFAULT:
        text = tree.target if isinstance(tree, (Ref, Value)) else "" if tree == "???" else str(tree)
        return Leaf(escape_interpolation(text), spec, state, tree)
    if isinstance(tree, bytes):
        return Leaf(tree, spec, state, tree)
    return DictConfig(explicit_leaf(tree), flags={UNSET: False})


def config_to_tree(cfg: Any, allow: Iterable[str] = ()) -> Tree:
    """Read the recipe of a composed config, edits applied, types and policy checked.

    Raises
    ------
    ConfigError
        If there is not exactly one recipe.
    ValidationError, PolicyError
        For what the targets or the runner do not accept; all mistakes at once.
    """
    data, place = recipe_data(cfg)
    return read_tree(data, allow, place=place)


def recipe_data(cfg: Any, name: str | None = None, *, before_run: bool = False) -> tuple[Any, Path]:
    """Return the recipe of a config as plain data, and the path at which it stands.

    ``before_run`` leaves open what only the running job knows: ``${hydra:runtime.output_dir}``.
    """
    cfg = as_config(cfg)
    key = recipe_key(cfg, name or _wanted())
    place: Path = tuple(key.split(".")) if key else ()
    node = OmegaConf.select(cfg, key) if key else cfg
    data = _Reader(node, place, before_run).mapping(node, ())
    return apply_edits(data, place), place


def as_config(cfg: Any) -> DictConfig:
    """Return a config for what ``build`` and ``run`` take.

    Raises
    ------
    ConfigError
        If it is neither a DictConfig nor a dict that OmegaConf can hold.
    """
    if isinstance(cfg, DictConfig):
        return cfg
    if not isinstance(cfg, dict):
        raise ConfigError(f"expected a DictConfig or a dict, got {type(cfg).__name__}")
    try:
        return OmegaConf.create(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from None


def recipe_place(cfg: Any) -> Path:
    """Return the path of a config's recipe."""
    key = recipe_key(as_config(cfg), _wanted())
    return tuple(key.split(".")) if key else ()


def _wanted() -> str | None:
    app = session.current()
    return app.recipe if app is not None else None


def recipe_key(cfg: DictConfig, name: str | None = None) -> str:
    """Find the recipe of a config: its root, else its only Partial, else its only node with ``_target_``."""
    if name:
        node = OmegaConf.select(cfg, name)
        if not isinstance(node, DictConfig) or TARGET not in node:
            raise ConfigError(f"'{name}' is no recipe: no node with {TARGET} stands there")
        return name
    if TARGET in cfg:
        return ""
    nodes = [
        key for key, node in child_nodes(cfg) if isinstance(node, DictConfig) and not is_absent(node) and key != "hydra"
    ]
    targets = [str(key) for key in nodes if TARGET in cfg[key]]
    partials = [key for key in targets if cfg[key].get("_partial_") is True]
    found = partials if len(partials) == 1 else targets
    if len(found) == 1 and len(partials) <= 1:
        return found[0]
    if not targets:
        raise ConfigError(f"the config has no recipe: neither its root nor a top-level node has {TARGET}")
    raise ConfigError(
        f"the config has several recipes ({', '.join(partials or targets)}); "
        f"say which one with nph.main(recipe='{(partials or targets)[0]}')"
    )


def shows(node: Any, tree: Any) -> bool:
    """Whether a node holds the values of a default list or tuple."""
    if isinstance(tree, Seq) and isinstance(node, ListConfig):
        return len(node) == len(tree.items) and all(
            shows(child, item) for (_, child), item in zip(child_nodes(node), tree.items, strict=True)
        )
    if isinstance(tree, Map) and isinstance(node, DictConfig):
        return len(node) == len(tree.items) == 0
    return not isinstance(node, (DictConfig, ListConfig)) and same(content(node), tree)


class _Reader:
    """Composed config -> plain data, unset parameters left out."""

    def __init__(self, root: Any, place: Path, before_run: bool) -> None:
        self.root = root
        self.place = place
        self.before_run = before_run
        self.inside: dict[int, Path] = {}
        self.index(root, ())

    def index(self, node: Any, path: Path) -> None:
        self.inside[id(node)] = path
        for key, child in self.children(node, path):
            if isinstance(child, (DictConfig, ListConfig)) and not is_absent(child):
                self.index(child, (*path, key))

    def children(self, node: Any, path: Path) -> Iterator[tuple[Any, Any]]:
        """Yield the nodes below a node; Hydra's own settings beside the recipe are none of it."""
        for key, child in child_nodes(node):
            if path or self.place or key != "hydra":
                yield key, child

    def mapping(self, node: DictConfig, path: Path) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        signature = getattr(OmegaConf.get_type(node), "signature_", None)
        parameters = signature.parameters if signature is not None else {}
        for key, child in self.children(node, path):
            default = parameters[key].default if key in parameters else None
            shown = self.shows_default(child, default)
            hidden = given(child) if shown and isinstance(child, (DictConfig, ListConfig)) else None
            if hidden is not None:
                out[key] = self.container(hidden, (*path, key))
            elif not shown:
                out[key] = self.value(child, node, key, (*path, key))
        return out

    def shows_default(self, node: Any, default: Any = None) -> bool:
        """Whether a node only shows a default: nobody set it, or what was set is hidden below it."""
        if isinstance(node, Leaf):
            return node.state == DEFAULT and node.untouched(content(node))
        if not isinstance(node, (DictConfig, ListConfig)) or not flag(node, UNSET) or is_absent(node):
            return False
        below = [self.shows_default(child) for _, child in child_nodes(node)]
        if not below and default is not None:
            return shows(node, default)
        # Merging one list over another leaves plain nodes: then only the values tell.
        return all(below) or shows(node, default)

    def value(self, node: Any, parent: Any, key: Any, path: Path) -> Any:
        if isinstance(node, (DictConfig, ListConfig)) and not is_absent(node):
            return self.container(node, path)
        held = content(node)
        if isinstance(node, Leaf) and node.exact is not NOTHING and node.untouched(held):
            return Kept(node.exact)
        if isinstance(held, str) and "${" in held:
            return self.interpolation(held, parent, key, path)
        return held

    def container(self, node: Any, path: Path) -> Any:
        if isinstance(node, DictConfig):
            mapping = self.mapping(node, path)
            return KeptSeq("dict", mapping, True) if flag(node, EXACT_SEQ) else mapping
        items = [self.value(child, node, index, (*path, index)) for index, child in child_nodes(node)]
        kind = next((kind for kind in KINDS if flag(node, f"nph_{kind}")), "list")
        exact = bool(flag(node, EXACT_SEQ))
        return KeptSeq(kind, items, exact) if kind != "list" or exact else items

    def names_set_leaf(self, text: str, path: Path) -> bool:
        """Whether an interpolation is relative and names a leaf of the recipe that is set."""
        keys = reference_path(text, path)
        node: Any = self.root
        for key in keys or ():
            if not isinstance(node, (DictConfig, ListConfig)) or is_absent(node):
                return False
            node = next((child for name, child in child_nodes(node) if str(name) == str(key)), None)
        return keys is not None and isinstance(node, Leaf) and not self.shows_default(node)

    def interpolation(self, text: str, parent: Any, key: Any, path: Path) -> Any:
        if self.names_set_leaf(text, path):
            return text  # the reader of the dialect follows it: two places may share one Path object
        if self.before_run and "${hydra:" in text:
            return Kept(Opaque(text))
        try:
            value = parent[key]
        except OmegaConfBaseException as error:
            raise ValidationError(placed((*self.place, *path), str(error).splitlines()[0])) from None
        if isinstance(value, (DictConfig, ListConfig)):
            first = self.inside.get(id(value))
            if first is not None:
                return relative(path, first)
            self.inside[id(value)] = path
            return self.container(value, path)
        return escape_interpolation(value) if isinstance(value, str) else value


def missing(tree: Tree, place: Path = ()) -> list[str]:
    """List the required parameters that nobody set, with their paths."""
    found = []
    for path, node in walk(tree):
        if isinstance(node, Call) and (not node.partial or not path):
            signature = signature_of(node.target)
            if signature is None:
                continue
            covered = {parameter.name for parameter in signature.positional[: len(node.args)]}
            owner = node.target.rpartition(".")[2]
            for name, parameter in signature.parameters.items():
                if parameter.required and name not in node.kwargs and name not in covered:
                    where = dotted((*place, *path, name))
                    found.append(f"{where}: {owner} requires it ({parameter.type.text}); set {where}=...")
    return found
