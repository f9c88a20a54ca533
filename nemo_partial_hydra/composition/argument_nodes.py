"""The nodes of what a recipe's factory takes, ``_factory_``, and of the recipe beside them.

May import: OmegaConf. The node of a recipe whose factory takes arguments has one more child: a typed leaf for each of
them. What stands beside that child follows them, see ``Factory.settle``. Hydra merges both into plain dicts, so the
classes that know this are passed on by the leaves.
"""

from __future__ import annotations

import copyreg
import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.signatures.signature import Signature

from .compat import path_of, place_of, put_child, raw_child, raw_content
from .encode import default_node, scratch_node
from .factory_call import ArgumentsError, Factory, NotMadeError, factory_of, held, ways
from .flags import made_with
from .for_instantiate import of_instantiate
from .keywords_node import KeywordsNode
from .nodes import Leaf, NodeType, RecipeNode

BUSY, SEEN = "_nph_busy", "_nph_seen"  # in the recipe's own attributes, which no copy has


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


def settle(node: DictConfig, *, strict: bool = False) -> None:
    """Have a recipe be what its arguments make, see :meth:`Factory.settle`; one without any stays as it is."""
    factory = factory_of(raw_child(node, FACTORY))
    if factory is not None:
        factory.settle(node, strict=strict)


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
        factory = factory_of(raw_child(self, FACTORY))
        unmade = factory is not None and factory.makes and made_with(self) is None
        if unmade and raw_child(self, key) is None and OmegaConf.is_struct(self):
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
        return {name: value for name, value in state.items() if name not in (BUSY, SEEN)}

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


def arguments_node(factory: Factory) -> ArgumentsNode:
    """Return a node of a factory's parameters, none of them set."""
    scratch = scratch_node()
    node = _arguments_class(factory)()
    for name, parameter in factory.signature.parameters.items():
        setattr(node, name, _leaf(default_node(parameter, False, scratch), name))
    return ArgumentsNode(node, parent=scratch)
