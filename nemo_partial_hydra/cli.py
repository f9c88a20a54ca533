"""``nemo-hydra``: the commands around recipes, for a login node and for editors.

May import: the standard library; what a command needs, inside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from . import __version__
from .errors import RecipeError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    from . import report

    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except RecipeError as error:
        return report.report(error)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return report.INTERRUPTED
    except BrokenPipeError:
        report.end_of_pipe()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nemo-hydra", description="NeMo-Run recipes as Hydra config groups.")
    parser.add_argument("--version", action="version", version=f"nemo-hydra {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--allow", action="append", default=[], metavar="PREFIX", help="dotted name recipes may name")

    diff = commands.add_parser(
        "diff",
        parents=[shared],
        help="which paths differ between two recipes",
        description="A and B are each a recipe file (YAML), the directory of a frozen job, the dotted name of a recipe "
        "factory, or a line of overrides for --config-name ('' for none).",
    )
    diff.add_argument("a", metavar="A")
    diff.add_argument("b", metavar="B")
    diff.add_argument("--config-dir", "-cd", metavar="DIR", help="the config directory that overrides are for")
    diff.add_argument("--config-name", "-cn", metavar="NAME", help="the config that overrides are for")
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(command=_diff)

    schema = commands.add_parser(
        "schema",
        parents=[shared],
        help="JSON Schema of recipe files, for editors",
        description="Prints a JSON Schema that knows every target the given recipe files name.",
    )
    schema.add_argument("files", nargs="+", metavar="FILE", help="recipe files (YAML)")
    schema.add_argument("--out", "-o", metavar="FILE", help="write it there instead of printing it")
    schema.set_defaults(command=_schema)
    return parser


def _diff(options: argparse.Namespace) -> int:
    from .diffing import compare, print_difference, side

    where = (options.config_dir, options.config_name)
    found = compare(side(options.a, where, options.allow), side(options.b, where, options.allow))
    if options.json:
        print(json.dumps(found.record(), indent=1, ensure_ascii=False))
    else:
        print_difference(found)
    return 0


def _schema(options: argparse.Namespace) -> int:
    from .core import Lookups, docs_of
    from .diffing import allow_folder, read_recipe_file
    from .schema import file_targets, schema

    targets: list[str] = []
    for name in options.files:
        allow_folder(name)
        targets += file_targets(read_recipe_file(name))
    lookup = Lookups((*options.allow, *_own(options.files)))
    made: dict[str, Any] = schema(sorted(set(targets)), lookup, docs_of)
    for target, why in lookup.unreadable.items():
        print(f"{target} is left out: {why}", file=sys.stderr)
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if options.out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return int(bool(lookup.unreadable))
    try:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--out {options.out}: {error.strerror}") from None
    return int(bool(lookup.unreadable))


def _own(files: Sequence[str]) -> tuple[str, ...]:
    from .diffing import folder_packages

    return tuple(name for file in files for name in folder_packages(file))


if __name__ == "__main__":
    sys.exit(main())
