"""The callback ``hydra/callbacks=cfg_paths``, which lists all paths of a config instead of running the app.

No postponed annotations here: see ``sweeper``.
"""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore


@dataclass
class CfgPathsConf:
    """The settings of ``hydra/callbacks=cfg_paths``."""

    _target_: str = "nemo_partial_hydra.listing.callback.CfgPaths"
    format: str = "table"
    package: str | None = None
    filter: str | None = None
    set_only: bool = False
    depth: int | None = None
    search: str | None = None


ConfigStore.instance().store(
    group="hydra/callbacks", name="cfg_paths", node={"cfg_paths": CfgPathsConf()}, provider="nemo_partial_hydra"
)
