"""The registered recipe in a plain Hydra app, without ``nph.main``."""

from __future__ import annotations

import hydra
import registered  # noqa: F401  # registers the recipe
from omegaconf import DictConfig

import nemo_partial_hydra as nph

BASE = {"version_base": None} if hydra.__version__ < "1.4" else {}


@hydra.main(config_path=None, config_name="two_optimizers", **BASE)
def main(cfg: DictConfig) -> None:
    """Call the recipe."""
    nph.run(cfg)


if __name__ == "__main__":
    main()
