"""The recipe libraries in use: NeMo's, which the package ships, those of installed packages, and the app's own.

May import: the standard library only. A library is a directory of config groups; only the options that are chosen are
read. Hydra sees all of them through the plugin's config source ``nph-library://``.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import LibraryError
from nemo_partial_hydra.policy.rules import STACK
from nemo_partial_hydra.runtime import session

from . import manifest

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "nemo_library")
ENTRY_POINTS = "nemo_partial_hydra.recipes"


@dataclass(frozen=True)
class Library:
    """A directory of recipes, and how it came to be in use, as the user would say it."""

    folder: str
    source: str

    @property
    def name(self) -> str:
        """What it calls itself; the directory's name where it does not say."""
        return manifest.read(self.folder).name if manifest.is_library(self.folder) else os.path.basename(self.folder)

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.name} ({self.source})"

    def covers(self, target: str) -> bool:
        """Whether it may know the signature of a target: the shipped one need not be read for what is not NeMo's."""
        return self.folder != SHIPPED or target.partition(".")[0] in STACK

    def file(self, path: str) -> str:
        """Return the file that a config path has or would have here."""
        return os.path.join(self.folder, f"{path.strip('/').removesuffix('.yaml')}.yaml")

    def options(self) -> list[str]:
        """Return the config paths of all its recipes.

        Raises
        ------
        LibraryError
            If a recipe that it should have is missing.
        """
        found = set(_files_below(self.folder))
        if manifest.is_library(self.folder):
            missing = next((name for name in manifest.read(self.folder).recipes if name not in found), None)
            if missing is not None:
                raise self.damaged(missing)
        return sorted(found)

    def damaged(self, path: str) -> LibraryError:
        """Make the error for a recipe whose file is gone."""
        return LibraryError(f"{self.label}: the file {self.file(path)} is missing; export the library again")


def _files_below(folder: str) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in names:
            if name.endswith(".yaml"):
                yield os.path.relpath(os.path.join(here, name), folder).removesuffix(".yaml").replace(os.sep, "/")


@dataclass(frozen=True)
class Point:
    """An entry point of an installed recipe library: the package it names, and the distribution that has it."""

    value: str
    distribution: str

    @property
    def package(self) -> str:
        """The package whose targets its recipes may name."""
        return self.value.partition(":")[0]

    @property
    def folder(self) -> str | None:
        """Its directory; None if there is none. Nothing is imported to find it."""
        return session.package_folder(self.value.replace(":", "."))


@functools.lru_cache(maxsize=1)
def points() -> tuple[Point, ...]:
    """Return the entry points of installed recipe libraries."""
    if not any(map(_declares, sys.path)):
        return ()
    from importlib.metadata import entry_points

    return tuple(
        Point(point.value, f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.name)
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.value, point.name))
    )


def _declares(folder: str) -> bool:
    """Whether some distribution in a directory has such an entry point: asking importlib takes five times as long."""
    if os.path.isfile(folder):  # a zip file, into which only importlib looks
        return True
    try:
        names = [entry.path for entry in os.scandir(folder or os.curdir) if entry.name.endswith(("-info", ".egg-info"))]
    except OSError:
        return False
    for name in names:
        try:
            with open(os.path.join(name, "entry_points.txt"), "rb") as file:
                if ENTRY_POINTS.encode() in file.read():
                    return True
        except OSError:
            continue
    return False


def in_use() -> list[Library]:
    """Return the libraries that options are taken from, no directory twice.

    A library that the user names takes the place of an installed one of the same name: so recipes of another NeMo
    version, exported with ``--name nemo``, replace the shipped ones.
    """
    app = session.current()
    return list(_in_use(app.libraries if app is not None else ()))


@functools.lru_cache(maxsize=16)
def _in_use(folders: tuple[tuple[str, str], ...]) -> tuple[Library, ...]:
    installed = [Library(SHIPPED, "shipped")]
    installed += [Library(point.folder, point.distribution) for point in points() if point.folder is not None]
    named = [Library(folder, source) for folder, source in folders]
    if named:
        names = {library.name for library in named}
        installed = [library for library in installed if library.name not in names]
    return tuple({os.path.realpath(library.folder): library for library in [*named, *installed]}.values())


def opened(folder: str, source: str) -> Library:
    """Return the library in a directory that somebody named.

    Raises
    ------
    LibraryError
        If it is none, or its manifest is damaged.
    """
    full = os.path.abspath(folder)
    if not manifest.is_library(full):
        raise LibraryError(f"{source}: '{folder}' {manifest.why_none(full)}")
    manifest.read(full)
    return Library(full, source)


def having(path: str, libraries: Sequence[Library] | None = None) -> list[Library]:
    """Return the libraries that have an option; those that should have it and lost its file raise."""
    found = []
    for library in in_use() if libraries is None else libraries:
        if os.path.isfile(library.file(path)):
            found.append(library)
        elif manifest.is_library(library.folder):
            name = path.strip("/").removesuffix(".yaml")
            if name in manifest.read(library.folder).recipes:
                raise library.damaged(name)
    return found


def the_one(path: str) -> Library | None:
    """Return the library that has an option; None if none has.

    Raises
    ------
    LibraryError
        If several have it, naming them.
    """
    found = having(path)
    if len(found) > 1:
        raise clash(path, found)
    return found[0] if found else None


def clash(path: str, found: Sequence[Library]) -> LibraryError:
    """Make the error for an option that several libraries have."""
    name = path.strip("/").removesuffix(".yaml")
    names = " and ".join(f"{library.label} at {library.file(name)}" for library in found)
    return LibraryError(
        f"'{name}' is in {len(found)} libraries: {names}; leave one of them out, copy the one you mean into the app's "
        "own config directory, which goes first, or export one under the name of the other (--name), to take its place"
    )


def below(path: str) -> tuple[set[str], set[str]]:
    """Return the names of the groups and options directly below a config path."""
    groups: set[str] = set()
    options: set[str] = set()
    for library in in_use():
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


def is_group(path: str) -> bool:
    """Whether some library has a config group."""
    return any(os.path.isdir(os.path.join(library.folder, path.strip("/"))) for library in in_use())
