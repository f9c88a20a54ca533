"""``nemo-hydra schema FILE...``: a JSON Schema of recipe files, for editors."""

from __future__ import annotations

import argparse
import os
from typing import Any

from nemo_partial_hydra.messages import json_text, say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "schema",
        parents=[shared],
        help="JSON Schema of recipe files, for editors",
        description="Prints a JSON Schema that knows every target the given recipe files name.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="recipe files (YAML)")
    parser.add_argument("--out", "-o", metavar="FILE", help="write it there instead of printing it")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print or write the schema; exit code 1 if a target was left out."""
    from nemo_partial_hydra.cli.targets import read_targets
    from nemo_partial_hydra.dialect.json_schema import schema
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.runtime import session

    known = session.workspace().signatures
    for name in options.files:
        known.use(os.path.dirname(os.path.abspath(name)))
    targets, lookup = read_targets(options.files, options.allow, options.trust_code)
    made: dict[str, Any] = schema(targets, lookup, known.docs)
    code = ExitCode.FAILED if lookup.unreadable else ExitCode.DONE
    text = json_text(made, 1) + "\n"
    if options.out is None:
        say(text, end="", flush=True)
        return code
    try:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--out {options.out}: {error.strerror}") from None
    return code
