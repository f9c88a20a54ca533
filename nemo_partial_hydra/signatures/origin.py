"""What a signature was read from here, so that a later process can tell whether it would read the same.

May import: the standard library only. A signature comes from the module of its target and from all that this imports:
of what is installed the distributions count, of the user's own code the contents of its files. Own is what lies neither
with the standard library nor where distributions are installed. Also kept is what an import found where, and what it
did not find: a new file beside the app can stand before an installed module, or give one that was missed.

What a module reads besides code (variables of the environment, data files) is not seen.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

_INSTALLED = ("site-packages", "dist-packages")
_DYNAMIC = frozenset(("importlib", "import_module", "__import__", "exec", "eval", "runpy", "pkgutil"))
_EFFECTS = frozenset(("register_new_resolver", "register_resolver", "ConfigStore"))
_BEGIN = time.time_ns()  # of this process, nearly: what was written later may not be what was loaded


class Origin(NamedTuple):
    """What a signature was read from.

    Attributes
    ----------
    environment : a digest of the distributions that were installed.
    modules : the user's own modules by name, each with its file and the sha256 of its content.
    asked : the top-level names that were imported or looked for, own ones left out.
    places : of ``asked`` and of the own modules' top-level names those that an own directory of ``sys.path`` has.
    absent : modules of own packages that were looked for and not found, each with the package's directory.
    effects : own modules whose import changes what Hydra or OmegaConf know, as registering a resolver does.
    """

    environment: str
    modules: Mapping[str, Sequence[str]]
    asked: Sequence[str]
    places: Mapping[str, str]
    absent: Sequence[Sequence[str]]
    effects: Sequence[str]


class _Missed:
    """The last of ``sys.meta_path``: it is asked for what nobody has found."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, ...]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Note a name; part of the protocol of finders."""
        del target
        self.names.setdefault(name, tuple(path or ()))


class Origins:
    """Reads origins and compares them with what is there now, each file once."""

    def __init__(self) -> None:
        self._missed = _Missed()
        self._digests: dict[str, str | None] = {}
        self._code: dict[str, _Code] = {}
        self._looked = False
        self._environment = ""
        self._own: tuple[str, ...] = ()
        self._names: dict[str, str] = {}
        self._installed = _installed_folders()

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note meanwhile what imports look for in vain."""
        self.look()
        finder: Any = self._missed
        sys.meta_path.append(finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)

    def of(self, names: Iterable[str]) -> Origin | None:
        """Return what was read with some loaded modules; None if that cannot be told.

        Parameters
        ----------
        names : the modules: that of the target, and that where it is defined.
        """
        own = self._closure(names)
        modules, effects = {}, []
        for name, file in own.items():
            digest = self._digest(file)
            if digest is None or not _older(file):
                return None
            modules[name] = (file, digest)
            if self._read(name, file).effects:
                effects.append(name)
        tops = {name.partition(".")[0] for name in own}
        asked = {name for name in sys.modules if "." not in name and self.own_file(name) is None} | {
            name for name in self._missed.names if "." not in name
        }
        absent = [
            (folder, name.rpartition(".")[2])
            for name, path in self._missed.names.items()
            for folder in path
            if name.rpartition(".")[0] in own
        ]
        places = {name: self._names[name] for name in sorted(asked | tops) if name in self._names}
        return Origin(self._environment, modules, sorted(asked - {"__main__"}), places, sorted(absent), sorted(effects))

    def holds(self, origin: Origin) -> bool:
        """Whether what a signature was read from is as it was."""
        tops = {name.partition(".")[0] for name in origin.modules}
        return (
            origin.environment == self._environment
            and all(self._digest(file) == digest for file, digest in origin.modules.values())
            and {name: self._names[name] for name in tops.union(origin.asked) if name in self._names} == origin.places
            and all(_found(name, os.path.dirname(_package(file))) == file for name, (file, _) in origin.modules.items())
            and all(_found(name, folder) is None for folder, name in origin.absent)
            and all(name in sys.modules for name in origin.effects)
        )

    def context(self) -> str:
        """Return what tells apart processes that read other signatures by the same names."""
        return "\n".join((sys.version, sys.platform, sys.prefix, *self._own))

    def own_file(self, name: str) -> str | None:
        """Return the file of a loaded module that is the user's own; None for all others, which may have no file."""
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if name == "__main__" or not isinstance(file, str) or name.partition(".")[0] == __name__.partition(".")[0]:
            return None
        return None if self._is_installed(os.path.abspath(file)) else os.path.abspath(file)

    def _is_installed(self, path: str) -> bool:
        return path.startswith(self._installed) or any(f"{os.sep}{name}{os.sep}" in path for name in _INSTALLED)

    def look(self) -> None:
        """Look at what is installed and at the own directories of ``sys.path``, unless that was done.

        What an import adds to ``sys.path`` of what is installed (as setuptools its vendored packages) does not count.
        """
        path = [os.path.abspath(entry) for entry in sys.path]
        own = tuple(dict.fromkeys(entry for entry in path if not self._is_installed(entry + os.sep)))
        if self._looked and own == self._own:
            return
        if not self._looked:
            self._environment = _distributions(dict.fromkeys(entry for entry in path if entry not in own))
        self._looked, self._own, self._names = True, own, _importable(own)

    def _digest(self, file: str) -> str | None:
        if file not in self._digests:
            try:
                with open(file, "rb") as stream:
                    self._digests[file] = hashlib.sha256(stream.read()).hexdigest()
            except OSError:
                self._digests[file] = None
        return self._digests[file]

    def _closure(self, names: Iterable[str]) -> dict[str, str]:
        """Return the own modules among some and all that they import, with their files."""
        found: dict[str, str] = {}
        waiting = [head for name in names for head in _heads(name)]
        while waiting:
            name = waiting.pop()
            file = self.own_file(name) if name not in found else None
            if file is not None:
                found[name] = file
                code = self._read(name, file)
                waiting += [head for imported in code.imports for head in _heads(imported)]
                if code.dynamic:  # it may have loaded any of them
                    waiting += list(sys.modules)
        return found

    def _read(self, name: str, file: str) -> _Code:
        if name not in self._code:
            self._code[name] = _code_of(name, file)
        return self._code[name]


