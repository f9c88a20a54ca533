"""The same for those who change the recipes, where NeMo is: its options are the factories as they are in the code now.

python from_code.py +pretrain=finch pretrain._factory_.num_nodes=4 --cfg job
"""

from __future__ import annotations

import nemo_partial_hydra as nph
from finch import recipes  # noqa: F401 - it registers them

main = nph.app()

if __name__ == "__main__":
    main()
