"""NeMo's Llama 3 70B pretraining as a recipe file, with a snapshot of its targets' signatures beside it.

python pretrain.py --cfg-paths          # lists every parameter, also where NeMo is not installed
python pretrain.py trainer.max_steps=100
"""

from __future__ import annotations

import nemo_partial_hydra as nph

main = nph.app(config_path="conf", config_name="llama3_70b")  # its function is: run the recipe

if __name__ == "__main__":
    main()
