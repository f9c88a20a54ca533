"""Which names are keys of the app's own config, although a recipe library has a config group of the same name.

May import: the standard library; Hydra's public parts where an app is not an ``nph.main`` one. Hydra takes
``resume=null`` for a choice in the group ``resume`` as soon as some source has such a group. The groups of libraries
must not take the names of what an app's primary config has at its root away from it: there, a name is a group only if
the defaults list says so. Hydra loads the primary config before it looks at the overrides: in time to note it here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from nemo_partial_hydra.runtime import session

_KEY = re.compile(r"^([A-Za-z_]\w*)[ ]*:", re.MULTILINE)
_DEFAULT = re.compile(r"^\s*-\s+(?:override\s+|optional\s+)*/?([\w/]+)(?:@[\w.]*)?\s*:", re.MULTILINE)

_keys: set[str] = set()
_groups: set[str] = set()


def note(keys: Iterable[object], defaults: object) -> None:
    """Remember the root of the primary config that was loaded last.

    Parameters
    ----------
    keys : the names at its root.
    defaults : its defaults list.
    """
    _keys.clear()
    _keys.update(str(key) for key in keys)
    _groups.clear()
    for entry in defaults if isinstance(defaults, list) else []:
        for name in entry if isinstance(entry, dict) else ():
            _groups.add(str(name).split()[-1].partition("@")[0].strip("/"))


def is_value(name: str) -> bool:
    """Whether a name is a value of the app's config and no config group, whatever the libraries have."""
    app = session.current()
    if app is None:
        return name in _plain_keys()
    if name in _groups:
        return False
    return name in _keys or name in app.values


def values_in(args: Iterable[str], options: Iterable[str], name: str) -> bool:
    """Whether overrides of a name set values: at least one does, and none chooses one of a group's options."""
    known = set(options)
    given = [arg.partition("=")[2] for arg in args if arg.startswith(f"{name}=")]
    words = [word.strip(" '\"") for text in given for word in re.split(r"[,()\[\]]", text)]
    return bool(given) and not known.intersection(words) and "glob" not in words


def _plain_keys() -> set[str]:
    """Return the root's keys of a plain Hydra app: of all its primary configs, since nothing says which is meant."""
    from hydra.core.global_hydra import GlobalHydra

    if not GlobalHydra.instance().is_initialized():
        return set()
    keys, groups = set(_keys), set(_groups)
    for source in GlobalHydra.instance().config_loader().get_sources():
        if source.provider == "main":
            folder = session.package_folder(source.path) if source.scheme() == "pkg" else source.path
            for text in _texts(folder):
                groups.update(_DEFAULT.findall(text))
                keys.update(_KEY.findall(text))
    return keys - groups


def _texts(folder: str | None) -> Iterable[str]:
    if folder and os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if name.endswith((".yaml", ".yml")):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    yield file.read()
