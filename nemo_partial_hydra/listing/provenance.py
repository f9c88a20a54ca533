"""Where each value of a composed config comes from: the files, registered recipes and overrides that set it.

May import: Hydra's public parts and OmegaConf. The defaults list that Hydra has computed is gone through in
order, and each config in it *claims* the paths that it sets, then each override; the last claim counts. Mappings are
merged, lists and single values replace what was there: as in Hydra, except that a signature's default claims nothing.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.composition.compat import own_node, texts
from nemo_partial_hydra.composition.compose import LastDefaults
from nemo_partial_hydra.composition.yaml_files import SKELETON
from nemo_partial_hydra.dialect.yaml import load_marked, read_text
from nemo_partial_hydra.libraries.library import package_folder
from nemo_partial_hydra.recipes.data import KeptSeq
from nemo_partial_hydra.recipes.keys import MISSING, TARGET
from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.runtime import session

FILE, RECIPE, OVERRIDE = "file", "recipe", "override"


@dataclass(frozen=True)
class Layer:
    """One config or override: what it is, and its name as the user would say it."""

    kind: str
    source: str
    added: bool = False  # an override that begins with ``+``


@dataclass(frozen=True)
class Claim:
    """A value that a layer sets, the line where it does so, and the claim that it took the place of."""

    layer: Layer
    line: int | None
    value: Any
    before: Claim | None = None


@dataclass
class _Place:
    claim: Claim | None = None
    below: dict[str, _Place] = field(default_factory=dict)


class Claims:
    """Who set what, by path."""

    def __init__(self) -> None:
        self._root = _Place()
        self.choices: dict[str, Claim] = {}

    def put(self, path: Path, data: Any, layer: Layer, lines: Mapping[Path, int], at: Path = ()) -> None:
        """Let a layer claim ``data`` at a path; its line is that of the key ``at`` of its own file."""
        place = self._root
        for key in path:
            place = place.below.setdefault(str(key), _Place())
        self._put(place, data, layer, lines, at)

    def _put(self, place: _Place, data: Any, layer: Layer, lines: Mapping[Path, int], at: Path) -> None:
        items = data.items if isinstance(data, KeptSeq) else data
        if items == MISSING and (place.claim is not None or place.below):
            return  # "missing" takes nothing away from what was set before
        if isinstance(items, Mapping):
            if place.claim is None or TARGET in items:
                place.claim = Claim(layer, lines.get((*at, TARGET), lines.get(at)), None, place.claim)
            for key, value in items.items():
                self._put(place.below.setdefault(str(key), _Place()), value, layer, lines, (*at, key))
        elif isinstance(items, (list, tuple)):
            place.below = {}
            place.claim = Claim(layer, lines.get(at), data, place.claim)
            for index, value in enumerate(items):
                self._put(place.below.setdefault(str(index), _Place()), value, layer, lines, (*at, index))
        else:
            place.below = {}
            place.claim = Claim(layer, lines.get(at), data, place.claim)

    def drop(self, path: Path) -> None:
        """Forget what stands at a path, which an override deletes."""
        holder = self._find(path[:-1])
        if holder is not None:
            holder.below.pop(str(path[-1]), None)

    def at(self, path: Path) -> Claim | None:
        """Return who set the value at a path; None if nobody did."""
        place = self._find(path)
        return place.claim if place is not None else None

    def _find(self, path: Path) -> _Place | None:
        place: _Place | None = self._root
        for key in path:
            if place is None:
                return None
            place = place.below.get(str(key))
        return place


def claims(config: DictConfig, *, hydra: bool = False) -> Claims:
    """Find out who set what in a config that Hydra composed in this process.

    Parameters
    ----------
    config : the composed config with its ``hydra`` node.
    hydra : whether Hydra's own settings are wanted too.
    """
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    found = Claims()
    overrides = [text for part in ("hydra", "task") for text in texts(config.hydra.overrides[part])]
    loader = GlobalHydra.instance().config_loader()
    defaults = session.workspace().of(LastDefaults).of(config)
    if defaults is None:
        with session.headers_only():
            defaults = loader.compute_defaults_list(config.hydra.job.config_name, overrides, RunMode.RUN).defaults
    configs = _Configs(config, loader)
    for default in defaults:
        path = default.config_path
        if path is None or path.startswith(f"{SKELETON}/") or (path.startswith("hydra/") and not hydra):
            continue
        package = tuple(part for part in (default.package or "").split(".") if part not in ("", "_global_"))
        for layer, data, lines in configs.read(path, package):
            found.put(package, data, layer, lines)
        if default.override_key is not None and default.parent is not None:
            found.choices[default.override_key] = configs.choice(default.parent, default.override_key, path)
    for default in defaults:  # ``override /opt: adam`` in another config's defaults list
        if default.config_path is not None and not default.config_path.startswith("hydra/"):
            found.choices.update(configs.overridden(default.config_path, found.choices))
    _apply(overrides, loader, found)
    return found


def _apply(overrides: list[str], loader: Any, found: Claims) -> None:
    """Let the overrides claim what they set, groups included."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for override in OverridesParser.create(config_loader=loader).parse_overrides(overrides):
        text = override.input_line or ""
        key = override.key_or_group
        layer = Layer(OVERRIDE, text, added=text.startswith("+"))
        if "/" in key or override.package is not None or _is_group(loader, key):
            found.choices[override.get_key_element().lstrip("+~")] = Claim(layer, None, None)
        elif override.is_delete():
            found.drop(tuple(key.split(".")))
        else:
            found.put(tuple(key.split(".")), override.value(), layer, {})


