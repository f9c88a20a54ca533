"""The team's recipes, as factories of NeMo-Run. `@nph.recipe` is all that was added to them."""

import lightning.pytorch as pl
import nemo_run as run
from nemo import lightning as nl
from nemo.collections import llm
from nemo.collections.llm.recipes.log.default import default_log, default_resume
from nemo.collections.llm.recipes.optim.adam import distributed_fused_adam_with_cosine_annealing
from nemo.collections.llm.recipes.precision.mixed_precision import bf16_mixed

import nemo_partial_hydra as nph
from finch.callbacks import LossLog
from finch.cpu import fit
from finch.data import ByteData
from finch.model import FinchConfig, FinchModel


@run.cli.factory
def finch_model() -> run.Config[pl.LightningModule]:
    """The model in its usual size."""
    return run.Config(FinchModel, config=run.Config(FinchConfig))


@run.cli.factory
@run.autoconvert
def byte_data() -> run.Config[pl.LightningDataModule]:
    """The text in pieces of 128 bytes."""
    return ByteData(seq_length=128)


@nph.recipe(group="pretrain", name="finch")
@run.cli.factory(target=llm.pretrain)
def finch(num_nodes: int = 1, max_steps: int = 2000, name: str = "finch") -> run.Partial:
    """Pretrain a Finch on GPUs.

    Parameters
    ----------
    num_nodes : int
        How many nodes; the batch grows with them.
    max_steps : int
        How many steps; a twentieth of them warms up.
    name : str
        What the run is called in the logs.
    """
    data = byte_data()
    data.global_batch_size = 8 * num_nodes
    trainer = run.Config(
        nl.Trainer,
        accelerator="gpu",
        devices=8,
        num_nodes=num_nodes,
        max_steps=max_steps,
        plugins=bf16_mixed(),
        strategy=run.Config(nl.MegatronStrategy, tensor_model_parallel_size=1),
        callbacks=[run.Config(LossLog, every=100)],
    )
    return run.Partial(
        llm.pretrain,
        model=finch_model(),
        data=data,
        trainer=trainer,
        log=default_log(name=name),
        resume=default_resume(),
        optim=distributed_fused_adam_with_cosine_annealing(max_lr=3e-4, warmup_steps=max_steps // 20),
    )


@nph.recipe(group="pretrain", name="finch_cpu")
@run.cli.factory(target=fit)
def finch_cpu(steps: int = 20, layers: int = 1) -> run.Partial:
    """Train the same model on the same data for a few steps on a CPU.

    Parameters
    ----------
    steps : int
        How many steps.
    layers : int
        How many layers the model has.
    """
    model = finch_model()
    model.config.num_layers = layers
    recipe = run.Partial(fit, model=model, data=byte_data(), steps=steps, callbacks=[LossLog(every=max(1, steps // 4))])
    recipe.tags = {"team": "finch"}
    return recipe
