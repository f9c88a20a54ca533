"""Makes two real Hugging Face Llama folders, small enough to convert on CPU in seconds.

The folders have what a download from a model hub has (``config.json``, ``model.safetensors``, a
tokenizer), so NeMo reads them as it reads any other model. torch, transformers and tokenizers are
imported only where a folder is made: a folder that is complete costs milliseconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
"""Written last: names the shape and the SHA-256 of every other file of the folder."""

_SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")


@dataclass(frozen=True)
class Shape:
    """What differs between the two models, in the names of ``transformers.LlamaConfig``."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    dtype: str
    seed: int


SHAPES: dict[str, Shape] = {
    "llama_tiny": Shape(64, 128, 2, 4, 2, vocab_size=288, dtype="float32", seed=1234),
    # bfloat16 is what published Llama checkpoints use.
    "llama_tiny_wide": Shape(128, 320, 3, 8, 4, vocab_size=384, dtype="bfloat16", seed=4321),
}
"""Folder name to shape: what is converted with the other model's sizes cannot come out equal."""


def make(directory: Path) -> None:
    """Make one Hugging Face folder for each entry of `SHAPES`.

    A complete folder is left alone. A missing, half-written or changed one is written under a
    temporary name in the same directory and then renamed, so that no reader sees part of it.

    Parameters
    ----------
    directory : Path
        Parent of the folders; created where it does not exist.

    Raises
    ------
    ImportError
        If a folder has to be made and torch, transformers or tokenizers is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, shape in SHAPES.items():
        folder = directory / name
        if is_complete(folder, shape):
            continue
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=directory) as scratch:
            partial = Path(scratch) / name
            partial.mkdir()
            _write_tokenizer(partial, shape)
            _write_model(partial, shape)
            manifest = json.dumps(_manifest(partial, shape), indent=2)
            (partial / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)


def is_complete(folder: Path, shape: Shape) -> bool:
    """Tell whether `folder` holds exactly what `make` wrote for `shape`.

    Parameters
    ----------
    folder : Path
        A Hugging Face folder, or a path where there is none.
    shape : Shape
        What the folder should have been made for.

    Returns
    -------
    bool
        False if a file is missing or differs, or if the folder was made for another shape.
    """
    try:
        found: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = _manifest(folder, shape)
    except (OSError, ValueError):
        return False
    return bool(found == expected)


def _manifest(folder: Path, shape: Shape) -> dict[str, Any]:
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {"shape": asdict(shape), "sha256": sums}


def _sentences(seed: int) -> Iterator[str]:
    """Yield a small invented language: a few hundred words, some much more frequent."""
    words = ["".join(part) for part in product("bdfgklmnprstvz", "aeiou", ("", "l", "n", "rt"))]
    rng = random.Random(seed)
    rng.shuffle(words)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    for _ in range(400):
        yield " ".join(rng.choices(words, weights, k=12)) + "."


def _write_tokenizer(folder: Path, shape: Shape) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    unknown, begin, end = _SPECIAL_TOKENS
    tokenizer = Tokenizer(models.BPE(unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocab_size, special_tokens=list(_SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.train_from_iterator(_sentences(shape.seed), trainer)
    if tokenizer.get_vocab_size() != shape.vocab_size:
        raise RuntimeError(f"the corpus gives {tokenizer.get_vocab_size()} tokens, not {shape.vocab_size}")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unknown, bos_token=begin, eos_token=end
    ).save_pretrained(folder)


def _write_model(folder: Path, shape: Shape) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_key_value_heads,
        vocab_size=shape.vocab_size,
        max_position_embeddings=256,
        bos_token_id=_SPECIAL_TOKENS.index("<s>"),
        eos_token_id=_SPECIAL_TOKENS.index("</s>"),
    )
    model = LlamaForCausalLM(config).to(getattr(torch, shape.dtype))
    generator = torch.Generator().manual_seed(shape.seed)
    with torch.no_grad():
        # A fresh Llama has every norm weight at one: two that were swapped would look equal.
        for parameter in model.parameters():
            parameter.normal_(mean=0.0, std=0.02, generator=generator)
    model.save_pretrained(folder, safe_serialization=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m tiny_llama.checkpoints DIR``."""
    parser = argparse.ArgumentParser(
        prog="python -m tiny_llama.checkpoints",
        description="Make the Hugging Face folders that the demonstration converts.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="parent of the folders")
    directory: Path = parser.parse_args(argv).directory
    make(directory)
    for name in SHAPES:
        print(directory / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
