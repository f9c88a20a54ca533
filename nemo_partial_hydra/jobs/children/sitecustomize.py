"""What every Python that a recipe starts runs first: it puts the directories of code where ``search_path`` says.

May import: the standard library only. This directory is the first entry of its PYTHONPATH, since those of code must not
be entries: Python would run a ``sitecustomize`` of theirs. The one that this file stands before is run after it.
"""

import importlib.util
import os
import sys
from importlib.machinery import PathFinder

_HERE = os.path.dirname(os.path.abspath(__file__))


def _begin() -> None:
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != _HERE]
    before = [folder for folder in sys.path if os.path.isabs(folder)]
    if "NEMO_PARTIAL_HYDRA_CODE" in os.environ:
        file = os.path.join(os.path.dirname(_HERE), "search_path.py")
        spec = importlib.util.spec_from_file_location("_nemo_partial_hydra_search_path", file)
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            module.in_child(os.environ)
    behind = PathFinder.find_spec("sitecustomize", before)
    if behind is not None and behind.loader is not None:
        other = importlib.util.module_from_spec(behind)
        sys.modules["sitecustomize"] = other
        behind.loader.exec_module(other)


_begin()
