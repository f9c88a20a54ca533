"""What a recipe may name: default-deny, owned by the runner, checked before anything is imported.

May import: the standard library, and from here ``dialect`` and below. A YAML file can name any callable; a text never
adds trust. Trust comes from the built-in list for the NeMo stack (``rules``), from what the runner grants (entry points
of installed recipe libraries, the app's own package, ``nph.main(allow=...)``, ``nemo-hydra --allow``), and from a live
object that is captured, which trusts its package in this process. What a recipe names is found by ``scan``.
"""

from __future__ import annotations

import inspect
import itertools
import re
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nemo_partial_hydra.errors import PolicyError, RecipeError, SignatureError, ValidationError
from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.names import public, resolve
from nemo_partial_hydra.recipes.tree import Path, Tree
from nemo_partial_hydra.recipes.values import HARMLESS

from .names import BUILT_IN_SET, allowing, denied_prefix, heads_of, refusal, shown, within
from .objects import CALLABLES, real_names
from .rules import ARGUMENTS, BUILT_IN, HYDRA_PARTS, POWERFUL, STACK, STDLIB
from .scan import Argument, names_in
from .settings import parted

_MOST = 1_000  # refusals that one report is made of


class Policy:
    """What may be named, for one app or for the process.

    Parameters
    ----------
    granted : gives the dotted prefixes that the runner allows now, each time anew.
    base : the policy with which it shares what live objects have made trusted: that counts for the whole process.
    """

    def __init__(self, granted: Callable[[], Iterable[str]] = tuple, base: Policy | None = None) -> None:
        self._granted = granted
        self._base = base
        self._trusted: set[str] = set()

    @property
    def trusted(self) -> set[str]:
        """The names that live objects have made trusted: dotted prefixes, and names of arguments."""
        return self._trusted if self._base is None else self._base.trusted

    def trust_live(self, target: str) -> None:
        """Trust where a live object came from: its top-level package, and that very name.

        Of the standard library and of the built-in packages, only that name: what else is in them stays as it was.
        """
        top = target.partition(".")[0]
        self.trusted.add(target)
        if top not in STDLIB and top not in STACK:
            self.trusted.add(top)

    def trust_made(self, target: str, by: str = "", given: str = "") -> None:
        """Trust where a live object came from, if nothing that a config gave to the factory that made it names that.

        Parameters
        ----------
        target : its dotted name.
        by : that of the factory; what is in the same package is as trusted.
        given : its arguments as text. Of a package that they name nothing is trusted, nor of the standard library.
        """
        top = target.partition(".")[0]
        if not given or top == by.partition(".")[0]:
            self.trust_live(target)
        elif top not in STDLIB and top not in STACK and top not in re.findall(r"\w+", given):
            self.trusted.add(top)

    def trust_arguments(self, tree: Tree) -> None:
        """Trust what a captured tree's arguments name, and its dangerous arguments for the targets that have them."""
        for _, found in names_in(tree):
            if isinstance(found, Argument):
                self.trusted.add(f"{found.target}.{found.name}" if found.target else found.name)
            else:
                self.trusted.add(found)

    def prefixes(self, allow: Iterable[str] = ()) -> set[str]:
        """Return every prefix that is allowed now, with those of ``allow``."""
        return {*BUILT_IN, *self.given(allow)}

    def given(self, allow: Iterable[str] = ()) -> set[str]:
        """Return the prefixes that somebody here has allowed, with those of ``allow``: not the NeMo stack."""
        return {*self.trusted, *allow, *self._granted()}

    def check_names(self, found: Iterable[tuple[Path, Any]], allow: Iterable[str] = ()) -> None:
        """Check what :func:`names_in` gives, before anything is imported; all refusals in one report.

        Raises
        ------
        PolicyError
            With the path of each refused target or argument and the line that would allow it.
        """
        report(self.refused(found, allow))

    def refused(
        self, found: Iterable[tuple[Path, Any]], allow: Iterable[str] = (), *, file: object = None
    ) -> list[str]:
        """Return why what :func:`names_in` gives is refused, for :func:`report`; with ``file``, where that is."""
        return refusals(found, self.prefixes(allow), "" if file is None else f"{file}: ")

    def check_file(
        self,
        data: Any,
        allow: Iterable[str] = (),
        *,
        hydra: bool = False,
        place: Path = ("hydra",),
        calls: bool = False,
    ) -> None:
        """Check a config file: its recipes, and what its settings of Hydra make Hydra call.

        Parameters
        ----------
        data : the file.
        allow : more prefixes that are allowed.
        hydra, place : whether all of it are Hydra's settings, and where below ``hydra`` it stands then.
        calls : as for :meth:`settings`.

        Raises
        ------
        PolicyError
            As :meth:`check_names`.
        """
        recipes, settings = parted(data, place if hydra else ())
        report([*refusals(recipes, self.prefixes(allow)), *self.settings(settings, allow, calls=calls)])

    def settings(self, found: Iterable[tuple[Path, Any]], allow: Iterable[str] = (), *, calls: bool) -> list[str]:
        """Return why what Hydra is to make of its settings is refused, each with its path.

        It makes the classes that ship with it, those of installed plugins, and what the runner allows by name: nothing
        of the stack that recipes may name. With ``calls`` it is about to do so: what is allowed is imported, and
        looked at as the object that it is.
        """
        own = {*allow, *self._granted()}
        own |= {name for name in self.trusted if name.partition(".")[0] not in STACK | STDLIB}
        lines: list[str] = []
        for path, what in found:
            if isinstance(what, str):
                text = _setting(what, own, calls)
                lines += [] if text is None else [placed(path, text)]
            else:
                lines += refusals([(path, what)], own)
        return lines

    def load(self, target: str, allow: Iterable[str] = ()) -> Any:
        """Import an allowed name and check where the object really lives (``logging.os.system`` is ``os.system``).

        Raises
        ------
        PolicyError
            If the object is a module, or its own module and name are not allowed.
        """
        return load(target, self.prefixes(allow))


