"""The model: NeMo's Llama, in sizes and with layers that need neither Transformer Engine nor a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nemo.collections.llm.gpt.model.base import local_layer_spec
from nemo.collections.llm.gpt.model.llama import LlamaConfig, LlamaModel


@dataclass
class FinchConfig(LlamaConfig):  # type: ignore[misc]
    """Sizes of a Finch."""

    num_layers: int = 4
    hidden_size: int = 128
    ffn_hidden_size: int = 256
    num_attention_heads: int = 4
    num_query_groups: int = 2
    seq_length: int = 128
    vocab_size: int | None = 512  # what NeMo's ByteLevelTokenizer has
    apply_rope_fusion: bool = False
    persist_layer_norm: bool = False
    transformer_layer_spec: Callable[[Any], Any] = local_layer_spec


class FinchModel(LlamaModel):  # type: ignore[misc]
    """A Llama whose embedding can be kept as it is.

    Parameters
    ----------
    config : FinchConfig
        The sizes.
    freeze_embedding : bool
        Whether the weights of the embedding are not trained.
    tokenizer : TokenizerSpec
        By default that of the data.
    """

    def __init__(
        self,
        config: FinchConfig | None = None,
        freeze_embedding: bool = False,
        optim: Any = None,
        tokenizer: Any = None,
    ) -> None:
        super().__init__(config or FinchConfig(), optim=optim, tokenizer=tokenizer)
        self.freeze_embedding = freeze_embedding

    def configure_model(self, vp_stage: int | None = None) -> None:
        """Make the module."""
        super().configure_model(vp_stage)
        if self.freeze_embedding:
            self.module.embedding.requires_grad_(False)
