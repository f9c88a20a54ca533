"""The recipes that Python code registers: ``store`` and ``@recipe``, by config group and name, made only when chosen.

May import: the standard library. Hydra reads this registry through the plugin's config source ``nph://``.
"""

from __future__ import annotations

import copy
import functools
import importlib
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nemo_partial_hydra.errors import CaptureError, RecipeError, RegistrationError
from nemo_partial_hydra.recipes.likeness import same
from nemo_partial_hydra.runtime import session

from .failed_factory import failed

if TYPE_CHECKING:
    from nemo_partial_hydra.runtime.workspace import Workspace
    from nemo_partial_hydra.signatures.signature import Signature

_UNKNOWN: Final = object()
_KEPT = 64  # recipes of one factory's different arguments
_NAME = re.compile(r"^[^\s/=,{}\[\]()'\"$@~+]+$")


@dataclass(frozen=True)
class Entry:
    """One registered recipe; ``origin`` is ``module:line`` of the registration.

    ``stored`` is the recipe itself, where no factory makes it: whoever registered it may change it at any time.
    ``sent`` says that another process registered it, ``known`` what its factory took there.
    """

    group: str
    name: str
    package: str | None
    make: Callable[..., Any]
    origin: str
    sent: bool = False
    stored: Any = None
    known: Signature | None = None

    @property
    def path(self) -> str:
        """The config path: group and name."""
        return f"{self.group}/{self.name}" if self.group else self.name

    @functools.cached_property
    def signature(self) -> Signature | None:
        """What the factory takes; None where it takes nothing, or no factory makes the recipe."""
        if self.stored is not None or self.sent:
            return self.known
        from nemo_partial_hydra.signatures.introspect import read

        name = getattr(self.make, "__qualname__", type(self.make).__name__)
        found = read(self.make, f"{getattr(self.make, '__module__', None) or '?'}.{name}")
        takes = found.known and (found.parameters or found.extra is not None)
        return found if takes else None


@dataclass(frozen=True)
class Given:
    """The arguments that a factory is called with; ``text`` says them, the same for the same ones."""

    text: str = ""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


NOTHING_GIVEN: Final = Given()


