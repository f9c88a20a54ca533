"""The one place that knows Hydra's and OmegaConf's versions and looks behind OmegaConf's public API.

May import: OmegaConf. OmegaConf has no public way to read a node instead of its value, nor a node's own flags; the
functions below are that way. They are the same from OmegaConf 2.3.0 to 2.4, and the version matrix tests them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn, TypeVar, cast

from omegaconf import Container, DictConfig, ListConfig, Node, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

C = TypeVar("C", bound=Container)
NO_COPY = "no_deepcopy_set_nodes"  # Hydra sets the same flag while it composes
_COMPOSE: Final = "_compose_config_from_defaults_list"  # a method of Hydra's config loader, 1.3.0 to 1.4.0rc3


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


def detached(node: C) -> C:
    """Make a node a root."""
    node._set_parent(None)
    return node


def is_absent(container: Container) -> bool:
    """Whether a container stands for ``None``, ``???`` or an interpolation."""
    return bool(container._is_none() or container._is_missing() or container._is_interpolation())


def is_missing(node: Any) -> bool:
    """Whether a node says ``???``."""
    return bool(node._is_missing())


def own_node(parent: Any, key: Any) -> Any:
    """Return the node that stands at a key or an index of a container, nothing resolved; None if there is none.

    An index may be written as text, as in a path.
    """
    held = getattr(parent, "_content", None) if isinstance(parent, Container) else None
    if isinstance(held, Mapping):
        return held.get(key)
    key = own_key(parent, key)
    return held[key] if isinstance(held, list) and isinstance(key, int) and 0 <= key < len(held) else None


def raw_content(container: Container) -> Any:
    """Return what a container holds, whatever its class makes of being asked."""
    return container.__dict__["_content"]


def raw_children(container: DictConfig | ListConfig) -> Iterator[tuple[Any, Any]]:
    """Yield keys and children in the same way."""
    held = raw_content(container)
    yield from list(held.items() if isinstance(held, dict) else enumerate(held))


def raw_child(container: DictConfig, key: Any) -> Any:
    """Return a child in the same way; None if there is none."""
    held = raw_content(container)
    return held.get(key) if isinstance(held, dict) else None


def own_attributes(container: Container) -> dict[str, Any]:
    """Return the attributes of the very object, which are no keys of the config."""
    return container.__dict__


def become(node: DictConfig, other: DictConfig) -> None:
    """Have a node hold what another one holds, which is given up, with its type and its flags besides its own."""
    held = raw_content(other)
    node.__dict__["_content"] = held
    node._metadata.object_type = other._metadata.object_type
    for name, value in (other._metadata.flags or {}).items():
        if name not in (node._metadata.flags or {}):
            node._set_flag(name, value)
    for child in held.values():
        child._set_parent(node)
    node._invalidate_flags_cache()


def set_flag(container: Container, name: str, value: bool | None) -> None:
    """Set a flag on this very container; None takes it away."""
    container._set_flag(name, value)


def parent_of(node: Container) -> Any:
    """Return the container that a container stands in; None for a root."""
    return node._get_parent()


def own_key(parent: Any, key: Any) -> Any:
    """Return a key as a container has it: an index of a list as a number, -1 for a text that is none."""
    if isinstance(key, str) and isinstance(parent, ListConfig):
        return int(key) if key.isascii() and key.isdigit() and len(key) < 10 else -1
    return key


def place_of(node: Any) -> tuple[Any, Any]:
    """Return the container in which a node stands, and its key there."""
    return node._get_parent(), node._key()


def path_of(node: Any) -> tuple[Any, ...]:
    """Return the keys that lead to a node from the root of its config."""
    keys: list[Any] = []
    while isinstance(node, Node) and node._get_parent() is not None:
        keys.append(node._key())
        node = node._get_parent()
    return tuple(reversed([key for key in keys if key is not None]))


def resolved_in(config: DictConfig, text: str) -> Any:
    """Return what a text with references comes to at the root of a config; raises as reading a key does."""
    probe = OmegaConf.create({"text": text})
    probe._set_parent(config)
    return probe.text


def raise_at(parent: Container, key: Any, error: OmegaConfBaseException) -> NoReturn:
    """Raise an error of OmegaConf as what reading a key of a container raises, with the names of that place."""
    said, _, _ = str(error).partition("\n    full_key:")
    parent._format_and_raise(key=key, value=None, cause=type(error)(said))
    raise error


def put_child(parent: DictConfig | ListConfig, key: Any, node: Any) -> None:
    """Put a node where another one of the same parent stood; nothing is checked, converted or copied."""
    held: Any = parent._content
    held[key] = node
    node._set_parent(parent)


def drop_child(parent: DictConfig, key: Any) -> None:
    """Take a node out of its parent, whatever the parent's flags say."""
    held: Any = parent._content
    held.pop(key, None)


