"""``nemo-hydra check [DIR...]``: compose, validate and policy-check every recipe of a library, for use in CI."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from nemo_partial_hydra.messages import json_text, say

from . import Commands


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
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Check and print the summary."""
    from dataclasses import asdict

    from nemo_partial_hydra.cli.progress import Progress
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.export.check import FINE, REFUSED, check, chosen

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
    if states[REFUSED]:
        return ExitCode.REFUSED
    return ExitCode.DONE if states[FINE] == len(found) else ExitCode.USAGE
