"""Trains by Megatron-Bridge: ``pretrain`` is the target, a recipe of Bridge its argument.

    nemo-hydra export megatron.bridge.recipes --out lib
    python train.py --library lib config.train.train_iters=10
    python train.py --library lib pretrain_config@config=gpt3_175b --cfg-paths

The first command is for where Bridge and a model hub are, the others for wherever the library is.
"""

from __future__ import annotations

from omegaconf import DictConfig

import nemo_partial_hydra as nph


@nph.main(config_path="conf", config_name="train", allow=["trust_remote_code"])
def main(cfg: DictConfig) -> None:
    """Make the container of what was composed, and call ``pretrain`` with it."""
    nph.run(cfg)


if __name__ == "__main__":
    main()
