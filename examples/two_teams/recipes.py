"""Team A's recipes. What they import is in the image only; here that is nothing but Python."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nemo_partial_hydra as nph


@dataclass
class Net:
    """A net.

    Parameters
    ----------
    layers : int
        How deep it is.
    """

    layers: int = 2
    hidden: int = 8


def train(net: Net, data: Path, lr: float = 0.1, steps: int = 100) -> str:
    """Train a net on the words of a file; here it only counts them."""
    words = data.read_text().split()
    return f"{net.layers} layers, {steps} steps, lr {lr}: {len(words)} words of {data.stem}"


@nph.recipe(group="pretrain", name="tiny")
def tiny() -> Any:
    """Pretrain a tiny net."""
    return functools.partial(train, net=Net(layers=4), data=Path("data/news.txt"))
