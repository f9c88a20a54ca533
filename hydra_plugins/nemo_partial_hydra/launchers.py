"""The launcher ``hydra/launcher=freeze``: a sweep becomes a directory of jobs that run later.

No postponed annotations here: see ``sweeper``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class FreezeLauncherConf:
    """The settings of ``hydra/launcher=freeze``."""

    _target_: str = "hydra_plugins.nemo_partial_hydra.launchers.FreezeLauncher"
    # recipe: the recipe alone; app: the app's function with the config; auto: what the app says
    payload: str = "auto"


class FreezeLauncher(Launcher):
    """Launcher whose logic is ``nemo_partial_hydra.launchers.sweep``."""

    checks_jobs = True
    """Composes and checks all jobs before the first one is written: a sweeper need not do that too."""

    def __init__(self, **params: Any) -> None:
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.function = task_function
        self.settings = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from nemo_partial_hydra.launchers.sweep import launch_frozen

        return launch_frozen(self.settings, self.context.config_loader, self.function, job_overrides, initial_job_idx)


ConfigStore.instance().store(
    group="hydra/launcher", name="freeze", node=FreezeLauncherConf, provider="nemo_partial_hydra"
)
