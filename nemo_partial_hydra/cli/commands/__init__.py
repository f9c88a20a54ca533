"""The commands of ``nemo-hydra``, a module each, of the command's name.

A module has ``add(commands, shared)``, which adds its parser, and imports what the command needs only when it runs, so
that ``nemo-hydra --help`` and a command of the runner in an image stay light. ``shared`` has the options that commands
which read recipes have in common.
"""

from __future__ import annotations

from argparse import ArgumentParser
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction[Any]
else:
    Commands = Any

COMMANDS = (
    "export",
    "from-executor",
    "library",
    "check",
    "diff",
    "sign",
    "run",
    "snapshot",
    "schema",
    "cache",
    "submit",
    "status",
    "results",
    "report",
    "logs",
    "cancel",
    "retry",
    "completion",
)
"""All commands, in the order of ``--help``; each is the module of its name, with ``_`` for ``-``."""


class CommandParser(ArgumentParser):
    """The parser of a command, whose options may stand among ``key=value`` arguments as they may among Hydra's."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments, options and others mixed; argparse does that by calling this method again."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


class Command(Protocol):
    """What each module of this package is."""

    def add(self, commands: Commands, shared: ArgumentParser) -> None:
        """Add the command's parser; its ``command`` default takes the parsed options and returns the exit code."""


def command(name: str) -> Command:
    """Return the module of a command."""
    module: Any = import_module(f".{name.replace('-', '_')}", __name__)
    found: Command = module
    return found
