"""The one place that knows Hydra's and OmegaConf's versions and looks behind OmegaConf's public API.

May import: OmegaConf. OmegaConf has no public way to read a node instead of its value, nor a node's own flags; the
functions below are that way. They are the same from OmegaConf 2.3.0 to 2.4, and the version matrix tests them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf, ValueNode
from omegaconf.errors import InterpolationResolutionError

NO_COPY = "no_deepcopy_set_nodes"  # Hydra sets the same flag while it composes


def child_nodes(container: DictConfig | ListConfig) -> Iterator[tuple[Any, Any]]:
    """Yield the keys and nodes of a container, nothing resolved; one that stands for a value or nothing has none.

    Asking for each by its name would check the name against the container's type, which is most of a walk's time.
    """
    held = container._content
    if isinstance(held, dict):
        yield from list(held.items())
    elif isinstance(held, list):
        yield from enumerate(list(held))


def flag(container: Container, name: str) -> bool | None:
    """Return a flag that was set on this very container."""
    return container._get_node_flag(name)


def own_flags(container: Container) -> list[str]:
    """Return the names of the flags that are set on this very container, oldest first."""
    return [name for name, value in (container._metadata.flags or {}).items() if value]


def content(node: Any) -> Any:
    """Return what a leaf holds: a value, or the text of an interpolation."""
    return node._value()


def detached(node: DictConfig) -> DictConfig:
    """Make a node a root."""
    node._set_parent(None)
    return node


def is_absent(container: Container) -> bool:
    """Whether a container stands for ``None``, ``???`` or an interpolation."""
    return bool(container._is_none() or container._is_missing() or container._is_interpolation())


def is_missing(node: Any) -> bool:
    """Whether a node says ``???``."""
    return bool(node._is_missing())


def own_child(parent: Any, key: Any) -> Any:
    """Return the node that stands at a key of a dict node, or None."""
    held = parent._content if isinstance(parent, DictConfig) else None
    return held.get(key) if isinstance(held, Mapping) else None


def own_item(parent: ListConfig, index: int) -> Any:
    """Return the node that stands at an index of a list node, or None."""
    held = parent._content
    return held[index] if isinstance(held, list) and 0 <= index < len(held) else None


def put_child(parent: DictConfig | ListConfig, key: Any, node: Any) -> None:
    """Put a node where another one of the same parent stood; nothing is checked, converted or copied."""
    held: Any = parent._content
    held[key] = node
    node._set_parent(parent)


def drop_child(parent: DictConfig, key: Any) -> None:
    """Take a node out of its parent, whatever the parent's flags say."""
    held: Any = parent._content
    held.pop(key, None)


NESTED, EACH, CHARACTERS = 5_000, 20, 16 * 1024 * 1024
_spent: list[list[int]] = []  # while ``bounded``: references that references led to, characters, depth


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Bound what is resolved in this block: OmegaConf follows each reference anew, so a few lines can fill a memory.

    Every text of a config may lead to ``EACH`` further references, and all together to ``NESTED`` more; what is found
    has at most ``CHARACTERS`` characters. Beyond that OmegaConf's own error for interpolations is raised.
    """
    if _spent:
        yield
        return
    spent = [0, 0, 0]
    tree, node = Container.resolve_parse_tree, Container._resolve_node_interpolation

    def spend(references: int, found: Any = None) -> None:
        spent[0] += references
        spent[1] += len(found) if isinstance(found, str) else 0
        if spent[0] > NESTED or spent[1] > CHARACTERS:
            more = f"thousands of others, or to more than {CHARACTERS:,} characters"
            raise InterpolationResolutionError(f"references that repeat each other lead to {more}")

    def resolve_tree(self: Container, *args: Any, **kwargs: Any) -> Any:
        spend(1 if spent[2] else -EACH)
        spent[2] += 1
        try:
            found = tree(self, *args, **kwargs)
        finally:
            spent[2] -= 1
        spend(0, found)
        return found

    def resolve_node(self: Container, *args: Any, **kwargs: Any) -> Any:
        spend(int(spent[2] > 1))
        found = node(self, *args, **kwargs)
        spend(0, found._value() if isinstance(found, ValueNode) else None)
        return found

    _spent.append(spent)
    Container.resolve_parse_tree = resolve_tree  # type: ignore[method-assign]
    Container._resolve_node_interpolation = resolve_node  # type: ignore[method-assign]
    try:
        yield
    finally:
        Container.resolve_parse_tree = tree  # type: ignore[method-assign]
        Container._resolve_node_interpolation = node  # type: ignore[method-assign]
        _spent.pop()


def set_resolver(name: str, resolve: Callable[..., Any], *, use_cache: bool = False) -> None:
    """Make a function the resolver of a name, in the place of any other.

    OmegaConf 2.4 deprecates ``register_new_resolver`` for a name that meant something else before.
    """
    import inspect

    new: Any = OmegaConf.register_resolver
    register = new if "use_cache" in inspect.signature(new).parameters else OmegaConf.register_new_resolver
    register(name, resolve, replace=True, use_cache=use_cache)


def full_key(container: Container) -> str:
    """Return the path of a container from the root of its config."""
    return str(container._get_full_key(None))


def main_arguments(version_base: str | None) -> dict[str, Any]:
    """Return what ``hydra.main`` takes in this version besides the config's path and name.

    Before 1.4 that is ``version_base``; from 1.4 on it is deprecated, and Hydra wants to know which targets it may
    execute itself (callbacks, launchers, logging handlers).
    """
    import inspect

    import hydra

    if "execution_whitelist" not in inspect.signature(hydra.main).parameters:
        return {"version_base": version_base}
    from nemo_partial_hydra.runtime import session

    prefixes = [*sorted(session.workspace().policy.prefixes()), *HYDRA_OWN]
    out: dict[str, Any] = {"execution_whitelist": [pattern for name in prefixes for pattern in (name, f"{name}.*")]}
    return out if version_base is None else {**out, "version_base": version_base}


def initialize_arguments(version_base: str | None) -> dict[str, Any]:
    """Return what ``hydra.initialize`` and its like take in this version for a version base."""
    arguments = main_arguments(version_base)
    return {"version_base": version_base} if "version_base" in arguments else {}


def writes_override_dirname() -> bool:
    """Whether Hydra writes ``hydra.job.override_dirname`` while it composes; from 1.4 on a resolver computes it."""
    import hydra

    major, minor = hydra.__version__.split(".")[:2]
    return (int(major), int(minor)) < (1, 4)


HYDRA_OWN = ("hydra", "hydra_plugins", "nemo_partial_hydra", "logging", "colorlog")
