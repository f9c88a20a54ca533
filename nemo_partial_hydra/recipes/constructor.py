"""How a live object is made again: the callable and the arguments that give what the object is now.

May import: the standard library only. An object of NeMo says so itself, a dataclass and its like by their fields,
others by the pickle protocol (no pickle is read or written), one of an ordinary class by its attributes, if these are
its constructor's arguments, nothing else, and a second object that is made of them is equal. What an object remembers
is not believed: where it holds something else now, a second object is made of a copy of the arguments, to tell what was
changed later from what its constructor makes of them.
"""

from __future__ import annotations

import copy
import copyreg
import functools
import reprlib
import sys
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.errors import CaptureError

from .likeness import CONSTANT, made_as, normal, same
from .memory import (
    MISSING,
    Memory,
    arguments_held,
    attribute,
    compares_fields,
    default_made,
    memory_of,
    state_of,
)  # fmt: skip
from .names import name_of, public
from .tree import CONFIG, FIDDLE_CONFIG, PARTIAL

OMEGACONF = ("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig")
_WRAPPER = {*functools.WRAPPER_ASSIGNMENTS, "__wrapped__"}  # what update_wrapper puts on a partial: no arguments


@dataclass(frozen=True)
class How:
    """A callable with the arguments that make an object, and the class of buildable that it becomes."""

    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    buildable: str = CONFIG
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def is_default(self, name: str, value: Any) -> bool:
        """Whether leaving an argument out says the same."""
        if name not in self.defaults:
            return False
        return self.defaults[name] is value or same(default_made(self.fn, name), value) is True


def how_made(obj: Any, losing: Callable[[str, Any], None] | None = None) -> How | None:
    """Return what makes an object as it is now; None if that is unknown.

    Parameters
    ----------
    obj : the object.
    losing : is told which attributes are left out that a dataclass does not ask for when it compares: somebody has set
        them, and no field has their name. Without it they are a difference like any other.

    Raises
    ------
    CaptureError
        If making it again would give another object.
    """
    if type(obj) is functools.partial:
        added = sorted(set(vars(obj)) - _WRAPPER)
        if added:
            raise CaptureError(f"a partial with an attribute '{added[0]}' of its own ({_brief(vars(obj)[added[0]])})")
        return How(obj.func, obj.args, dict(obj.keywords), PARTIAL)
    memory = memory_of(obj)
    if memory is not None:
        return _Again(obj, memory, losing).how()
    return _reduced(obj) or _held(obj)


