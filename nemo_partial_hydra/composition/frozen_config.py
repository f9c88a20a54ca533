"""A composed config as plain data for job.yaml, and the same config made of it again, in another process.

May import: OmegaConf. Interpolations stay as they are written, since the job resolves them as it would have done here.
Recipes are in the dialect, with what is set, so that they can be read and have their full signatures again. What plain
data has not, the classes of structured configs, enumerations, paths, is said beside it.
"""

from __future__ import annotations

import base64
import enum
import pathlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.errors import JobError, ValidationError
from nemo_partial_hydra.jobs.placeholders import is_secret
from nemo_partial_hydra.messages import Problems, placed
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.signatures.signature import Lookup

from .compat import child_nodes, content, is_absent, place_of, raw_child, resolved_in
from .flags import SAID, is_arguments
from .late_imports import resolvers_of
from .typed import typed_config

RECIPE, PATH, BYTES, CLASS, ENUM = "recipe", "path", "bytes", "class", "enum"
_PLAIN = (str, int, float, bool, type(None))
_BUILT_IN = frozenset({"hydra", "now", "python_version"})
_NOW = re.compile(r"(?<!\\)\$\{now:[^${}]*\}")
Freeze = Callable[[DictConfig, Path], Any]


@dataclass
class Frozen:
    """A config as plain data.

    Attributes
    ----------
    data : the values, interpolations and recipes.
    types : what is no plain data, by JSON pointer.
    values : what interpolations of other resolvers than those of OmegaConf and Hydra came to, by JSON pointer.
    """

    data: Any = None
    types: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def frozen_config(
    config: DictConfig, freeze: Freeze, name: Callable[[type], str], without: frozenset[str] = frozenset()
) -> Frozen:
    """Write a config as plain data.

    Parameters
    ----------
    config : a composed config, or a part of one.
    freeze : writes a recipe in the dialect; it gets its node and path.
    name : gives the dotted name by which the job imports a class.
    without : keys of its root that are left out.

    Raises
    ------
    ValidationError
        Naming every value that no other process can make again.
    """
    writer = _Writer(freeze, name, config)
    writer.frozen.data = writer.node(config, (), without)
    writer.problems.check(ValidationError)
    return writer.frozen


class _Writer:
    def __init__(self, freeze: Freeze, name: Callable[[type], str], root: DictConfig) -> None:
        self.freeze, self.name, self.root = freeze, name, root
        self.frozen = Frozen()
        self.problems = Problems()

    def node(self, node: Any, path: Path, without: frozenset[str] = frozenset()) -> Any:
        if not isinstance(node, (DictConfig, ListConfig)):
            return self.leaf(node, path)
        if is_absent(node):
            return self.text(node, content(node), path)
        if isinstance(node, ListConfig):
            return [self.node(child, (*path, key)) for key, child in child_nodes(node)]
        kind: Any = OmegaConf.get_type(node)
        if getattr(kind, "signature_", None) is not None:
            self.frozen.types[pointer(path)] = RECIPE
            return {**self.freeze(node, path), **_said(node)}
        if kind is not dict and isinstance(kind, type):
            self.named(CLASS, kind, path)
        children = [(key, child) for key, child in child_nodes(node) if key not in without]
        for key, _ in children:
            if type(key) not in (str, int, float, bool):
                self.problems.add((*path, str(key)), f"a key of type {type(key).__name__} cannot be frozen")
        return {key: self.node(child, (*path, key)) for key, child in children}

    def leaf(self, node: Any, path: Path) -> Any:
        value = content(node)
        if isinstance(value, enum.Enum):
            self.named(ENUM, type(value), path)
            return value.name
        if type(value) in _PLAIN:
            return self.text(node, value, path)
        if isinstance(value, pathlib.PurePath):
            self.frozen.types[pointer(path)] = PATH
            return str(value)
        if isinstance(value, bytes):
            self.frozen.types[pointer(path)] = BYTES
            return base64.b64encode(value).decode()
        name = type(value).__name__
        why = "lives in this process only and cannot be frozen; name a function that makes it"
        self.problems.add(path, f"{name} {why}")
        return None

    def text(self, node: Any, value: Any, path: Path) -> Any:
        """Return a plain value as the job gets it: of when it is now, it is told what it is here."""
        if not isinstance(value, str) or "${" not in value:
            return value
        self.keep_value(node, value, path)
        return _NOW.sub(lambda match: str(resolved_in(self.root, match.group())), value)

    def named(self, kind: str, found: type, path: Path) -> None:
        """Note the class of what stands at a path, which the job imports by its name."""
        if "<locals>" in found.__qualname__:
            self.problems.add(
                path, f"{found.__qualname__} is defined inside of a function, and cannot be imported by name"
            )
        self.frozen.types[pointer(path)] = f"{kind} {self.name(found)}"

    def keep_value(self, node: Any, text: str, path: Path) -> None:
        """Note what an interpolation comes to, if its resolver may be known in this process only."""
        if all(name in _BUILT_IN or name.startswith("oc.") for name in resolvers_of(text)):
            return
        if any(is_secret(word) for word in (*map(str, path), *re.findall(r"\w+", text))):
            return  # no file gets what may be a secret: the job resolves it, or says that it cannot
        parent, key = place_of(node)
        try:
            found = parent[key]
        except OmegaConfBaseException:
            return  # which the job may resolve, or tells of
        found = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
        if _is_plain(found):
            self.frozen.values[pointer(path)] = found


