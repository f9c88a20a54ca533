"""The arguments of a registered factory as nodes of a config, and the recipe that it makes with them: ``_factory_``.

May import: OmegaConf. The node of a recipe whose factory takes arguments has one more child: a typed leaf for each of
them. What stands beside that child is what the factory makes with them. So whoever reads the node after an argument has
been set gets the recipe of that argument, in any Hydra app, with what files and overrides set in it still set.
"""

from __future__ import annotations

import copy
import copyreg
import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.messages import Problems, dotted, placed
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.recipes.tree import Call, Path
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Signature

from .changes import carry
from .compat import (
    become,
    own_attributes,
    path_of,
    place_of,
    put_child,
    raw_child,
    raw_content,
)
from .encode import default_node, scratch_node, tree_to_config
from .factory_call import (
    CIRCLE,
    ArgumentsError,
    Factory,
    NotMadeError,
    argument_data,
    call_in,
    call_of,
    factory_of,
    held,
    of_arguments,
    text_of,
    values_of,
    ways,
)
from .flags import made_with, mark_made
from .for_instantiate import of_instantiate
from .keywords_node import KeywordsNode
from .nodes import Leaf, NodeType, RecipeNode
from .registry import REGISTRY, Given

_BUSY, _SEEN = "_nph_busy", "_nph_seen"  # in the node's own attributes, which no copy has


class ArgumentsType(NodeType):
    """Metaclass of the dataclasses that stand for the arguments of a factory."""


def _arguments_class(factory: Factory) -> type[RecipeNode]:
    """Return a dataclass with a field for each parameter of a factory."""
    body = {"__annotations__": dict.fromkeys(factory.signature.parameters, Any), "__module__": __name__}
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(
        ArgumentsType(factory.name, (RecipeNode,), body)
    )
    made.arguments_ = factory
    return cast(type[RecipeNode], made)


def _reduce(cls: Any) -> tuple[Any, ...]:
    return _arguments_class, (cls.arguments_,)


copyreg.pickle(ArgumentsType, _reduce)


class ArgumentsNode(KeywordsNode):
    """The node ``_factory_``."""

    def _signature(self) -> Signature | None:
        factory = factory_of(self)
        return factory.signature if factory is not None else None

    def __delitem__(self, key: Any) -> None:
        factory = factory_of(self)
        parameter = factory.signature.parameters.get(key) if factory is not None else None
        if parameter is None:
            super().__delitem__(key)
        else:  # it is the factory's own default again
            put_child(self, key, _leaf(default_node(parameter, False, scratch_node()), key))

    def _set_key(self, key: Any) -> None:
        super()._set_key(key)
        _is_factory_node(place_of(self)[0], key)


class ArgumentLeaf(Leaf):
    """One argument. Merged into what a file says of the arguments, it makes that the node that it belongs to."""

    def _set_key(self, key: Any) -> None:
        super()._set_key(key)
        parent = place_of(self)[0]
        if isinstance(parent, DictConfig) and not isinstance(parent, ArgumentsNode):
            above, name = place_of(parent)
            if name == FACTORY:
                object.__setattr__(parent, "__class__", ArgumentsNode)
                _is_factory_node(above, name)


def _is_factory_node(node: Any, key: Any) -> None:
    """Have the dict into which the arguments of a factory are merged be what that makes with them."""
    if key == FACTORY and isinstance(node, DictConfig) and not isinstance(node, FactoryNode):
        object.__setattr__(node, "__class__", FactoryNode)


def _leaf(node: Any, key: Any) -> Any:
    if type(node) is Leaf:
        object.__setattr__(node, "__class__", ArgumentLeaf)
    return node


