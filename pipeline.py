"""Convert, train, report: recipes that run one after the other, in this process or as jobs that wait for each other.

Usage: python pipeline.py, or python pipeline.py -m checkpoint=llama_tiny,llama_tiny_wide train.learning_rate=1e-3,1e-2
"""

from __future__ import annotations

import nemo_partial_hydra as nph

main = nph.app("conf", "pipeline")

if __name__ == "__main__":  # NeMo's checkpoint writer starts a process that imports this module again
    main()
