"""Work on many jobs at once: writing a file safely is mostly waiting for the disk.

May import: the standard library only.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
WRITERS = 16


def together(work: Callable[[T], object], items: Sequence[T]) -> None:
    """Do something with many items at once.

    Raises
    ------
    Exception
        What ``work`` raised first, in the order of the items; what had not begun by then is left out.
    """
    if len(items) <= 1:
        for item in items:
            work(item)
        return
    from concurrent.futures import ThreadPoolExecutor  # looking how jobs go is quicker without it

    with ThreadPoolExecutor(min(WRITERS, len(items))) as pool:
        # Each in a copy of this context: what belongs to a session is found through it.
        futures = [pool.submit(contextvars.copy_context().run, work, item) for item in items]
        try:
            for future in futures:
                future.result()
        finally:
            for future in futures:
                future.cancel()