# All names of a recipe ---------------------------------------------------------------------------------------------


class _Mistake(str):
    """A line about what is no name at all: refused as well, but nothing that anybody could allow."""


def refusals(found: Iterable[tuple[Path, Any]], prefixes: set[str], where: str = "") -> list[str]:
    """Return why names and arguments are refused, each with its path; of thousands the first."""
    return list(itertools.islice(_refused(found, prefixes, where), _MOST))


def _refused(found: Iterable[tuple[Path, Any]], prefixes: set[str], where: str) -> Iterator[str]:
    for path, what in found:
        if not isinstance(what, (str, Argument)):
            yield _Mistake(where + placed((*path, TARGET), f"expected a dotted name, got {shown(what)}"))
            continue
        text = _argument(what, prefixes) if isinstance(what, Argument) else refusal(what, prefixes)
        if text is not None:
            yield where + placed(path, text)


def _argument(found: Argument, prefixes: set[str]) -> str | None:
    whole = f"{found.target}.{found.name}"
    if whole in prefixes or (found.name in prefixes and found.name in ARGUMENTS):
        return None
    line = found.name if found.name in ARGUMENTS else whole
    return f"this value of '{found.name}' is refused: it {found.why}{allowing(line)}"


def report(lines: Iterable[str]) -> None:
    """Raise all refusals as one error; do nothing when there is none.

    Raises
    ------
    PolicyError
        If something is refused.
    ValidationError
        If nothing is wrong but targets that are no text.
    """
    found = list(dict.fromkeys(lines))
    error = ValidationError if all(isinstance(line, _Mistake) for line in found) else PolicyError
    if len(found) == 1:
        raise error(found[0])
    if found:
        what = "targets and arguments" if any("this value of" in line for line in found) else "targets"
        raise error("\n  - ".join([f"{len(found)} {what} are refused:", *found]))


def _setting(name: str, own: set[str], calls: bool) -> str | None:
    """Say why Hydra must not make what a name in its settings leads to; None if it may."""
    if name in HYDRA_PARTS:
        return None
    if within(name, "hydra_plugins"):
        return _plugin(name)
    text = refusal(name, own)
    if text is None and calls:
        try:
            load(name, own)
        except PolicyError as error:
            return str(error)
        except SignatureError:
            return None  # Hydra will say so
    return text


