"""A command line composed without running the app: for the listing, for completion, for a report of all refusals.

May import: Hydra's public parts. Hydra's own run would compose twice, set up logging and start the app's callbacks.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig

from nemo_partial_hydra.composition.compat import initialize_arguments

from .command_line import CommandLine


@contextlib.contextmanager
def composed(line: CommandLine, path: str | None, name: str | None, version_base: str | None) -> Iterator[DictConfig]:
    """Compose the config of a command line as Hydra does, its ``hydra`` node included.

    Parameters
    ----------
    line : the command line as Hydra is to see it.
    path : the app's config directory, absolute, or a package's (``pkg://``).
    name : the app's config.
    version_base : as in ``hydra.main``.
    """
    from hydra import initialize, initialize_config_dir, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    base = {**initialize_arguments(version_base), "job_name": _job_name()}
    opened: Any
    if path is None:
        opened = initialize(config_path=None, **base)
    elif path.startswith("pkg://"):
        opened = initialize_config_module(path.removeprefix("pkg://").replace("/", "."), **base)
    else:
        opened = initialize_config_dir(path, **base)
    with opened:
        mode = RunMode.MULTIRUN if line.multirun else RunMode.RUN
        config = GlobalHydra.instance().config_loader().load_configuration(name, line.overrides, mode)
        HydraConfig.instance().set_config(config)  # what ${hydra:...} reads
        yield config


def _job_name() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__").rpartition(".")[2]
    return os.path.splitext(os.path.basename(sys.argv[0]))[0] or "app"
