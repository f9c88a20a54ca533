"""The modules of an app itself, which its recipes may name: its package, or what stands beside its script.

May import: the standard library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


def own_packages(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the app's own package: its top-level package, or for a script the modules beside its file."""
    module = function.__module__
    if module != "__main__":
        return (module.partition(".")[0],)
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and "." in spec.name:  # python -m package.app
        return ("__main__", spec.name.partition(".")[0])
    return ("__main__", *modules_in(os.path.dirname(os.path.abspath(function.__code__.co_filename))))


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
