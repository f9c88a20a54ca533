"""What jobs of several processes run: a reduction by torch.distributed, and a training by Lightning, both on CPU."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import time
from typing import Any


def reduced(torchrun: bool) -> dict[str, Any]:
    """Add up the ranks of all processes, over gloo.

    Parameters
    ----------
    torchrun : whether the place of each process comes from torchrun's variables; else from SLURM's.
    """
    import torch
    import torch.distributed as dist

    place = {} if torchrun else {"rank": int(os.environ["SLURM_PROCID"]), "world_size": int(os.environ["SLURM_NTASKS"])}
    dist.init_process_group("gloo", **place)
    total = torch.tensor([dist.get_rank()])
    dist.all_reduce(total)
    world = dist.get_world_size()
    dist.destroy_process_group()
    return {"sum": int(total), "world": world}


def reduced_again() -> list[dict[str, Any]]:
    """Add up the ranks, wait until the time is over; do so once more after the requeue, and return both."""
    rank = os.environ["RANK"]
    file = pathlib.Path(f"reduced-{rank}.json")
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    before = json.loads(file.read_text()) if file.exists() else []
    file.write_text(json.dumps([*before, reduced(torchrun=True)]))
    while not before and not told:
        time.sleep(0.05)
    return list(json.loads(file.read_text()))


def fit(trainer: Any, steps: int) -> dict[str, Any]:
    """Train one weight on data that differs by rank; write what this process knows of itself and came to."""
    import torch
    from lightning.pytorch import LightningModule

    class Model(LightningModule):  # type: ignore[misc]  # Any where Lightning is not installed
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.zeros_(self.layer.weight)

        def training_step(self, batch: Any, index: int) -> Any:
            return (self.layer(torch.ones(1, 1)) * (self.global_rank + 1)).sum()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=1.0)

    model = Model()
    trainer.fit(model, torch.utils.data.DataLoader(list(range(4 * steps)), batch_size=1))
    plugin = trainer.strategy.cluster_environment
    found = {
        "environment": type(plugin).__name__, "world": trainer.world_size, "rank": trainer.global_rank,
        "node": trainer.node_rank, "main": f"{plugin.main_address}:{plugin.main_port}",
        "weight": model.layer.weight.item(),
    }  # fmt: skip
    pathlib.Path(f"fit-{trainer.global_rank}.json").write_text(json.dumps(found))
    return found
