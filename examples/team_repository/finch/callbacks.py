"""What the team wants to know while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl


class LossLog(pl.Callback):  # type: ignore[misc]
    """Write the loss into a file, a line a step: its number, a comma, the loss.

    Parameters
    ----------
    path : str
        The file, in the directory of the job.
    every : int
        Which steps: 10 is the tenth, the twentieth, ...
    """

    def __init__(self, path: str = "losses.csv", every: int = 10) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Write a line."""
        if trainer.global_step % self.every == 0:
            with Path(self.path).open("a", encoding="utf-8") as file:
                file.write(f"{trainer.global_step},{float(outputs['loss']):.4f}\n")