class Registry:
    """Entries by config path, and the groups above them."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._recipes: dict[tuple[str, str], _Seen] = {}
        self._packed: dict[str, tuple[_Seen, PackedEntry]] = {}

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

    def store(
        self,
        partial: Any,
        group: str | None,
        name: str | None,
        package: str | None,
        origin: str,
        factory: Callable[..., Any] | None = None,
    ) -> None:
        """Implement :func:`nemo_partial_hydra.store`; ``origin`` is where it was called."""
        if (partial is None) == (factory is None):
            raise RegistrationError("nph.store takes a recipe, or factory=... in its place")
        if factory is not None:
            self.factory(group, name, package, origin)(factory)
            return
        if name is None:
            target = getattr(partial, "__fn_or_cls__", None) or type(partial)
            name = getattr(target, "__name__", None)
            if name is None:
                raise RegistrationError("the recipe's target has no name; give one with store(..., name=...)")
        self.add(Entry(group or "", name, package, lambda: partial, origin, stored=partial))

    def factory(
        self, group: str | None, name: str | None, package: str | None, origin: str
    ) -> Callable[[Callable[..., Any]], Any]:
        """Implement :func:`nemo_partial_hydra.recipe`; ``origin`` is where it was called."""

        def register(factory: Callable[..., Any]) -> Any:
            called = name or getattr(factory, "__name__", None)
            if called is None:
                raise RegistrationError("the factory has no name; give one with name=...")
            self.add(Entry(group or "", called, package, factory, origin))
            return factory

        return register

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

    def prototype(self, path: str, given: Given = NOTHING_GIVEN, write: Callable[[Any], Any] | None = None) -> Any:
        """Return the structured config of an entry, which must not be changed.

        Parameters
        ----------
        path : the entry's config path.
        given : the arguments of its factory.
        write : makes the config of the recipe of a factory that takes arguments; by default ``option_config``.
        """
        from nemo_partial_hydra.recipes.names import ONLY_IN_SCRIPT

        from .encode import option_config

        def written(recipe: Any) -> Any:
            return option_config(session.workspace().captured(recipe))

        entry = self.entries[path]
        configs = session.workspace().of(_Prototypes).configs
        known = configs.get((path, given.text))
        called = write is not None  # then the recipe is what that call gave, whatever a later one does to its objects
        if known is None or known[0].entry is not entry or not (called or known[0].current(entry)):
            try:
                made = self._recipe(entry, given, called=called)
                seen = made if called else _Seen(entry, made.recipe)
                known = configs[path, given.text] = (seen, (write or written)(made.recipe))
            except RecipeError as error:
                hint = f"; {ONLY_IN_SCRIPT}" if entry.sent and isinstance(error, CaptureError) else ""
                raise type(error)(f"the recipe '{path}' (registered at {entry.origin}): {error}{hint}") from error
            _forget_oldest(configs, path)
        return known[1]

    def _recipe(self, entry: Entry, given: Given, *, called: bool) -> _Seen:
        """Return the recipe of an entry; a factory is called once with the same arguments, whatever app asks.

        Of one that takes arguments it is what that call gave: later ones may share its objects, and change them.
        """
        known = self._recipes.get((entry.path, given.text))
        if known is None or known.entry is not entry:
            try:
                made = entry.make(*given.args, **given.kwargs)
            except Exception as error:
                if called or isinstance(error, RecipeError):  # where it is called its arguments are told of, too
                    raise
                raise failed(error) from error
            known = self._recipes[entry.path, given.text] = _Seen(entry, made, copied=called)
            _forget_oldest(self._recipes, entry.path)
        elif called and known.copy is not _UNKNOWN and not known.current(entry):
            known.recipe = known.copy
        return known

    # To another process ---------------------------------------------------------------------------------------------

    def packed(self) -> list[PackedEntry]:
        """Return the entries that the running app has, to be sent to another process."""
        found = []
        for path in self.names():
            entry = self.entries[path]
            known = self._packed.get(path)
            if known is None or not known[0].current(entry):
                known = self._packed[path] = (_Seen(entry, entry.stored), PackedEntry.of(entry))
            found.append(known[1])
        return found

    def unpack(self, entries: Iterable[PackedEntry]) -> None:
        """Add the entries of another process; what the same place has registered here already stays."""
        for packed in entries:
            entry = packed.entry()
            known = self.entries.get(entry.path)
            if known is None or known.origin != entry.origin:
                self.entries[entry.path] = entry


@dataclass(frozen=True)
class PackedEntry:
    """A registered recipe on its way to another process.

    What makes it goes along by value, so that a recipe of the script itself arrives too; where it cannot be pickled,
    importing the module that registered it has to do.
    """

    group: str
    name: str
    package: str | None
    origin: str
    made: bytes | None
    why: str = ""
    signature: Signature | None = None

    @classmethod
    def of(cls, entry: Entry) -> PackedEntry:
        """Pack an entry."""
        import cloudpickle

        made, why = None, ""
        try:
            made = cloudpickle.dumps(entry.make)
        except Exception as error:  # whatever the objects of a recipe raise: those that are not chosen do not matter
            why = f"{type(error).__name__}: {error}"
        return cls(entry.group, entry.name, entry.package, entry.origin, made, why, entry.signature)

    def entry(self) -> Entry:
        """Return the entry for this process."""
        return Entry(self.group, self.name, self.package, self.make, self.origin, sent=True, known=self.signature)

    def make(self, *args: Any, **kwargs: Any) -> Any:
        """Make the recipe, with the factory's arguments.

        Raises
        ------
        RegistrationError
            If it can only be made in the process that registered it.
        """
        import pickle

        module = self.origin.rpartition(":")[0]
        if self.made is not None:
            try:
                function = pickle.loads(self.made)
            except Exception as error:
                raise RegistrationError(
                    f"it cannot be made in the process of a job: {type(error).__name__}: {error}"
                ) from error
            return function(*args, **kwargs)
        entry = self.entry()
        if module != "__main__":
            importlib.import_module(module)
            entry = REGISTRY.entries.get(entry.path, entry)
        if entry.make == self.make:
            raise RegistrationError(
                f"it cannot be sent to the process of a job ({self.why}); register it in a module that the app imports"
            )
        return entry.make(*args, **kwargs)


class _Seen:
    """An entry and its recipe as they were when something was made of them."""

    def __init__(self, entry: Entry, recipe: Any, *, copied: bool = True) -> None:
        self.entry = entry
        self.recipe = recipe
        try:
            self.copy = copy.deepcopy(recipe) if copied else _UNKNOWN
        except Exception:  # whatever an object in it says to being copied: then nothing is known of changes
            self.copy = _UNKNOWN

    def current(self, entry: Entry) -> bool:
        """Whether the entry is the same and nobody has changed its recipe since."""
        return self.entry is entry and self.copy is not _UNKNOWN and same(self.copy, self.recipe) is not False


class _Prototypes:
    """The structured configs of the entries that an app has chosen, by config path and arguments."""

    def __init__(self, workspace: Workspace) -> None:
        self.configs: dict[tuple[str, str], tuple[_Seen, Any]] = {}


def _forget_oldest(made: dict[tuple[str, str], Any], path: str) -> None:
    """Keep of one factory what it made with the last few arguments, and without any."""
    of_it = [key for key in made if key[0] == path and key[1]]
    for key in of_it[:-_KEPT]:
        del made[key]


REGISTRY = Registry()


def caller() -> str:
    """Return ``module:line`` of the call of the public function that asks."""
    frame = sys._getframe(2)
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"
