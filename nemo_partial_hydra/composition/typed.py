"""Plain recipe data from a YAML file -> nodes of a structured config: each ``_target_`` gets its full signature.

May import: OmegaConf. A file without a defaults list becomes one typed node. A file with one is split in two: the
empty typed skeleton, which Hydra merges first, and what the file says, which it merges where ``_self_`` stands; so
no default of a parameter ever hides what a chosen group option sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from nemo_partial_hydra.dialect.scalars import REFERENCE, unescape_interpolation
from nemo_partial_hydra.dialect.writer import item_spec
from nemo_partial_hydra.messages import Problems, nearest, no_factory
from nemo_partial_hydra.recipes.keys import ARGS, CALL_KEY, EDITS, FACTORY, MISSING, RESERVED, TARGET
from nemo_partial_hydra.recipes.tree import SCALARS, Call, Map, Path, Seq
from nemo_partial_hydra.recipes.values import SEQUENCES, VALUE_FORMS
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.convert import Mismatch, convert
from nemo_partial_hydra.signatures.signature import Default, Lookup, Signature, changed, part_of
from nemo_partial_hydra.signatures.types import ANY, TypeSpec, loosened

from .argument_nodes import ArgumentsNode
from .compat import NO_COPY, child_nodes, detached, drop_child
from .encode import OF_DEFAULT, default_parts, reference_node, target_node
from .file_dicts import PLAIN_NODES, Unplaced
from .flags import kind_flags, of_app, set_by_file
from .kept_arguments import Referred, is_kept, kept_arguments, with_arguments
from .nodes import NODE_CLASSES, RECIPE, Leaf

SCALAR_KINDS = frozenset("none bool int float str bytes path timedelta enum literal callable type dtype".split())


def typed_config(
    data: Mapping[Any, Any], signature: Lookup, problems: Problems, *, defaults: bool = True
) -> DictConfig:
    """Make the config of a file: values where it sets them, typed fields for all else.

    Parameters
    ----------
    data : the file's content.
    signature : gives the ``Signature`` of a target, or None where it cannot be known here.
    problems : where unknown names and wrong types are noted.
    defaults : whether parameters that the file does not set get fields too.
    """
    return _root(_Typer(signature, problems, values=True, defaults=defaults), data)


def typed_list(data: list[Any], signature: Lookup, problems: Problems) -> ListConfig:
    """Make the config of a file that is a list; arguments as for :func:`typed_config`."""
    made: ListConfig = _Typer(signature, problems, values=True, defaults=True).node(data, ANY, ())
    return detached(made)


def skeleton(data: Mapping[Any, Any], signature: Lookup) -> DictConfig:
    """Make the typed config of a file's nodes without any of its values; lists are left to the values."""
    return _root(_Typer(signature, Problems(), values=False, defaults=True), data)


def _root(typer: _Typer, data: Mapping[Any, Any]) -> DictConfig:
    made = typer.mapping(data, ANY, ())
    if not typer.values and type(made) in PLAIN_NODES:
        object.__setattr__(made, "__class__", Unplaced)  # it has a place where the file's package is another one
    if not isinstance(made, DictConfig):
        return detached(DictConfig(data))
    if "defaults" not in data:  # a target's parameter of that name: at the root of a file it is Hydra's list
        drop_child(made, "defaults")
    return detached(made)


def is_node(data: Any) -> bool:
    """Whether data is a recipe node: it has a target that is called and is no value form."""
    if not (isinstance(data, Mapping) and isinstance(data.get(TARGET), str)) or data.get(CALL_KEY) is False:
        return False
    return not (data[TARGET] in VALUE_FORMS and set(data) == {TARGET, ARGS})


def names_a_place(value: Any, spec: TypeSpec) -> bool:
    """Whether a value of a file is a reference, and may be one to a container."""
    return isinstance(value, str) and REFERENCE.match(value) is not None and not spec.kinds <= SCALAR_KINDS


