"""How a config, an option or a group that is not there is worded: what there is, where it was searched, the way out.

May import: Hydra, when there is such an error to report.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import Any

from nemo_partial_hydra.messages import nearest, one_of
from nemo_partial_hydra.runtime import session

from .other_sources import OtherSources

_GIVEN = re.compile(r"^\s*provider=(?!hydra\b|hydra-colorlog|schema|nemo_partial_hydra)[^,]*, path=(.*)$", re.MULTILINE)


def missing_config(error: Any) -> str:
    """Word "there is no such config" with the options there are, or the places where it was searched."""
    first, _, rest = str(error).strip().partition("\n")
    if first.startswith("Primary config directory"):
        return f"{first} {rest.splitlines()[0]}" if rest else first
    first = re.sub(r"\.( Check that it's in your config search path\.?)?$", "", first)
    named = re.search(r"'([^']*)'$", first)
    path = str(error.missing_cfg_file or (named.group(1) if named else ""))
    group, _, name = path.rpartition("/")
    options = [str(option) for option in error.options or _options(group)]
    text = f"{first}{nearest(name, options)}; there is {one_of(options)}" if options else first
    places = [place.removeprefix("nph-") for place in _GIVEN.findall(rest)]
    if "primary config" in first and places:
        text += f"; searched: {', '.join(place.removeprefix('file://') for place in places)}"
    return text + _as_a_value(group, name)


def plain_key(key: str) -> str:
    """Return how a key is added that is no choice: ``++`` where a recipe library has a group of its name."""
    group = key.lstrip("+")
    return f"++{group}" if only_of_library(group) else f"+{group}"


def only_of_library(group: str) -> bool:
    """Whether a name is the name of a library's config group, and of no other one."""
    if not group or "." in group or not session.workspace().catalog.is_group(group):
        return False
    return not _options(group)


def no_choice(match: re.Match[str]) -> str | None:
    """Word a value for a config group that is no name of an option."""
    for key, _, value in (argument.lstrip("+").partition("=") for argument in sys.argv[1:]):
        group, placed, package = key.partition("@")
        if value in ("null", "None"):
            return f"{key}: a config group takes the name of an option, not null; to leave it out: ~{key}"
        if placed and "." in package:
            return f"{key}={value}: '{group}' takes the name of an option; to set a value, write {package}={value}"
    kind = match.group().rpartition(" ")[2]
    for given in (argument for argument in sys.argv[1:] if "=" in argument):
        key, _, value = given.partition("=")
        options = _options(key.lstrip("+").partition("@")[0])
        first = next((word for word in re.split(r"[,()]", value) if word in options), "")
        if first and kind in ("int", "float", "bool"):
            quoted = value.replace(first, f'"{first}"', 1)
            return f"{given}: without quotes '{first}' is no text, as the name of an option is: '{key}={quoted}'"
    return None


def _as_a_value(group: str, name: str) -> str:
    """Return how to add a plain value where the name of a library's group hides that; empty where it does not."""
    if f"+{group}={name}" not in sys.argv[1:] or not only_of_library(group):
        return ""
    return f"; '{group}' is a group of a recipe library; to add a value of that name: ++{group}={name}"


def _options(group: str) -> list[str]:
    """Return the names of what stands in a group, of the app's own; what Hydra had is gone when it has ended."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.object_type import ObjectType

    from .registry import REGISTRY

    names = {*REGISTRY.below(group)[1]}
    for source in session.workspace().of(OtherSources).directories():
        if not group or source.is_group(group):
            names.update(source.list(group, ObjectType.CONFIG))
    with contextlib.suppress(OSError):  # what ConfigStore raises where it has no such group
        entries = ConfigStore.instance().list(group)
        names.update(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))
    return sorted(name for name in names if group or not name.startswith("_"))
