"""How configs are composed outside of Hydra's own run of an app, and how their errors are worded.

May import: Hydra's public parts, inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from omegaconf import DictConfig

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Workspace

from .compat import initialize_arguments, noting_defaults
from .error_text import explain

PACKAGE = "pkg://"


class LastDefaults:
    """The defaults list of the config that was composed last, for who asks where its values come from."""

    def __init__(self, workspace: Workspace) -> None:
        self._last: tuple[DictConfig, list[Any]] | None = None

    def of(self, config: DictConfig) -> list[Any] | None:
        """Return the ``ResultDefault`` objects that a config was composed from; None where they are not known."""
        return self._last[1] if self._last is not None and self._last[0] is config else None

    def noted(self, loader: Any, compose: Callable[[], DictConfig]) -> DictConfig:
        """Compose a config, and remember its defaults list."""
        with noting_defaults(loader) as defaults:
            config = compose()
        self._last = (config, defaults) if defaults else None
        return config


@contextlib.contextmanager
def opened(place: str | None, *, job_name: str = "app", version_base: str | None = None) -> Iterator[None]:
    """Have Hydra read configs from a place while the block lasts.

    Parameters
    ----------
    place : an absolute directory, a package (``pkg://my.conf``), or None for no configs of one's own.
    job_name, version_base : as Hydra takes them.
    """
    from hydra import initialize, initialize_config_dir, initialize_config_module

    settings: dict[str, Any] = {**initialize_arguments(version_base), "job_name": job_name}
    hydra: Any
    if place is None:
        hydra = initialize(config_path=None, **settings)
    elif place.startswith(PACKAGE):
        hydra = initialize_config_module(place.removeprefix(PACKAGE).replace("/", "."), **settings)
    else:
        hydra = initialize_config_dir(place, **settings)
    with hydra:
        yield


def compose(name: str | None, overrides: Sequence[str] = (), *, with_hydra: bool = False) -> DictConfig:
    """Compose a config in the place that is open, as Hydra's Compose API does.

    Parameters
    ----------
    name : the config's name.
    overrides : those that apply to it.
    with_hydra : whether the ``hydra`` node is part of it.
    """
    import hydra

    return hydra.compose(name, overrides=list(overrides), return_hydra_config=with_hydra)


def compose_run(name: str | None, overrides: Sequence[str], *, multirun: bool) -> DictConfig:
    """Compose the config of a command line, its ``hydra`` node included, which ``${hydra:...}`` then reads.

    Without ``multirun`` it is a sweep still where a config says so: ``sweeps`` tells.
    """
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode

    loader = GlobalHydra.instance().config_loader()
    mode = RunMode.MULTIRUN if multirun else RunMode.RUN
    last = session.workspace().of(LastDefaults)
    try:
        config = last.noted(loader, lambda: loader.load_configuration(name, list(overrides), mode))
    except HydraException as error:
        found = None if multirun else _sweep(loader, name, overrides)
        if found is None:
            raise error
        config = found
    HydraConfig.instance().set_config(config)
    return config


def sweeps(config: DictConfig) -> bool:
    """Whether a composed config says by itself that it is for a sweep: ``hydra: {mode: MULTIRUN}``."""
    mode = config.hydra.mode
    return mode is not None and str(mode.name) == "MULTIRUN"


def _sweep(loader: Any, name: str | None, overrides: Sequence[str]) -> DictConfig | None:
    """Compose the config of a sweep, if it says that it is one."""
    from hydra.errors import HydraException
    from hydra.types import RunMode

    try:
        config: DictConfig = loader.load_configuration(name, list(overrides), RunMode.MULTIRUN)
    except HydraException:
        return None
    return config if sweeps(config) else None


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Turn errors of Hydra and OmegaConf into one readable ``UsageError``."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error) or str(error)) from None
