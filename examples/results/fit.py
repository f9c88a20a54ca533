"""A fit of a line, which logs its loss as Lightning's CSVLogger does, and fails where it diverges."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path


@dataclass
class SGD:
    """Gradient descent.

    Parameters
    ----------
    lr : float
        The learning rate.
    """

    lr: float = 0.1
    momentum: float = 0.0


def fit(optim: SGD, steps: int = 20, slope: float = 3.0, logs: Path = Path()) -> dict[str, float]:
    """Fit ``y = a * x`` to a line of a given slope, and return the last loss and what was found."""
    found, velocity, losses = 0.0, 0.0, []
    for _ in range(steps):
        velocity = optim.momentum * velocity - optim.lr * 2 * (found - slope)
        found += velocity
        losses.append((found - slope) ** 2)
    folder = logs / "version_0"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "train_loss"])
        writer.writerows(enumerate(losses))
    if not math.isfinite(losses[-1]) or losses[-1] > slope**2:
        raise FloatingPointError("the loss has grown")
    return {"loss": round(losses[-1], 6), "slope": round(found, 4)}
