"""Recipe files in YAML: read once, served to Hydra as typed configs.

May import: OmegaConf. Used by the plugin's config sources, and to check libraries.
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.dialect.interop import adopted
from nemo_partial_hydra.dialect.yaml import load, read_text
from nemo_partial_hydra.errors import (
    DialectError,
    FilePolicyError,
    PolicyError,
    RecipeError,
    SignatureError,
    ValidationError,
)
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.policy.scan import Argument, names_in
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Workspace
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.types import ANY

from .encode import reference_node
from .file_dicts import of_file
from .hydra_settings import HydraSettings
from .root_keys import RootKeys
from .typed import is_node, names_a_place, skeleton, typed_config, typed_list

Lookup = Callable[[str], Signature | None]
Config = DictConfig | ListConfig
NODES = 50_000  # each becomes one of OmegaConf's, which takes more than ten times as long as to read it
SKELETON = "nph_signature"  # the group under which the skeletons of files with a defaults list are served


@dataclass(frozen=True)
class Served:
    """One file in the two forms that Hydra asks for; ``head`` is the beginning of its text, which names a package.

    ``settings_open`` says whether only the composed config tells what Hydra is to make of it.
    """

    stamp: tuple[int, int]
    head: str
    config: Config
    skeleton: DictConfig | None
    defaults: Any = None
    settings_open: bool = False


_HEAD = 512  # characters in which Hydra looks for a package
_NEVER = (-1, -1)  # the stamp of what stands for a file but is not it


class ServedFiles:
    """The recipe files that an app reads, each once; one is read anew when it has changed.

    Parameters
    ----------
    workspace : says what the files may name, and what their targets accept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._served: dict[tuple[Any, ...], Served] = {}
        self._settings = workspace.of(HydraSettings)

    def read(self, path: str, name: str, *, primary: bool) -> tuple[Config, str]:
        """Return a fresh config of a recipe file, which may be a list of recipes, and the beginning of its text.

        Parameters
        ----------
        path : the file.
        name : its config path, like ``model/llama_tiny.yaml``, as messages name it.
        primary : whether it is the app's primary config, whose search path is made typed too.

        Raises
        ------
        RecipeError
            If the file is no YAML, names what is not allowed, or sets what its targets do not accept.
        """
        served = self._serve(path, name, primary)
        self._settings.served(served.settings_open, name)
        shown = served.skeleton if served.skeleton is not None else served.config
        if primary and isinstance(shown, DictConfig):
            self._workspace.of(RootKeys).note(shown.keys(), served.defaults)
        return fresh(served.config), served.head

    def read_skeleton(self, path: str, name: str, *, primary: bool) -> DictConfig:
        """Return a fresh typed skeleton of a file with a defaults list; parameters as for :meth:`read`."""
        served = self._serve(path, name, primary)
        return copy.deepcopy(served.skeleton) if served.skeleton is not None else OmegaConf.create({})

    def _serve(self, path: str, name: str, primary: bool) -> Served:
        self._workspace.signatures.use(path.removesuffix(name).rstrip(os.sep) or os.sep)
        status = os.stat(path)
        stamp = (status.st_mtime_ns, status.st_size)
        key = (path, primary, self._settings.calls, self._settings.put(name))
        known = self._served.get(key)
        if known is None or known.stamp != stamp:
            try:
                known = self._make(path, name, stamp, primary)
            except RecursionError:  # OmegaConf takes several calls a level
                raise DialectError(f"{name}: it is nested too deeply for a config") from None
            except OmegaConfBaseException as error:  # an interpolation that is none
                raise DialectError(f"{name}: {str(error).partition(chr(10))[0]}") from None
            self._served[key] = known
        return known

    def _make(self, path: str, name: str, stamp: tuple[int, int], primary: bool) -> Served:
        data, text = _read(path, name)
        head = text[:_HEAD]
        if isinstance(data, list):
            return self._make_list(data, name, stamp, text)
        place = self._settings.place(name, text)
        if not self._allowed(data, name, place):
            return Served(_NEVER, head, _plain({"defaults": data.get("defaults", [])}), None, data.get("defaults"))
        self._settings.note_defaults(name, place, data.get("defaults"))
        is_open = self._settings.note(data, place)
        if place:
            config = OmegaConf.create(_with_search_path(data) if primary else data)
            return Served(stamp, head, config, None, data.get("defaults"), is_open)
        if not _has_node(data):
            defaults = data.get("defaults")
            return Served(stamp, head, _plain(_with_search_path(data) if primary else data), None, defaults, is_open)
        defaults = data.pop("defaults", None)
        hydra = data.pop("hydra", None)
        if hydra is not None and defaults is None:
            defaults = ["_self_"]  # a typed node takes no key beside its parameters, what a file says does
        lookup: Lookup = functools.partial(self._lookup, name)
        problems = Problems()
        data = adopted(data, lookup)
        config = typed_config(data, lookup, problems, defaults=defaults is None)
        if problems.messages and self._workspace.differs(data):
            # What it was written for is said to have changed before the run.
            problems, lookup = Problems(), functools.partial(self._lookup_as_written, name)
            config = typed_config(data, lookup, problems, defaults=defaults is None)
        _check(problems, name)
        base = None
        if defaults is not None:
            base = skeleton(data, lookup)
            config = _sparse(data, lookup)
            of_file(base)
            of_file(config)
            stem = name.removesuffix(".yaml")
            config.defaults = OmegaConf.create([f"/{SKELETON}/{stem}@_here_", *defaults])
        if hydra is not None:
            typed = _with_search_path({"hydra": hydra}) if primary else {"hydra": hydra}
            config.hydra = OmegaConf.create(typed["hydra"])
        return Served(stamp, head, config, base, defaults, is_open)

    def _allowed(self, data: Any, name: str, place: Path) -> bool:
        """Whether the policy allows what a file names; if not, whoever collects refusals is told.

        Raises
        ------
        FilePolicyError
            If it does not, and nobody collects.
        """
        calls = self._settings.calls
        try:
            self._workspace.policy.check_file(data, hydra=bool(place), place=place, calls=calls)
        except PolicyError as error:
            why = f"{name}: {error}"
            if not session.collects(why):
                raise FilePolicyError(why) from None
            return False
        return True

    def _make_list(self, data: list[Any], name: str, stamp: tuple[int, int], text: str) -> Served:
        """Make a group option that is a list (of callbacks), as Hydra takes it for the content of its package."""
        place = self._settings.place(name, text)
        if not self._allowed(data, name, place):
            return Served(_NEVER, text[:_HEAD], OmegaConf.create([]), None)
        if place:
            is_open = self._settings.note(data, place)
            return Served(stamp, text[:_HEAD], OmegaConf.create(data), None, settings_open=is_open)
        lookup: Lookup = functools.partial(self._lookup, name)
        problems = Problems()
        data = adopted(data, lookup)
        config = typed_list(data, lookup, problems)
        if problems.messages and self._workspace.differs(data):
            problems, lookup = Problems(), functools.partial(self._lookup_as_written, name)
            config = typed_list(data, lookup, problems)
        _check(problems, name)
        return Served(stamp, text[:_HEAD], config, None)

    def _lookup(self, name: str, target: str) -> Signature | None:
        """Return the signature of a file's target; during completion nothing is imported for it."""
        if session.completing() and not self._workspace.knows(target):
            return None
        try:
            return self._workspace.approved(target)
        except SignatureError as error:
            session.note_unreadable(target, f"{name}: {error}")
            return None
        except RecipeError as error:
            raise type(error)(f"{name}: {error}") from None

    def _lookup_as_written(self, name: str, target: str) -> Signature | None:
        return self._workspace.either(target, self._lookup(name, target))


