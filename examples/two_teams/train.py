"""Team A's app: it chooses a recipe of the exported library; the story is in story.sh."""

from __future__ import annotations

from omegaconf import DictConfig

import nemo_partial_hydra as nph


@nph.main(config_path="conf", config_name="train", allow=["recipes"], payload="recipe")
def main(cfg: DictConfig) -> None:
    """Run the recipe here; the story freezes it instead."""
    print(nph.run(cfg))


if __name__ == "__main__":
    main()
