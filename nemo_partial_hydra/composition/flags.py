"""What nodes of lists and dicts say about themselves in OmegaConf's flags, which every copy, pickle and merge keeps.

May import: OmegaConf.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf

from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Workspace

from .compat import child_nodes, flag, own_flags, parent_of, set_flag

UNSET = "nph_default"  # it shows a parameter's default: nobody set it
PART_OF = "nph_part"  # it is a part of such a default: it is set as soon as anything of that is
EXACT = "nph_exact"  # its type contradicts the parameter's annotation
FROM_FILE = "nph_given:"
SAID = "nph_said"  # it says what a factory was given where the job was frozen
MADE_WITH = "nph_made:"  # what its factory was given, as text
APP = "nph_app"
_KINDS = ("tuple", "set", "frozenset")


class FileList(str):
    """Name of a flag with the list that a file sets, in case a default is merged over it later.

    Hydra merges lists as a whole: what the later one has counts, and of the flags those of both. A name cannot get lost
    on that way, so it carries the list. Leaves need none of this, see ``Leaf._set_key``.

    Attributes
    ----------
    items : the elements, as the file has them.
    flags : the list's other flags.
    """

    items: list[Any]
    flags: dict[str, bool]

    def __new__(cls, name: str, items: Sequence[Any], flags: Mapping[str, bool]) -> FileList:
        made = super().__new__(cls, name)
        made.items, made.flags = list(items), dict(flags)
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.items, self.flags

    def __deepcopy__(self, memo: dict[int, Any]) -> FileList:
        return self


class OfApp(str):
    """Name of the flag of recipe nodes that says which app composed them.

    In a process to which a config was sent, and in which no app runs, a config may name what it might where it was
    composed: a text never adds to what is allowed, and what was composed is more than a text.

    Attributes
    ----------
    app : the app, None for the process outside of any.
    """

    app: session.Session | None

    def __new__(cls, app: session.Session | None) -> OfApp:
        made = super().__new__(cls, APP)
        made.app = app
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return OfApp, (self.app if self.app is not None else session.of_process(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> OfApp:
        return self


class _OwnFlags:
    """The flags of the recipe nodes that an app makes."""

    def __init__(self, workspace: Workspace) -> None:
        self.flags: dict[str, bool] = {OfApp(session.current()): True}


def of_app() -> Mapping[str, bool]:
    """Return the flags of a recipe node that the running app makes."""
    return session.workspace().of(_OwnFlags).flags


def app_of(config: Any) -> session.Session | None:
    """Return the app that composed a config or the one that it is a part of; None if that says nothing."""
    above = config
    while isinstance(above, Container):
        if flag(above, APP):
            return _named(above)
        above = parent_of(above)
    return _below(config)


def _below(node: Any) -> session.Session | None:
    if not isinstance(node, (DictConfig, ListConfig)):
        return None
    if flag(node, APP):
        return _named(node)
    return next((app for _, child in child_nodes(node) if (app := _below(child)) is not None), None)


def _named(node: Container) -> session.Session | None:
    return next((name.app for name in own_flags(node) if isinstance(name, OfApp)), None)


def set_by_file(items: Sequence[Any], flags: Mapping[str, bool]) -> dict[str, bool]:
    """Return the flags of a list that a file sets, given its other flags."""
    return {**flags, FileList(f"{FROM_FILE}{uuid.uuid4().hex}", items, flags): True}


def hidden(node: DictConfig | ListConfig) -> FileList | None:
    """Return the list that a file set where now a mere default shows; None if no file did."""
    found = [name for name in own_flags(node) if isinstance(name, FileList)] if flag(node, UNSET) else []
    return found[-1] if found else None


def kind_flags(kind: str = "list", *, exact: bool) -> dict[str, bool]:
    """Return the flags of a list or dict that stands for a value of some kind (``tuple``)."""
    names = [f"nph_{kind}"] if kind in _KINDS else []
    return dict.fromkeys([*names, EXACT] if exact else names, True)


def kind_of(node: ListConfig) -> tuple[str, bool]:
    """Return the kind of value that a list stands for, and whether that contradicts the annotation."""
    return next((kind for kind in _KINDS if flag(node, f"nph_{kind}")), "list"), bool(flag(node, EXACT))


def is_arguments(node: DictConfig) -> bool:
    """Whether a node holds the arguments of a registered factory."""
    return bool(flag(node, SAID)) or getattr(OmegaConf.get_type(node), "arguments_", None) is not None


def made_with(node: DictConfig) -> str | None:
    """Return what the factory of a recipe was given when it made what stands in a node; None if it has not run."""
    found = [name for name in own_flags(node) if name.startswith(MADE_WITH)]
    return found[-1].removeprefix(MADE_WITH) if found else None


def mark_made(node: DictConfig, text: str) -> None:
    """Note what the factory of a recipe was given when it made what stands in a node."""
    for name in own_flags(node):
        if name.startswith(MADE_WITH):
            set_flag(node, name, None)
    set_flag(node, f"{MADE_WITH}{text}", True)
