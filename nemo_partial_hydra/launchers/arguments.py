"""Launcher settings from a command line, for jobs that are frozen already.

May import: the standard library and the clusters; Hydra, inside ``composed``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs.layout import SweepPaths

from .clusters.base import Cluster
from .clusters.registry import CLUSTERS, Clusters
from .selection import Pick, picks_of


def composed(
    arguments: Sequence[str],
    sweep: SweepPaths,
    name: str,
    config_dir: str | None = None,
    clusters: Clusters = CLUSTERS,
) -> tuple[Any, Cluster]:
    """Compose ``hydra.launcher`` for jobs that are frozen already.

    Parameters
    ----------
    arguments : ``hydra/launcher=...``, ``hydra.launcher.*=...`` and ``hydra.job.name=...``.
    sweep, name : the sweep that the jobs belong to, and what they are called unless an argument says it.
    config_dir : a config directory with launchers of the user's own.
    clusters : where the launcher's cluster is looked up.

    Returns
    -------
    The settings as plain data, and the cluster that the launcher sends to.

    Raises
    ------
    UsageError
        For an argument that is no setting of a launcher, or no launcher of this package.
    """
    _check(arguments)
    if config_dir is None and not any(text.startswith("hydra/launcher=") for text in arguments):
        raise UsageError(f"name the launcher: hydra/launcher={' or hydra/launcher='.join(clusters.launchers)}")
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf, read_write

    from nemo_partial_hydra.composition.compose import compose, opened, usage_errors
    from nemo_partial_hydra.dialect.scalars import escape_interpolation

    GlobalHydra.instance().clear()
    with usage_errors(), opened(None if config_dir is None else os.path.abspath(config_dir)):
        config = compose(None, arguments, with_hydra=True)
    named = any(text.lstrip("+").startswith("hydra.job.name=") for text in arguments)
    with read_write(config), read_write(config.hydra):
        config.hydra.sweep.dir = escape_interpolation(str(sweep.directory))
        if not named:
            config.hydra.job.name = escape_interpolation(name)
    chosen = str(config.hydra.runtime.choices["hydra/launcher"])
    if chosen not in clusters.launchers:  # a file of the user's own, which is one of ours with other settings
        chosen = _built_on(str(config.hydra.launcher._target_), clusters) or chosen
    cluster = clusters.of_launcher(chosen)
    return OmegaConf.to_container(config.hydra.launcher, resolve=True), cluster


def _built_on(target: str, clusters: Clusters) -> str | None:
    """Return the launcher of a cluster that has this target; None where none has."""
    from hydra.core.config_store import ConfigStore

    known = ConfigStore.instance()
    for name in clusters.launchers:
        with contextlib.suppress(Exception):  # a cluster whose launcher is a file of its package
            node: Any = known.load(f"hydra/launcher/{name}.yaml").node
            if str(node._target_) == target:
                return name
    return None


def split_words(words: Sequence[str]) -> tuple[list[Pick], list[str]]:
    """Tell the numbers of jobs (``3-7,9``, ``3/train``) from settings.

    Raises
    ------
    UsageError
        For a word that is neither, and for a range without a number.
    """
    numbers, settings = list[Pick](), []
    for word in words:
        found = picks_of(word)
        if found is not None:
            numbers += found
        elif "=" in word or word.startswith("~"):
            settings.append(word)
        else:
            raise UsageError(f"{word}: neither numbers of jobs (3-7,9) nor hydra.launcher.*=...")
    return numbers, settings


def _check(arguments: Sequence[str]) -> None:
    for text in arguments:
        key = text.lstrip("+~").partition("=")[0]
        if key not in ("hydra/launcher", "hydra.job.name") and not key.startswith("hydra.launcher."):
            raise UsageError(
                f"{text}: the jobs are frozen: only hydra/launcher=... and hydra.launcher.*=... can be set"
            )
