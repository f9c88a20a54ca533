"""Where the recipes' own modules are on this host: what is bound and put on the job's search path.

May import: the standard library only; nothing that a recipe names is imported. What is installed here is left out: the
image has its own.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable

_OWN = __name__.partition(".")[0]


def folders(apps: Iterable[str | None], targets: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the directories in which the recipes' own modules are looked for.

    Parameters
    ----------
    apps : the directories of the apps that froze the jobs; of one inside a package, the package's parent counts too.
    targets : dotted names whose packages are looked for on this process's path.
    """
    found = [folder for app in apps if app for folder in dict.fromkeys((_root(app), app))]
    tops = dict.fromkeys(target.partition(".")[0] for target in targets)
    found += [folder for folder in map(_folder_of, tops) if folder is not None]
    return tuple(dict.fromkeys(folder for folder in found if not _installed(folder)))


def _root(folder: str) -> str:
    """Return the first directory upwards that is no package."""
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


def _folder_of(top: str) -> str | None:
    """Return the directory that a module or package lies in; None if it is not here or belongs to Python."""
    if top in sys.stdlib_module_names or top in ("builtins", "__main__", _OWN):
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return os.path.dirname(os.path.abspath(next(iter(spec.submodule_search_locations))))
    return os.path.dirname(os.path.abspath(spec.origin)) if spec.origin and spec.has_location else None


def _installed(folder: str) -> bool:
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    known = {os.path.realpath(place) for place in places}
    return os.path.realpath(folder) in known or os.path.basename(folder) in ("site-packages", "dist-packages")
