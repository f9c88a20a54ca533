"""A command line composed without running the app: for the listing, for completion, for a report of all refusals.

May import: Hydra's public parts. Hydra's own run would compose twice, set up logging and start the app's callbacks.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from omegaconf import DictConfig

from nemo_partial_hydra.composition.compose import compose_run, opened

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
    with opened(path, job_name=_job_name(), version_base=version_base):
        yield compose_run(name, line.overrides, multirun=line.multirun)


def _job_name() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__").rpartition(".")[2]
    return os.path.splitext(os.path.basename(sys.argv[0]))[0] or "app"
