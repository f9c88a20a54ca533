"""The callback by which a completion query learns the values of a path.

May import: Hydra's public parts and OmegaConf.
"""

from __future__ import annotations

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from .completing import tell
from .listing import describe
from .spelling import value_text


class CompleteValue(Callback):
    """Hydra callback that tells the values of one path instead of running the app."""

    def __init__(self, key: str) -> None:
        self.key = key

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Tell the values; never returns."""
        for info in describe(config, docs=False):
            if info.path == self.key:
                kind = info.type.removeprefix("Optional[").removesuffix("]")
                values = [*info.choices, *((True, False) if kind == "bool" else ())]
                if values and info.type.startswith("Optional["):
                    values.append(None)
                tell([str(value_text(value)) for value in values])
        raise SystemExit(0)
