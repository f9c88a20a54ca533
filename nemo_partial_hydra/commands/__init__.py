"""The commands of ``nemo-hydra``, a module each.

A module has ``add(commands, shared)``, which adds its parser, and imports what the command needs only when it runs, so
that ``nemo-hydra --help`` and a command of the runner in an image stay light. ``shared`` has the options that commands
which read recipes have in common.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction[ArgumentParser]
else:
    Commands = Any


class Command(Protocol):
    """What each module of this package is."""

    def add(self, commands: Commands, shared: ArgumentParser) -> None:
        """Add the command's parser; its ``command`` default takes the parsed options and returns the exit code."""
