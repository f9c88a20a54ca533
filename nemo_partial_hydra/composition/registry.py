"""The recipes that Python code registers: ``store`` and ``@recipe``, by config group and name, made only when chosen.

May import: the standard library. Hydra reads this registry through the plugin's config source ``nph://``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from nemo_partial_hydra.errors import RegistrationError
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])
_NAME = re.compile(r"^[^\s/=,{}\[\]()'\"$@~+]+$")


@dataclass(frozen=True)
class Entry:
    """One registered recipe; ``origin`` is ``module:line`` of the registration."""

    group: str
    name: str
    package: str | None
    make: Callable[[], Any]
    origin: str

    @property
    def path(self) -> str:
        """The config path: group and name."""
        return f"{self.group}/{self.name}" if self.group else self.name


class Registry:
    """Entries by config path, and the groups above them."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._recipes: dict[str, tuple[Entry, Any]] = {}

    def add(self, entry: Entry) -> None:
        """Add an entry.

        Raises
        ------
        RegistrationError
            If the name cannot be one of a config group option, or another place registered it already.
        """
        for part in [*entry.group.split("/"), entry.name] if entry.group else [entry.name]:
            if not _NAME.match(part):
                raise RegistrationError(
                    f"'{entry.path}' cannot name a config group option: {part!r} has other characters"
                )
        known = self.entries.get(entry.path)
        if known is not None and known.origin != entry.origin:
            raise RegistrationError(
                f"the recipe '{entry.path}' is registered twice: at {known.origin} and at {entry.origin}"
            )
        self.entries[entry.path] = entry

    def get(self, path: str) -> Entry | None:
        """Return the entry of a config path."""
        return self.entries.get(path) if path in self.names() else None

    def names(self) -> Collection[str]:
        """Return the config paths of all entries.

        What is registered while an app runs is no option of it: importing a target may register its module's recipes,
        and they must not take the places of those that were chosen.
        """
        app = session.current()
        known = self.entries.keys()
        return known if app is None or app.registered is None else known & app.registered

    def is_group(self, path: str) -> bool:
        """Whether some entry stands below a path."""
        prefix = path.strip("/") + "/" if path.strip("/") else ""
        return any(name.startswith(prefix) for name in self.names())

    def below(self, path: str) -> tuple[set[str], set[str]]:
        """Return the names of the groups and of the options directly below a path."""
        prefix = path.strip("/") + "/" if path.strip("/") else ""
        groups: set[str] = set()
        options: set[str] = set()
        for name in self.names():
            if name.startswith(prefix):
                head, slash, _ = name[len(prefix) :].partition("/")
                (groups if slash else options).add(head)
        return groups, options

    def config(self, path: str) -> Any:
        """Return a fresh structured config of an entry; the factory runs the first time only."""
        from .yaml_files import fresh

        return fresh(self.prototype(path))

    def prototype(self, path: str) -> Any:
        """Return the structured config of an entry, which must not be changed."""
        from nemo_partial_hydra.errors import RecipeError

        from .encode import to_config

        entry = self.entries[path]
        configs = session.workspace().of(_Prototypes).configs
        known = configs.get(path)
        if known is None or known[0] is not entry:
            try:
                known = configs[path] = (entry, to_config(self._recipe(entry)))
            except RecipeError as error:
                raise type(error)(f"the recipe '{path}' (registered at {entry.origin}): {error}") from error
        return known[1]

    def _recipe(self, entry: Entry) -> Any:
        """Return the recipe of an entry; a factory is called the first time only, whatever app asks."""
        known = self._recipes.get(entry.path)
        if known is None or known[0] is not entry:
            known = self._recipes[entry.path] = (entry, entry.make())
        return known[1]


class _Prototypes:
    """The structured configs of the entries that an app has chosen, by config path."""

    def __init__(self, workspace: Workspace) -> None:
        self.configs: dict[str, tuple[Entry, Any]] = {}


REGISTRY = Registry()


def _origin(depth: int = 2) -> str:
    frame = sys._getframe(depth)
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"


def store(partial: Any, *, group: str | None = None, name: str | None = None, package: str | None = None) -> None:
    """Register a recipe as an option of a config group.

    Parameters
    ----------
    partial : a ``run.Partial`` or ``run.Config``, or anything that can say how it was made.
    group : the config group, like ``model`` or ``job/import``; none for a primary config.
    name : the option's name; by default that of the target.
    package : where it is placed in the config; by default the group's own package.

    Raises
    ------
    RegistrationError
        If the name is taken or impossible.
    """
    if name is None:
        target = getattr(partial, "__fn_or_cls__", None) or type(partial)
        name = getattr(target, "__name__", None)
        if name is None:
            raise RegistrationError("the recipe's target has no name; give one with store(..., name=...)")
    REGISTRY.add(Entry(group or "", name, package, lambda: partial, _origin()))


def recipe(*, group: str | None = None, name: str | None = None, package: str | None = None) -> Callable[[F], F]:
    """Register a factory of a recipe; it is called only when its option is selected.

    Parameters are those of :func:`store`; the name is by default the factory's.
    """
    origin = _origin()

    def register(factory: F) -> F:
        REGISTRY.add(Entry(group or "", name or factory.__name__, package, factory, origin))
        return factory

    return register
