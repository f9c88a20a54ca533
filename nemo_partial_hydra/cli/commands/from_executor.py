"""``nemo-hydra from-executor MODULE:NAME``: an executor of nemo_run as settings of a launcher."""

from __future__ import annotations

import argparse
import os
import sys

from nemo_partial_hydra.messages import say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "from-executor",
        help="write an executor of nemo_run as settings of a launcher",
        description="Imports MODULE and prints what its executor NAME (a run.SlurmExecutor or run.LocalExecutor, or a "
        "function that makes one) is as a launcher's config file: conf/hydra/launcher/NAME.yaml, chosen by "
        "hydra/launcher=NAME. Fields that have no counterpart are listed with the reason, on standard error.",
    )
    parser.add_argument("executor", metavar="MODULE:NAME", help="where it is")
    parser.add_argument("--out", "-o", metavar="FILE", help="write it there; a file that is there is not overwritten")
    parser.add_argument(
        "--with", dest="given", action="append", nargs="+", default=[], metavar="NAME=VALUE",
        help="arguments of the function",
    )  # fmt: skip
    parser.add_argument(
        "--trust-code", action="append", default=[], metavar="DIR",
        help="import modules from DIR, whoever may write there",
    )  # fmt: skip
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print or write the settings; exit code 1 if a field has no counterpart."""
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.export.executor import translated
    from nemo_partial_hydra.export.own_code import named_object

    given = [text for texts in options.given for text in texts]
    made = translated(named_object(options.executor, given, options.trust_code))
    if options.out is not None:
        _write(options.out, made.text)
        say(f"{options.out}: {made.launcher} with {len(made.settings)} settings", file=sys.stderr)
    else:
        say(made.text, end="")
    for name, note in made.notes.items():
        say(f"Note: {name}: {note}", file=sys.stderr)
    for name, (value, why) in made.left.items():
        say(f"left out: {name}={_short(value)}: {why}", file=sys.stderr)
    return ExitCode.FAILED if made.left else ExitCode.DONE


def _write(path: str, text: str) -> None:
    from nemo_partial_hydra.errors import UsageError

    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"--out {path}: there is such a file already; remove it, or choose another name") from None
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written: {error.strerror}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