class FactoryNode(KeywordsNode):
    """The node of a recipe whose factory takes arguments: it holds what the factory makes with them.

    While Hydra merges files, an argument may be followed by another; from then on (``struct``) each reader sees what
    the factory makes with those that there are.
    """

    @property
    def _content(self) -> Any:  # type: ignore[override]
        self._follow()
        return raw_content(self)

    def _follow(self) -> None:
        if OmegaConf.is_struct(self):
            settle(self)

    def _get_node(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        if key != FACTORY:
            self._follow()
        return super()._get_node(key, *args, **kwargs)

    def _validate_get(self, key: Any, value: Any = None) -> None:
        if made_with(self) is None and raw_child(self, key) is None and OmegaConf.is_struct(self):
            try:
                settle(self, strict=True)
            except ArgumentsError as error:
                raise NotMadeError(str(error)) from error
        super()._validate_get(key, value)

    def keys(self) -> Any:
        """Return the node's keys; ``instantiate`` passes the recipe's own arguments, not those of the factory."""
        self._follow()
        names = super().keys()
        if not of_instantiate(sys._getframe(1)):
            return names
        return {name: None for name in names if name != FACTORY}.keys()

    def __len__(self) -> int:
        self._follow()
        return super().__len__()

    def __getstate__(self) -> dict[str, Any]:
        self._follow()
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in (_BUSY, _SEEN)}

    def _set_item_impl(self, key: Any, value: Any) -> None:
        if key == FACTORY and not isinstance(value, (Mapping, DictConfig)):
            arguments = raw_child(self, FACTORY)
            factory, place = factory_of(arguments), (*path_of(self), FACTORY)
            if factory is not None:
                raise ArgumentsError(
                    placed(place, f"expected the arguments of {factory.name} by name: {ways(factory, place)}")
                )
        super()._set_item_impl(key, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> FactoryNode:
        # A config that is copied takes its parts off while it copies them: what they refer to is found in the copy.
        if place_of(self)[0] is not None or "${" not in repr(held(raw_child(self, FACTORY))):
            self._follow()
        return cast(FactoryNode, super().__deepcopy__(memo))


def opened(factory: Factory) -> DictConfig:
    """Return the node of a recipe that is not made yet."""
    return FactoryNode({FACTORY: _arguments_node(factory)})


def made_node(factory: Factory, given: Given) -> DictConfig:
    """Return the node of what a factory makes; it must not be changed."""

    def write(recipe: Any) -> DictConfig:
        tree = session.workspace().captured(recipe, trusted=not given.text)
        node = tree_to_config(tree, {FACTORY: _arguments_node(factory)})
        object.__setattr__(node, "__class__", FactoryNode)
        mark_made(node, given.text)
        return node

    return cast(DictConfig, REGISTRY.prototype(factory.path, given, write))


def _arguments_node(factory: Factory) -> ArgumentsNode:
    scratch = scratch_node()
    node = _arguments_class(factory)()
    for name, parameter in factory.signature.parameters.items():
        setattr(node, name, _leaf(default_node(parameter, False, scratch), name))
    return ArgumentsNode(node, parent=scratch)


# What a factory makes of what it is given --------------------------------------------------------------------------


def settle(node: DictConfig, *, strict: bool = False) -> None:
    """Have a recipe's node be what its factory makes with the arguments that stand in it.

    Parameters
    ----------
    node : the recipe's node.
    strict : whether an argument that is required and not set is an error; else the node stays as it is.

    Raises
    ------
    ArgumentsError
        With the path of the argument, or of all of them where the factory fails.
    """
    arguments = raw_child(node, FACTORY)
    factory = factory_of(arguments)
    own = own_attributes(node)
    if factory is None or own.get(_BUSY):
        return
    seen = held(arguments)
    if not strict and own.get(_SEEN) == seen and "${" not in repr(seen):
        return
    own[_BUSY] = True
    try:
        _settle(node, arguments, factory, strict=strict)
    finally:
        del own[_BUSY]
    own[_SEEN] = seen


def _settle(node: DictConfig, arguments: DictConfig, factory: Factory, *, strict: bool) -> None:
    place = path_of(arguments)
    call = call_in(arguments, factory, place)
    missing = [name for name in factory.signature.required if name not in call.kwargs]
    if missing and not strict:
        return
    problems = Problems()
    for name in missing:
        where = dotted((*place, name))
        kind = factory.signature.parameters[name].type.text
        problems.add((*place, name), f"{factory.name} requires it ({kind}); set {where}=...")
    problems.check(ArgumentsError)
    text, before = text_of(call, factory, place), made_with(node)
    if text == before:
        return
    new = copy.deepcopy(called_with(factory, call, text, place))
    old = None if before is None else called_with(factory, call_of(before, factory), before, place)
    lost = carry(old, node, new, FACTORY)
    if lost:
        where = dotted((*place[:-1], *lost[0]))
        raise ArgumentsError(f"{where}: it is set, and the list that {factory.name} makes now is too short for it")
    become(node, new)
    mark_made(node, text)
    if "${" in repr(held(arguments)) and text_of(call_in(arguments, factory, place), factory, place) != text:
        raise ArgumentsError(placed(place, CIRCLE))


def called_with(factory: Factory, call: Call, text: str, place: Path) -> DictConfig:
    """Return the node of what the factory makes with some arguments; the factory runs the first time only."""
    shown = ", ".join(f"{name}={value!r}" for name, value in argument_data(call, factory).items())
    try:
        args, kwargs = values_of(call, factory)
        return made_node(factory, Given(text, args, kwargs))
    except RecipeError as error:
        raise of_arguments(error, placed(place, f"{factory.name}({shown}): {error}")) from error
    except Exception as error:  # whatever a factory raises is the answer
        given = "give it other arguments" if shown else "give it arguments"
        what = f"{factory.name}({shown}) raised {type(error).__name__}: {error}; {given}: {ways(factory, place)}"
        raise ArgumentsError(placed(place, what)) from error
