"""Trains nothing: shows overrides in a list of two optimizers, each a recipe of its own.

python train.py optimizers.0.lr=5e-4
python train.py -m optimizers.0.lr=1e-4,5e-4
"""

from __future__ import annotations

import nemo_partial_hydra as nph

main = nph.app(config_path="conf", config_name="train")  # its function is: run the recipe

if __name__ == "__main__":
    main()
