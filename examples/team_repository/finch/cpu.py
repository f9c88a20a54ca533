"""A few steps of training on a CPU, to see that a recipe's model, data and callbacks work together.

NeMo's own training (``llm.pretrain`` with ``MegatronStrategy``) cannot run without CUDA. This is Lightning's plain loop
in one process, over NeMo's Megatron module. What Megatron asks of CUDA on every machine is answered for the CPU.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import lightning.pytorch as pl
import torch
from lightning.pytorch.loops import fit_loop
from megatron.core import parallel_state
from megatron.core.tensor_parallel.random import initialize_rng_tracker

from finch.data import ByteData
from finch.model import FinchModel

CUDA_KERNELS = (
    "gradient_accumulation_fusion", "bias_activation_fusion", "masked_softmax_fusion", "cross_entropy_loss_fusion",
    "bias_dropout_fusion",
)  # fmt: skip


class Steps(pl.LightningModule):  # type: ignore[misc]
    """A module of Megatron as Lightning trains one by itself."""

    def __init__(self, module: torch.nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.module, self.learning_rate = module, learning_rate
        self.losses: list[float] = []

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the mean loss of the batch."""
        loss = self.module(batch["tokens"], batch["position_ids"], batch["attention_mask"], labels=batch["labels"])
        self.losses.append(float(loss.detach().mean()))
        return loss.mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam over what is trained."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return torch.optim.Adam(trained, lr=self.learning_rate)


def fit(
    model: FinchModel,
    data: ByteData,
    steps: int = 20,
    learning_rate: float = 3e-3,
    callbacks: list[pl.Callback] | None = None,
    tags: dict[str, str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Train for some steps.

    Parameters
    ----------
    model : FinchModel
        What is trained.
    data : ByteData
        On what.
    steps : int
        How many steps.
    learning_rate : float
        Of Adam.
    callbacks : list of Callback
        Lightning's, or the team's.
    tags : dict
        What the team wants to find the run by.
    seed : int
        Of the weights.

    Returns
    -------
    dict
        The ``first`` loss and the ``last``, in nats per byte, how many ``parameters`` were trained, and the ``tags``.
    """
    for name in CUDA_KERNELS:
        setattr(model.config, name, False)
    model.config.use_cpu_initialization = True
    with one_process():
        torch.manual_seed(seed)
        model.tokenizer = data.tokenizer
        model.configure_model()
        training = Steps(model.module.float(), learning_rate)
        trainer = pl.Trainer(
            accelerator="cpu", devices=1, max_steps=steps, callbacks=callbacks, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(training, data.train_dataloader())
    trained = sum(parameter.numel() for parameter in training.parameters() if parameter.requires_grad)
    first, last = (round(loss, 4) for loss in (training.losses[0], training.losses[-1]))
    return {"first": first, "last": last, "parameters": trained, "tags": tags or {}}


@contextmanager
def one_process() -> Iterator[None]:
    """Make Megatron's groups for this one process, and give Lightning the loop back that NeMo replaces."""
    fetcher = "_select_data_fetcher"
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(torch.cuda, "current_device", return_value="cpu"),
        mock.patch.object(fit_loop, fetcher, inspect.unwrap(getattr(fit_loop, fetcher))),
    ):
        store = f"file://{Path(folder, 'store')}"
        torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        initialize_rng_tracker(inference_rng_tracker=True, force_reset=True)
        try:
            yield
        finally:
            parallel_state.destroy_model_parallel()
            torch.distributed.destroy_process_group()
