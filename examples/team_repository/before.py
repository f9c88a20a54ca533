"""How the team starts a training with NeMo-Run: what it wants to be different is written here.

python before.py
"""

from __future__ import annotations

import nemo_run as run

from finch.callbacks import LossLog
from finch.recipes import finch_cpu


def recipe() -> run.Partial:
    """The recipe of today's run."""
    today = finch_cpu(steps=12)
    today.learning_rate = 1e-3
    today.model.config.hidden_size = 64
    today.callbacks.append(LossLog("every_step.csv", every=1))
    return today


if __name__ == "__main__":
    run.run(recipe(), direct=True)
