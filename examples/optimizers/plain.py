"""The registered recipe in a plain Hydra app, without ``nph.main``."""

from __future__ import annotations

import hydra
import registered  # noqa: F401  # registers the recipe
from omegaconf import DictConfig

import nemo_partial_hydra as nph

OWN = [f"{name}.*" for name in ("hydra", "hydra_plugins", "logging", "nemo_partial_hydra")]
# Hydra 1.4 wants to know what it may execute itself: its own classes, and the callback that lists paths.
MORE = {"version_base": None} if hydra.__version__ < "1.4" else {"execution_whitelist": OWN}


@hydra.main(config_path=None, config_name="two_optimizers", **MORE)
def main(cfg: DictConfig) -> None:
    """Call the recipe."""
    nph.run(cfg)


if __name__ == "__main__":
    main()
