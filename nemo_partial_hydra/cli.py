"""``nemo-hydra``: the commands around recipes, for a login node and for editors.

May import: the standard library; what a command needs, inside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import RecipeError, UsageError

if TYPE_CHECKING:
    from .core import Lookups


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

    snapshot = commands.add_parser(
        "snapshot",
        parents=[shared],
        help="keep the signatures of all targets that recipe files name in one file",
        description="Run it where the targets can be imported. In a config directory the file is used where they "
        "cannot, or are of the same version: nothing is imported there to list, override and check recipes.",
    )
    snapshot.add_argument("files", nargs="+", metavar="FILE", help="recipe files (YAML)")
    snapshot.add_argument("--out", "-o", metavar="FILE", required=True, help="conf/signatures.json, or with .gz")
    snapshot.set_defaults(command=_snapshot)

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


def _targets(files: Sequence[str], allow: Sequence[str]) -> tuple[list[str], Lookups]:
    """Return the targets that recipe files name and can be read here, with their signatures; say which cannot."""
    from .core import Lookups
    from .diffing import allow_folder, read_recipe_file
    from .schema import file_targets

    found: set[str] = set()
    for name in files:
        allow_folder(name)
        found.update(file_targets(read_recipe_file(name)))
    lookup = Lookups((*allow, *_own(files)))
    targets = [target for target in sorted(found) if lookup(target) is not None]
    for target, why in lookup.unreadable.items():
        print(f"{target} is left out: {why}", file=sys.stderr)
    return targets, lookup


def _snapshot(options: argparse.Namespace) -> int:
    from .core import docs_of
    from .installed import read_packages
    from .snapshot import encode, save

    targets, lookup = _targets(options.files, options.allow)
    found = [signature for signature in map(lookup, targets) if signature is not None]
    text = encode(found, {target: docs_of(target) for target in targets}, read_packages(targets))
    try:
        save(text, options.out)
    except OSError as error:
        raise UsageError(f"--out {options.out}: {error.strerror}") from None
    print(f"{options.out}: {len(targets)} targets, {sum(len(each.parameters) for each in found)} parameters")
    return int(bool(lookup.unreadable))


def _schema(options: argparse.Namespace) -> int:
    import os

    from . import snapshots
    from .core import docs_of
    from .schema import schema

    for name in options.files:
        snapshots.use(os.path.dirname(os.path.abspath(name)))
    targets, lookup = _targets(options.files, options.allow)
    made: dict[str, Any] = schema(targets, lookup, docs_of)
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
