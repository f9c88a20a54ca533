"""What the running ``nph.main`` app has said: what it allows, its recipe, and whether it only completes a line.

May import: the standard library only. Plain Hydra apps have no session: nothing here is active for them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.libraries.manifest import is_library

FILE_SCHEME, REGISTRY_SCHEME, SHELF_SCHEME = "nph-file", "nph", "nph-library"


@dataclass
class Session:
    """The settings of one ``nph.main`` app while it runs."""

    allow: tuple[str, ...] = ()
    recipe: str | None = None
    config_dirs: tuple[str, ...] = ()
    libraries: tuple[tuple[str, str], ...] = ()  # directories, and how the user named each
    registered: frozenset[str] | None = None  # config paths of what was registered before it ran; None: all that is
    values: frozenset[str] = frozenset()  # names of library groups that the command line uses for values
    unreadable: dict[str, str] = field(default_factory=dict)
    checked: bool = False
    completes: bool = False


_current: list[Session] = []


def current() -> Session | None:
    """Return the running app's session, or None in a plain Hydra app."""
    return _current[-1] if _current else None


@contextmanager
def running(session: Session) -> Any:
    """Make a session the current one."""
    _current.append(session)
    try:
        yield session
    finally:
        _current.remove(session)


def add_library(app: Session, folder: str, source: str) -> None:
    """Put a recipe library into use.

    Raises
    ------
    LibraryError
        If the directory is none.
    """
    from nemo_partial_hydra.libraries.library import opened

    library = opened(folder, source)
    if (library.folder, source) not in app.libraries:
        app.libraries = (*app.libraries, (library.folder, source))


def allowed(more: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what the running app allows, and ``more``."""
    session = current()
    return (*(session.allow if session else ()), *more)


def completing() -> bool:
    """Whether the process only answers the shell's question how a line goes on."""
    app = current()
    if app is not None and app.completes:
        return True
    return any(arg in ("-sc", "--shell-completion") for arg in sys.argv[1:])


def note_unreadable(target: str, why: str) -> None:
    """Remember a target whose signature cannot be read here; its node stays untyped."""
    session = current()
    if session is not None:
        session.unreadable[target] = why


def typed_entry(entry: Any, app: Session | None = None) -> Any:
    """Return a search path entry with the scheme whose files are typed: for directories, packages included.

    One that is a recipe library becomes one of ``app``'s, so that it can not hide the options of another one.
    """
    if not isinstance(entry, str) or entry.startswith(f"{FILE_SCHEME}://"):
        return entry
    scheme, _, path = entry.rpartition("://")
    folder = package_folder(path) if scheme == "pkg" else path if scheme in ("", "file") else None
    if not folder:
        return entry
    if app is not None and is_library(folder):
        add_library(app, folder, "hydra.searchpath")
    return f"{FILE_SCHEME}://{folder}"


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


_HEADERS: list[bool] = []


@contextmanager
def headers_only() -> Any:
    """Have the config sources serve only what a defaults list is made of: packages and defaults lists, no values."""
    _HEADERS.append(True)
    try:
        yield
    finally:
        _HEADERS.pop()


def wants_headers() -> bool:
    """Whether nobody will look at the values of what is served now."""
    return bool(_HEADERS)


_REFUSED: list[list[str]] = []


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Have the config sources serve files that the policy refuses as empty ones, and give what is wrong with each."""
    found: list[str] = []
    _REFUSED.append(found)
    try:
        yield found
    finally:
        _REFUSED.pop()


def collects(refusal: str) -> bool:
    """Note why a file is refused; whether somebody wants to know that of all files."""
    if _REFUSED:
        _REFUSED[-1].append(refusal)
    return bool(_REFUSED)


_FULL_ERROR: list[bool] = []


def owns_full_error() -> bool:
    """Whether it was ``nph.main`` that asked Hydra for plain exceptions, not the user."""
    return bool(_FULL_ERROR)


@contextmanager
def plain_exceptions() -> Any:
    """Have Hydra raise its exceptions instead of printing them, unless the user asked for it already."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        yield
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _FULL_ERROR.append(True)
    try:
        yield
    finally:
        _FULL_ERROR.pop()
        os.environ.pop("HYDRA_FULL_ERROR", None)


@contextmanager
def user_environment() -> Any:
    """Give the user's function the environment as the user had it."""
    if not owns_full_error():
        yield
        return
    os.environ.pop("HYDRA_FULL_ERROR", None)
    try:
        yield
    finally:
        os.environ["HYDRA_FULL_ERROR"] = "1"
