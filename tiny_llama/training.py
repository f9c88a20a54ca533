"""A converted checkpoint trained for some steps on the CPU, and what came of it written as a report.

The model is NeMo's Megatron module with the weights that NeMo's importer wrote, the loop Lightning's ``Trainer``.
NeMo's own training (``llm.train`` with ``MegatronStrategy``) cannot run without CUDA, since it opens CUDA streams: this
is one process without any parallelism. megatron-core asks for the current CUDA device on every machine; where there is
none, the answer is the CPU while this runs.

Importing this module imports nothing of NeMo, so that a recipe can name it where that is not installed.
"""

from __future__ import annotations

import inspect
import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from torch import Tensor

LENGTH, BATCH = 32, 4
_FUSIONS = (
    "gradient_accumulation_fusion", "bias_activation_fusion", "masked_softmax_fusion", "cross_entropy_loss_fusion",
    "bias_dropout_fusion",
)  # fmt: skip
"""What megatron-core has as CUDA kernels."""


def train(
    checkpoint: Path, output: Path = Path(), learning_rate: float = 1e-3, steps: int = 20, seed: int = 0
) -> dict[str, Any]:
    """Train a converted checkpoint to predict the next token of a text made here.

    Parameters
    ----------
    checkpoint : Path
        What ``llm.import_ckpt`` returned: a directory with ``weights`` and ``context``.
    output : Path
        Where the trained weights are written: ``weights.pt``.
    learning_rate : float
        Of Adam.
    steps : int
        How many steps.
    seed : int
        Of the text.

    Returns
    -------
    dict
        ``losses``, one of each step, cross entropy in nats per token, the number of ``parameters``, and where the
        ``weights`` are.
    """
    import lightning.pytorch as pl
    import torch

    from tiny_llama.model import cuda_calls_without_cuda

    losses: list[float] = []
    with _one_process(), cuda_calls_without_cuda(), _lightnings_own_loop():
        torch.manual_seed(seed)
        network, vocabulary = _network(checkpoint)

        class Training(pl.LightningModule):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.network = network

            def training_step(self, batch: list[Tensor]) -> Tensor:
                tokens = batch[0]
                positions = torch.arange(LENGTH).expand(len(tokens), -1)
                mask = torch.triu(torch.ones(LENGTH, LENGTH, dtype=torch.bool), 1)[None, None]
                loss: Tensor = self.network(tokens[:, :-1], positions, mask, labels=tokens[:, 1:]).mean()
                losses.append(float(loss.detach()))
                return loss

            def configure_optimizers(self) -> Any:
                return torch.optim.Adam(self.parameters(), lr=learning_rate)

        trainer = pl.Trainer(
            accelerator="cpu", devices=1, max_steps=steps, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        text = torch.utils.data.TensorDataset(_text(steps * BATCH, vocabulary, seed))
        trainer.fit(Training(), torch.utils.data.DataLoader(text, batch_size=BATCH))
        weights = Path(output, "weights.pt")
        torch.save(network.state_dict(), weights)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return {"losses": losses, "parameters": parameters, "weights": str(weights)}


def report(trained: dict[str, Any], output: Path = Path(), title: str = "") -> dict[str, Any]:
    """Write how the loss went into ``report.md``; return the first and the last.

    Parameters
    ----------
    trained : dict
        What :func:`train` returned.
    output : Path
        Where it is written.
    title : str
        Its headline.

    Raises
    ------
    ValueError
        If the loss is no number: the training has diverged.
    """
    losses = trained["losses"]
    if not all(map(math.isfinite, losses)):
        raise ValueError(f"{title}: the loss is no number after {len(losses)} steps: lower the learning rate")
    rows = [f"| {number} | {loss:.4f} |" for number, loss in enumerate(losses, 1)]
    head = [f"# {title}", "", f"{trained['parameters']:,} parameters, weights in {trained['weights']}", ""]
    Path(output, "report.md").write_text(
        "\n".join([*head, "| step | loss |", "|---|---|", *rows, ""]), encoding="utf-8"
    )
    return {"first": losses[0], "last": losses[-1]}


def _network(checkpoint: Path) -> tuple[Any, int]:
    """Return the Megatron module of a checkpoint in float32, with its weights, and the size of its vocabulary."""
    from megatron.core import dist_checkpointing
    from nemo.lightning import io

    model = io.load_context(Path(checkpoint) / "context", subpath="model")
    model.config.use_cpu_initialization = True
    for name in _FUSIONS:
        setattr(model.config, name, False)
    network = model.config.configure_model(model.tokenizer)
    wanted = network.sharded_state_dict(prefix="module.")
    read = dist_checkpointing.load(wanted, str(Path(checkpoint) / "weights"), strict="log_unexpected")
    own = network.state_dict()
    found = {name.removeprefix("module."): value for name, value in read.items()}
    network.load_state_dict({name: value for name, value in found.items() if name in own})
    return network.float(), int(model.config.vocab_size)


def _text(rows: int, vocabulary: int, seed: int) -> Tensor:
    """Return sequences of tokens with a pattern that can be learnt: each is the one before plus three."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(vocabulary, (rows, 1), generator=generator)
    return (start + 3 * torch.arange(LENGTH + 1)) % vocabulary


@contextmanager
def _lightnings_own_loop() -> Iterator[None]:
    """Give Lightning its function back which NeMo replaces for good by one that only knows its own strategy."""
    from lightning.pytorch.loops import fit_loop

    name = "_select_data_fetcher"
    with mock.patch.object(fit_loop, name, inspect.unwrap(getattr(fit_loop, name))):
        yield


@contextmanager
def _one_process() -> Iterator[None]:
    """Make Megatron's groups for one process, whose only member this one is."""
    import torch
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel.random import initialize_rng_tracker

    with tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
        if not torch.distributed.is_initialized():  # an import in the same process leaves them
            torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
            undo.callback(torch.distributed.destroy_process_group)
        if not parallel_state.model_parallel_is_initialized():
            parallel_state.initialize_model_parallel()
            undo.callback(parallel_state.destroy_model_parallel)
        # The one whose states of random numbers are no CUDA device's; without dropout nobody draws any.
        initialize_rng_tracker(inference_rng_tracker=True, force_reset=True)
        yield
