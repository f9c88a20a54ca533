"""Compares every tensor of a NeMo checkpoint, bit for bit, with its Hugging Face source.

The NeMo side is read from the files of the distributed checkpoint and the Hugging Face side from
its safetensors files, so neither NeMo's importer nor transformers has a say in the verdict. The
merges the importer made (query, key and value into one tensor, gate and up into another, equal
layers stacked) are undone here, and each result stands under its Hugging Face name.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_WHOLE = {
    "module.embedding.word_embeddings.weight": "model.embed_tokens.weight",
    "module.decoder.final_layernorm.weight": "model.norm.weight",
    "module.output_layer.weight": "lm_head.weight",
}
_LAYERS = "module.decoder.layers."
_PER_LAYER = {
    # The name of the norm before attention and of the one before the MLP in a checkpoint, for
    # local layers too: megatron-core saves what Transformer Engine could load.
    "self_attention.linear_qkv.layer_norm_weight": ("input_layernorm",),
    "self_attention.linear_qkv.weight": tuple(f"self_attn.{part}_proj" for part in "qkv"),
    "self_attention.linear_proj.weight": ("self_attn.o_proj",),
    "mlp.linear_fc1.layer_norm_weight": ("post_attention_layernorm",),
    "mlp.linear_fc1.weight": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.linear_fc2.weight": ("mlp.down_proj",),
}


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    parameters : int
        Number of values in the source.
    tensors : int
        Number of tensors on either side, a tensor that both sides have counted once.
    equal : int
        How many of them have the same shape, type and bits on both sides.
    differing : tuple of str
        Hugging Face names of the others, sorted, including those that one side lacks. A NeMo
        tensor that has no counterpart stands under its own name.
    """

    parameters: int
    tensors: int
    equal: int
    differing: tuple[str, ...]


def compare(hf_dir: Path, nemo_dir: Path) -> Comparison:
    """Compare a NeMo checkpoint with the Hugging Face folder that it was made from.

    Parameters
    ----------
    hf_dir : Path
        Folder with ``config.json`` and ``*.safetensors`` of a Llama.
    nemo_dir : Path
        What ``llm.import_ckpt`` returned: a folder with ``weights``.

    Returns
    -------
    Comparison
        Equal if ``differing`` is empty.

    Raises
    ------
    FileNotFoundError
        If one of the folders is not what it should be.
    """
    source = _read_hf(hf_dir)
    config = json.loads((hf_dir / "config.json").read_text(encoding="utf-8"))
    converted = _hf_names(_read_nemo(nemo_dir), config)
    names = source.keys() | converted.keys()
    differing = [
        name
        for name in sorted(names)
        if name not in source or name not in converted or not _same_bits(source[name], converted[name])
    ]
    return Comparison(
        parameters=sum(tensor.numel() for tensor in source.values()),
        tensors=len(names),
        equal=len(names) - len(differing),
        differing=tuple(differing),
    )


def _read_hf(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder}: no *.safetensors file")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def _read_nemo(folder: Path) -> dict[str, Tensor]:
    """Read the tensors; the checkpoint's other entries are the state of layers without any."""
    import torch
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    weights = folder / "weights"
    if not (weights / ".metadata").is_file():
        raise FileNotFoundError(f"{weights}: no distributed checkpoint (.metadata is missing)")
    reader = FileSystemReader(weights)
    with warnings.catch_warnings():
        # The metadata names megatron-core classes; importing them warns of the missing GPU, and
        # torch warns that it loads in one process, which `no_dist` asks for.
        warnings.simplefilter("ignore")
        tensors: dict[str, Any] = {
            name: torch.empty(entry.size, dtype=entry.properties.dtype)
            for name, entry in reader.read_metadata().state_dict_metadata.items()
            if isinstance(entry, TensorStorageMetadata)
        }
        load(tensors, storage_reader=reader, no_dist=True)
    return tensors


def _hf_names(tensors: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """Undo the importer's merges and the stacking of equal layers."""
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        parts = _PER_LAYER.get(name.removeprefix(_LAYERS))
        if parts is None:
            result[_WHOLE.get(name, name)] = tensor
            continue
        for layer, merged in enumerate(tensor.unbind()):
            values = _split_qkv(merged, config) if len(parts) == 3 else merged.chunk(len(parts))
            # A tensor too short for its parts leaves names out: `compare` reports those.
            for part, value in zip(parts, values, strict=False):
                result[f"model.layers.{layer}.{part}.weight"] = value
    return result


def _split_qkv(merged: Tensor, config: dict[str, Any]) -> tuple[Tensor, ...]:
    """Undo megatron-core's order: for each group its query heads, then one key, one value."""
    groups = config["num_key_value_heads"]
    queries = config["num_attention_heads"] // groups
    head_size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    if merged.shape[0] != groups * (queries + 2) * head_size:
        return ()
    heads = merged.view(groups, queries + 2, head_size, -1)
    return (
        heads[:, :queries].flatten(0, 2),
        heads[:, queries].flatten(0, 1),
        heads[:, queries + 1].flatten(0, 1),
    )


def _same_bits(left: Tensor, right: Tensor) -> bool:
    import torch

    # Compared as bytes: 0.0 == -0.0 would hide a difference, nan != nan would invent one.
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    as_bytes = (tensor.contiguous().view(torch.uint8) for tensor in (left, right))
    return bool(torch.equal(*as_bytes))


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m tiny_llama.compare HF_DIR NEMO_DIR``; 1 if a tensor differs."""
    parser = argparse.ArgumentParser(
        prog="python -m tiny_llama.compare",
        description="Compare a NeMo checkpoint with its Hugging Face source.",
    )
    parser.add_argument("hf_dir", type=Path, metavar="HF_DIR")
    parser.add_argument("nemo_dir", type=Path, metavar="NEMO_DIR")
    args = parser.parse_args(argv)
    result = compare(args.hf_dir, args.nemo_dir)
    print(f"{result.equal}/{result.tensors} tensors equal, {result.parameters:,} parameters")
    for name in result.differing:
        print(f"differs: {name}")
    return 1 if result.differing else 0


if __name__ == "__main__":
    sys.exit(main())