def fresh(config: Config) -> Config:
    """Return a copy that Hydra may change; where only headers are wanted, one without the values."""
    if not session.wants_headers():
        return copy.deepcopy(config)
    listed = isinstance(config, DictConfig) and "defaults" in config
    return OmegaConf.create({"defaults": copy.deepcopy(config.defaults)} if listed else {})


def _read(path: str, name: str) -> tuple[dict[Any, Any] | list[Any], str]:
    """Return the data of a file and its text.

    What a file may be is what OmegaConf's own reading of files takes: a mapping, a list, nothing, or one text, which
    is the name of a key without a value.
    """
    try:
        text = read_text(path, name)
    except (OSError, UnicodeDecodeError) as error:
        raise DialectError(f"{name}: {error}") from None
    data = load(text, name, nodes=NODES)
    if data is None:
        data = {}
    elif isinstance(data, str):
        data = {data: None}
    if not isinstance(data, (dict, list)):
        raise DialectError(f"{name}: a config file is a mapping or a list, got {data!r}")
    problems = Problems()
    for place, target in names_in(data):
        if not isinstance(target, (str, Argument)):
            problems.add((*place, TARGET), f"expected a dotted name, got {target!r}")
    if isinstance(data, dict) and not isinstance(data.get("defaults", []), list):
        problems.add(("defaults",), f"expected a list, got {data['defaults']!r}")
    _check(problems, name)
    return data, text


def _check(problems: Problems, name: str) -> None:
    try:
        problems.check(ValidationError)
    except ValidationError as error:
        raise ValidationError(f"{name}: {error}") from None


def _plain(data: dict[Any, Any]) -> DictConfig:
    """Make the config of a file without recipe nodes: Hydra's own keys as they are, the rest marked as set."""
    own = {key: value for key, value in data.items() if key in ("defaults", "hydra")}
    made = typed_config({k: v for k, v in data.items() if k not in own}, lambda target: None, Problems())
    of_file(made)
    for key, value in own.items():
        OmegaConf.update(made, key, OmegaConf.create({"value": value}).value, force_add=True)
    return made


def _sparse(data: dict[Any, Any], lookup: Lookup) -> DictConfig:
    """Make what a file says without its nodes' unset parameters; elements of lists are complete."""
    out: dict[Any, Any] = {}
    signature = lookup(data[TARGET]) if is_node(data) else None
    for key, value in data.items():
        spec = (signature.type_of(key) if signature is not None else None) or ANY
        if isinstance(value, dict):
            out[key] = _sparse(value, lookup)
        elif isinstance(value, list):
            out[key] = typed_config({key: value}, lookup, Problems())[key]
        else:
            out[key] = reference_node(value, spec) if names_a_place(value, spec) else value
    return OmegaConf.create(out)


def _has_node(data: Any) -> bool:
    if is_node(data):
        return True
    if isinstance(data, dict):
        return any(_has_node(value) for key, value in data.items() if key not in ("hydra", "defaults"))
    return isinstance(data, list) and any(map(_has_node, data))


def _with_search_path(data: dict[Any, Any]) -> dict[Any, Any]:
    """Make the directories of ``hydra.searchpath`` typed as well."""
    hydra = data.get("hydra")
    if isinstance(hydra, dict) and isinstance(hydra.get("searchpath"), list):
        entries = [session.typed_entry(entry, session.current()) for entry in hydra["searchpath"]]
        return {**data, "hydra": {**hydra, "searchpath": entries}}
    return data
