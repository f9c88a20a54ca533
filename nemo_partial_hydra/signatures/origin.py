"""What a signature was read from here, so that a later process can tell whether it would read the same.

May import: the standard library only. A signature comes from the module of its target and from all that this imports:
of what is installed the distributions count, and the files of the target's own modules; of the user's own code the
contents of its files. Own is what lies neither with the standard library nor where distributions are installed. Also
kept is what an import found where, and what it did not find: a new file beside the app can stand before an installed
module, or give one that was missed. What imports what is seen while it happens, and in the sources.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from .finding import distributions, importable, is_installed, lying_in, own_folders, spec_of, stamp
from .module_code import ModuleCode, code_of
from .process_start import loaded_before

_OURS = __name__.partition(".")[0]


class Origin(NamedTuple):
    """What a signature was read from.

    Attributes
    ----------
    environment : a digest of the distributions that were installed.
    installed : the files of installed modules that define the target, each with its size and time.
    modules : the user's own modules by name: the directories in which each is looked for, its file and the sha256 of
        that; of a namespace its directories instead.
    folders : the own directories of ``sys.path``, those that an import has added included.
    asked : the top-level names that were imported or looked for, own ones left out.
    places : of ``asked`` and of the own modules' top-level names those that an own directory has.
    absent : modules of own packages that were looked for and not found, each with the package's directories.
    effects : own modules whose import changes what Hydra or OmegaConf know, as registering a resolver does.
    variables : the variables of the environment that own modules name, with the sha256 of each; None if it is not set.
    beside : directories of own modules whose import reads files, with a digest of what lies there.
    host : the machine, where an own module's import asks for what that has.
    """

    environment: str
    installed: Mapping[str, str]
    modules: Mapping[str, Sequence[Any]]
    folders: Sequence[str]
    asked: Sequence[str]
    places: Mapping[str, str]
    absent: Sequence[Sequence[Any]]
    effects: Sequence[str]
    variables: Mapping[str, str | None]
    beside: Mapping[str, str]
    host: str


class _Watch:
    """The first of ``sys.meta_path``: it sees which modules are being imported while another one is looked for."""

    def __init__(self) -> None:
        self.imports: dict[str, set[str]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Note who imports a name; part of the protocol of finders."""
        del path, target
        above = sys.modules.get(name.rpartition(".")[0])
        if above is not None and is_installed(os.path.abspath(_file_of(above) or os.sep)):
            return  # a part of what is installed
        frame: Any = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "<module>":
                self.imports.setdefault(str(frame.f_globals.get("__name__")), set()).add(name)
            frame = frame.f_back


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
        self._watch, self._missed = _Watch(), _Missed()
        self._digests: dict[str, str | None] = {}
        self._code: dict[str, ModuleCode] = {}
        self._variables = dict(os.environ)  # as they are before an import sets some
        self._environment: str | None = None
        self._own: tuple[str, ...] = ()
        self._names: dict[tuple[str, ...], dict[str, str]] = {}

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note meanwhile what imports look for, and what of it in vain."""
        self.look()
        first: Any = self._watch
        last: Any = self._missed
        sys.meta_path[:] = [first, *sys.meta_path, last]
        try:
            yield
        finally:
            for finder in (first, last):
                with contextlib.suppress(ValueError):
                    sys.meta_path.remove(finder)

    def of(self, names: Iterable[str]) -> Origin | None:
        """Return what was read with some loaded modules; None if that cannot be told.

        Parameters
        ----------
        names : the modules: that of the target, and that where it is defined.
        """
        named = [name for name in names if isinstance(sys.modules.get(name), ModuleType)]
        own = self._closure(named)
        codes = {name: self._read(name, file) for name, file in own.items() if file}
        modules = {name: self._module(name, file) for name, file in own.items()}
        if None in modules.values() or any(code.open_ended for code in codes.values()):
            return None
        missed = {**self._missed.names, **dict(self._absent(codes))}
        absent = {
            (path, name.rpartition(".")[2]) for name, path in missed.items() if name.rpartition(".")[0] in own and path
        }
        asked = {name for name in (*sys.modules, *missed) if "." not in name and name not in own} - {"__main__"}
        folders = own_folders()
        installed = {file for name in named if name not in own and (file := _file_of(sys.modules[name]))}
        return Origin(
            self._environment or "",
            {file: stamp(file) for file in sorted(installed)},
            {name: found for name, found in modules.items() if found is not None},
            folders,
            sorted(asked),
            self._places({*asked, *map(_top, own)}, folders),
            sorted(absent),
            sorted(name for name, code in codes.items() if code.effects),
            {key: self._variable(key) for code in codes.values() for key in code.variables},
            {folder: lying_in(folder) for folder in {os.path.dirname(own[n]) for n, c in codes.items() if c.files}},
            _host() if any(code.host for code in codes.values()) else "",
        )

    def holds(self, origin: Origin) -> bool:
        """Whether what a signature was read from is as it was."""
        tops = map(_top, origin.modules)
        return (
            origin.environment == self._environment
            and all(stamp(file) == then for file, then in origin.installed.items())
            and self._places({*tops, *origin.asked}, tuple(origin.folders)) == origin.places
            and all(self._found(name, path) == [file, digest] for name, (path, file, digest) in origin.modules.items())
            and all(spec_of(name, path) is None for path, name in origin.absent)
            and all(name in sys.modules for name in origin.effects)
            and all(self._variable(name) == digest for name, digest in origin.variables.items())
            and all(lying_in(folder) == digest for folder, digest in origin.beside.items())
            and origin.host in ("", _host())
        )

    def context(self) -> str:
        """Return what tells apart processes that read other signatures by the same names."""
        return "\n".join((sys.version, str(sys.flags.optimize), sys.platform, sys.prefix, *self._own))

    def look(self) -> None:
        """Look at what is installed, unless that was done, and at ``sys.path``.

        What an import adds to ``sys.path`` of what is installed (as setuptools its vendored packages) does not count.
        """
        self._own = own_folders()
        if self._environment is None:
            self._environment = distributions(
                dict.fromkeys(folder for folder in map(os.path.abspath, sys.path) if folder not in self._own)
            )

    # Modules -------------------------------------------------------------------------------------------------------

    def _closure(self, names: Iterable[str]) -> dict[str, str]:
        """Return the own modules among some and all that they import, with their files; of a namespace an empty one."""
        found: dict[str, str] = {}
        seen: set[str] = set()
        waiting = [head for name in names for head in _heads(name)]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            waiting += [head for imported in self._watch.imports.get(name, ()) for head in _heads(imported)]
            file = _own_file(name)
            if file is None:
                continue
            found[name] = file
            code = self._read(name, file) if file else ModuleCode(dynamic=False)
            waiting += [head for imported in code.imports for head in _heads(imported)]
            if code.dynamic:  # it may have loaded any of them
                waiting += list(sys.modules)
        return found

    def _read(self, name: str, file: str) -> ModuleCode:
        if name not in self._code:
            self._code[name] = code_of(name, file)
        return self._code[name]

    def _module(self, name: str, file: str) -> list[Any] | None:
        """Return the directories in which an own module is looked for, and what is found; None if that is another."""
        if "." in name:
            path = list(getattr(sys.modules.get(name.rpartition(".")[0]), "__path__", ()))
        elif file:
            path = [os.path.dirname(_package(file))]
        else:
            path = [*self._own, *map(os.path.dirname, sys.modules[name].__path__)]
        path = list(dict.fromkeys(map(os.path.abspath, path)))
        found = self._found(name, path)
        is_loaded = found[0] == file and loaded_before(file) if file else not found[0]
        return [path, *found] if is_loaded and found[1] is not None else None

    def _found(self, name: str, path: Sequence[str]) -> list[str | None]:
        """Return the file of a module as it is found now and the digest of that, or of a namespace its directories."""
        spec = spec_of(name.rpartition(".")[2], path)
        if spec is not None and spec.has_location and spec.origin is not None:
            file = os.path.abspath(spec.origin)
            return [file, self._digest(file)]
        places = spec.submodule_search_locations if spec is not None else None
        return ["", os.pathsep.join(map(os.path.abspath, places)) if places is not None else None]

    def _digest(self, file: str) -> str | None:
        if file not in self._digests:
            self._digests[file] = None
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.stat(file).st_mode):
                    with open(file, "rb") as stream:
                        self._digests[file] = hashlib.sha256(stream.read()).hexdigest()
        return self._digests[file]

    def _absent(self, codes: Mapping[str, ModuleCode]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield what sources import that is not there, which an earlier import may have looked for."""
        for name in {head for code in codes.values() for imported in code.imports for head in _heads(imported)}:
            above, _, leaf = name.rpartition(".")
            parent = sys.modules.get(above)
            if name not in sys.modules and (not above or (parent is not None and not hasattr(parent, leaf))):
                yield name, tuple(map(str, getattr(parent, "__path__", ())))

    def _places(self, names: Iterable[str], folders: tuple[str, ...]) -> dict[str, str]:
        """Return the first of some directories in which each top-level name has a module, if any has."""
        if folders not in self._names:
            self._names[folders] = importable(folders)
        there = self._names[folders]
        return {name: there[name] for name in sorted(names) if name in there}

    def _variable(self, name: str) -> str | None:
        value = self._variables.get(name)
        return None if value is None else hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()


def _top(name: str) -> str:
    return name.partition(".")[0]


def _heads(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _file_of(module: Any) -> str | None:
    file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
    return file if isinstance(file, str) else None


def _own_file(name: str) -> str | None:
    """Return the file of a loaded module that is the user's own, of an own namespace an empty one; None for others."""
    module = sys.modules.get(name)
    if not isinstance(module, ModuleType) or name == "__main__" or _top(name) == _OURS:
        return None
    file = _file_of(module)
    if file is not None:
        return None if is_installed(os.path.abspath(file)) else os.path.abspath(file)
    places = [os.path.abspath(str(place)) + os.sep for place in getattr(module, "__path__", ())]
    return None if all(map(is_installed, places)) else ""


def _package(file: str) -> str:
    """Return the path by which a module is found: a package's directory, else its file."""
    folder, name = os.path.split(file)
    return folder if name.partition(".")[0] == "__init__" else file


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else ""
