"""The team's app: its recipes are those of the library, and NeMo is needed only where one runs.

python launch.py pretrain=finch pretrain.trainer.max_steps=500 --cfg-paths
"""

from __future__ import annotations

import nemo_partial_hydra as nph

main = nph.app("conf", "launch")

if __name__ == "__main__":
    main()
