"""``nemo-hydra``: the commands around recipes, for a login node, for editors, and for the runner in an image.

May import: the standard library; what a command needs, inside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nemo_partial_hydra import __version__
from nemo_partial_hydra.errors import ExitCode, RecipeError
from nemo_partial_hydra.messages import say

from .commands import COMMANDS, CommandParser, command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    from nemo_partial_hydra.composition import error_text

    options = parser().parse_args(arguments)
    try:
        return int(options.command(options) or ExitCode.DONE)
    except RecipeError as error:
        return error_text.report(error, command=True)
    except KeyboardInterrupt:
        say("Interrupted.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        error_text.end_of_pipe()
        return ExitCode.DONE


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = argparse.ArgumentParser(prog="nemo-hydra", description="NeMo-Run recipes as Hydra config groups.")
    made.add_argument("--version", action="version", version=f"nemo-hydra {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--allow", action="append", default=[], metavar="PREFIX", help="dotted name recipes may name")
    shared.add_argument(
        "--trust-code",
        action="append",
        default=[],
        metavar="DIR",
        help="import modules from DIR, whoever may write there",
    )
    for name in COMMANDS:
        command(name).add(commands, shared)
    return made
