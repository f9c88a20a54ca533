"""Makes the shipped library: every recipe of NeMo as a config group, from the NeMo that is installed here.

    python -m tools.nemo_library           # writes nemo_partial_hydra/nemo_library
    python -m tools.nemo_library --out DIR

It is ``nemo-hydra export`` with the arguments that NeMo's factories need. What only the user can know (a path, a
project) is left open: ``???``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nemo_partial_hydra.cli.main import main as nemo_hydra
from nemo_partial_hydra.libraries.library import SHIPPED
from tools.stand_ins import stand_ins

MODULES = ("nemo.collections.llm", "nemo.collections.vlm", "nemo.collections.diffusion")
SKIP = (
    "nemo.collections.diffusion.data.prepare_energon_dataset",  # downloads a data set when it is imported
    "nemo.collections.llm.modelopt.distill.utils",  # a helper that returns a dataclass, no recipe
)
GIVEN = (
    # A recipe that a factory changes is that of its own module.
    "recipe?=@pretrain_recipe,@finetune_recipe",
    "finetune_performance_optimizations.recipe=@finetune_recipe",
    "model?=@nemo.collections.llm.recipes.llama3_8b.model",
    "peft_scheme?=lora",
    # Choices among several, as the recipes of the same module make them.
    "bert_model.version=bert_110m",
    "bert_embedding_model.version=bert_110m",
    "gemma2_model.version=gemma2_2b",
    "model_recipe.model_size=7b",
    "nemotron_model.version=nemotron3_4b",
    "qwen2_model.version=qwen2_500m",
    "qwen3_model.version=qwen3_600m",
    "starcoder2_model.version=starcoder2_3b",
    "seq_length?=8192",
    "tp_comm_overlap?=true",
    "default_finetune_recipe.resume_path=meta-llama/Meta-Llama-3-8B",
    "nemo_resume.model_id=meta-llama/Meta-Llama-3-8B",
    "torchrun.devices=8",  # its default asks CUDA for the number of devices
    # What only the user knows.
    "hf_dataset.path=???",
    "nemo_checkpoint?=???",
    "resume_path?=???",
    "save_path?=???",
    "student_model_path?=???",
    "teacher_model_path?=???",
    "tokenizer_model?=???",
    "tensorboard_logger.name=default",
    "wandb_logger.name=default",
    "wandb_logger.project=???",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export; return 0 although a few factories refuse everywhere or need a GPU's packages: the manifest lists them."""
    parser = argparse.ArgumentParser(prog="python -m tools.nemo_library")
    parser.add_argument("--out", default=SHIPPED, help="the directory (default: that of the package)")
    options = parser.parse_args(arguments)
    given = [word for text in GIVEN for word in ("--with", text)]
    with stand_ins():
        code = nemo_hydra(
            [
                "export",
                *MODULES,
                *(word for name in SKIP for word in ("--skip", name)),
                "--also",
                MODULES[0],
                "--name",
                "nemo",
                "--out",
                options.out,
                *given,
            ]
        )
    return code if code > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
