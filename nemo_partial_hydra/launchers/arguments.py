"""Launcher settings from a command line, for jobs that are frozen already.

May import: the standard library and the clusters; Hydra, inside ``composed``.
"""

from __future__ import annotations

import os
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
    from hydra import compose, initialize, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf, read_write
    from omegaconf.errors import OmegaConfBaseException

    from nemo_partial_hydra.composition.compat import initialize_arguments
    from nemo_partial_hydra.composition.error_text import explain
    from nemo_partial_hydra.dialect.scalars import escape_interpolation

    GlobalHydra.instance().clear()
    base = initialize_arguments(None)
    opened: Any = (
        initialize(config_path=None, **base)
        if config_dir is None
        else initialize_config_dir(os.path.abspath(config_dir), **base)
    )
    try:
        with opened:
            config = compose(overrides=list(arguments), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error) or str(error)) from None
    named = any(text.lstrip("+").startswith("hydra.job.name=") for text in arguments)
    with read_write(config), read_write(config.hydra):
        config.hydra.sweep.dir = escape_interpolation(str(sweep.directory))
        if not named:
            config.hydra.job.name = escape_interpolation(name)
    cluster = clusters.of_launcher(str(config.hydra.runtime.choices["hydra/launcher"]))
    return OmegaConf.to_container(config.hydra.launcher, resolve=True), cluster


def _check(arguments: Sequence[str]) -> None:
    for text in arguments:
        key = text.lstrip("+~").partition("=")[0]
        if key not in ("hydra/launcher", "hydra.job.name") and not key.startswith("hydra.launcher."):
            raise UsageError(
                f"{text}: the jobs are frozen: only hydra/launcher=... and hydra.launcher.*=... can be set"
            )
