"""Reserved keys of the dialect: what a mapping may say besides the parameters of its target.

May import: the standard library only.
"""

from __future__ import annotations

from typing import Final

TARGET: Final = "_target_"
PARTIAL_KEY: Final = "_partial_"
CALL_KEY: Final = "_call_"  # false: the target itself, not what calling it gives
BUILDABLE: Final = "_buildable_"  # the class that holds a target in Python, where it is not nemo_run's
ARGS: Final = "_args_"
APPEND: Final = "_append_"
DELETE: Final = "_delete_"
REPLACE: Final = "_replace_"
EDITS: Final = (APPEND, DELETE, REPLACE)
IGNORED: Final = ("_convert_", "_recursive_")  # Hydra's instantiate reads them; they change nothing here
RESERVED: Final = (TARGET, PARTIAL_KEY, CALL_KEY, BUILDABLE, ARGS, *EDITS, *IGNORED)

FACTORY: Final = "_factory_"  # in a recipe that a registered factory makes: the factory's arguments
STEPS: Final = "_steps_"  # at the root of a config: which recipes in it are a pipeline
MISSING: Final = "???"  # OmegaConf's mark for a value that is required and not set