class _Code(NamedTuple):
    """What is seen of a module's source: the names it imports, and whether it does more than its text tells."""

    imports: Sequence[str] = ()
    dynamic: bool = True
    effects: bool = False


def _code_of(name: str, file: str) -> _Code:
    try:
        with open(file, "rb") as stream:
            tree = ast.parse(stream.read())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):  # an extension, or no text at all
        return _Code()
    module = sys.modules.get(name)
    package = str(getattr(module, "__package__", None) or "")
    imports: list[str] = []
    said: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            with contextlib.suppress(ImportError):  # it leads out of its package, and could not be imported either
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                imports += [base, *(f"{base}.{alias.name}" for alias in node.names)]
                if any(alias.name == "*" for alias in node.names):
                    imports += [loaded for loaded in sys.modules if loaded.startswith(f"{base}.")]
        elif isinstance(node, ast.Name):
            said.add(node.id)
        elif isinstance(node, ast.Attribute):
            said.add(node.attr)
    heads = {name for imported in imports for name in imported.split(".")}
    return _Code(imports, bool((said | heads) & _DYNAMIC), bool((said | heads) & _EFFECTS))


def _heads(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _older(file: str) -> bool:
    """Whether a file was written before this process began, so that it is what was loaded."""
    try:
        return os.stat(file).st_mtime_ns < _BEGIN
    except OSError:
        return False


def _package(file: str) -> str:
    """Return the path by which a module is found: a package's directory, else its file."""
    folder, name = os.path.split(file)
    return folder if name.partition(".")[0] == "__init__" else file


def _found(name: str, folder: str) -> str | None:
    """Return the file of a module as it would be found in a directory; nothing is imported."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(name.rpartition(".")[2], [folder])
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin is None else os.path.abspath(spec.origin)


def _distributions(folders: Iterable[str]) -> str:
    """Return a digest of what is installed: an installation in the same version counts as another one."""
    found = []
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found += [
                f"{entry.path} {entry.stat().st_mtime_ns}"
                for entry in entries
                if entry.name.endswith((".dist-info", ".egg-info", ".pth", ".egg-link"))
            ]
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def _importable(folders: Iterable[str]) -> dict[str, str]:
    """Return the top-level names that directories may have modules of, each with the first directory."""
    names: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                stem, _, kind = entry.name.partition(".")
                if kind == "" or kind.endswith(("py", "so", "pyc", "pyd")):
                    names.setdefault(stem, folder)
    return names


def _installed_folders() -> tuple[str, ...]:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(sorted(os.path.abspath(place) + os.sep for place in places if place))
