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
    import finds. What is imported from among installed packages has nothing beside it that would be the app's.
    """
    plain = inner(function)
    module = function.__module__
    top = module.partition(".")[0]
    if top != "__main__" and top.isidentifier():
        if "." in module or hasattr(sys.modules.get(top), "__path__"):
            return (top,)
        folder = _folder_of(plain)
        return (top,) if _is_installed(folder) else (top, *modules_in(folder))
    folder = _folder_of(plain)
    main = getattr(plain, "__globals__", None) or vars(sys.modules["__main__"])
    spec = main.get("__spec__")  # ``sys.modules`` may have another main module, with runpy
    if spec is not None and "." in spec.name:  # python -m package.app
        return ("__main__", spec.name.partition(".")[0])
    package = _package_around(folder)
    return ("__main__", *([package] if package is not None else []), *modules_in(folder))


def inner(function: Any) -> Any:
    """Return the function that an app's function comes down to: undecorated; of an object, what its call runs."""
    function = inspect.unwrap(function)
    return function if hasattr(function, "__code__") else inspect.unwrap(type(function).__call__)


def _folder_of(function: Any) -> str:
    """Return the folder of a function's file; the current one for what is typed into an interpreter or a notebook."""
    code = getattr(function, "__code__", None)
    of_module = getattr(sys.modules.get(function.__module__), "__file__", None)  # of an object that can be called
    file = os.path.abspath(code.co_filename if code is not None else of_module or "")
    folder = os.path.dirname(file)
    return folder if os.path.isfile(file) or os.path.isfile(folder) else os.getcwd()


def _is_installed(folder: str) -> bool:
    """Whether a folder is one of those into which packages are installed, or the standard library's."""
    import sysconfig

    places = {os.path.realpath(path) for path in sysconfig.get_paths().values()}
    return os.path.realpath(folder) in places or os.path.basename(folder) in ("site-packages", "dist-packages")


def _package_around(folder: str) -> str | None:
    """Return the top-level package that a folder belongs to; None if it is in none, or an import finds another one.

    A folder without ``__init__.py`` is a package where its parent is on the path: ``src`` in many projects.
    """
    top = folder
    while os.path.isfile(os.path.join(os.path.dirname(top), "__init__.py")) and os.path.dirname(top) != top:
        top = os.path.dirname(top)
    name = os.path.basename(top)
    if not name.isidentifier() or _shadows(name):
        return None
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module of that name says nothing about where it is from
        return None
    places = (spec.submodule_search_locations or []) if spec is not None else []
    return name if any(os.path.realpath(place) == os.path.realpath(top) for place in places) else None


def modules_in(folder: str) -> tuple[str, ...]:
    """Return the names of the modules and packages in a folder or a zip file, but those that hide others."""
    if os.path.isfile(folder):  # python app.pyz
        import pkgutil

        names = {module.name for module in pkgutil.iter_modules([folder])}
        return tuple(sorted(name for name in names - {"__main__"} if not _shadows(name)))
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
