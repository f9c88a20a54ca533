"""Launcher settings from a command line, for jobs that are frozen already.

May import: the standard library and the clusters; Hydra, inside ``composed``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs.layout import SweepPaths

from .clusters.base import Cluster
from .clusters.registry import CLUSTERS, Clusters


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
    cluster = clusters.of_launcher(str(config.hydra.runtime.choices["hydra/launcher"]))
    return OmegaConf.to_container(config.hydra.launcher, resolve=True), cluster


_NUMBERS = re.compile(r"\d{1,6}(?:-\d{1,6})?(?:,\d{1,6}(?:-\d{1,6})?)*", re.ASCII)


def split_words(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Tell the numbers of jobs (``3-7,9``) from settings.

    Raises
    ------
    UsageError
        For a word that is neither, and for a range without a number.
    """
    numbers, settings = list[int](), []
    for word in words:
        if _NUMBERS.fullmatch(word):
            for part in word.split(","):
                first, _, last = part.partition("-")
                found = range(int(first), int(last or first) + 1)
                if not found:
                    raise UsageError(f"{part} has no number; write {last}-{first}")
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
