"""The configs of a sweep's jobs: composed once per distinct set of group choices, value overrides applied to that.

May import: OmegaConf and Hydra's public parts. Hydra composes each job anew, files, defaults list and all. But what a
value override changes, OmegaConf's public ``update`` changes on a composed config in the same way: so the jobs that
choose the same groups share one config, which has a job's values while that job is looked at and not after. Whatever is
not known to come out the same is composed as Hydra does it.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from nemo_partial_hydra.recipes.keys import FACTORY

from .compat import content, drop_child, is_absent, own_node, put_child, texts, writes_override_dirname

_OF_SWEEP = ("hydra/launcher", "hydra/sweeper")
_ADDS = (OverrideType.ADD, OverrideType.FORCE_ADD)
_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")  # nothing that a version reads in its own way
_KEPT = 32  # composed configs that are kept; one takes about 2 MB


class _Unsure(Exception):
    """An override that Hydra itself has to apply."""


class Composer:
    """Makes the configs of a sweep's jobs.

    Parameters
    ----------
    config : the sweep's own config, as Hydra hands it to sweepers and launchers.
    loader : Hydra's config loader.
    jobs : the overrides of all jobs.
    """

    def __init__(self, config: DictConfig, loader: Any, jobs: Sequence[Sequence[str]]) -> None:
        self.config = config
        self.loader = loader
        self.constant = set(jobs[0]).intersection(*jobs[1:]) if jobs else set()
        self._parser = OverridesParser.create()
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], DictConfig | None] = {}

    @contextlib.contextmanager
    def job(self, number: int, overrides: Sequence[str]) -> Iterator[DictConfig]:
        """Give the config of a job, with its number, for as long as the block lasts.

        Raises
        ------
        HydraException, OmegaConfBaseException
            Those with which composing it fails.
        """
        lines = list(overrides)
        chosen, values = self._split(lines)
        base = self._base(chosen) if values else None
        with contextlib.ExitStack() as undo:
            if base is not None:
                try:
                    for override in values:
                        _apply(base, override, undo)
                except _Unsure:
                    undo.close()
                    base = None
            config = self.loader.load_sweep_config(self.config, lines) if base is None else base
            with read_write(config.hydra), open_dict(config.hydra):
                config.hydra.job.num = number
                config.hydra.job.id = str(number)
                if base is not None:
                    self._describe(config, lines)
            yield config

    @contextlib.contextmanager
    def anew(self, overrides: Sequence[str]) -> Iterator[DictConfig]:
        """Give the config of a job as Hydra composes it, nothing of it shared with another job."""
        yield self.loader.load_sweep_config(self.config, list(overrides))

    def chosen(self, group: str) -> str:
        """Return the option of a group that the sweep itself has."""
        return str(self.config.hydra.runtime.choices.get(group))

    def unused(self, config: DictConfig) -> list[str]:
        """Return what a job's config chooses that only the sweep can choose, and has not: its launcher and sweeper.

        Hydra 1.3 runs the job with those of the sweep all the same; from 1.4 on it refuses to compose it.
        """
        choices = config.hydra.runtime.choices
        return [f"{group}={choices.get(group)}" for group in _OF_SWEEP if str(choices.get(group)) != self.chosen(group)]

    def _split(self, lines: Sequence[str]) -> tuple[tuple[str, ...], list[Override]]:
        """Return the overrides to compose with, and those to apply to that, both in their order."""
        chosen: list[str] = []
        values: list[Override] = []
        for line in lines:
            override = self._parse(line)
            if self._chooses(override):
                chosen.append(line)
                continue
            # One that touches what an earlier one of this job sets stays behind it; so does one that adds a key after
            # one that does, since the order of keys is theirs.
            adds = override.type in _ADDS
            key = override.key_or_group
            behind = any((adds and it.type in _ADDS) or _overlap(key, it.key_or_group) for it in values)
            if not behind and (line in self.constant or not _plain(override)):
                chosen.append(line)
            elif _plain(override):
                values.append(override)
            else:
                return tuple(lines), []
        return tuple(chosen), values

    def _parse(self, line: str) -> Override:
        if line not in self._parsed:
            self._parsed[line] = self._parser.parse_override(line)
        return self._parsed[line]

    def _chooses(self, override: Override) -> bool:
        """Whether an override is one of the defaults list or of Hydra's own settings, which are composed before."""
        key = override.key_or_group
        if FACTORY in key.split("."):  # what stands beside it is made anew
            return True
        if override.package is not None or key == "hydra" or key.startswith("hydra."):
            return True
        return not isinstance(override.value(), dict) and self._is_group(key)

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            hydra = self.config.hydra
            given = texts(hydra.overrides.hydra)
            found = self.loader.get_group_options(key, None, config_name=hydra.job.config_name, overrides=given)
            self._groups[key] = bool(found)
        return self._groups[key]

    def _base(self, chosen: tuple[str, ...]) -> DictConfig | None:
        """Return the config composed with some overrides, as new; None if it cannot be composed without the others."""
        if chosen not in self._bases:
            if len(self._bases) >= _KEPT:
                del self._bases[next(iter(self._bases))]
            try:
                self._bases[chosen] = self.loader.load_sweep_config(self.config, list(chosen))
            except (HydraException, OmegaConfBaseException, TypeError, ValueError, AssertionError):
                self._bases[chosen] = None  # composing the whole job tells what is wrong
        base = self._bases[chosen]
        if base is not None:
            # What a cached resolver (now, a random name) gave one job is not the next one's.
            OmegaConf.clear_cache(base)
            OmegaConf.copy_cache(self.config, base)
        return base

    def _describe(self, config: DictConfig, lines: Sequence[str]) -> None:
        """Write into the ``hydra`` node, which is open for that, what depends on a job's overrides."""
        own = [line for line in lines if not self._parse(line).is_hydra_override()]
        config.hydra.overrides.task = own
        if writes_override_dirname():
            settings = config.hydra.job.config.override_dirname
            named = sorted(line for line in own if self._parse(line).key_or_group not in settings.exclude_keys)
            config.hydra.job.override_dirname = settings.item_sep.join(named).replace("=", settings.kv_sep)


