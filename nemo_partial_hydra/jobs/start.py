"""The file that Python is given to run one frozen job: ``python .../nemo_partial_hydra/jobs/start.py JOBDIR``.

May import: the standard library before the package is found. It works where the package is not installed, from
wherever its folder is mounted: the package is loaded from this file's own place, nothing is added to ``sys.path``, and
what Python or an empty entry of PYTHONPATH put there is taken out, so that no file of ours or of the job hides one. The
directories of code (``--code=DIR``) are put at its end by the runner, when the job may run.
"""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_NAME = "nemo_partial_hydra"


def _clean_path() -> None:
    """Take this file's folder, the job's own and the current one (an empty entry) out of ``sys.path``."""
    out = {_HERE, *(os.path.realpath(word) for word in sys.argv[1:] if not word.startswith("-"))}
    sys.path[:] = [os.path.abspath(folder) for folder in sys.path if folder and os.path.realpath(folder) not in out]


def _find_package() -> None:
    """Make the package that this file belongs to importable, and nothing else beside it."""
    import importlib.util

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
_clean_path()
_find_package()

if __name__ == "__main__":
    from nemo_partial_hydra.jobs.runner import main

    sys.exit(main())
