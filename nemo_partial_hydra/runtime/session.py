"""Settings of the running ``nph.main`` app: what it allows, its recipe, its libraries, and how it is being run.

May import: the standard library; ``libraries`` and ``workspace`` inside functions, since what registers a recipe needs
this module only. Plain Hydra apps have no session; the workspace of the process is theirs.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo_partial_hydra.libraries.catalog import Named
    from nemo_partial_hydra.recipes.tree import Path, Tree

    from .workspace import Workspace

FILE_SCHEME, REGISTRY_SCHEME, LIBRARY_SCHEME = "nph-file", "nph", "nph-library"


@dataclass(eq=False)
class Session:
    """The settings of one ``nph.main`` app while it runs, and its workspace."""

    allow: tuple[str, ...] = ()
    recipe: str | None = None
    config_dirs: tuple[str, ...] = ()
    libraries: Named = ()
    registered: frozenset[str] | None = None  # config paths of what was registered before it ran; None: all that is
    values: frozenset[str] = frozenset()  # names of library groups that the command line uses for values
    unreadable: dict[str, str] = field(default_factory=dict)
    checked: tuple[Any, Path, Tree] | None = None  # the recipe that was checked last: as data, its place, as a tree
    completes: bool = False
    helps: bool = False
    arguments: tuple[str, ...] | None = None  # of the process, as the user gave them; None: as they are
    sent: Sent | None = None  # what came with it from the process in which the app runs; None: it is this one

    @cached_property
    def workspace(self) -> Workspace:
        """What the app allows and has learnt; where it came from another process, nothing of this one's."""
        from .workspace import WORKSPACE, Workspace

        if self.sent is None:
            return Workspace(self.allow, lambda: self.libraries, base=WORKSPACE)
        return Workspace.sent(self.allow, lambda: self.libraries, self.sent.trusted, self.sent.snapshots)

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        return self  # a copy of what belongs to an app belongs to the same app

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_another_process, (_settings(self),)


@dataclass(frozen=True)
class Sent:
    """What another process has of an app besides its settings: what it came to trust, its snapshots, its search path.

    ``plain_exceptions`` says whether Hydra's variable for them was set by ``nph.main``.
    """

    trusted: tuple[str, ...]
    snapshots: tuple[str, ...]
    path: tuple[str, ...]
    plain_exceptions: bool


# Which app it is ---------------------------------------------------------------------------------------------------


class _Running:
    """The apps that run in this process, each behind those around it, with the threads that were there before it."""

    def __init__(self) -> None:
        self.apps: list[tuple[tuple[Session, ...], weakref.WeakSet[threading.Thread]]] = []
        self.plain_exceptions = 0
        self.elsewhere: Session | None = None  # the app of another process, one of whose jobs runs in this one

    def of_this_thread(self) -> Session | None:
        """Return the app that may have started this thread, if it can only be one: threads begin without a context."""
        thread = threading.current_thread()
        found = [apps for apps, others in self.apps if thread not in others]
        inner = max(found, key=len, default=())
        return inner[-1] if inner and all(apps[-1] in inner for apps in found) else None


@dataclass(frozen=True)
class _Scope:
    """What holds for the code that runs now: its apps, the innermost last, and how config sources serve files."""

    running: _Running  # the same in all contexts of a process
    apps: tuple[Session, ...] = ()
    headers: bool = False
    refused: list[str] | None = None


_OUTSIDE = _Scope(_Running())
_SCOPE: ContextVar[_Scope] = ContextVar("nemo_partial_hydra", default=_OUTSIDE)


def current() -> Session | None:
    """Return the running app's session, or None in a plain Hydra app."""
    scope = _SCOPE.get()
    if scope.apps:
        return scope.apps[-1]
    if scope.running.elsewhere is not None:
        return scope.running.elsewhere
    return scope.running.of_this_thread() if scope.running.apps else None


def workspace() -> Workspace:
    """Return the workspace of the running app, or that of the process."""
    app = current()
    if app is not None:
        return app.workspace
    from .workspace import WORKSPACE

    return WORKSPACE


@contextmanager
def running(session: Session, *, trusted: bool = False) -> Iterator[Session]:
    """Make a session the current one.

    Its configs may be built or frozen when it has ended, by code outside of any app: the process keeps what the app has
    learnt, and where it is ``trusted``, what it allowed.
    """
    from .workspace import WORKSPACE

    scope = _SCOPE.get()
    own = session.workspace  # made now, before there are threads that could make it twice
    entry = ((*scope.apps, session), weakref.WeakSet(threading.enumerate()))
    scope.running.apps.append(entry)
    _SCOPE.set(replace(scope, apps=entry[0]))
    try:
        yield session
    finally:
        WORKSPACE.remember(own, trusted=trusted)
        scope.running.apps.remove(entry)
        scope = _SCOPE.get()  # whoever began later may still run
        _SCOPE.set(replace(scope, apps=_without(scope.apps, session)))


def _without(apps: tuple[Session, ...], session: Session) -> tuple[Session, ...]:
    """Return the apps but the last occurrence of one."""
    for index in range(len(apps) - 1, -1, -1):
        if apps[index] is session:
            return (*apps[:index], *apps[index + 1 :])
    return apps


# In another process ------------------------------------------------------------------------------------------------


def of_process() -> Session:
    """Return what the process allows outside of any app as a session, to be sent to another process."""
    return Session(**_settings(None))


