"""What Hydra gets of an app's command line, and what of it becomes the app's settings.

May import: the standard library; Hydra's parser of overrides, where there is a search path or a sweep.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from nemo_partial_hydra.composition import root_keys
from nemo_partial_hydra.composition.compat import CHECK, rerun_takes_overrides
from nemo_partial_hydra.composition.fixed_overrides import factories_first
from nemo_partial_hydra.dialect.scalars import REFERENCE
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.session import Session

from .command_line import CommandLine
from .known_flags import CONFIG_DIR, LIBRARY


def for_hydra(line: CommandLine, app: Session) -> CommandLine:
    """Return a command line as Hydra is to see it; its libraries and config directories become the app's.

    Raises
    ------
    UsageError
        If a config directory does not exist, or an override goes below a reference.
    LibraryError
        If a library is none.
    """
    for flag in line.flags:
        if flag.name == CONFIG_DIR:
            app.config_dirs = (*app.config_dirs, _directory(flag.value or ""))
        elif flag.name == LIBRARY:
            session.add_library(app, flag.value or "", LIBRARY)
    overrides = [_typed_search_path(text, app) for text in line.overrides]
    refuse_below_references(overrides)
    libraries = session.workspace().catalog
    keys = {text.partition("=")[0].lstrip("+") for text in overrides}
    groups = keys.intersection(libraries.below("")[0]) if keys else ()
    app.values = frozenset(name for name in groups if root_keys.values_in(overrides, libraries.below(name)[1], name))
    typed = line.multirun or app.completes  # then the order of the words says something
    return line.replaced(overrides if typed else factories_first(overrides))


def checked(line: CommandLine) -> CommandLine:
    """Return Hydra's command line with the callback that checks what is run; the callback takes its own traces away."""
    if line.only_shows or (line.reruns and not rerun_takes_overrides()):
        return line
    return line.replaced([*line.overrides, CHECK])


def refuse_below_references(overrides: Iterable[str]) -> None:
    """Refuse overrides below a place that another override makes a reference (``b=${a} b.lr=1``).

    Raises
    ------
    UsageError
        Naming the place to override.
    """
    values = [(key, value) for key, _, value in (text.lstrip("+~").partition("=") for text in overrides)]
    references: dict[str, str] = {}
    for key, value in values:
        match = REFERENCE.match(value.strip("'\""))
        if match and not match.group(1):
            references[key] = match.group(2)
    for key, _ in values:
        for place, target in references.items():
            if key.startswith(f"{place}."):
                rest = key[len(place) + 1 :]
                raise UsageError(f"{key}: '{place}' is a reference to '{target}'; override {target}.{rest}= instead")


def _directory(path: str) -> str:
    full = os.path.abspath(path)
    if not os.path.isdir(full):
        raise UsageError(f"{CONFIG_DIR}: there is no directory '{path}'")
    return full


def _typed_search_path(text: str, app: Session) -> str:
    """Return an override of the search path with entries whose files are typed; any other override as it is."""
    if not text.lstrip("+").startswith("hydra.searchpath=["):
        return text
    from hydra.core.override_parser.overrides_parser import OverridesParser

    value = OverridesParser.create().parse_override(text).value()
    if not isinstance(value, list):
        return text
    for entry in value:
        scheme, _, path = str(entry).rpartition("://")
        if scheme in ("", "file") and not os.path.isdir(path):
            raise UsageError(f"hydra.searchpath: there is no directory '{entry}'")
    quoted = ["'" + str(session.typed_entry(str(item), app)).replace("'", "\\'") + "'" for item in value]
    return f"{text.partition('=')[0]}=[{','.join(quoted)}]"
