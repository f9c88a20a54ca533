"""A team's recipes: factories as NeMo-Run knows them."""

from __future__ import annotations

from dataclasses import dataclass

import nemo_run as run

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


def train(net: Net, steps: int = 100, num_nodes: int = 1) -> None:
    """Say what would be trained."""
    print(f"{net}, {steps} steps on {num_nodes} node(s)")


@nph.recipe(group="pretrain", name="tiny")
def tiny(num_nodes: int = 1) -> run.Partial:
    """Pretrain a tiny net."""
    return run.Partial(train, net=run.Config(Net, layers=4), num_nodes=num_nodes)


def resumed(path: str) -> run.Partial:
    """Go on where a checkpoint ends."""
    return run.Partial(train, net=run.Config(Net))
