"""Work on many jobs: at once, since writing a file safely is mostly waiting for the disk; and with rests between.

May import: the standard library only.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
WRITERS = 16
REST = 4
"""Whoever looks at jobs again and again rests so many times as long as a look has taken: a fifth of a processor."""


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


class Pace:
    """How often something is done that takes long where there are many jobs: ``with pace`` does it once.

    Parameters
    ----------
    rest : the seconds after it in which it is not done again, at least.
    clock : tells the time.
    spent : tells what it has taken: by default that is time too; ``time.thread_time`` does not count waiting.
    """

    def __init__(
        self,
        rest: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] | None = None,
    ) -> None:
        self._rest, self._clock, self._spent = rest, clock, spent or clock
        self._begun, self._next = 0.0, clock()

    def __enter__(self) -> None:
        self._begun = self._spent()

    def __exit__(self, *exception: object) -> None:
        self._next = self._clock() + max(self._rest, REST * (self._spent() - self._begun))

    def waits(self) -> float:
        """Return for how many seconds it is not done again; 0 if it may be done now."""
        return max(0.0, self._next - self._clock())
