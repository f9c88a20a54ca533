"""The metadata of a frozen job: who froze it, when, from which commit, with which packages.

May import: the standard library. Nothing of what a recipe names is imported; git is asked once a process.
"""

from __future__ import annotations

import functools
import getpass
import hashlib
import importlib.util
import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra import __version__
from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.distributions import Package, read_packages

from .status import now

_GIT_SECONDS = 20


@dataclass(frozen=True)
class Metadata:
    """The metadata that all jobs share which are frozen together; the names are those of ``job.Head``."""

    name: str = "job"
    created: str = ""
    user: str = ""
    app: str | None = None
    git: Mapping[str, Any] | None = None
    image: Mapping[str, Any] | None = None


def read_metadata(name: str = "job", image: str | os.PathLike[str] | None = None) -> Metadata:
    """Collect the metadata of what this process freezes.

    Parameters
    ----------
    name : the app's or sweep's name.
    image : the container image that the jobs are for; its content is hashed, which takes about a second a gigabyte.

    Raises
    ------
    JobError
        If the image cannot be read.
    """
    app = app_directory()
    return Metadata(name, now(), _user(), app, git_of(app), None if image is None else image_of(os.fspath(image)))


def app_directory() -> str:
    """Return the directory of the script that runs, or the current one where there is none."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if isinstance(file, str) else os.getcwd()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user id without a name, as in a container
        return str(os.getuid())


@functools.lru_cache(maxsize=8)
def git_of(directory: str) -> Mapping[str, Any] | None:
    """Return the commit that a directory is at, and whether tracked files differ from it; None outside of git.

    Whether they differ is not asked (None) of a repository whose own settings name filters: git would run them.
    """

    environment = {**os.environ, "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}

    def git(*arguments: str) -> str | None:
        # What a repository's own settings would start is left alone, and its index as it is; nothing is fetched, which
        # git does for what a partial clone lacks, by commands of its settings.
        command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
        command += ["-C", directory, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False, env=environment
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    settings = git("config", "--show-scope", "--name-only", "--null", "--list")
    if settings is None or _filters(settings):
        return {"commit": commit, "dirty": None}
    changes = git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _filters(settings: str) -> bool:
    """Whether a repository brings commands that git would pass its files through to compare them."""
    words = settings.split("\0")
    return any(
        scope in ("local", "worktree") and name.lower().startswith("filter.")
        for scope, name in zip(words[::2], words[1::2], strict=False)
    )


@functools.lru_cache(maxsize=8)
def image_of(path: str) -> Mapping[str, Any]:
    """Return a container image's path and the hash of its file; a directory or an address has none.

    Raises
    ------
    JobError
        If it cannot be read.
    """
    if "://" in path:
        return {"path": path, "sha256": None}
    full = os.path.abspath(path)
    if os.path.isdir(full):
        return {"path": full, "sha256": None}
    digest = hashlib.sha256()
    try:
        with open(full, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise JobError(f"{path}: the image cannot be read: {error.strerror}") from None
    return {"path": full, "sha256": digest.hexdigest()}


def packages_of(targets: Iterable[str]) -> dict[str, str]:
    """Return versions by distribution: Python's, this package's, and of what the targets come from.

    What a snapshot covers has the version that was read there; what is not installed and in no snapshot has none.
    """
    names = sorted({target for target in targets if not _of_python(target)})
    found = {"python": platform.python_version(), "nemo_partial_hydra": __version__}
    unknown = []
    for name in names:
        package = session.workspace().signatures.package(name)
        if package is not None:
            found[package.distribution] = package.version
        elif _installed(name.partition(".")[0]):
            unknown.append(name)
    found.update({package.distribution: package.version for package in _read(tuple(unknown)) if package is not None})
    return found


def _of_python(target: str) -> bool:
    top = target.partition(".")[0]
    return top == "builtins" or top in sys.stdlib_module_names


@functools.lru_cache(maxsize=64)
def _read(names: tuple[str, ...]) -> tuple[Package | None, ...]:
    return tuple(read_packages(names).values()) if names else ()


@functools.lru_cache(maxsize=256)
def _installed(top: str) -> bool:
    """Whether a package lies where distributions are installed; asking for its distribution takes a second."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    folders = {sysconfig.get_path(key) for key in ("purelib", "platlib")}
    folders |= {folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))}
    return any(place and place.startswith(folder + os.sep) for place in places for folder in folders)


def versions_of(packages: Mapping[str, str], target: str) -> str:
    """Say in which versions the package of a target was when a job was frozen, and is here; empty if they are equal."""
    from importlib.metadata import packages_distributions, version

    said = []
    for name in sorted(set(packages_distributions().get(target.partition(".")[0], ()))):
        was = next((text for known, text in packages.items() if _alike(known, name)), None)
        if was is not None and was != version(name):
            said.append(f"frozen with {name} {was}, here {version(name)}")
    return "; ".join(said)


def _alike(name: str, other: str) -> bool:
    """Whether two spellings are the same distribution's (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower() == re.sub(r"[-_.]+", "-", other).lower()
