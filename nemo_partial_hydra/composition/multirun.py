"""The overrides of a sweep, so that what only the chosen options have can be overridden in it.

May import: Hydra's public parts. Hydra composes a sweep's own config first, without the groups that are swept but
with all fixed overrides: ``-m model=a,b model.layers=4`` then fails if the default model has no ``layers``. Written as
a sweep over one value, ``model.layers=choice(4)``, the override is left to the jobs.
"""

from __future__ import annotations

from collections.abc import Sequence


def left_to_jobs(overrides: Sequence[str]) -> list[str]:
    """Return a sweep's overrides with those below a swept group as parts of the sweep, in the same places."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    swept: set[str] = set()
    fixed: dict[int, str] = {}
    for index, text in enumerate(overrides):
        if "=" not in text:
            continue
        try:
            override = parser.parse_override(text)
        except HydraException:
            continue  # Hydra will say what is wrong with it
        place = override.package if override.package is not None else override.key_or_group.replace("/", ".")
        head = place.partition(".")[0]
        if override.is_sweep_override():
            swept.add(head)
        elif "." in override.key_or_group and not override.is_delete():
            fixed[index] = head
    out = list(overrides)
    for index, head in fixed.items():
        if head in swept:
            key, _, value = out[index].partition("=")
            out[index] = f"{key}=choice({value})"
    return out