class _Again:
    """The search for the arguments that make an object again as it is now."""

    def __init__(self, obj: Any, memory: Memory, losing: Callable[[str, Any], None] | None = None) -> None:
        self.memory = memory
        self.losing = losing
        self.kind = type(obj)
        self.args = {name: self.now(name, value) for name, value in memory.given.items()}

    def how(self) -> How:
        memory = self.memory
        changed = {name for name in memory.held if not self.expected(name)}
        if changed or memory.data:
            self.search(changed)
        self.unwrap()
        lacking = [n for n, p in memory.parameters.items() if p.default is MISSING and n not in self.args]
        if len(lacking) > len(memory.positional):
            raise CaptureError(f"a {self.kind.__name__} object, which keeps its argument '{lacking[0]}' nowhere")
        defaults = {name: memory.default(name) for name in memory.parameters}
        return How(memory.fn, memory.positional, self.args, memory.buildable, defaults)

    def now(self, name: str, given: Any) -> Any:
        """Return the object that is held where it is the one that was given, or what NeMo remembers of that."""
        held = self.memory.held.get(name, MISSING)
        if held is MISSING or name in self.memory.computed:
            return given
        return held if same(given, held) is True or made_as(given, held) else given

    def expected(self, name: str) -> bool:
        """Whether an argument is held as it was given, or as its default says."""
        held = self.memory.held[name]
        if name in self.args:
            given = self.args[name]
            return given is held or same(given, held) is True
        default = self.memory.default(name)
        return bool(same(default, held)) and not (default is held and _changeable(held))

    def search(self, changed: set[str]) -> None:
        """Set what has to be set for a second object to be equal to the first; what then still differs is refused."""
        chosen = {name for name, value in self.args.items() if self.memory.held.get(name, MISSING) is value}
        guessed, again = self.guess(changed - chosen)
        if again is None:
            return  # nothing can be told; the values of now are what the object is
        while not (wrong := self.differing(self.memory.held, again.held)) <= chosen | guessed:
            wrong -= chosen | guessed
            self.choose(wrong)
            for name in wrong & self.memory.computed:
                self.args[name] = self.amended(name, again.held.get(name))
            chosen |= wrong
            try:
                again = self.again()
            except Exception as error:  # a constructor may raise anything
                raise CaptureError(
                    f"a {self.kind.__name__} object that was changed to {self.spelled(wrong)}, "
                    f"of which its constructor says {type(error).__name__}: {error}"
                ) from error
        self.accept("held", wrong, again)
        self.accept("rest", self.differing(self.memory.rest, again.rest), again)
        self.spare(guessed)

    def guess(self, changed: set[str]) -> tuple[set[str], Memory | None]:
        """Set what a constructor seems to need that does not take the arguments known so far.

        Returns the names of what was set, and what the second object tells; None if there can be none. What is None
        where nobody gives it, or made by a factory, a constructor derives; others somebody has given.
        """
        given = {name for name in changed if not self.derived(name)}
        for names in (set(), given, changed):
            self.choose(names)
            try:
                return names, self.again()
            except Exception:  # a constructor may raise anything
                continue
        return changed, None

    def derived(self, name: str) -> bool:
        default = self.memory.default(name)
        return default is None or type(default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"

    def spare(self, guessed: set[str]) -> None:
        """Leave out again what was only guessed, where a second object is the same without it."""
        for name in sorted(guessed):
            kept = self.args.pop(name)
            if not self.made_again():
                self.args[name] = kept

    def unwrap(self) -> None:
        """Give the object that a config of OmegaConf is of, or none, where the constructor makes the same of that."""
        for name, value in list(self.args.items()):
            if not any(f"{cls.__module__}.{cls.__name__}" in OMEGACONF for cls in type(value).__mro__):
                continue
            api = sys.modules["omegaconf"].OmegaConf
            with suppress(Exception):  # what is missing in it, or cannot be resolved
                if api.to_container(value, resolve=False) != api.to_container(value, resolve=True):
                    continue  # a reference would become what it leads to now
                self.args[name] = api.to_object(value)
            if self.args[name] is value or not self.made_again():
                del self.args[name]
                if not self.made_again():
                    self.args[name] = value

    def made_again(self) -> bool:
        """Whether the arguments known so far make the same object."""
        try:
            again = self.again()
        except Exception:  # a constructor may raise anything
            return False
        held, rest = self.memory.held, self.memory.rest
        return not (self.differing(held, again.held) or self.differing(rest, again.rest))

    def choose(self, names: set[str]) -> None:
        self.args |= {name: self.memory.held[name] for name in self.memory.held if name in names}

    def amended(self, name: str, other: Any) -> Any:
        """Return what is remembered of an object that only its owner knows, with the changes since it was made.

        Its owner may have put much into it, into the other one too: only what differs was changed.
        """
        held, given = self.memory.held[name], self.memory.given.get(name)
        now, then = memory_of(held), memory_of(other)
        if now is None or then is None or not made_as(given, held):
            return held
        amended = copy.copy(given)
        for changed in sorted(self.differing(now.held, then.held)):
            setattr(amended, changed, now.held[changed])
        return amended

    def again(self) -> Memory:
        """Make a second object and return what it tells."""
        args = self.args if self.memory.plain else {name: self.copied(name) for name in self.args}
        made = memory_of(self.memory.fn(*copy.deepcopy(self.memory.positional), **args))
        if made is None:
            raise TypeError(f"{self.memory.fn!r} makes another kind of object")
        return made

    def copied(self, name: str) -> Any:
        """Return a copy of an argument, so that making a second object cannot change what belongs to the first."""
        value = self.args[name]
        try:
            copied = copy.deepcopy(value)
        except Exception:  # a lock, a module, an open file
            return value
        remembered = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}" == FIDDLE_CONFIG
        if remembered and self.memory.held.get(name) is not value:
            return sys.modules["fiddle"].build(copied)  # what NeMo remembers of an object
        return copied

    def differing(self, now: Mapping[str, Any], again: Mapping[str, Any]) -> set[str]:
        return {name for name, value in now.items() if same(value, again.get(name, MISSING)) is False}

    def accept(self, part: str, wrong: set[str], again: Memory) -> None:
        """Refuse what still differs, unless the constructor makes the same of it, or another at each time (a clock)."""
        other = self.again() if wrong else again
        for name in sorted(wrong):
            now, made, later = (getattr(memory, part).get(name, MISSING) for memory in (self.memory, again, other))
            if same(made, later) is False or (part == "held" and normal(now, made)):
                continue
            if self.losing is not None and made is MISSING and part == "rest" and self.no_field(name):
                self.losing(name, now)
                continue
            instead = "missing" if made is MISSING else _brief(made)
            given = self.memory.given.get(name, MISSING)
            was = "" if given is MISSING or same(given, now) else f" (it was made with {_brief(given)})"
            raise CaptureError(
                f"a {self.kind.__name__} object whose '{name}' is {_brief(now)}{was} "
                f"and would be {instead} when made again"
            )

    def no_field(self, name: str) -> bool:
        """Whether a dataclass knows nothing of an attribute, neither when it compares nor as one that all share."""
        return compares_fields(self.kind) and not hasattr(self.kind, name)

    def spelled(self, names: set[str]) -> str:
        return ", ".join(f"{name}={_brief(self.memory.held[name])}" for name in sorted(names))