def _settings(app: Session | None) -> dict[str, Any]:
    """Return the fields of a session as which an app, or the process outside of any, goes to another process."""
    from .workspace import WORKSPACE

    workspace = WORKSPACE if app is None else app.workspace
    path = app.sent.path if app is not None and app.sent is not None else tuple(sys.path)
    sent = Sent(tuple(sorted(workspace.policy.trusted)), workspace.signatures.folders(), path, owns_full_error())
    fields: dict[str, Any] = {"allow": tuple(sorted(workspace.allow)), "sent": sent}
    if app is not None:
        kept = ("recipe", "config_dirs", "libraries", "registered", "values")
        fields.update((name, getattr(app, name)) for name in kept)
    return fields


def _from_another_process(fields: dict[str, Any]) -> Session:
    return Session(**fields)


def belong_to(app: Session, *, plain: bool) -> None:
    """Have this process belong to an app of another one, which has started it to run a job.

    Modules are looked for where that process looks for them. The jobs of a ``plain`` Hydra app have no session, as that
    has none: what its process allows, this one does.
    """
    from .workspace import WORKSPACE

    assert app.sent is not None
    running = _SCOPE.get().running
    running.elsewhere = None if plain else app
    if plain:
        WORKSPACE.remember(app.workspace, trusted=True)
    sys.path[:] = [*app.sent.path, *(place for place in sys.path if place not in app.sent.path)]
    if app.sent.plain_exceptions:
        os.environ.pop("HYDRA_FULL_ERROR", None)


@contextmanager
def as_app(app: Session | None) -> Iterator[None]:
    """Be an app of another process, where none runs here."""
    if app is None or app.sent is None or current() is not None:
        yield
        return
    with running(app):
        yield


# What it was told --------------------------------------------------------------------------------------------------


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


def typed_entry(entry: Any, app: Session | None = None) -> Any:
    """Return a search path entry with the scheme whose files are typed: for directories, packages included.

    One that is a recipe library becomes one of ``app``'s, so that it can not hide the options of another one.
    """
    from nemo_partial_hydra.libraries.library import package_folder
    from nemo_partial_hydra.libraries.manifest import is_library

    if not isinstance(entry, str) or entry.startswith(f"{FILE_SCHEME}://"):
        return entry
    scheme, _, path = entry.rpartition("://")
    folder = package_folder(path) if scheme == "pkg" else path if scheme in ("", "file") else None
    if not folder:
        return entry
    library = is_library(folder)
    if scheme == "pkg" and not library and not os.path.isfile(os.path.join(folder, "__init__.py")):
        return entry  # Hydra says what is wrong with a package that is none; export writes no module into a library
    if app is not None and library:
        add_library(app, folder, "hydra.searchpath")
    return f"{FILE_SCHEME}://{folder}"


def restore_arguments() -> None:
    """Give the process its arguments back, once Hydra has read those that it was given instead.

    What runs then may start the script once more with them, as Lightning does for each device.
    """
    app = current()
    if app is not None and app.arguments is not None:
        sys.argv = list(app.arguments)


def completing() -> bool:
    """Whether the process only answers the shell's question how a line goes on."""
    app = current()
    if app is not None:
        return app.completes
    return any(arg in ("-sc", "--shell-completion") for arg in sys.argv[1:])  # of a plain Hydra app


def note_unreadable(target: str, why: str) -> None:
    """Remember a target whose signature cannot be read here; its node stays untyped."""
    app = current()
    if app is not None:
        app.unreadable[target] = why


# How files are served ----------------------------------------------------------------------------------------------


@contextmanager
def headers_only() -> Iterator[None]:
    """Have the config sources serve only what a defaults list is made of: packages and defaults lists, no values."""
    token = _SCOPE.set(replace(_SCOPE.get(), headers=True))
    try:
        yield
    finally:
        _SCOPE.reset(token)


def wants_headers() -> bool:
    """Whether nobody will look at the values of what is served now."""
    return _SCOPE.get().headers


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Have the config sources serve files that the policy refuses as empty ones, and give what is wrong with each."""
    found: list[str] = []
    token = _SCOPE.set(replace(_SCOPE.get(), refused=found))
    try:
        yield found
    finally:
        _SCOPE.reset(token)


def collects(refusal: str) -> bool:
    """Note why a file is refused; whether somebody wants to know that of all files."""
    found = _SCOPE.get().refused
    if found is not None:
        found.append(refusal)
    return found is not None


# How Hydra tells of errors -----------------------------------------------------------------------------------------


def owns_full_error() -> bool:
    """Whether it was ``nph.main`` that asked Hydra for plain exceptions, not the user."""
    return _SCOPE.get().running.plain_exceptions > 0


@contextmanager
def plain_exceptions() -> Iterator[None]:
    """Have Hydra raise its exceptions instead of printing them, unless the user asked for it already."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        yield
        return
    running = _SCOPE.get().running
    os.environ["HYDRA_FULL_ERROR"] = "1"
    running.plain_exceptions += 1
    try:
        yield
    finally:
        running.plain_exceptions -= 1
        os.environ.pop("HYDRA_FULL_ERROR", None)


@contextmanager
def user_environment() -> Iterator[None]:
    """Give the user's function the environment as the user had it."""
    if not owns_full_error():
        yield
        return
    os.environ.pop("HYDRA_FULL_ERROR", None)
    try:
        yield
    finally:
        os.environ["HYDRA_FULL_ERROR"] = "1"