def _said(node: DictConfig) -> dict[str, Any]:
    """Return what the factory of a recipe was given, to which other values may refer."""
    arguments = raw_child(node, FACTORY)
    if not isinstance(arguments, DictConfig) or not is_arguments(arguments):
        return {}
    return {FACTORY: OmegaConf.to_container(arguments, enum_to_str=True)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(child) for key, child in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


def pointer(path: Path) -> str:
    """Return a path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def thawed(frozen: Frozen, lookup: Lookup, load: Callable[[str], Any]) -> DictConfig:
    """Make the config that was frozen.

    Parameters
    ----------
    frozen : the plain data.
    lookup : gives the signatures of the targets of recipes.
    load : imports a class by its dotted name, if it may be.

    Raises
    ------
    JobError
        If a class cannot be had here, or takes no such values any more.
    """
    reader = _Reader(frozen, lookup, load)
    made = reader.node(frozen.data, ())
    reader.problems.check(ValidationError)
    if not isinstance(made, DictConfig):
        raise JobError("call.config: expected a mapping")
    return made


class _Reader:
    def __init__(self, frozen: Frozen, lookup: Lookup, load: Callable[[str], Any]) -> None:
        self.frozen, self.lookup, self.load = frozen, lookup, load
        self.problems = Problems()

    def node(self, data: Any, path: Path) -> Any:
        kind, _, name = self.frozen.types.get(pointer(path), "").partition(" ")
        if kind == RECIPE and isinstance(data, Mapping):
            return self.recipe(dict(data))
        if isinstance(data, Mapping):
            return self.mapping(data, path, name if kind == CLASS else "")
        if isinstance(data, list):
            return ListConfig([self.node(child, (*path, index)) for index, child in enumerate(data)])
        if isinstance(data, str) and kind == ENUM:
            return self.member(name, data, path)
        if isinstance(data, str) and kind == PATH:
            return pathlib.Path(data)
        if isinstance(data, str) and kind == BYTES:
            return base64.b64decode(data)
        if isinstance(data, str) and pointer(path) in self.frozen.values and self.unknown(data):
            return OmegaConf.create({"": self.frozen.values[pointer(path)]})[""]
        return data

    def recipe(self, data: dict[Any, Any]) -> Any:
        said = data.pop(FACTORY, None)
        made = typed_config(data, self.lookup, self.problems)
        if isinstance(said, dict):
            with open_dict(made):
                made[FACTORY] = DictConfig(said, flags={SAID: True})
        return made

    @staticmethod
    def unknown(text: str) -> bool:
        """Whether a text's interpolations call a resolver that nobody has registered here."""
        return not all(map(OmegaConf.has_resolver, resolvers_of(text)))

    def mapping(self, data: Mapping[Any, Any], path: Path, name: str) -> DictConfig:
        made: DictConfig = OmegaConf.structured(self.loaded(name, path)) if name else DictConfig({})
        with read_write(made), open_dict(made):
            for key, value in data.items():
                try:
                    made[key] = self.node(value, (*path, key))
                except OmegaConfBaseException as error:
                    what = str(error).splitlines()[0]
                    self.problems.add((*path, key), f"{name or 'the config'} takes no such value here: {what}")
        return made

    def member(self, name: str, member: str, path: Path) -> Any:
        found = self.loaded(name, path)
        if not isinstance(found, type) or not issubclass(found, enum.Enum) or member not in found.__members__:
            raise JobError(placed(path, f"{name} has no member '{member}' here"))
        return found[member]

    def loaded(self, name: str, path: Path) -> Any:
        try:
            found = self.load(name)
        except ImportError as error:
            raise JobError(placed(path, f"there is no {name} here, of which the config was frozen: {error}")) from None
        if not isinstance(found, type):
            raise JobError(placed(path, f"{name} is no class here, as it was when the config was frozen"))
        return found