def _is_group(loader: Any, key: str) -> bool:
    return "." not in key and any(source.is_group(key) for source in loader.get_sources())


class _Configs:
    """The configs of one composition by their config paths."""

    def __init__(self, config: DictConfig, loader: Any) -> None:
        self.config, self.loader = config, loader
        self.cwd = str(config.hydra.runtime.cwd)
        sources = [(str(info["schema"]), str(info["path"])) for info in _plain(config.hydra.runtime.config_sources)]
        self.sources = sorted(sources, key=lambda source: source[0] == session.LIBRARY_SCHEME)

    def read(self, path: str, package: Path = ()) -> Iterator[tuple[Layer, Any, Mapping[Path, int]]]:
        """Yield the layer of a config with its data and lines; nothing if it cannot be found."""
        found = self.file(path)
        if found is not None:
            shown, full = found
            data, lines = _marked(full, shown, os.stat(full).st_mtime_ns)
            if isinstance(data, dict):
                yield Layer(FILE, shown), {k: v for k, v in data.items() if k != "defaults"}, lines
            return
        entry = self.entry(path)
        if entry is not None:
            source, line = entry
            from nemo_partial_hydra.composition.decode import set_data
            from nemo_partial_hydra.composition.factory_arguments import prototype

            place = functools.reduce(own_node, package, self.config)
            made = cast("DictConfig", prototype(path, place))  # the keys of a list are its indices
            yield Layer(RECIPE, source), set_data(made), _OneLine(line)
            return
        for source in self.loader.get_sources():
            if source.is_config(path):
                yield Layer(FILE, path), _plain(source.load_config(path).config), {}
                return

    def file(self, path: str) -> tuple[str, str] | None:
        """Return a config's file as the user would name it, and in full; None if it is no file."""
        for scheme, folder in self.sources:
            where: str | None = folder
            if scheme == session.LIBRARY_SCHEME:
                library = session.workspace().catalog.the_one(path)
                if library is None or not self.of_library(path):
                    continue
                where = library.folder
            elif scheme == "pkg":
                where = package_folder(folder)
            elif scheme != "file":
                if scheme == session.REGISTRY_SCHEME and self.entry(path) is not None:
                    return None
                continue
            name = path if path.endswith((".yaml", ".yml")) else f"{path}.yaml"
            full = os.path.join(where or "", name)
            if where and os.path.isfile(full):
                return self.named(where, name, full), full
        return None

    def of_library(self, path: str) -> bool:
        """Whether a library gives an option, which no other source has."""
        libraries = (source for source in self.loader.get_sources() if source.scheme() == session.LIBRARY_SCHEME)
        return any(source.is_config(path) for source in libraries)

    def named(self, folder: str, name: str, full: str) -> str:
        below = os.path.relpath(full, self.cwd)
        return os.path.join(os.path.basename(folder.rstrip("/")), name) if below.startswith("..") else below

    def entry(self, path: str) -> tuple[str, int | None] | None:
        """Return where a recipe is registered: its module or script, and the line."""
        from nemo_partial_hydra.composition.registry import REGISTRY

        entry = REGISTRY.get(path)
        if entry is None:
            return None
        module, _, line = entry.origin.rpartition(":")
        if module == "__main__":
            module = os.path.basename(getattr(sys.modules["__main__"], "__file__", None) or module)
        return module, int(line)

    def choice(self, parent: str, key: str, path: str) -> Claim:
        """Return who chose a group's option: the defaults list of the parent config, with the line."""
        found = self.file(parent)
        if found is None:
            entry = self.entry(parent)
            return Claim(Layer(FILE, entry[0] if entry else parent), entry[1] if entry else None, None)
        for group, option, _, line in self.defaults(found):
            if group.partition("@")[0] == key.partition("@")[0] or path == f"{group}/{option}":
                return Claim(Layer(FILE, found[0]), line, option)
        return Claim(Layer(FILE, found[0]), None, None)

    def overridden(self, path: str, known: Mapping[str, Claim]) -> dict[str, Claim]:
        """Return the choices that a config's defaults list takes from others."""
        found = self.file(path)
        out: dict[str, Claim] = {}
        for group, option, override, line in self.defaults(found) if found is not None else ():
            if override and group in known:
                out[group] = Claim(Layer(FILE, found[0] if found else path), line, option, known[group])
        return out

    def defaults(self, found: tuple[str, str]) -> Iterator[tuple[str, Any, bool, int | None]]:
        """Yield the group, option and line of each entry in a file's defaults list, and whether it overrides."""
        shown, full = found
        data, lines = _marked(full, shown, os.stat(full).st_mtime_ns)
        entries = data.get("defaults") if isinstance(data, dict) else None
        for index, item in enumerate(entries if isinstance(entries, list) else []):
            for name, option in item.items() if isinstance(item, dict) else ():
                words = str(name).split()
                yield words[-1].lstrip("/"), option, "override" in words[:-1], lines.get(("defaults", index, name))


class _OneLine(dict[Path, int]):
    """The line of a registration, for every path of the recipe."""

    def __init__(self, line: int | None) -> None:
        super().__init__()
        self.line = line

    def get(self, key: Any, default: Any = None) -> Any:
        return self.line


@functools.lru_cache(maxsize=256)
def _marked(full: str, shown: str, stamp: int) -> tuple[Any, dict[Path, int]]:
    return load_marked(read_text(full, shown), shown)


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)
