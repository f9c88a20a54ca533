"""The imports that the cache of signatures has spared, made up for where a config needs what they do besides.

May import: OmegaConf. A target whose signature is known from an earlier process is not imported to compose and check a
config. Its module may register a resolver, or import one that does: whoever resolves a value by it needs the import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from nemo_partial_hydra.errors import PolicyError, SignatureError
from nemo_partial_hydra.runtime import session

from .compat import child_nodes, content, is_absent


def import_all() -> bool:
    """Import each target of which only the cache was asked; return whether there was one."""
    workspace = session.workspace()
    found = workspace.signatures.looked_up()
    for target in found:
        with suppress(PolicyError, SignatureError):  # whoever needs the target will say so
            workspace.approved(target)
    return bool(found)


def import_for(config: Any) -> None:
    """Do that where a config names a resolver that nobody has registered yet."""
    if session.workspace().signatures.looks() and not all(map(OmegaConf.has_resolver, _resolvers_in(config))):
        import_all()


def resolvers_of(text: str) -> Iterator[str]:
    """Yield the names of the resolvers that a text's interpolations call."""
    for part in text.split("${")[1:]:
        name, colon, _ = part.partition("}")[0].partition(":")
        if colon:
            yield name.strip()


def _resolvers_in(config: Any) -> Iterator[str]:
    if isinstance(config, (DictConfig, ListConfig)) and not is_absent(config):
        for _, child in child_nodes(config):
            yield from _resolvers_in(child)
    else:
        held = content(config)
        if isinstance(held, str) and "${" in held:
            yield from resolvers_of(held)