class _Typer:
    def __init__(self, signature: Lookup, problems: Problems, *, values: bool, defaults: bool) -> None:
        self.signature = signature
        self.problems = problems
        self.values = values
        self.defaults = defaults
        self.above: tuple[str, ...] = ()  # the targets of the default objects around what is made
        self.scratch = DictConfig({}, flags={NO_COPY: True})
        self.referred = Referred()

    def node(self, data: Any, spec: TypeSpec, path: Path, default: Default = None) -> Any:
        if isinstance(data, Mapping):
            base = changed(data, spec, default)
            made = self.change(data, base, path) if base is not None and self.knows(data) else None
            return self.mapping(data, spec, path) if made is None else made
        if isinstance(data, (list, tuple)):
            self.check_shape(data, spec, path)
            items = [self.full().node(v, item_spec(spec, i), (*path, i)) for i, v in enumerate(data)]
            return ListConfig(items, parent=self.scratch, flags=set_by_file(data, {}))
        return self.leaf(data, spec, path)

    def knows(self, data: Mapping[Any, Any]) -> bool:
        """Whether what a mapping changes is made here: edits need a node of their own, if it is in another file."""
        return self.defaults or not any(key in EDITS for key in data)

    def change(self, data: Mapping[Any, Any], default: Call, path: Path) -> DictConfig | None:
        """Make the node of a default object of which a file sets something; None if its parameters are not known."""
        signature = session.workspace().signature_of_default(default, self.above)
        if signature is None:
            return None
        inner = _Typer(self.signature, self.problems, values=self.values, defaults=self.defaults)
        inner.above, inner.referred = (*self.above, default.target), self.referred
        values = inner.arguments(data, signature, path, default)
        if not self.defaults:  # the skeleton has the object
            out = DictConfig({}, flags={NO_COPY: True})
            for key, value in values.items():
                out[key] = value
            return out
        parts = default_parts(default, signature, self.scratch, inner.above)
        return target_node(
            signature,
            {**parts, **values},
            positional=len(default.args),
            scratch=self.scratch,
            flags=OF_DEFAULT,
            above=inner.above,
        )

    def full(self) -> _Typer:
        """Elements of a list are complete in themselves: Hydra merges lists as a whole."""
        if self.values and self.defaults:
            return self
        full = _Typer(self.signature, self.problems, values=True, defaults=True)
        full.referred = self.referred
        return full

    def check_shape(self, data: Any, spec: TypeSpec, path: Path) -> None:
        try:
            convert(Seq((None,) * len(data)), loosened(spec))
        except Mismatch as problem:
            self.problems.add(path, problem.text)

    def leaf(self, data: Any, spec: TypeSpec, path: Path) -> Any:
        if not (type(data) in SCALARS or isinstance(data, bytes)):
            return data
        self.referred.note(data, spec, path)
        if names_a_place(data, spec):
            return reference_node(data, spec)
        literal = unescape_interpolation(data) if isinstance(data, str) else data
        if literal is not None and data != MISSING:
            try:
                convert(literal, spec)
            except Mismatch as problem:
                self.problems.add(path, problem.text)
        elif data is None:
            self.check_none(spec, path)
        return Leaf(data, spec, RECIPE)

    def check_none(self, spec: TypeSpec, path: Path) -> None:
        try:
            convert(None, spec)
        except Mismatch as problem:
            self.problems.add(path, problem.text)

    def mapping(self, data: Mapping[Any, Any], spec: TypeSpec, path: Path) -> DictConfig | ListConfig:
        target = data.get(TARGET)
        if target in SEQUENCES and set(data) == {TARGET, ARGS} and "${" not in str(data):
            return self.explicit_sequence(SEQUENCES[target], data[ARGS], spec, path)
        signature = self.signature(data[TARGET]) if is_node(data) else None
        if signature is not None:
            return self.call(data, signature, path)
        if TARGET not in data and all(isinstance(key, str) for key in data) and any(key in EDITS for key in data):
            return self.overlay(data, path)
        out = DictConfig({}, flags={NO_COPY: True, **(of_app() if TARGET in data or not path else {})})
        for key, value in data.items():
            if self.values or isinstance(value, Mapping):
                made = self.node(value, item_spec(spec, key) if TARGET not in data else ANY, (*path, key))
                if self.values or len(made) > 0:
                    out[key] = made
        if not self.values:
            for _, child in child_nodes(out):
                if type(child) in PLAIN_NODES:
                    object.__setattr__(child, "__class__", Unplaced)
        return out

    def overlay(self, data: Mapping[Any, Any], path: Path) -> DictConfig:
        """Make a node that edits a recipe of another file."""
        node = NODE_CLASSES.overlay(tuple(data))()
        for key, value in data.items():
            setattr(node, key, (self.full() if key in EDITS else self).node(value, ANY, (*path, key)))
        structured: DictConfig = OmegaConf.structured(node, parent=self.scratch)
        return structured

    def explicit_sequence(self, kind: str, args: Any, spec: TypeSpec, path: Path) -> ListConfig:
        """In a composed config the elements of a tuple are plain paths; one that contradicts its annotation says so."""
        inner = args[0] if isinstance(args, list) and args and isinstance(args[0], list) else []
        items = [self.full().node(v, ANY, (*path, i)) for i, v in enumerate(inner)]
        flags = kind_flags(kind, exact=not _fits(Seq((None,) * len(inner), kind), spec))
        return ListConfig(items, parent=self.scratch, flags=set_by_file(inner, flags))

    def call(self, data: Mapping[Any, Any], signature: Signature, path: Path) -> DictConfig:
        kept = is_kept(data)
        said = {key: value for key, value in data.items() if key != FACTORY} if kept else data
        held = self.held(said, signature)
        values = self.arguments(said, signature, path, None)
        arguments = self.kept(data, signature, path) if kept else None
        if arguments is not None:
            held[FACTORY] = values[FACTORY] = arguments
        args = data.get(ARGS, [])
        positional = len(args) if isinstance(args, list) else 0
        made = target_node(
            signature, values, positional=positional, scratch=self.scratch, keys=held, defaults=self.defaults
        )
        return made if arguments is None else with_arguments(made)

    def kept(self, data: Mapping[Any, Any], signature: Signature, path: Path) -> ArgumentsNode | None:
        """Make the node of the arguments of the recipe at a path, whose values have been seen if they are made."""
        referred = self.referred
        if not self.values:
            values = _Typer(self.signature, Problems(), values=True, defaults=True)
            values.arguments({key: value for key, value in data.items() if key != FACTORY}, signature, path, None)
            referred = values.referred
        return kept_arguments(data[FACTORY], referred, path, self.problems)

    def held(self, data: Mapping[Any, Any], signature: Signature) -> dict[Any, Any]:
        """Return what of a node's content is made: all of it, or for a skeleton what has nodes below it.

        Of a skeleton that is also each further keyword: what a node has no field for cannot be merged into it.
        """
        return {
            key: value
            for key, value in data.items()
            if self.values or isinstance(value, Mapping) or key in RESERVED or _is_further(key, signature)
        }

    def arguments(
        self, data: Mapping[Any, Any], signature: Signature, path: Path, default: Call | None
    ) -> dict[Any, Any]:
        """Make the nodes of what a file sets of a target, or of the default object that it changes."""
        parameters = signature.parameters
        name = signature.target.rpartition(".")[2]
        values: dict[Any, Any] = {}
        for key, value in self.held(data, signature).items():
            if key in RESERVED:
                values[key] = self.full().node(value, ANY, (*path, key)) if key in (ARGS, *EDITS) else value
                continue
            spec = signature.type_of(key)
            if key == FACTORY:
                self.problems.add((*path, key), no_factory(value))
            elif spec is None:
                hint = nearest(key, parameters)
                self.problems.add((*path, key), f"{name} has no parameter '{key}'{hint}")
            held, further = part_of(default, signature, key), _is_further(key, signature)
            typer = self.full() if further and not isinstance(value, Mapping) else self
            made = typer.node(value, spec or ANY, (*path, key), held)
            # Where a dict is meant, none of the default.
            if self.values or further or len(made) > 0 or isinstance(held, (Call, Map, Seq)):
                values[key] = made
        return values


def _is_further(key: Any, signature: Signature) -> bool:
    """Whether a key is one of the keywords that a target takes besides its parameters."""
    return key not in signature.parameters and key not in RESERVED and signature.type_of(key) is not None


def _fits(tree: Seq, spec: TypeSpec) -> bool:
    try:
        convert(tree, loosened(spec))
    except Mismatch:
        return False
    return True
