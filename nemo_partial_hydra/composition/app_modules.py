"""The modules of an app itself, which its recipes may name: its package, or what stands beside its script.

May import: the standard library.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any


def own_packages(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the app's own package: its top-level package, or for a script the modules beside its file.

    A script that lies in a package (``python pkg/app.py``) may name that package too, where it is the one that an
    import finds.
    """
    module = function.__module__
    if module != "__main__":
        return (module.partition(".")[0],)
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and "." in spec.name:  # python -m package.app
        return ("__main__", spec.name.partition(".")[0])
    folder = os.path.dirname(os.path.abspath(inspect.unwrap(function).__code__.co_filename))
    package = _package_around(folder)
    return ("__main__", *([package] if package is not None else []), *modules_in(folder))


def _package_around(folder: str) -> str | None:
    """Return the top-level package that a folder belongs to; None if it is in none, or an import finds another one."""
    top = None
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
        top, folder = folder, os.path.dirname(folder)
    name = os.path.basename(top) if top is not None else ""
    if top is None or not name.isidentifier() or _shadows(name):
        return None
    spec = importlib.util.find_spec(name)
    places = (spec.submodule_search_locations or []) if spec is not None else []
    return name if any(os.path.realpath(place) == os.path.realpath(top) for place in places) else None


def modules_in(folder: str) -> tuple[str, ...]:
    """Return the names of the modules and packages in a folder, but those that hide others."""
    found: set[str] = set()
    with os.scandir(folder) as entries:
        for item in entries:
            name, extension = os.path.splitext(item.name)
            package = item.is_dir() and any(child.endswith(".py") for child in _listing(item.path))
            if (extension == ".py" or package) and name.isidentifier() and not _shadows(name):
                found.add(name)
    return tuple(sorted(found))


def _listing(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _shadows(name: str) -> bool:
    return name in sys.stdlib_module_names or name in ("setup", "hydra_plugins", "tests", "conftest")
