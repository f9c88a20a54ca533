"""Which installed distribution, in which version, a target comes from.

May import: the standard library only. Nothing is imported to find out.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple


class Package(NamedTuple):
    """The installed distribution that a package comes from."""

    distribution: str
    version: str


def read_packages(targets: Iterable[str]) -> dict[str, Package | None]:
    """Return the distributions that the targets come from here; None for what belongs to none or is installed editable.

    The keys are top-level packages; of one that several distributions share (``google``), the modules in it. Reads
    the lists of files of all distributions: a second or so.
    """
    names = sorted(set(targets))
    listing = _Listing({_top(name) for name in names})
    found = {name: listing.owner(name) for name in names}
    shared: dict[str, set[Package | None]] = {}
    for name, (_, package) in found.items():
        shared.setdefault(_top(name), set()).add(package)
    return {_top(name) if len(shared[_top(name)]) == 1 else key: package for name, (key, package) in found.items()}


def _top(target: str) -> str:
    return target.partition(".")[0]


class _Listing:
    """Which distribution put which Python file where."""

    def __init__(self, tops: set[str]) -> None:
        import importlib.metadata

        self.origins = {top: _origin(top) for top in tops}
        self.files: dict[str, importlib.metadata.Distribution] = {}
        for distribution in importlib.metadata.distributions():
            if distribution.read_text("RECORD"):  # a folder under development changes while its version does not
                for file in distribution.files or ():
                    if file.suffix == ".py" and _top(file.parts[0]) in tops:
                        self.files.setdefault(str(file), distribution)  # the first on sys.path is what is imported

    def owner(self, target: str) -> tuple[str, Package | None]:
        """Return the module that a target is in, as far as it is known, and the distribution that has it."""
        parts = target.split(".")
        for cut in range(len(parts), 0, -1):
            for file in _files_of(parts[:cut]):
                if file in self.files and self.from_here(parts[0], self.files[file]):
                    return ".".join(parts[:cut]), _named(self.files[file])
        return ".".join(parts[:-1]) or target, None

    def from_here(self, top: str, distribution: Any) -> bool:
        """Whether what is imported is what was installed: packages install a ``tests`` or ``examples`` too."""
        origin = self.origins[top]
        return origin is None or any(
            os.path.realpath(str(distribution.locate_file(file))) == origin for file in _files_of([top])
        )


def _files_of(module: list[str]) -> tuple[str, str]:
    return "/".join([*module, "__init__.py"]), "/".join(module) + ".py"


def _named(distribution: Any) -> Package:
    return Package(str(distribution.metadata["Name"]), str(distribution.version))


def _found(top: str) -> tuple[bool, str | None]:
    """Return whether a top-level package is here, and its file; a folder without one (a namespace) has none."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # loaded, but without a spec, as __main__ is
        return True, "unknown"
    except ImportError:  # an import hook refuses it
        return False, None
    return spec is not None, spec.origin if spec else None


def _origin(top: str) -> str | None:
    origin = _found(top)[1]
    return origin and os.path.realpath(origin)


def compared(top: str, package: Package | None) -> tuple[bool, str | None]:
    """Return whether a package is absent or the one that was read, and what is to be said of it if it is neither."""
    here, origin = _found(top)
    if not here or package is None:
        return not here, None
    version = _installed(package.distribution)
    if version is None:
        if origin is None:
            return True, None  # other distributions have parts of the same namespace
        text = f"'{top}' is here, but not from {package.distribution} {package.version}"
        return False, f"{text}, from which the snapshot was read"
    if _public(version) == _public(package.version):
        return True, None
    return False, f"{package.distribution} {version} is installed, the snapshot was read from {package.version}"


def versions(package: Package) -> str:
    """Say in which version a distribution was read, and in which it is here."""
    here = _installed(package.distribution) or "from elsewhere"
    return f"snapshot: {package.distribution} {package.version}, here {here}"


def other_version(distribution: str, version: str) -> str | None:
    """Return the installed version of a distribution if it is another one; None if it is not, or not installed."""
    here = _installed(distribution)
    return None if here is None or _public(here) == _public(version) else here


def _installed(distribution: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed.

    Its directory has the name and the version. ``importlib.metadata`` takes 20 ms to import and is asked for what is
    installed in another way.
    """
    wanted = _plain(distribution)
    for folder in sys.path:
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                found, _, version = name.removesuffix(".dist-info").partition("-")
                if version and _plain(found) == wanted:
                    return version
    import importlib.metadata

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(name: str) -> str:
    """Return a distribution's name as all its spellings have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _public(version: str) -> str:
    """Return a version without its local label: torch 2.13.0+cpu and 2.13.0+cu130 have the same signatures."""
    return version.partition("+")[0]
