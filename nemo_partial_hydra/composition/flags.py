"""What nodes of lists and dicts say about themselves in OmegaConf's flags, which every copy, pickle and merge keeps.

May import: OmegaConf.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig

from .compat import flag, own_flags

UNSET = "nph_default"  # it shows a parameter's default: nobody set it
EXACT = "nph_exact"  # its type contradicts the parameter's annotation
FROM_FILE = "nph_given:"
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
