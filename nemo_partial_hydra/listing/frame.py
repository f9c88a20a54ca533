"""What holds for a path of a listing because of where it stands.

May import: the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.signatures.signature import Parameter
from nemo_partial_hydra.signatures.types import ANY, TypeSpec


@dataclass(frozen=True)
class Odd:
    """A key above a value that no path of an override can name, and what leads to the value from there.

    Parameters
    ----------
    holder : where the dict with that key stands.
    keys : the key, and those below it.
    """

    holder: Path
    keys: Path
    listed: bool = False  # whether a list is among them: what is in it cannot be merged

    def step(self, key: Any, *, listed: bool = False) -> Odd:
        """Return what leads one key further."""
        return Odd(self.holder, (*self.keys, key), self.listed or listed)


class Foreign(NamedTuple):
    """What no override may name in a default: to override a part of that spells out the rest of it."""

    target: str
    argument: Path  # where the default stands


class Frame(NamedTuple):
    """What holds for a node because of where it stands."""

    spec: TypeSpec = ANY
    owner: str = ""  # the target that the value is an argument of, and where that stands
    owner_path: Path = ()
    parameter: Parameter | None = None
    unset: bool = False
    odd: Odd | None = None
    above: tuple[str, ...] = ()  # the targets of the default objects around it
    foreign: Foreign | None = None
