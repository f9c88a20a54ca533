"""What a job of an app has in the place of a recipe: which function is called, with which config, under which settings.

May import: the standard library only. All of it is plain data, as it stands in job.yaml; ``composition.frozen_config``
makes it of a composed config and a config of it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .content_hash import content_hash

RECIPE, APP, AUTO = "recipe", "app", "auto"
PAYLOADS = (AUTO, RECIPE, APP)


@dataclass(frozen=True)
class AppCall:
    """The call of an app's function.

    Attributes
    ----------
    function : str
        Dotted name of the function: ``train.main``.
    file : str or None
        The file that the module is loaded from, relative to the app's directory, where it is a script; None for a
        module that is imported by its name.
    version_base : str
        The version of Hydra whose defaults apply.
    config : mapping
        The composed config without Hydra's settings; interpolations are as they were written, recipes are in the
        dialect, with what is set.
    types : mapping of str to str
        What the config has beside plain data, by JSON pointer: ``recipe``, ``path``, ``bytes``, ``class NAME`` of a
        structured config, ``enum NAME``.
    values : mapping of str to object
        What interpolations came to whose resolvers the app may have registered outside of its module, by JSON
        pointer: used where nobody has registered them.
    hydra : mapping
        Hydra's own settings of the job, without its directories.
    """

    function: str
    file: str | None = None
    version_base: str = "1.3"
    config: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    hydra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that the function is in."""
        return self.function.rpartition(".")[0]

    def hash(self) -> str:
        """Return the hash of what the function is called with; of Hydra's settings it does not depend."""
        data = {"function": self.function, "config": self.config, "types": self.types, "values": self.values}
        return content_hash({"payload": APP, **data})


_KINDS: Mapping[str, tuple[type, ...]] = {
    "function": (str,),
    "file": (str, type(None)),
    "version_base": (str,),
    "config": (dict,),
    "types": (dict,),
    "values": (dict,),
    "hydra": (dict,),
}


def read_call(data: Any) -> AppCall:
    """Read the call of job.yaml.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    refuse_kinds(data, _KINDS)
    if "." not in data["function"]:
        raise ValueError(f"function: expected MODULE.NAME, got {data['function']!r}")
    if not all(isinstance(kind, str) for kind in data["types"].values()):
        raise ValueError("types: expected texts")
    return AppCall(**{name: data[name] for name in _KINDS})


def refuse_kinds(data: Any, kinds: Mapping[str, tuple[type, ...]]) -> None:
    """Refuse a part of job.yaml that lacks a field, or has one of another type.

    Raises
    ------
    ValueError
        Naming the field.
    """
    if not isinstance(data, dict):
        raise ValueError("expected a mapping")
    for name, allowed in kinds.items():
        if name not in data:
            raise ValueError(f"it lacks {name}")
        if type(data[name]) not in allowed:
            raise ValueError(f"{name}: expected {allowed[0].__name__}, got {type(data[name]).__name__}")