def _plugin(name: str) -> str | None:
    """Say why a name is no class of an installed plugin (which Hydra has imported by now); None if it is one."""
    try:
        found = resolve(name)
    except SignatureError as error:
        return f"'{name}' is no class of an installed plugin: {error}"
    real = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if isinstance(found, type) and within(real, "hydra_plugins") and public(name):
        return None
    return f"'{name}' is no class of an installed plugin of Hydra, which alone such a file may name there"


# What a name really is ---------------------------------------------------------------------------------------------


def load(target: str, prefixes: set[str]) -> Any:
    """Import a name and check where the object really lives; see :meth:`Policy.load`."""
    text = refusal(target, prefixes)
    if text is not None:
        raise PolicyError(text)
    refuse_detours(target, prefixes)
    obj = resolve(target)
    if isinstance(obj, types.ModuleType):
        raise PolicyError(f"'{target}' is a module; a target is a function, a class or a constant")
    if isinstance(obj, types.BuiltinMethodType) and not isinstance(obj.__self__, (type, types.ModuleType, type(None))):
        raise PolicyError(f"'{target}' is a method of one object; a target is a function, a class or a constant")
    if target in HARMLESS or target in prefixes:
        return obj
    text = alias_refusal(obj, target, prefixes)
    if text is not None:
        raise PolicyError(text)
    if isinstance(obj, types.FunctionType) and _granted(target, prefixes) in BUILT_IN_SET and _is_method(target):
        raise PolicyError(f"'{target}' is a method and needs an object{allowing(target)}")
    return obj


def alias_refusal(obj: Any, target: str, prefixes: set[str]) -> str | None:
    """Say what an object really is where that is refused under its own name; None if it is as good as its name."""
    if target in HARMLESS or target in prefixes:
        return None
    for real in real_names(obj):
        text = None if real == target else _refused_home(real, target, prefixes)
        if text is not None:
            return f"'{target}' is another name of '{real}': {text}"
    return None


def made_refusal(obj: Any, target: str, prefixes: set[str]) -> str | None:
    """Say why what a call gave must not be called: a function or class of others that no recipe may name.

    What an allowed function makes is its own affair, unless it finds it by a text.
    """
    if isinstance(obj, CALLABLES):
        for real in real_names(obj):
            top = real.partition(".")[0]
            text = (
                refusal(real, prefixes) if top in POWERFUL or top == "_io" or denied_prefix(real) is not None else None
            )
            if text is not None:
                return f"'{target}' gives '{real}': {text}"
    return None


def _refused_home(real: str, target: str, prefixes: set[str]) -> str | None:
    """Say why the real place of an allowed name is refused.

    A public name for a private implementation of the same package (``torch.nn.functional.gelu``) is fine.
    """
    text = refusal(real, prefixes)
    same_package = real.partition(".")[0] == target.partition(".")[0]
    if text is None or (same_package and not public(real) and denied_prefix(real) is None):
        return None
    return text


def _granted(target: str, prefixes: set[str]) -> str:
    return next((head for head in heads_of(target) if head in prefixes), "")


def _is_method(target: str) -> bool:
    owner, _, name = target.rpartition(".")
    holder = resolve(owner)
    return isinstance(holder, type) and isinstance(inspect.getattr_static(holder, name, None), types.FunctionType)


def deciding(target: str, obj: Any, given: set[str]) -> set[str]:
    """Return those of some prefixes without which an imported name might have been refused."""
    names = {target, *real_names(obj)}
    parts = target.split(".")
    for cut in range(len(parts) - 1, 1, -1):
        module = resolve(".".join(parts[:cut]))
        if isinstance(module, types.ModuleType):
            names.add(".".join([module.__name__, *parts[cut:]]))
    return {head for name in names for head in heads_of(name) if head in given}


def refuse_detours(target: str, prefixes: set[str]) -> None:
    """Refuse a name that leads through a module of another package (``mine.sys.modules.clear``)."""
    if target in prefixes:
        return
    parts = target.split(".")
    for cut in range(len(parts) - 1, 1, -1):
        try:
            module = resolve(".".join(parts[:cut]))
        except RecipeError:
            return  # the name itself will say what is missing
        if isinstance(module, types.ModuleType) and module.__name__ != ".".join(parts[:cut]):
            real = ".".join([module.__name__, *parts[cut:]])
            text = refusal(real, prefixes)
            if text is not None:
                raise PolicyError(f"'{target}' is another name of '{real}': {text}")
