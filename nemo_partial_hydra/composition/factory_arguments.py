"""The recipes of registered factories that take arguments: as the registry serves them, and all of those in a config.

May import: OmegaConf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from omegaconf import DictConfig, ListConfig

from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.messages import Problems, dotted
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Required, Unknown

from .argument_nodes import settle
from .compat import child_nodes, is_absent, path_of, raw_child
from .factory_call import ArgumentsError, Factory, argument_data, call_in, call_of, factory_of
from .factory_node import RegisteredFactory, called_with, made_node, opened
from .flags import made_with
from .registry import NOTHING_GIVEN, REGISTRY
from .yaml_files import fresh


def registered(path: str) -> Factory | None:
    """Return the factory of a registered recipe; None if it takes no arguments, or no factory makes the recipe."""
    entry = REGISTRY.entries[path]
    signature = entry.signature
    if signature is None:
        return None
    if not entry.sent:
        session.workspace().signatures.add(signature.target, entry.make)
    return RegisteredFactory(path, signature)


def config(path: str) -> Any:
    """Return a fresh structured config of a registered recipe; where its factory takes arguments, with these."""
    return fresh(prototype(path))


def prototype(path: str, place: Any = None) -> DictConfig | ListConfig:
    """Return the same one, which must not be changed.

    Parameters
    ----------
    path : the recipe's config path.
    place : the node at which it stands in some config; what the factory was given there counts.
    """
    factory = registered(path)
    if factory is None:
        return cast(DictConfig, REGISTRY.prototype(path))
    if isinstance(place, DictConfig) and factory_of(raw_child(place, FACTORY)) == factory:
        settle(place)
        text = made_with(place)
        return opened(factory) if text is None else called_with(factory, call_of(text, factory), text, path_of(place))
    if not factory.signature.required:
        try:
            return made_node(factory, NOTHING_GIVEN)
        except RecipeError:
            raise
        except Exception:  # whatever it says to being called without arguments, it may take some
            return opened(factory)
    return opened(factory)


def holders(config: Any, path: Path = ()) -> Iterator[tuple[Path, DictConfig]]:
    """Yield the recipes of a config whose factories take arguments, with their paths."""
    if not isinstance(config, (DictConfig, ListConfig)) or is_absent(config):
        return
    if isinstance(config, DictConfig) and factory_of(raw_child(config, FACTORY)) is not None:
        yield path, config
    for key, child in child_nodes(config):
        if isinstance(child, (DictConfig, ListConfig)) and key != FACTORY and (path or key != "hydra"):
            yield from holders(child, (*path, key))


def settled(config: Any, *, strict: bool = True) -> None:
    """Have each recipe of a config be what its factory makes, see :func:`settle`; all that is missing in one error."""
    problems = Problems()
    for _, node in list(holders(config)):
        try:
            settle(node, strict=strict)
        except ArgumentsError as error:
            problems.messages.append(str(error))
    problems.check(ArgumentsError)


def recorded(config: Any, place: Path = ()) -> dict[str, Any]:
    """Return what the factories of the recipes at and below a place were called with, by path: for people to read."""
    found: dict[str, Any] = {}
    for path, node in holders(config):
        arguments = raw_child(node, FACTORY)
        factory = factory_of(arguments)
        where = (*path_of(config), *path)
        if factory is None or where[: len(place)] != tuple(place):
            continue
        call = call_in(arguments, factory, path_of(arguments))
        defaults = {
            name: parameter.default
            for name, parameter in factory.signature.parameters.items()
            if name not in call.kwargs and not isinstance(parameter.default, (Required, Unknown))
        }
        whole = dataclasses.replace(call, kwargs={**call.kwargs, **defaults})
        found[dotted(where)] = {"factory": factory.signature.target, "arguments": argument_data(whole, factory)}
    return found
