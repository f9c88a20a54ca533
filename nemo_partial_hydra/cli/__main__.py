"""``python -m nemo_partial_hydra.cli`` is ``nemo-hydra``."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