def move_last(node: DictConfig) -> None:
    """Have a node stand last among those of its parent; an element of a list stays where it is."""
    parent = node._get_parent()
    held: Any = parent._content if isinstance(parent, DictConfig) else None
    if isinstance(held, dict) and held.get(node._key()) is node:
        held[node._key()] = held.pop(node._key())


def texts(overrides: ListConfig) -> list[str]:
    """Return the texts of a list of overrides as they were typed: ``dir=${hydra:job.num}`` is not resolved in them."""
    held: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(text) for text in held]


def follows_references() -> bool:
    """Whether ``OmegaConf.update`` goes on where a leaf refers to; before 2.4 it puts an empty dict in its place."""
    return _is_new()


def _is_new() -> bool:
    """Whether this is OmegaConf 2.4 or later."""
    from omegaconf import __version__

    major, minor = __version__.split(".")[:2]
    return (int(major), int(minor)) >= (2, 4)


def register_resolver(name: str, resolve: Callable[[str], Any]) -> None:
    """Register a resolver: OmegaConf 2.4 warns of one name of that function, before it of the other."""
    register: Any = getattr(OmegaConf, "register_resolver" if _is_new() else "register_new_resolver")
    register(name, resolve)


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


def context_of_job(callbacks: Any) -> Any:
    """Return what ``hydra.core.utils.run_job`` wants to know around a job, whose config is there already."""
    from typing import cast

    from hydra.types import HydraContext

    more = {name: value for name, value in main_arguments(None).items() if name == "execution_whitelist"}
    return HydraContext(config_loader=cast(Any, None), callbacks=callbacks, **more)


def instantiated(config: Any) -> Any:
    """Make the object that a part of Hydra's own settings names, as Hydra does; the policy has seen the name."""
    from hydra.utils import instantiate

    allowed = main_arguments(None).get("execution_whitelist")
    return instantiate(config) if allowed is None else instantiate(config, _execution_whitelist_=allowed)


def get_version_base() -> str:
    """Return the version of Hydra whose defaults apply."""
    from hydra import version

    found = str(version.getbase())
    return found if found[:1].isdigit() else "1.1"  # what Hydra takes where an app says nothing


def changes_directory() -> bool:
    """Whether a job runs in its output directory where ``hydra.job.chdir`` does not say so."""
    return tuple(map(int, get_version_base().split(".")[:2])) < (1, 2)


def set_version_base(base: str) -> None:
    """Have the defaults of a version of Hydra apply, where this one knows older ones."""
    from hydra import version

    if _hydra_version() < (1, 4):
        version.setbase(base)


def initialize_arguments(version_base: str | None) -> dict[str, Any]:
    """Return what ``hydra.initialize`` and its like take in this version for a version base."""
    arguments = main_arguments(version_base)
    return {"version_base": version_base} if "version_base" in arguments else {}


def writes_override_dirname() -> bool:
    """Whether Hydra writes ``hydra.job.override_dirname`` while it composes; from 1.4 on a resolver computes it."""
    return _hydra_version() < (1, 4)


def rerun_takes_overrides() -> bool:
    """Whether ``--experimental-rerun`` composes again, with further overrides; before 1.4 it read a pickled config."""
    return _hydra_version() >= (1, 4)


@contextlib.contextmanager
def noting_defaults(loader: Any) -> Iterator[list[Any]]:
    """Note the defaults list of what Hydra composes while the block lasts, the last one if it composes more.

    In public it can only be made once more, which reads every config again. The list is empty if it was not seen.

    Parameters
    ----------
    loader : Hydra's config loader; its list is a ``list[ResultDefault]``, see ``hydra/core/default_element.py``.
    """
    noted: list[Any] = []
    compose = getattr(loader, _COMPOSE, None)
    if compose is None:
        yield noted
        return

    def noting(defaults: list[Any], repo: Any) -> DictConfig:
        noted[:] = defaults
        return cast("DictConfig", compose(defaults=defaults, repo=repo))

    setattr(loader, _COMPOSE, noting)
    try:
        yield noted
    finally:
        delattr(loader, _COMPOSE)


def _hydra_version() -> tuple[int, int]:
    import hydra

    major, minor = hydra.__version__.split(".")[:2]
    return int(major), int(minor)


CALLBACK = "nemo_partial_hydra"
CHECK = f"+hydra.callbacks.{CALLBACK}._target_=nemo_partial_hydra.composition.checks.CheckRecipe"
"""The override that has Hydra check a run before anything is made: a callback has no other public way in.

It is no dict: under ``python -O`` Hydra cannot read one.
"""


def forget_check(config: DictConfig) -> None:
    """Take that override and its callback out of a composed config: records and jobs show what the user gave."""
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.callbacks.pop(CALLBACK, None)
        own = texts(config.hydra.overrides.hydra)
        config.hydra.overrides.hydra = [text for text in own if not text.startswith(CHECK.partition("=")[0])]


HYDRA_OWN = ("hydra", "hydra_plugins", "nemo_partial_hydra", "logging", "colorlog")
