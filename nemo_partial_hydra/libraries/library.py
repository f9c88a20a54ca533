"""Recipe libraries: directories of config groups, shipped, installed with packages, or named by the user.

May import: the standard library, and from here ``policy`` and below. Which of them are in use says ``catalog``.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from nemo_partial_hydra.errors import LibraryError
from nemo_partial_hydra.policy.rules import STACK

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
        return package_folder(self.value.replace(":", "."))


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


def package_folder(path: str) -> str | None:
    """Return the directory of a package's configs; None if it has none on disk (a zipped package)."""
    from importlib.util import find_spec

    package, *below = path.replace("/", ".").strip(".").split(".")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        folder = os.path.join(location, *below)
        if os.path.isdir(folder):
            return folder
    return None


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