def _changeable(value: Any) -> bool:
    """Whether a default is an object that all share and somebody may have changed."""
    if isinstance(value, (list, dict, set)):
        return bool(value)
    return isinstance(attribute(value, "__dict__"), dict) and not isinstance(value, CONSTANT)


def _brief(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except Exception:  # a foreign __repr__ may raise anything
        return f"a {type(value).__name__} object"


def _held(obj: Any) -> How | None:
    """Make an object of an ordinary class again from the attributes that have its arguments' names, and compare."""
    held = arguments_held(obj)
    if held is None:
        return None
    kind = type(obj)
    try:
        made = kind(**copy.deepcopy(dict(held)))
    except Exception as error:  # a constructor, and what is to be copied, may raise anything
        said = f"{type(error).__name__}: {error}"
        raise CaptureError(f"a {kind.__name__} object, which cannot be made again of what it holds ({said})") from error
    again = state_of(made)
    for name in {**held, **again}:
        if same(held.get(name, MISSING), again.get(name, MISSING)) is not True:
            now, later = (_brief(each[name]) if name in each else "missing" for each in (held, again))
            raise CaptureError(f"a {kind.__name__} object whose '{name}' is {now} and would be {later} when made again")
    return How(kind, (), held)


def _reduced(obj: Any) -> How | None:
    """Ask the pickle protocol (no pickle is read or written) for a constructor and its arguments."""
    if isinstance(obj, (types.ModuleType, type(sys.stdout), types.GeneratorType)):
        return None
    try:
        reduced = obj.__reduce_ex__(2)
    except Exception:  # a foreign class may raise anything to say that it cannot tell
        return None
    if not isinstance(reduced, tuple) or len(reduced) < 2 or any(part is not None for part in reduced[2:]):
        return None
    maker, args = reduced[:2]
    if maker is getattr(copyreg, "__newobj__", None):
        maker, args = args[0], args[1:]
        if not args and maker.__init__ is not object.__init__:
            return None
    if not callable(maker) or getattr(maker, "__module__", "") in ("copyreg", "builtins", "operator"):
        return None  # getattr and its like reach anything: they say nothing about how the object was made
    if not public(name_of(maker) or ""):
        return None  # what a pickle alone may call: torch's loaders of the bytes of a tensor
    return How(maker, tuple(args))
