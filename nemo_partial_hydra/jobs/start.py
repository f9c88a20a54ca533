"""The file that Python is given to run one frozen job: ``python .../nemo_partial_hydra/jobs/start.py JOBDIR``.

May import: the standard library before the package is found. It works where the package is not installed, from
wherever its folder is mounted: the package is loaded from this file's own place, nothing is added to ``sys.path``, and
the folder that Python puts first there is taken out, so that no file of ours hides a module of the recipe.
"""

from __future__ import annotations

import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_NAME = "nemo_partial_hydra"


def _find_package() -> None:
    """Make the package that this file belongs to importable, and nothing else beside it."""
    if sys.path and os.path.abspath(sys.path[0] or os.curdir) == _HERE:
        del sys.path[0]
    if _NAME in sys.modules:
        return
    folder = os.path.dirname(_HERE)
    spec = importlib.util.spec_from_file_location(
        _NAME, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not the folder of {_NAME}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)


# A process that the recipe starts by "spawn" runs this file too, under another name, and has to find the package.
_find_package()

if __name__ == "__main__":
    from nemo_partial_hydra.jobs.runner import main

    sys.exit(main())
