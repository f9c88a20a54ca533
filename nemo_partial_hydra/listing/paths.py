"""Every path of whatever a program has: a recipe, a config of its own, a config that Hydra composed.

May import: Hydra's public parts and OmegaConf.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.composition.decode import as_config
from nemo_partial_hydra.composition.flags import app_of
from nemo_partial_hydra.runtime import session

from .html_page import Listed
from .walk import describe


def paths(cfg: Any, *, allow: Iterable[str] = ()) -> Listed:
    """Implement :func:`nemo_partial_hydra.paths`."""
    if not isinstance(cfg, (DictConfig, dict)):
        from nemo_partial_hydra.composition.encode import to_config

        cfg = to_config(cfg)
    config, history = as_config(cfg), None
    if _can_be_traced(config):
        from .provenance import claims

        history = claims(config)
    with session.as_app(app_of(config)):
        return Listed(describe(config, history, allow=allow))


def _can_be_traced(config: DictConfig) -> bool:
    """Whether a config says what it was composed from, and Hydra is still there to read it again."""
    if "hydra" not in config or OmegaConf.select(config, "hydra.runtime.config_sources") is None:
        return False
    from hydra.core.global_hydra import GlobalHydra

    return bool(GlobalHydra.instance().is_initialized())
