"""Hydra's own settings in files: where they stand, and what Hydra would make of them once all is composed.

May import: OmegaConf. What a file says is checked when it is read. Where it only refers to what is to be made, or is
put below ``hydra`` by another file, that is known later: such an app is composed once before Hydra runs it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.errors import UnsettledError
from nemo_partial_hydra.policy.policy import report
from nemo_partial_hydra.policy.settings import HYDRA, settings_in, unsettled
from nemo_partial_hydra.recipes.data import Kept, mapped
from nemo_partial_hydra.recipes.keys import MISSING
from nemo_partial_hydra.recipes.tree import Opaque, Path
from nemo_partial_hydra.runtime.workspace import Workspace

from .compat import resolved_in
from .decode import loose_data

_HEADER = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)
_ENTRY = re.compile(r"^(?:(?:override|optional)\s+)*(?P<group>[^@]*?)(?:@(?P<package>.*))?$")
_GIVEN = re.compile(r"^[+~]*(?P<group>[^=@]+)@(?P<package>[^=]+)=")


class HydraSettings:
    """What one app knows of the settings of Hydra in its files.

    Attributes
    ----------
    settles : whether a file that leaves open what is made has to be settled first.
    calls : whether Hydra is about to make what they say.
    open : whether some file has left it open.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._policy = workspace.policy
        self._places: dict[str, Path] = {}  # files and groups that others put below ``hydra``
        self.settles = False
        self.calls = False
        self.open = False

    def begin(self, overrides: Iterable[str], *, calls: bool) -> None:
        """Note that Hydra is to run a command line; ``calls`` if it does not only show something."""
        self.settles, self.calls = True, calls
        for text in overrides:
            match = _GIVEN.match(text)
            place = _below_hydra(match["package"]) if match is not None else ()
            if match is not None and place:
                self._places[match["group"].strip("/ ")] = place

    def place(self, name: str, text: str) -> Path:
        """Return where below ``hydra`` a file stands; nothing if it is none of Hydra's settings."""
        header = _HEADER.search(text[:4096])
        package = header[1] if header is not None else None
        stem = name.removesuffix(".yaml")
        group = posixpath.dirname(stem)
        if package is not None and package not in ("_group_", "_here_"):
            found = _below_hydra(package)
        else:
            found = _below_hydra(group.replace("/", "."))
        return found or self.put(name)

    def put(self, name: str) -> Path:
        """Return where below ``hydra`` others put a file."""
        stem = name.removesuffix(".yaml")
        return self._places.get(stem) or self._places.get(posixpath.dirname(stem)) or ()

    def note_defaults(self, name: str, place: Path, defaults: Any) -> None:
        """Note which files a file puts below ``hydra`` by its defaults list."""
        folder = posixpath.dirname(name)
        for entry in defaults if isinstance(defaults, list) else ():
            pairs = entry.items() if isinstance(entry, dict) else [(entry, None)]
            for key, options in pairs:
                match = _ENTRY.match(str(key))
                package = match["package"] if match is not None else None
                below = _below_hydra(package) if package is not None else ()
                if place and not below and not str(package).startswith("_global_"):
                    below = (*place, *(package or "").replace("_here_", "").strip(".").split(".")) if package else place
                if match is None or not below:
                    continue
                group = match["group"].strip()
                full = group[1:] if group.startswith("/") else posixpath.join(folder, group)
                listed = options if isinstance(options, list) else [options]
                for option in listed:
                    known = isinstance(option, str) and "$" not in option
                    self._places[posixpath.join(full, str(option)) if known else full] = below

    def note(self, data: Any, place: Path) -> bool:
        """Return whether a file leaves open what Hydra is to make of it."""
        own = data.get(HYDRA) if isinstance(data, dict) and not place else data if place else None
        return own is not None and unsettled(own, place or (HYDRA,))

    def served(self, is_open: bool, name: str) -> None:
        """Have a file settled that leaves open what Hydra is to make of it.

        Raises
        ------
        UnsettledError
            If Hydra is about to make it, and the composed config was not looked at.
        """
        self.open = self.open or is_open
        if is_open and self.settles:
            raise UnsettledError(f"{name}: what Hydra is to make here is only known once all is composed")

    def settle(self, config: DictConfig) -> None:
        """Check what Hydra is to make of a composed config; afterwards no file is in question any more.

        Raises
        ------
        PolicyError
            As for what a file says.
        """
        self.check(config)
        self.settles = False

    def check(self, config: DictConfig, without: frozenset[str] = frozenset(), inside: Sequence[str] = ()) -> None:
        """Check what Hydra is to make of a composed config, all references followed.

        Parameters
        ----------
        config : the composed config.
        without : parts of its settings that nothing is made of.
        inside : directories below which logs have to be; none for anywhere.

        Raises
        ------
        PolicyError
            As for what a file says.
        """
        found = {key: value for key, value in loose_data(config.hydra, (HYDRA,)).data.items() if key not in without}
        data = mapped(found, lambda leaf: _placed(_plain(leaf), config))
        report(self._policy.settings(settings_in(data, (HYDRA,), composed=True, inside=inside), calls=True))


def _plain(leaf: Any) -> Any:
    while isinstance(leaf, (Kept, Opaque)):
        leaf = leaf.tree if isinstance(leaf, Kept) else leaf.value
    return MISSING if leaf is None else leaf


_PLACES = re.compile(r"\$\{hydra[.:](runtime\.output_dir|job\.(?:num|id))\}")


def _placed(leaf: Any, config: DictConfig) -> Any:
    """Resolve what nothing but the job's place or number has left open, as where its log is."""
    if not isinstance(leaf, str) or not _PLACES.search(leaf):
        return leaf
    try:
        return str(resolved_in(config, _PLACES.sub(".", leaf)))
    except OmegaConfBaseException:
        return leaf  # Hydra will say so


def _below_hydra(package: str) -> Path:
    """Return the place below ``hydra`` that a package names; nothing if it names another one."""
    keys = package.removeprefix("_global_").removeprefix("_here_").strip(".").split(".")
    return tuple(keys) if keys[0] == HYDRA else ()
