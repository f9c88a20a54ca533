"""Which names are keys of the app's own config, although a recipe library has a config group of the same name.

May import: the standard library; Hydra's public parts where an app is not an ``nph.main`` one. Hydra takes
``resume=null`` for a choice in the group ``resume`` as soon as some source has such a group. The groups of libraries
must not take the names of what an app's primary config has at its root away from it: there, a name is a group only if
the defaults list says so. Hydra loads the primary config before it looks at the overrides: in time to note it here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from nemo_partial_hydra.libraries.library import package_folder
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Workspace

_KEY = re.compile(r"^([A-Za-z_]\w*)[ ]*:", re.MULTILINE)
_NO_NAME = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)|true|false|null", re.IGNORECASE)
_DEFAULT = re.compile(r"^\s*-\s+(?:override\s+|optional\s+)*/?([\w/]+)(?:@[\w.]*)?\s*:", re.MULTILINE)


class RootKeys:
    """The root of the primary config that was loaded last."""

    def __init__(self, workspace: Workspace) -> None:
        self._keys: frozenset[str] = frozenset()
        self._groups: frozenset[str] = frozenset()

    def note(self, keys: Iterable[object], defaults: object) -> None:
        """Remember the root of a primary config.

        Parameters
        ----------
        keys : the names at its root.
        defaults : its defaults list.
        """
        self._keys = frozenset(str(key) for key in keys)
        entries = defaults if isinstance(defaults, list) else []
        names = (name for entry in entries if isinstance(entry, dict) for name in entry)
        self._groups = frozenset(str(name).split()[-1].partition("@")[0].strip("/") for name in names)

    def is_value(self, name: str) -> bool:
        """Whether a name is a value of the app's config and no config group, whatever the libraries have."""
        app = session.current()
        if app is None:
            return name in self._of_plain_app()
        if name in self._groups:
            return False
        return name in self._keys or name in app.values

    def _of_plain_app(self) -> frozenset[str]:
        """Return the root's keys of a plain Hydra app: of all its primary configs, since nothing says which it is."""
        from hydra.core.global_hydra import GlobalHydra

        if not GlobalHydra.instance().is_initialized():
            return frozenset()
        keys, groups = set(self._keys), set(self._groups)
        for source in GlobalHydra.instance().config_loader().get_sources():
            if source.provider == "main":
                folder = package_folder(source.path) if source.scheme() == "pkg" else source.path
                for text in _texts(folder):
                    groups.update(_DEFAULT.findall(text))
                    keys.update(_KEY.findall(text))
        return frozenset(keys - groups)


def values_in(args: Iterable[str], options: Iterable[str], name: str) -> bool:
    """Whether overrides of a name set values: at least one does, and none chooses one of a group's options.

    ``+name=`` adds a choice wherever there is such a group, but for what can be no option's name: ``true``, ``3``.
    ``++name=`` is a value, since Hydra takes no choice so.
    """
    known = set(options)
    given = [arg.partition("=")[2] for arg in args if arg.startswith(f"{name}=")]
    added = [words for words in (_words(arg) for arg in args if arg.startswith(f"+{name}=")) if words]
    plain = [words for words in added if all(map(_NO_NAME.fullmatch, words))]
    forced = any(arg.startswith(f"++{name}=") for arg in args)
    chosen = [word for text in given for word in _words(text)] + [word for words in added for word in words]
    return bool(given or plain or forced) and not known.intersection(chosen) and "glob" not in chosen


def _words(text: str) -> list[str]:
    """Return the words of an override's value, or of the choices of a sweep."""
    value = text.partition("=")[2] if "=" in text else text
    return [word.strip(" '\"") for word in re.split(r"[,()\[\]]", value)]


def _texts(folder: str | None) -> Iterable[str]:
    if folder and os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if name.endswith((".yaml", ".yml")):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    yield file.read()
