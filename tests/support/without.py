"""A Python in which importing NeMo and what it is built on fails, as on a login node.

python -m tests.support.without FILE [ARGS...]      # runs a script there
python -m tests.support.without -m MODULE [ARGS...] # or a module
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import runpy
import sys
import types
from collections.abc import Sequence

BLOCKED = ("nemo", "nemo_run", "torch", "fiddle", "lightning", "megatron", "transformers")


class Blocker(importlib.abc.MetaPathFinder):
    """Lets no blocked package be imported; to who only asks, none of them is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)
        return None


def block() -> None:
    """Block them in this process."""
    sys.meta_path.insert(0, Blocker())


def main() -> None:
    """Run a script or module without them; nothing of them may have been imported when it ends."""
    block()
    arguments = sys.argv[1:]
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, arguments[0].rpartition("/")[0] or ".")
            runpy.run_path(arguments[0], run_name="__main__")
    finally:
        loaded = sorted(name for name in BLOCKED if name in sys.modules)
        if loaded:
            print(f"imported after all: {loaded}", file=sys.stderr)
            sys.exit(70)


if __name__ == "__main__":
    main()
