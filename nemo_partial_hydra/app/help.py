"""What the help of an ``nph.main`` app says besides Hydra's: our flags, and how many options the libraries have.

May import: the standard library.
"""

from __future__ import annotations

from nemo_partial_hydra.libraries.catalog import Catalog

_FLAGS = """
== Recipes ==
--cfg-paths[=table|tree|json|yaml|html]  every path that can be overridden: type, value, default, source; runs nothing
--cfg-paths=browse                  the same to look through and edit; on leaving it prints the command line
    --package,-p NODE               only the paths below a node
    --filter GLOB                   only the paths that match
    --search TEXT                   only what has a text in its path, type or doc
    --set-only                      only what a recipe, a file or an override has set
    --depth N                       N levels; the last says how many paths are below
--library DIR                       use a recipe library: a directory that nemo-hydra export has written
"""


def section(catalog: Catalog) -> str:
    """Return the text that follows Hydra's help."""
    lines = [_FLAGS]
    counts = {group: _options_below(catalog, group) for group in sorted(catalog.below("")[0])}
    counted = [f"{group} ({number})" for group, number in counts.items() if number]
    if counted:
        sources = ", ".join(library.label for library in catalog.in_use())
        lines.append(f"\nGroups of the recipe libraries in use, with their numbers of options; {sources}:\n")
        lines += [f"  {group}\n" for group in counted]
        lines.append("To list the options of one: nemo-hydra library GROUP\n")
    return "".join(lines)


def _options_below(catalog: Catalog, group: str) -> int:
    groups, options = catalog.below(group)
    return len(options) + sum(_options_below(catalog, f"{group}/{name}") for name in groups)
