"""The recipe that a registered factory makes with the arguments that stand in a config.

May import: OmegaConf. What stands beside the arguments is what the factory makes with them. So whoever reads the
node after an argument has been set gets the recipe of that argument, in any Hydra app, with what files and overrides
set in it still set.
"""

from __future__ import annotations

import copy
from typing import Any, cast

from omegaconf import DictConfig, ListConfig

from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.messages import dotted, placed
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.recipes.tree import Call, Path, Seq
from nemo_partial_hydra.runtime import session

from .argument_nodes import BUSY, SEEN, FactoryNode, arguments_node
from .changes import carry
from .compat import become, own_attributes, path_of, raw_child
from .encode import option_config, tree_to_config
from .factory_call import (
    CIRCLE,
    ArgumentsError,
    Factory,
    argument_data,
    call_in,
    call_of,
    held,
    of_arguments,
    text_of,
    values_of,
    ways,
)
from .flags import made_with, mark_made
from .registry import REGISTRY, Given


class RegisteredFactory(Factory):
    """A factory that Python code has registered: the recipe is what it makes."""

    def settle(self, node: DictConfig, *, strict: bool = False) -> None:
        """Implement :meth:`Factory.settle`."""
        own = own_attributes(node)
        if own.get(BUSY):
            return
        arguments = raw_child(node, FACTORY)
        seen = held(arguments)
        if not strict and own.get(SEEN) == seen and "${" not in repr(seen):
            return
        own[BUSY] = True
        try:
            _settle(node, arguments, self, strict=strict)
        finally:
            del own[BUSY]
        own[SEEN] = seen


def opened(factory: Factory) -> DictConfig:
    """Return the node of a recipe that is not made yet."""
    return FactoryNode({FACTORY: arguments_node(factory)})


def made_node(factory: Factory, given: Given) -> DictConfig | ListConfig:
    """Return the node of what a factory makes, a list or a recipe; it must not be changed."""

    def write(recipe: Any) -> Any:
        made = (factory.signature.target, given.text) if given.text else ()
        tree = session.workspace().captured(recipe, made=made)
        if isinstance(tree, Seq):
            return option_config(tree)  # it has no place for arguments
        node = tree_to_config(tree, {FACTORY: arguments_node(factory)})
        object.__setattr__(node, "__class__", FactoryNode)
        mark_made(node, given.text)
        return node

    return cast("DictConfig | ListConfig", REGISTRY.prototype(factory.path, given, write))


def _settle(node: DictConfig, arguments: DictConfig, factory: Factory, *, strict: bool) -> None:
    place = path_of(arguments)
    call = call_in(arguments, factory, place)
    missing = factory.missing(call.kwargs, place)
    if missing.messages and not strict:
        return
    missing.check(ArgumentsError)
    text, before = text_of(call, factory, place), made_with(node)
    if text == before:
        return
    new = copy.deepcopy(called_with(factory, call, text, place))
    if not isinstance(new, DictConfig):
        what = f"{factory.name} gives a list, which has no place for arguments: register it with them in Python"
        raise ArgumentsError(placed(place, what))
    old = None if before is None else called_with(factory, call_of(before, factory), before, place)
    lost = carry(old, node, new, FACTORY)
    if lost:
        where = dotted((*place[:-1], *lost[0]))
        raise ArgumentsError(f"{where}: it is set, and the list that {factory.name} makes now is too short for it")
    become(node, new)
    mark_made(node, text)
    if "${" in repr(held(arguments)) and text_of(call_in(arguments, factory, place), factory, place) != text:
        raise ArgumentsError(placed(place, CIRCLE))


def called_with(factory: Factory, call: Call, text: str, place: Path) -> DictConfig | ListConfig:
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
