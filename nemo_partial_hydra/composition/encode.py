"""Recipe tree -> Hydra structured config (OmegaConf).

May import: OmegaConf; neither Hydra nor fiddle. Every parameter of every target, set or not, is a field, so an
override needs no ``+``. The way back is ``composed``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig

from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.dialect.writer import (
    call_head,
    explicit_leaf,
    item_spec,
    linked_paths,
    nameable,
    relative,
    restores,
    short_form,
    shown,
)
from nemo_partial_hydra.errors import ConfigError
from nemo_partial_hydra.recipes.keys import ARGS, MISSING, TARGET
from nemo_partial_hydra.recipes.tree import PATHS, Call, Link, Map, Opaque, Path, Seq, Tree, Value
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Parameter, Required, Signature, Unknown, opaque_signature
from nemo_partial_hydra.signatures.types import ANY, TypeSpec

from .compat import NO_COPY, detached, follows_references
from .flags import PART_OF, UNSET, kind_flags, of_app
from .keywords_node import KeywordsNode
from .nodes import DEFAULT, NODE_CLASSES, PART, RECIPE, UNTOUCHED, DefaultNode, Leaf, Reference


def to_config(partial: Any, *, auto: bool = True) -> DictConfig:
    """Implement :func:`nemo_partial_hydra.to_config`."""
    return tree_to_config(session.workspace().captured(partial, auto=auto))


def tree_to_config(tree: Tree, beside: Mapping[str, Any] | None = None) -> DictConfig:
    """Turn a tree whose root is a Call into a structured config; ``beside`` are nodes that stand in it besides."""
    if not isinstance(tree, Call):
        raise ConfigError("a recipe is a run.Partial or run.Config, or something that can say how it was made")
    return detached(_Writer(linked=linked_paths(tree)).call(tree, (), (), beside))


def option_config(tree: Tree) -> DictConfig | ListConfig:
    """Turn the tree of a registered recipe into a structured config; it may be a list of recipes, of callbacks."""
    if not isinstance(tree, Seq):
        return tree_to_config(tree)
    return detached(_Writer(linked=linked_paths(tree)).sequence(tree, ANY, (), (), RECIPE))


def scratch_node() -> DictConfig:
    """Return a parent for nodes while they are made: children are put in place instead of copied."""
    return DictConfig({}, flags={NO_COPY: True})


class _Writer:
    """Makes the nodes of a tree.

    ``state`` is that of what is written: RECIPE, DEFAULT for a parameter's default, PART for what stands in such a
    default. ``above`` are the targets of the default objects around it: one that contains itself ends there.
    """

    def __init__(
        self, scratch: DictConfig | None = None, linked: frozenset[Path] = frozenset(), above: tuple[str, ...] = ()
    ) -> None:
        self.linked = linked
        self.above = above
        self.signature_of = session.workspace().signature_of
        self.document: dict[Path, Path] = {}
        # The parent while nodes are made: with its flag, children are put in place instead of copied.
        self.scratch = scratch_node() if scratch is None else scratch

    def node(self, tree: Tree, spec: TypeSpec, path: Path, doc: Path, state: str = RECIPE) -> Any:
        if isinstance(tree, Call):
            return self.call(tree, path, doc) if state == RECIPE else self.object(tree, spec, path, doc, state)
        if isinstance(tree, Seq):
            return self.sequence(tree, spec, path, doc, state)
        if isinstance(tree, Map):
            return self.map(tree, spec, path, doc, state)
        if isinstance(tree, Link):
            return reference_node(relative(doc, self.document.get(tree.path, tree.path)), spec)
        if isinstance(tree, Opaque):
            return Leaf(f"<raw {type(tree.value).__name__}>", spec, state, tree)
        if isinstance(tree, (Value, *PATHS)):
            self.document[path] = doc
        return leaf_node(tree, spec, state)

    def sequence(self, tree: Seq, spec: TypeSpec, path: Path, doc: Path, state: str) -> ListConfig:
        self.document[path] = doc
        below = _below(state)
        items = [self.node(v, item_spec(spec, i), (*path, i), (*doc, i), below) for i, v in enumerate(tree.items)]
        exact = not restores(Seq(tree.items, "list"), tree, spec) and not restores(tree, tree, spec)
        return ListConfig(items, parent=self.scratch, flags={**_flags(state), **kind_flags(tree.kind, exact=exact)})

    def map(self, tree: Map, spec: TypeSpec, path: Path, doc: Path, state: str) -> DictConfig:
        self.document[path] = doc
        if not isinstance(short_form(tree), Map) or not nameable(tree, path, self.linked):
            below = (*doc, ARGS, 0)
            pairs = [
                ListConfig([self.node(k, ANY, (), ()), self.node(v, ANY, (*path, k), (*below, i, 1))])
                for i, (k, v) in enumerate(tree.items)
            ]
            name = "collections.OrderedDict" if tree.kind == "OrderedDict" else "builtins.dict"
            out = DictConfig({TARGET: name, ARGS: []}, flags=_flags(state))
            out[ARGS].append(ListConfig(pairs))
            return out
        flags = {**_flags(state), NO_COPY: True, **kind_flags(exact=not restores(tree, tree, spec))}
        out = DictConfig({}, flags=flags) if state == RECIPE else DefaultNode({}, flags=flags)
        for key, value in tree.items:
            out[key] = self.node(value, item_spec(spec, key), (*path, key), (*doc, key), _below(state))
        return out

    def call(self, tree: Call, path: Path, doc: Path, beside: Mapping[str, Any] | None = None) -> DictConfig:
        self.document[path] = doc
        signature = self.signature_of(tree.target) or opaque_signature(tree.target)
        values = {**self.arguments(tree, signature, path, doc, RECIPE), **(beside or {})}
        return target_node(signature, values, positional=len(tree.args), scratch=self.scratch)

    def object(self, tree: Call, spec: TypeSpec, path: Path, doc: Path, state: str) -> DictConfig | Leaf:
        """Make the node of an object that a default makes; a leaf where it contains itself or may not be named."""
        signature = session.workspace().signature_of_default(tree, self.above)
        if signature is None:
            return Leaf(MISSING, spec, state, tree)
        inner = _Writer(self.scratch, above=(*self.above, tree.target))
        values = inner.arguments(tree, signature, path, doc, PART)
        return target_node(
            signature,
            values,
            positional=len(tree.args),
            scratch=self.scratch,
            flags=_flags(state),
            above=inner.above,
        )

    def arguments(self, tree: Call, signature: Signature, path: Path, doc: Path, state: str) -> dict[str, Any]:
        """Make the nodes of what a call sets, its reserved keys included."""
        values: dict[str, Any] = dict(call_head(tree))
        if state != RECIPE:
            values = {key: Leaf(value, ANY, state) for key, value in values.items()}
        if tree.args:
            types = [signature.type_at(i) or ANY for i in range(len(tree.args))]
            values[ARGS] = ListConfig(
                [self.node(v, types[i], (*path, ARGS, i), (*doc, ARGS, i), state) for i, v in enumerate(tree.args)],
                parent=self.scratch,
                flags=_flags(state) if state != RECIPE else None,
            )
        for name, value in tree.kwargs.items():
            values[name] = self.node(value, signature.type_of(name) or ANY, (*path, name), (*doc, name), state)
        return values


def _below(state: str) -> str:
    return RECIPE if state == RECIPE else PART


def _flags(state: str) -> dict[str, bool]:
    return {UNSET: state != RECIPE, **({PART_OF: True} if state == PART else {})}


def target_node(
    signature: Signature,
    values: Mapping[str, Any],
    *,
    positional: int,
    scratch: DictConfig,
    keys: Iterable[str] | None = None,
    defaults: bool = True,
    flags: dict[str, bool] | None = None,
    above: tuple[str, ...] = (),
) -> DictConfig:
    """Make the node of a target: a field for each parameter, set or not, and for each further key.

    Parameters
    ----------
    signature : that of the target.
    values : what is set, by key.
    positional : how many arguments are given by position.
    scratch : the parent while the node is made.
    keys : the keys that get a field; by default those of ``values``.
    defaults : whether parameters that are not set show their defaults.
    flags : those of a node that a default shows; None for one that is set.
    above : the targets of the default objects around the node and of itself, if it is one.
    """
    parameters = signature.parameters
    named = values if keys is None else keys
    extras = (key for key in named if key != TARGET and (key not in parameters or parameters[key].positional))
    node = NODE_CLASSES.of(signature, tuple(extras))()
    for key, value in values.items():
        setattr(node, key, value)
    covered = {parameter.name for parameter in signature.positional[:positional]}
    for key, parameter in parameters.items():
        if key not in values and not parameter.positional:
            shown = default_node(parameter, key in covered, scratch, above) if defaults else unset_leaf(parameter)
            setattr(node, key, shown)
    if flags is not None:
        return DefaultNode(node, parent=scratch, flags=flags)
    kind = DictConfig if signature.extra is None else KeywordsNode
    return kind(node, parent=scratch, flags=dict(of_app()))


OF_DEFAULT = _flags(DEFAULT)


def default_parts(default: Call, signature: Signature, scratch: DictConfig, above: tuple[str, ...]) -> dict[str, Any]:
    """Make the nodes of what a default object sets; ``above`` are the targets around it and its own."""
    return _Writer(scratch, above=above).arguments(default, signature, ("?",), ("?",), PART)


def reference_node(text: str, spec: TypeSpec) -> Leaf:
    """Make the node of a reference at a place of a type."""
    return Leaf(text, spec) if follows_references() else Reference(text, spec)


def unset_leaf(parameter: Parameter) -> Leaf:
    """Make the node of a parameter that is not set and has no default to show."""
    return Leaf(MISSING, parameter.type, DEFAULT)


def default_node(parameter: Parameter, covered: bool, scratch: DictConfig, above: tuple[str, ...] = ()) -> Any:
    """Make the node of a parameter that is not set: its default, or ``???`` where there is none to show."""
    default = parameter.default
    if covered or isinstance(default, (Required, Unknown)):
        return unset_leaf(parameter)
    if isinstance(default, (Seq, Map, Call)):
        return _Writer(scratch, above=above).node(default, parameter.type, ("?",), ("?",), DEFAULT)
    return leaf_node(default, parameter.type, DEFAULT)


def leaf_node(tree: Tree, spec: TypeSpec, state: str) -> Any:
    """Make the node of a leaf: its shortest text, with the exact value behind it."""
    if isinstance(tree, (bool, int, float)) or tree is None:
        return Leaf(tree, spec, state, tree)
    if isinstance(tree, str) and tree != MISSING:
        return Leaf(escape_interpolation(tree), spec, state, tree)
    short = short_form(tree)
    if isinstance(short, str) and restores(short, tree, spec):
        return Leaf(escape_interpolation(short), spec, state, tree)
    if state in UNTOUCHED:
        return Leaf(escape_interpolation(str(shown(tree, spec))), spec, state, tree)
    if isinstance(tree, bytes):
        return Leaf(tree, spec, state, tree)
    return DictConfig(explicit_leaf(tree), flags={UNSET: False})
