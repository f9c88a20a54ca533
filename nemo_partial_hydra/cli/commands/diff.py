"""``nemo-hydra diff A B``: which paths differ between two recipes."""

from __future__ import annotations

import argparse

from nemo_partial_hydra.messages import json_text, say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "diff",
        parents=[shared],
        help="which paths differ between two recipes",
        description="A and B are each a recipe file (YAML), the directory of a frozen job, the dotted name of a recipe "
        "factory, or a line of overrides for --config-name ('' for none).",
    )
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="the config directory that overrides are for")
    parser.add_argument("--config-name", "-cn", metavar="NAME", help="the config that overrides are for")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Compare the two sides and print the difference."""
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.jobs.ownership import Trust
    from nemo_partial_hydra.listing.diff import compare, print_difference
    from nemo_partial_hydra.listing.recipe_file import listing_of

    where = (options.config_dir, options.config_name)
    trust = Trust.of(options.trust_code)
    a, b = (listing_of(text, where, options.allow, trust) for text in (options.a, options.b))
    found = compare(a, b)
    if options.json:
        say(json_text(found.record(), 1))
    else:
        print_difference(found)
    return ExitCode.DONE
