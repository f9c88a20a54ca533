"""Which directories are the user's own, what lies in them, what is installed in the others; nothing is imported.

May import: the standard library only. Own is what lies neither with the standard library nor where distributions are
installed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from typing import Any

_INSTALLED = ("site-packages", "dist-packages")
_MODULES = (".py", ".pyc", ".so", ".pyd")


def is_installed(path: str) -> bool:
    """Whether a path lies with the standard library or where distributions are installed."""
    return path.startswith(_installed_folders()) or any(f"{os.sep}{name}{os.sep}" in path for name in _INSTALLED)


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(sorted(os.path.abspath(place) + os.sep for place in places if place))


def own_folders() -> tuple[str, ...]:
    """Return the user's own directories of ``sys.path``."""
    folders = dict.fromkeys(map(os.path.abspath, sys.path))
    return tuple(folder for folder in folders if not is_installed(folder + os.sep))


def distributions(folders: Iterable[str]) -> str:
    """Return a digest of what is installed: an installation in the same version counts as another one."""
    found = []
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found += [
                f"{entry.path} {entry.stat().st_mtime_ns}"
                for entry in entries
                if entry.name.endswith((".dist-info", ".egg-info", ".pth", ".egg-link"))
            ]
    return _digest(found)


def importable(folders: Iterable[str]) -> dict[str, str]:
    """Return the top-level names that directories may have modules of, each with the first directory."""
    names: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                stem, _, kind = entry.name.partition(".")
                if kind == "" or kind.endswith(("py", "so", "pyc", "pyd")):
                    names.setdefault(stem, folder)
    return names


def spec_of(name: str, path: Sequence[str]) -> Any:
    """Return how a module would be found in some directories, if it would; nothing is imported."""
    try:
        return importlib.machinery.PathFinder.find_spec(name, list(path))
    except (ImportError, ValueError):
        return None


def stamp(file: str) -> str:
    """Return the size and time of a file; an empty text if there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def lying_in(folder: str) -> str:
    """Return a digest of the files in a directory, modules left out, which count by themselves."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if not entry.is_dir() and not entry.name.endswith(_MODULES):
                    found.append(f"{entry.name} {stamp(entry.path)}")
    return _digest(found)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()
