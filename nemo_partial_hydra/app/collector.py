"""Python's garbage collector while an answer is made.

May import: the standard library.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage: what an answer is made of lives until the process ends, going over it is a tenth of the time.

    That includes what is imported for it, Hydra first of all, and the collection with which an interpreter ends.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
