"""Directories of code at the end of ``sys.path``, where nothing of them stands in for another module.

May import: the standard library only, and nothing of this package: Pythons that a recipe starts load it as a file (see
``children``). The end of the path alone does not do it. A package there goes before a namespace package in front of it
and before what an editable install finds, and what this platform's standard library lacks would be found there. So each
such directory has a finder of its own, which finds no name that is found anywhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from _thread import get_ident
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import ModuleType
from typing import Any

CHILDREN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children")
"""What stands first in the PYTHONPATH of Pythons that a recipe starts."""
VARIABLE = "NEMO_PARTIAL_HYDRA_CODE"
"""Tells those Pythons the directories of code, and the one that must not hide modules, as JSON."""
_NEVER = frozenset({"sitecustomize", "usercustomize", "__main__", "__mp_main__", "nemo_partial_hydra"})
_LOADERS: tuple[Any, ...] = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)

Check = Callable[[str], "str | None"]
"""Says why a file or directory of code is not used; None if it is."""


class _Finder(FileFinder):
    """Finds the modules in a directory of code, or in a package there."""

    def __init__(self, path: str, folders: Folders, check: Check | None) -> None:
        super().__init__(path, *_LOADERS)
        self.folders, self.check = folders, check

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module, unless one of that name is found elsewhere.

        Raises
        ------
        ImportError
            If its file may have been written by somebody else.
        """
        found = super().find_spec(fullname, target)
        if found is None or ("." not in fullname and self.folders.elsewhere(fullname)):
            return None
        for path in _files(found) if self.check is not None else ():
            why = self.check(path) if self.check is not None else None
            if why is not None:
                raise ImportError(f"{path}: {why}", name=fullname, path=path)
        return found


def _files(spec: ModuleSpec) -> list[str]:
    """Return what decides what a module does: its file, its directory, and that of what was compiled from it."""
    found = [*(spec.submodule_search_locations or ())]
    if spec.has_location and spec.origin is not None:
        found.append(spec.origin)
        compiled = spec.cached
        found += [path for path in (os.path.dirname(compiled), compiled) if os.path.exists(path)] if compiled else []
    return found


class Folders:
    """The directories of code of this process; one entry of ``sys.path_hooks``."""

    def __init__(self) -> None:
        self.checks: dict[str, Check | None] = {}
        self._asked: set[tuple[int, str]] = set()

    def __call__(self, path: str) -> _Finder:
        """Return the finder of a directory; of others than those of code there is none."""
        nearest = max((each for each in sys.path if _within(path, each)), key=len, default="")
        if nearest not in self.checks or not os.path.isdir(path):
            raise ImportError("no directory of code", path=path)
        return _Finder(path, self, self.checks[nearest])

    def elsewhere(self, name: str) -> bool:
        """Whether a module is found without the directories of code, or is never looked for there."""
        if name in _NEVER or name in sys.stdlib_module_names:
            return True
        asked = (get_ident(), name)
        if asked in self._asked:  # by a finder that looks for modules by asking all
            return False
        self._asked.add(asked)
        try:
            return any(self._found_by(finder, name) for finder in list(sys.meta_path))
        finally:
            self._asked.discard(asked)

    def _found_by(self, finder: Any, name: str) -> bool:
        if finder is PathFinder:
            others = [each for each in sys.path if (each or os.getcwd()) not in self.checks]
            return PathFinder.find_spec(name, others) is not None
        find = getattr(finder, "find_spec", None)
        return find is not None and find(name, None) is not None


def _within(path: str, folder: str) -> bool:
    return bool(folder) and (path == folder or path.startswith(folder.rstrip(os.sep) + os.sep))


def append(folders: Iterable[str], check: Callable[[str], Check | None] = lambda folder: None) -> None:
    """Put directories of code at the end of ``sys.path``; those that are on it stay where they are.

    Parameters
    ----------
    folders : absolute paths.
    check : gives, of a directory, what is asked of each file of code in it.
    """
    new = [folder for folder in dict.fromkeys(folders) if folder not in sys.path]
    if not new:
        return
    hook = next((each for each in sys.path_hooks if isinstance(each, Folders)), None)
    if hook is None:
        hook = Folders()
        sys.path_hooks.insert(0, hook)
    for folder in new:
        hook.checks[folder] = check(folder)
        sys.path.append(folder)
        for known in [each for each in sys.path_importer_cache if _within(each, folder)]:
            if known not in sys.path or known == folder:
                del sys.path_importer_cache[known]


def only_in(folder: str, targets: Iterable[str], besides: Sequence[str] = (), *, here: bool = True) -> list[str]:
    """Return the modules of targets that are found in a directory and nowhere else; nothing is imported.

    Parameters
    ----------
    folder : an absolute path.
    targets : dotted names, of which the first parts count.
    besides : directories of code where they may be as well.
    here : whether what this process finds counts.
    """
    others = Folders()
    others.checks[folder] = None
    found = []
    for top in dict.fromkeys(target.partition(".")[0] for target in targets):
        if not top.isidentifier() or top in _NEVER or top in sys.stdlib_module_names:
            continue
        if PathFinder.find_spec(top, [folder]) is None or PathFinder.find_spec(top, [*besides]) is not None:
            continue
        if not (here and others.elsewhere(top)):
            found.append(top)
    return found


def absolute(text: str) -> str:
    """Return the entries of a PYTHONPATH as absolute paths, without empty ones: those are any current directory."""
    return os.pathsep.join(os.path.abspath(each) for each in text.split(os.pathsep) if each)


# In the Pythons that a recipe starts -------------------------------------------------------------------------------


def prepare_children(environment: MutableMapping[str, str], folders: Sequence[str], last: str) -> None:
    """Have every Python that this process starts find the directories of code, as this one does: at the end.

    Parameters
    ----------
    environment : the variables that they get.
    folders : the directories of code.
    last : the current directory, which Python itself puts first for ``-c`` and ``-m``: in which nothing may stand in
        for a module either.
    """
    known = absolute(environment.get("PYTHONPATH", "")).split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([CHILDREN, *filter(None, known)]))
    environment[VARIABLE] = json.dumps({"code": [*folders], "last": last})


@contextlib.contextmanager
def children(last: str) -> Iterator[None]:
    """Have the Pythons that are started in the block look for no module in a directory that is found elsewhere."""
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", VARIABLE)}
    prepare_children(os.environ, (), last)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def in_child(environment: MutableMapping[str, str]) -> None:
    """Do in a Python that was started so what ``prepare_children`` asks for; called before anything else runs."""
    given = json.loads(environment[VARIABLE])
    if os.path.join(os.path.dirname(CHILDREN), "start.py") in sys.orig_argv:
        return  # a job that starts itself again: its own checks come first
    append(given["code"])
    sys.meta_path.insert(0, _Last(given["last"]))


class _Last:
    """Moves a directory from the start of ``sys.path`` to its end, before the first import that would look there."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Find nothing."""
        if path is None and sys.path and self._is_it(sys.path[0]):
            del sys.path[0]
            append([self.folder])

    def _is_it(self, entry: str) -> bool:
        if entry == self.folder:
            return True
        try:
            return entry == "" and os.getcwd() == os.path.realpath(self.folder)
        except OSError:
            return False
