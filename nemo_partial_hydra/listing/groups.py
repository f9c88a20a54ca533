"""Config groups as records of the listing: what is chosen, what could be, and who chose it.

May import: Hydra's public parts and OmegaConf.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.composition.compat import texts
from nemo_partial_hydra.composition.yaml_files import SKELETON
from nemo_partial_hydra.runtime import session

from .override_text import shell
from .provenance import Claims
from .record import GROUP, PathInfo


def group_records(config: DictConfig, history: Claims, *, hydra: bool = False) -> list[PathInfo]:
    """Return one record a config group: those that are chosen, and the app's others; or Hydra's own.

    Parameters
    ----------
    config : the composed config with its ``hydra`` node.
    history : who chose what.
    hydra : whether Hydra's own groups are meant.
    """
    options = _Options(config)
    chosen: dict[str, Any] = dict(OmegaConf.to_container(config.hydra.runtime.choices))  # type: ignore[arg-type]
    found = [
        _chosen(key, choice, options.of(key.partition("@")[0]), history)
        for key, choice in chosen.items()
        if key.startswith("hydra/") == hydra
    ]
    libraries = session.workspace().catalog
    known = {key.partition("@")[0] for key in chosen}
    if not hydra:
        found += [
            _open(group, names)
            for group in options.groups()
            # What only a recipe library has is no news: nemo-hydra library lists it.
            if group not in known and (names := options.of(group)) and not libraries.below(group)[1].issuperset(names)
        ]
    return sorted(found, key=lambda info: info.path)


def _chosen(key: str, choice: Any, options: list[str], history: Claims) -> PathInfo:
    claim = history.choices.get(key)
    text = f"{key}={choice}" if isinstance(choice, str) else None
    if isinstance(choice, list):
        text = f"{key}=[{','.join(map(str, choice))}]"
    override = claim is not None and claim.layer.kind == "override"
    return PathInfo(
        path=key,
        type=GROUP,
        value=choice,
        set=True,
        overridable=text is not None,
        override=shell(text) if text is not None else None,
        why_not=None if text is not None else f"nothing is chosen: choose with {key}=OPTION",
        choices=tuple(options),
        kind="override" if override else "config",
        source=claim.layer.source if claim is not None else None,
        line=claim.line if claim is not None else None,
        before=None,
    )


def _open(group: str, options: list[str]) -> PathInfo:
    example = options[0] if options else "OPTION"
    return PathInfo(
        path=group,
        type=GROUP,
        overridable=False,
        why_not=f"not in the defaults list: add it with +{group}={example}",
        choices=tuple(options),
    )


class _Options:
    """The groups and options of an app."""

    def __init__(self, config: DictConfig) -> None:
        from hydra.core.global_hydra import GlobalHydra

        self.loader = GlobalHydra.instance().config_loader()
        self.sources = [source for source in self.loader.get_sources() if source.available()]
        self.more: dict[str, Any] = {}
        if OmegaConf.select(config, "hydra.searchpath"):
            # Entries of the config's own search path are known only to a repository that has read it.
            overrides = [text for part in ("hydra", "task") for text in texts(config.hydra.overrides[part])]
            self.more = {"config_name": config.hydra.job.config_name, "overrides": overrides}

    def of(self, group: str) -> list[str]:
        return sorted({*self._listed(group, "CONFIG")})

    def groups(self, parent: str = "") -> Iterator[str]:
        """Yield the app's groups that have options, nested ones too."""
        for name in sorted({*self._listed(parent, "GROUP")}):
            group = f"{parent}/{name}" if parent else name
            if group not in ("hydra", SKELETON):
                if self.of(group):
                    yield group
                yield from self.groups(group)

    def _listed(self, group: str, kind: str) -> Iterable[str]:
        from hydra.core.object_type import ObjectType

        wanted = ObjectType[kind]
        if self.more:
            return self.loader.get_group_options(group, wanted, **self.more)
        return [name for s in self.sources if not group or s.is_group(group) for name in s.list(group, wanted)]
