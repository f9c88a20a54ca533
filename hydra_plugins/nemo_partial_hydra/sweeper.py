"""The recipe sweeper: every job of a sweep is composed and checked before the first one starts.

No postponed annotations here: Hydra runs this module while it is not in ``sys.modules``, where dataclasses look
for the names in them.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class RecipeSweeperConf:
    """The settings of ``hydra/sweeper=recipe``, those of Hydra's basic sweeper."""

    _target_: str = "hydra_plugins.nemo_partial_hydra.sweeper.RecipeSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = field(default=None)


class RecipeSweeper(Sweeper):
    """Grid sweeper whose logic is ``nemo_partial_hydra.composition.sweep``."""

    def __init__(self, max_batch_size: int | None = None, params: Any = None) -> None:
        self.max_batch_size = max_batch_size
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        self.context = hydra_context
        self.settings = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from nemo_partial_hydra.composition.sweep import sweep

        lines = [f"{key}={value}" for key, value in self.params.items()]
        return sweep(
            [*lines, *arguments],
            config=self.settings,
            loader=self.context.config_loader,
            launcher=self.launcher,
            max_batch_size=self.max_batch_size,
        )


ConfigStore.instance().store(
    group="hydra/sweeper", name="recipe", node=RecipeSweeperConf, provider="nemo_partial_hydra"
)
