"""The recipe factories of a module, found by looking.

May import: the standard library; fiddle only where it has been imported already. Modules that are looked into are
imported, so this runs where recipes are written, not where they are used.

What counts as a factory is a public function, defined in the module and not merely imported into it, that is
registered (``@nph.recipe``, nemo_run's ``cli.factory``), says that it returns a buildable, or says nothing and calls
``Partial`` or ``Config``; in a module without any of these also one that says that it returns a dataclass.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import installs, nearest

MENTIONS = re.compile(
    r"cli\.factory|autoconvert|@(\w+\.)*recipe\b|\bnph\.store\b|->\s*\w+\.(Partial|Config)\b|\brun\.(Partial|Config)\("
    r"|^(def .*|\))\s*->\s*['\"]?[\w.]*Config\w*['\"]?\s*:",
    re.MULTILINE,
)
"""A module inside a package is imported only if its text matches: some do things when they are imported."""


@dataclass(frozen=True)
class Factory:
    """A recipe factory; ``group`` and ``option`` are None where its name decides.

    ``registered`` is False where only its body suggests that it makes a recipe.
    """

    module: str
    function: str
    call: Callable[..., Any]
    group: str | None = None
    option: str | None = None
    registered: bool = True

    @property
    def name(self) -> str:
        """The dotted name."""
        return f"{self.module}.{self.function}"


@dataclass(frozen=True)
class LeftOut:
    """A module or factory that gave no recipe, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What looking gave."""

    factories: Sequence[Factory]
    left_out: Sequence[LeftOut]


def find(names: Iterable[str], skip: Iterable[str] = (), note: Callable[[str], None] = lambda text: None) -> Found:
    """Find the recipe factories of modules and, for packages, of the modules inside them.

    Parameters
    ----------
    names : dotted names of modules; they are imported.
    skip : dotted prefixes of modules inside them that are not.
    note : is told what is being imported.

    Raises
    ------
    UsageError
        If a named module cannot be imported.
    """
    factories: dict[str, Factory] = {}
    left_out: dict[str, LeftOut] = {}
    for name in names:
        note(f"importing {name}")
        top = _named(name)
        for inner in modules_in(top, name, tuple(skip)):
            try:
                module = importlib.import_module(inner)
            except Exception as error:  # a foreign module may raise anything while it is imported
                way_out = installs(error.name) if isinstance(error, ModuleNotFoundError) else ""
                left_out[inner] = LeftOut(inner, f"cannot be imported: {type(error).__name__}: {_line(error)}{way_out}")
                continue
            for factory in factories_in(module):
                factories[factory.name] = factory
    return Found([factories[name] for name in sorted(factories)], [left_out[name] for name in sorted(left_out)])


def _named(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            known = [module.name for module in pkgutil.iter_modules()]
            raise UsageError(
                f"there is no module '{error.name}' here{installs(error.name) or nearest(error.name, known)}"
            ) from None
        raise UsageError(f"importing '{name}' fails: {error}{installs(error.name)}") from error
    except Exception as error:  # as in `find`
        raise UsageError(f"importing '{name}' fails: {type(error).__name__}: {_line(error)}") from error


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "it says nothing"


def modules_in(top: types.ModuleType, name: str, skip: tuple[str, ...]) -> Iterator[str]:
    """Yield a module and, of a package, the modules below it whose text speaks of recipes; nothing is imported."""
    yield name
    for folder in getattr(top, "__path__", ()):
        for path in sorted(Path(folder).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            inner = ".".join([name, *(parts[:-1] if parts[-1] == "__init__" else parts)])
            if inner == name or not all(part.isidentifier() for part in parts):
                continue
            skipped = any(inner == prefix or inner.startswith(f"{prefix}.") for prefix in skip)
            if not skipped and MENTIONS.search(path.read_text(encoding="utf-8", errors="replace")):
                yield inner


def factories_in(module: types.ModuleType) -> Iterator[Factory]:
    """Yield the recipe factories of one module, registered ones first."""
    name = module.__name__
    seen: set[Any] = set()
    plain: list[Factory] = []
    buildables = False
    for entry in REGISTRY.entries.values():
        if entry.origin.rpartition(":")[0] == name:
            seen.add(entry.make)
            function = entry.make.__name__ if entry.make.__name__ != "<lambda>" else entry.name
            yield Factory(name, function, entry.make, entry.group, entry.name)
    for function, value in vars(module).items():
        if not isinstance(value, types.FunctionType) or function.startswith("_") or value in seen:
            continue
        if value.__module__ == name and value.__name__ == function:
            sure = _makes_recipes(value)
            if sure is not None:
                buildables = True
                yield Factory(name, function, value, registered=sure)
            elif _makes_dataclass(value):
                plain.append(Factory(name, function, value))
    if not buildables and not seen:  # else these make parts of recipes
        yield from plain


def _makes_dataclass(function: types.FunctionType) -> bool:
    returned = _returned(function)
    return is_dataclass(getattr(returned, "__origin__", returned))


def _makes_recipes(function: types.FunctionType) -> bool | None:
    """Return True for a factory, False for what may be one, None for other functions."""
    if getattr(function, "__factory__", False):
        return True
    returned = _returned(function)
    if returned is inspect.Signature.empty:
        names = inspect.unwrap(function).__code__.co_names
        return False if "Partial" in names or "Config" in names else None
    fiddle = sys.modules.get("fiddle")
    origin = getattr(returned, "__origin__", returned)
    if not isinstance(origin, type):
        return None
    return True if fiddle is not None and issubclass(origin, fiddle.Buildable) else None


def _returned(function: types.FunctionType) -> Any:
    annotation = inspect.signature(function).return_annotation
    if isinstance(annotation, str):
        scope = inspect.unwrap(function).__globals__
        head = re.match(r"[\w.]+", annotation)
        found: Any = None
        for index, part in enumerate(head.group().split(".") if head else []):
            found = scope.get(part) if index == 0 else getattr(found, part, None)
        return found
    return annotation
