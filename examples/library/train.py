"""An app on recipe libraries: NeMo's pretraining recipes, and a team's own that `nemo-hydra export` has written.

python train.py pretrain=llama3_70b --cfg-paths
python train.py --library team_lib pretrain=tiny
"""

from __future__ import annotations

import nemo_partial_hydra as nph

main = nph.app(config_path="conf", config_name="train", allow=["team"])  # its function is: run the recipe

if __name__ == "__main__":
    main()
