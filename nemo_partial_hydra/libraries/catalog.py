"""The recipe libraries in use, as one set of config groups: the user's own, NeMo's, those of installed packages.

May import: the standard library, and from here ``policy`` and below. Only the options that are chosen are read. Hydra
sees them through the plugin's config source ``nph-library://``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from nemo_partial_hydra.errors import LibraryError

from . import manifest
from .library import SHIPPED, Library, points

Named = tuple[tuple[str, str], ...]
"""Directories of libraries, and how the user named each."""


class Catalog:
    """The libraries that options are taken from.

    Parameters
    ----------
    named : gives the libraries that the user names, each time anew.
    """

    def __init__(self, named: Callable[[], Named] = tuple) -> None:
        self._named = named
        self._known: tuple[Named, tuple[Library, ...]] | None = None

    def in_use(self) -> tuple[Library, ...]:
        """Return the libraries that options are taken from, no directory twice.

        A library that the user names takes the place of an installed one of the same name: so recipes of another NeMo
        version, exported with ``--name nemo``, replace the shipped ones.
        """
        folders = self._named()
        if self._known is None or self._known[0] != folders:
            self._known = (folders, _in_use(folders))
        return self._known[1]

    def having(self, path: str) -> list[Library]:
        """Return the libraries that have an option; those that should have it and lost its file raise."""
        found = []
        for library in self.in_use():
            if os.path.isfile(library.file(path)):
                found.append(library)
            elif manifest.is_library(library.folder):
                name = path.strip("/").removesuffix(".yaml")
                if manifest.lists(library.folder, name):
                    raise library.damaged(name)
        return found

    def the_one(self, path: str) -> Library | None:
        """Return the library that has an option; None if none has.

        Raises
        ------
        LibraryError
            If several have it, naming them.
        """
        found = self.having(path)
        if len(found) > 1:
            raise clash(path, found)
        return found[0] if found else None

    def below(self, path: str) -> tuple[set[str], set[str]]:
        """Return the names of the groups and options directly below a config path."""
        groups: set[str] = set()
        options: set[str] = set()
        for library in self.in_use():
            try:
                entries = list(os.scandir(os.path.join(library.folder, path.strip("/"))))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                if entry.name.startswith((".", "__")):
                    continue
                if entry.name.endswith(".yaml"):
                    options.add(entry.name.removesuffix(".yaml"))
                elif entry.is_dir():
                    groups.add(entry.name)
        return groups, options

    def is_group(self, path: str) -> bool:
        """Whether some library has a config group."""
        return any(os.path.isdir(os.path.join(library.folder, path.strip("/"))) for library in self.in_use())


def _in_use(folders: Named) -> tuple[Library, ...]:
    installed = [Library(SHIPPED, "shipped")]
    installed += [Library(point.folder, point.distribution) for point in points() if point.folder is not None]
    named = [Library(folder, source) for folder, source in folders]
    if named:
        names = {library.name for library in named}
        installed = [library for library in installed if library.name not in names]
    return tuple({os.path.realpath(library.folder): library for library in [*named, *installed]}.values())


def clash(path: str, found: Sequence[Library]) -> LibraryError:
    """Make the error for an option that several libraries have."""
    name = path.strip("/").removesuffix(".yaml")
    names = " and ".join(f"{library.label} at {library.file(name)}" for library in found)
    return LibraryError(
        f"'{name}' is in {len(found)} libraries: {names}; leave one of them out, copy the one you mean into the app's "
        "own config directory, which goes first, or export one under the name of the other (--name), to take its place"
    )
