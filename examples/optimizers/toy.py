"""The targets of the example: plain Python, as recipes name them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


class Schedule(enum.Enum):
    """How the learning rate goes on."""

    CONSTANT = "constant"
    COSINE = "cosine"


@dataclass
class SGD:
    """Plain gradient descent.

    Parameters
    ----------
    lr
        The learning rate.
    momentum
        How much of the last step is kept.
    """

    lr: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False


@dataclass
class Adam:
    """Adam.

    Parameters
    ----------
    lr
        The learning rate.
    betas
        Decay of the two running means.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Schedule = Schedule.CONSTANT
    precision: Literal["fp32", "bf16"] = "fp32"


def mean(values: list[float]) -> float:
    """Average a list of losses."""
    return sum(values) / len(values)


def train(
    optimizers: list[SGD | Adam],
    steps: int = 100,
    reduce: Callable[[list[float]], float] = mean,
    tags: dict[str, str] | None = None,
) -> None:
    """Print what would be trained with."""
    for index, optimizer in enumerate(optimizers):
        print(f"optimizers.{index}: {optimizer}")
    print(f"steps: {steps}, reduce: {reduce.__name__}, tags: {tags or {}}")
