"""Teaches NeMo to import a Hugging Face Llama on a machine without a GPU.

NeMo's own Llama importer needs Transformer Engine: fused rotary embeddings, and layers that keep
each norm weight inside the linear layer after it. `TinyLlamaConfig` selects megatron-core's local
layers instead, and the importer below maps the weights to their names. All of it is NeMo's public
API; loading, conversion and the distributed save are NeMo's.

One thing is not NeMo's: megatron-core's save calls ``torch.cuda.synchronize`` and
``torch.cuda.current_device`` on every machine. Where CUDA is missing, `cuda_calls_without_cuda`
replaces the two while the importer runs, and logs that it did.

Importing this module imports NeMo, which takes 15 to 35 seconds.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from nemo.collections.common.tokenizers.huggingface.auto_tokenizer import AutoTokenizer
from nemo.collections.llm.gpt.model.base import local_layer_spec
from nemo.collections.llm.gpt.model.llama import HFLlamaImporter, LlamaConfig, LlamaModel
from nemo.lightning import io
from nemo.lightning.io.state import TransformFns
from nemo.lightning.pytorch.utils import dtype_from_hf
from nemo.utils import logging

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass
class TinyLlamaConfig(LlamaConfig):  # type: ignore[misc]
    """A Llama that needs neither Transformer Engine nor a GPU.

    The sizes are those of the ``llama_tiny`` folder; an import takes them from the folder it reads.
    """

    num_layers: int = 2
    hidden_size: int = 64
    ffn_hidden_size: int = 128
    num_attention_heads: int = 4
    num_query_groups: int = 2
    seq_length: int = 256
    vocab_size: int | None = 288
    apply_rope_fusion: bool = False
    persist_layer_norm: bool = False
    transformer_layer_spec: Callable[[Any], Any] = local_layer_spec


class TinyLlamaModel(LlamaModel):  # type: ignore[misc]
    """NeMo's Llama under a type of its own, to which the importer below is registered."""


@io.model_importer(TinyLlamaModel, "hf")
class HFTinyLlamaImporter(HFLlamaImporter):  # type: ignore[misc]
    """Importer for `TinyLlamaModel`: the path it stands for is a Hugging Face folder."""

    def init(self) -> TinyLlamaModel:
        """Make the NeMo model, still without weights, for the sizes the folder states."""
        return TinyLlamaModel(self.config, tokenizer=self.tokenizer)

    def apply(self, output_path: Path) -> Path:
        """Load the folder, convert it and write a NeMo checkpoint to `output_path`.

        Raises
        ------
        FileNotFoundError
            If the path is not a Hugging Face folder: transformers would take a relative path for
            the name of a model on the hub, and try for 23 seconds to reach it.
        """
        if not Path(self, "config.json").is_file():
            raise FileNotFoundError(
                f"no Hugging Face folder {self}: it has no config.json (python -m tiny_llama.checkpoints DIR makes one)"
            )
        with cuda_calls_without_cuda():
            return Path(super().apply(output_path))

    def convert_state(self, source: LlamaForCausalLM, target: TinyLlamaModel) -> Any:
        """Copy every tensor of `source` to its place among the local layers of `target`."""
        hf_layer = "model.layers.*."
        layer = "decoder.layers.*."
        mapping = {
            "model.embed_tokens.weight": "embedding.word_embeddings.weight",
            "model.norm.weight": "decoder.final_layernorm.weight",
            "lm_head.weight": "output_layer.weight",
            f"{hf_layer}input_layernorm.weight": f"{layer}input_layernorm.weight",
            f"{hf_layer}self_attn.o_proj.weight": f"{layer}self_attention.linear_proj.weight",
            f"{hf_layer}post_attention_layernorm.weight": f"{layer}pre_mlp_layernorm.weight",
            f"{hf_layer}mlp.down_proj.weight": f"{layer}mlp.linear_fc2.weight",
        }
        if source.config.tie_word_embeddings:
            del mapping["lm_head.weight"]
        transforms = [
            io.state_transform(
                source_key=tuple(f"{hf_layer}self_attn.{part}_proj.weight" for part in "qkv"),
                target_key=f"{layer}self_attention.linear_qkv.weight",
                fn=TransformFns.merge_qkv,
            ),
            io.state_transform(
                source_key=(f"{hf_layer}mlp.gate_proj.weight", f"{hf_layer}mlp.up_proj.weight"),
                target_key=f"{layer}mlp.linear_fc1.weight",
                fn=TransformFns.merge_fc1,
            ),
        ]
        # megatron-core's local norm layers are float32 whatever `params_dtype` says, and
        # apply_transforms accepts no change of type.
        target.to(source.dtype)
        return io.apply_transforms(source, target, mapping=mapping, transforms=transforms)

    @property
    def tokenizer(self) -> AutoTokenizer:
        """The folder's tokenizer, in a directory of its own until the process ends.

        NeMo would put it in ``/tmp/nemo_tokenizer``, which all processes and users share, and
        copies into the checkpoint whatever it finds there.
        """
        directory = tempfile.mkdtemp(prefix="tiny_llama_")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        assets = Path(directory) / "nemo_tokenizer"
        return AutoTokenizer(self.save_hf_tokenizer_assets(str(self), save_path=str(assets)))

    @property
    def config(self) -> TinyLlamaConfig:
        """The configuration that the folder's ``config.json`` describes.

        Raises
        ------
        ValueError
            If the folder holds another architecture than a plain Llama.
        """
        from transformers import AutoConfig

        source = AutoConfig.from_pretrained(str(self))
        if source.model_type != "llama" or source.rope_scaling is not None:
            raise ValueError(
                f"{self}/config.json: expected model_type 'llama' without rope_scaling, "
                f"got {source.model_type!r} with rope_scaling {source.rope_scaling!r}"
            )
        dtype = dtype_from_hf(source)
        return TinyLlamaConfig(
            num_layers=source.num_hidden_layers,
            hidden_size=source.hidden_size,
            ffn_hidden_size=source.intermediate_size,
            num_attention_heads=source.num_attention_heads,
            num_query_groups=source.num_key_value_heads,
            kv_channels=source.head_dim,
            seq_length=source.max_position_embeddings,
            vocab_size=source.vocab_size,
            init_method_std=source.initializer_range,
            layernorm_epsilon=source.rms_norm_eps,
            rotary_base=source.rope_theta,
            share_embeddings_and_output_weights=source.tie_word_embeddings,
            fp16=dtype == torch.float16,
            bf16=dtype == torch.bfloat16,
            params_dtype=dtype,
        )


@contextmanager
def cuda_calls_without_cuda() -> Iterator[None]:
    """Let megatron-core save on a machine without CUDA; change nothing where there is one."""
    if torch.cuda.is_available():
        yield
        return
    logging.info(
        "no CUDA here: torch.cuda.synchronize and torch.cuda.current_device are replaced by no-ops during this import"
    )
    with (
        mock.patch.object(torch.cuda, "synchronize", return_value=None),
        # megatron-core passes the result on as the device of a tensor.
        mock.patch.object(torch.cuda, "current_device", return_value="cpu"),
    ):
        yield
