"""``nemo-hydra library [GROUP]``: the recipe libraries in use, their groups and options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nemo_partial_hydra.messages import json_text, say

from . import Commands

if TYPE_CHECKING:
    from nemo_partial_hydra.libraries.library import Library


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "library",
        help="the recipe libraries in use, their groups and options",
        description="Lists the libraries with their sources and versions and the groups in them; with GROUP, its "
        "options and what each is. Exit code 2 if a library is damaged or two have an option of the same name.",
    )
    parser.add_argument("group", nargs="?", metavar="GROUP", help="a config group, like model")
    parser.add_argument("--library", action="append", default=[], metavar="DIR", help="a library in use besides")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print what is there."""
    from nemo_partial_hydra.errors import ExitCode, LibraryError, UsageError
    from nemo_partial_hydra.libraries.library import points
    from nemo_partial_hydra.messages import nearest
    from nemo_partial_hydra.runtime import session

    app = session.Session()
    for folder in options.library:
        session.add_library(app, folder, "--library")
    found = app.workspace.catalog.in_use()
    problems = [
        f"{point.distribution}: its entry point names '{point.value}', which is no directory of an installed package"
        for point in points()
        if point.folder is None
    ]
    records: list[dict[str, Any]] = []
    for library in found:
        try:
            records.append(_record(library))
        except LibraryError as error:
            problems.append(str(error))
    problems += _clashes(found)
    groups = sorted({group for record in records for group in record["groups"]})
    if options.group is not None and options.group.strip("/") not in groups:
        hint = nearest(options.group, groups)
        raise UsageError(f"there is no group '{options.group}'{hint}; there is {', '.join(groups)}")
    if options.json:
        say(json_text(records, 1))
    elif options.group is not None:
        _print_group(records, options.group.strip("/"))
    else:
        _print(records)
    for problem in problems:
        say(f"Error: {problem}", file=sys.stderr)
    return ExitCode.USAGE if problems else ExitCode.DONE


def _record(library: Library) -> dict[str, Any]:
    """Describe a library."""
    from nemo_partial_hydra.libraries import manifest

    known = manifest.read(library.folder) if manifest.is_library(library.folder) else manifest.Manifest(library.name)
    recipes = [
        {
            "option": option,
            "call": known.recipes[option].call if option in known.recipes else None,
            "doc": known.recipes[option].doc if option in known.recipes else "",
        }
        for option in library.options()
    ]
    groups: dict[str, list[str]] = {}
    for recipe in recipes:
        group, _, name = str(recipe["option"]).rpartition("/")
        groups.setdefault(group, []).append(name)
    return {
        "name": library.name,
        "source": library.source,
        "version": known.version,
        "installed_otherwise": known.installed_otherwise(),
        "folder": library.folder,
        "groups": groups,
        "recipes": recipes,
        "left_out": dict(known.left_out),
    }


def _clashes(found: Sequence[Library]) -> list[str]:
    """Return what is wrong where several libraries have an option of the same name."""
    from nemo_partial_hydra.errors import LibraryError
    from nemo_partial_hydra.libraries.catalog import clash

    owners: dict[str, list[Library]] = {}
    for library in found:
        try:
            names = library.options()
        except LibraryError:
            continue  # said already
        for name in names:
            owners.setdefault(name, []).append(library)
    return [str(clash(name, several)) for name, several in owners.items() if len(several) > 1]


def _print(records: list[dict[str, Any]]) -> None:
    for record in records:
        version = f", {record['version']}" if record["version"] else ""
        say(f"{record['name']} ({record['source']}{version}): {len(record['recipes'])} recipes")
        for name, here in record["installed_otherwise"].items():
            say(f"  {name} {here} is installed: a recipe that does not fit it is refused where it would run")
        for group, names in record["groups"].items():
            shown = ", ".join(names[:4]) + (f", ... {len(names)} in all" if len(names) > 4 else "")
            say(f"  {group + '/':<36} {shown}")


def _print_group(records: list[dict[str, Any]], group: str) -> None:
    many = sum(group in record["groups"] for record in records) > 1
    for record in records:
        for recipe in record["recipes"]:
            head, _, name = recipe["option"].rpartition("/")
            if head == group:
                where = f"  ({record['name']})" if many else ""
                say(f"{name:<44} {recipe['doc'] or recipe['call'] or ''}{where}".rstrip())