def _plain(override: Override) -> bool:
    """Whether an override sets a value in a way that is the same in every version of Hydra."""
    kinds = (OverrideType.CHANGE, *_ADDS)
    return override.type in kinds and _KEY.match(override.key_or_group) is not None and not override.is_sweep_override()


def _overlap(key: str, other: str) -> bool:
    """Whether one of two paths leads through the other."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _apply(config: DictConfig, override: Override, undo: contextlib.ExitStack) -> None:
    """Apply a value override as Hydra does, with Hydra's words for what is wrong with it."""
    key, value = override.key_or_group, override.value()
    adds = override.type in _ADDS
    _keep(config, key.split("."), isinstance(value, (dict, list)), undo)
    try:
        lone = override.type == OverrideType.ADD and not isinstance(value, (dict, list))
        if lone and OmegaConf.select(config, key, throw_on_missing=False) is not None:
            raise _Unsure  # Hydra says that something stands there
        OmegaConf.update(config, key, value, merge=True, force_add=adds)
    except (ConfigAttributeError, ConfigKeyError) as error:
        if adds:
            raise ConfigCompositionException(f"Error merging override {override.input_line}") from error
        raise ConfigCompositionException(
            f"Could not override '{key}'.\nTo append to your config use +{override.input_line}"
        ) from error
    except OmegaConfBaseException as error:
        raise ConfigCompositionException(f"Error merging override {override.input_line}") from error


def _keep(config: DictConfig, keys: Sequence[str], merges: bool, undo: contextlib.ExitStack) -> None:
    """Put a copy in the place of the node that an override changes, and have the node itself put back.

    Raises
    ------
    _Unsure
        If the path leads through a reference: what is changed stands elsewhere.
    """
    parent: Any = config
    for depth, key in enumerate(keys):
        name: Any = key
        if isinstance(parent, ListConfig):
            node: Any = own_node(parent, key)
            if node is None:
                raise _Unsure
            name = int(key)
        elif any(not isinstance(known, str) for known in parent):
            raise _Unsure
        else:
            node = own_node(parent, key)
        if node is None:
            undo.callback(drop_child, parent, name)
            return
        container = isinstance(node, (DictConfig, ListConfig))
        last = depth == len(keys) - 1
        if container and not is_absent(node) and not last:
            parent = node
            continue
        text = content(node) if not container else None
        refers = (container and is_absent(node)) or (isinstance(text, str) and "${" in text)
        if refers and (merges or not last):
            raise _Unsure
        put_child(parent, name, copy.deepcopy(node))
        undo.callback(put_child, parent, name, node)
        return
