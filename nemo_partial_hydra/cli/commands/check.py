"""``nemo-hydra check [DIR...]``: compose, validate and policy-check every recipe of a library, for use in CI."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nemo_partial_hydra.cli import signers
from nemo_partial_hydra.messages import json_text, say

from . import Commands

if TYPE_CHECKING:
    from nemo_partial_hydra.jobs.signers import Signers


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "check",
        parents=[shared],
        help="compose, validate and policy-check every recipe of a library",
        description="DIR is a recipe library or a config directory; without one all libraries in use are checked. "
        "Exit code 0 if every recipe is fine, 3 if the policy refuses one, 2 if one is invalid.",
    )
    parser.add_argument("folders", nargs="*", metavar="DIR")
    parser.add_argument("--library", action="append", default=[], metavar="DIR", help="a library in use besides")
    parser.add_argument("--processes", "-j", type=int, metavar="N", help="how many at a time (default: all processors)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    signers.add_option(parser, "accept only libraries")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Check and print the summary."""
    from dataclasses import asdict

    from nemo_partial_hydra.cli.progress import Progress
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.export.check import FINE, REFUSED, check, chosen, other_versions

    named = [*options.folders, *options.library]
    if options.signers is not None and not named:
        raise UsageError("--signers: name the libraries that must be signed; installed ones are not")
    with signers.chosen(options, *named) as accepted:
        _signed(named, accepted)
    folders, used = chosen(options.folders, options.library)
    with Progress() as progress:
        found = check(
            folders,
            used,
            options.allow,
            processes=options.processes,
            note=lambda done, total: progress("checking", done, total),
        )
    states = Counter(verdict.state for verdict in found)
    if options.json:
        say(json_text([asdict(verdict) for verdict in found], 1))
    else:
        for verdict in found:
            if verdict.state != FINE:
                where = f"{verdict.library}: {verdict.path}" if verdict.path else verdict.library
                say(f"{verdict.state}: {where}: {verdict.problem}", file=sys.stderr)
        waiting = sum(bool(verdict.open) for verdict in found)
        say(f"{len(found)} recipes: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
        if waiting:
            say(f"{waiting} of them have parameters that their user still has to give (???)")
        for text in other_versions(folders):
            say(text)
    if states[REFUSED]:
        return ExitCode.REFUSED
    return ExitCode.DONE if states[FINE] == len(found) else ExitCode.USAGE


def _signed(named: Sequence[str], accepted: Signers | None) -> None:
    """Refuse libraries that none of the signers has signed, before anything of them is read."""
    if accepted is None:
        return
    from nemo_partial_hydra.errors import LibraryError, RefusedError
    from nemo_partial_hydra.export import signed_library
    from nemo_partial_hydra.messages import Problems

    problems = Problems()
    for folder in named:
        try:
            say(f"{folder}: signed by {signed_library.verify(folder, accepted)}", file=sys.stderr)
        except (RefusedError, LibraryError) as error:
            problems.messages.append(str(error))
    problems.check(RefusedError)
