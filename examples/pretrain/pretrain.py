"""NeMo's Llama 3 70B pretraining as a recipe file, with a snapshot of its targets' signatures beside it.

python pretrain.py --cfg-paths          # lists every parameter, also where NeMo is not installed
python pretrain.py trainer.max_steps=100
"""

from __future__ import annotations

from omegaconf import DictConfig

import nemo_partial_hydra as nph


@nph.main(config_path="conf", config_name="llama3_70b")
def main(cfg: DictConfig) -> None:
    """Call the recipe."""
    nph.run(cfg)


if __name__ == "__main__":
    main()
