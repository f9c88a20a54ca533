"""The data: a text, byte by byte."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
import torch
from nemo.collections.common.tokenizers.bytelevel_tokenizers import ByteLevelTokenizer
from nemo.lightning.pytorch.plugins import MegatronDataSampler
from torch.utils.data import DataLoader, Dataset

SONG = "the finch sings at dawn, the finch sings at noon, and at dusk it sleeps. " * 40
"""What there is to learn where no text is given."""


class Bytes(Dataset):  # type: ignore[misc]
    """Each sample is a piece of the text, and the byte after each of its bytes."""

    def __init__(self, text: bytes, seq_length: int) -> None:
        self.text, self.seq_length = torch.tensor(list(text)), seq_length

    def __len__(self) -> int:
        return len(self.text) - self.seq_length

    def __getitem__(self, start: int) -> dict[str, torch.Tensor]:
        n = self.seq_length
        return {
            "tokens": self.text[start : start + n],
            "labels": self.text[start + 1 : start + n + 1],
            "loss_mask": torch.ones(n),
            "position_ids": torch.arange(n),
            "attention_mask": torch.triu(torch.ones(n, n, dtype=torch.bool), 1)[None],
        }


class ByteData(pl.LightningDataModule):  # type: ignore[misc]
    """A text to train on.

    Parameters
    ----------
    path : Path
        The text; without one, a song of this module's.
    seq_length : int
        How many bytes a sample has.
    micro_batch_size : int
        Samples in a step of one GPU.
    global_batch_size : int
        Samples in a step of all.
    """

    def __init__(
        self, path: Path | None = None, seq_length: int = 128, micro_batch_size: int = 4, global_batch_size: int = 8
    ) -> None:
        super().__init__()
        self.path, self.seq_length, self.micro_batch_size = path, seq_length, micro_batch_size
        self.tokenizer = ByteLevelTokenizer()
        self.data_sampler = MegatronDataSampler(
            seq_len=seq_length, micro_batch_size=micro_batch_size, global_batch_size=global_batch_size
        )

    def train_dataloader(self) -> DataLoader:
        """Return the batches, in the order of the text."""
        text = Path(self.path).read_bytes() if self.path else SONG.encode()
        return DataLoader(Bytes(text, self.seq_length), batch_size=self.micro_batch_size)
