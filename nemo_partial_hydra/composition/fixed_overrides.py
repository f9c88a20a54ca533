"""The fixed overrides of a sweep that only its jobs can take.

May import: OmegaConf and Hydra's public parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, read_write

from nemo_partial_hydra.recipes.keys import FACTORY

from .compat import texts

if TYPE_CHECKING:
    from nemo_partial_hydra.runtime.workspace import Workspace


class LeftToJobs:
    """The fixed overrides below what is swept that a sweep's own config cannot take, and the jobs can.

    Hydra composes a sweep's own config first, without the groups that are swept but with all fixed overrides:
    ``-m model=a,b model.layers=4`` then fails if the default model has no ``layers``. Such overrides are left out of
    that config, and put back among the arguments that any sweeper gets, as fixed as they were.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.begun = False  # the sweeper has its arguments: what fails from then on is a job's
        self._left: list[tuple[int, str]] = []  # with their places among the arguments

    def leave(self, overrides: Sequence[str]) -> list[str]:
        """Return the overrides without those below what is swept; the same ones where nothing is to be left out."""
        below = set() if self.begun else _below_swept(overrides)
        if not below:
            return list(overrides)
        arguments = [text for text in overrides if not _OF_HYDRA.match(text)]
        self._left = [(index, text) for index, text in enumerate(arguments) if text in below]
        return [text for text in overrides if text not in below]

    def forget(self) -> None:
        """Be as new, for another command line of the same app."""
        self.begun, self._left = False, []

    def put_back(self, config: DictConfig) -> None:
        """Put what was left out into a sweep's own config, among the arguments that its sweeper gets."""
        if not self._left:
            return
        arguments = texts(config.hydra.overrides.task)
        for index, text in self._left:
            arguments.insert(index, text)
        with read_write(config.hydra):
            config.hydra.overrides.task = arguments


_OF_HYDRA = re.compile(r"[+~]*hydra[./@=]")


def _below_swept(overrides: Sequence[str]) -> set[str]:
    """Return the fixed overrides of values below what is swept."""
    parser = OverridesParser.create()
    swept: set[str] = set()
    fixed: dict[str, str] = {}
    for text in overrides:
        if _OF_HYDRA.match(text):
            continue
        try:
            override = parser.parse_override(text)
        except HydraException:
            continue  # Hydra will say what is wrong with it
        place = override.package if override.package is not None else override.key_or_group.replace("/", ".")
        head = place.partition(".")[0]
        if override.is_sweep_override():
            swept.add(head)
        elif "." in override.key_or_group:
            fixed[text] = head
    return {text for text, head in fixed.items() if head in swept}


def factories_first(overrides: Sequence[str]) -> list[str]:
    """Return overrides in an order in which Hydra can apply them: what a factory takes, then what it makes."""
    return sorted(overrides, key=lambda text: FACTORY not in text.partition("=")[0].lstrip("+~").split("."))
