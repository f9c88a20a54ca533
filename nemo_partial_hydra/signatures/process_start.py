"""When this process began: what was written later may not be what it has loaded.

May import: the standard library only.
"""

from __future__ import annotations

import os
import time

_SECOND = 1_000_000_000


def _begin() -> int:
    """Return when this process began, in nanoseconds; where the system does not tell, now.

    Linux counts in hundredths of a second, rounded down; no module of anybody's is loaded in the first one.
    """
    try:
        with open("/proc/self/stat", "rb") as stream:
            ticks = int(stream.read().rpartition(b")")[2].split()[19])  # ``starttime``, see proc(5)
        begun = (ticks + 1) * _SECOND // os.sysconf("SC_CLK_TCK")
        # In this order a pause between the two clocks makes it earlier: then less is kept, and nothing that is wrong.
        now, since_boot = time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return now - max(0, since_boot - begun)
    except (OSError, ValueError, IndexError, AttributeError):
        return time.time_ns()


_BEGIN = _begin()


def loaded_before(file: str) -> bool:
    """Whether a file was written and put in its place before this process began, so that it is what was loaded."""
    try:
        found = [os.stat(file), os.lstat(file)]  # a link may have been put in its place
    except OSError:
        return False
    # Copied or moved with its old time, a file has a new ``ctime``.
    written = max(moment for one in found for moment in (one.st_mtime_ns, one.st_ctime_ns))
    if written % _SECOND == 0:  # a file system that counts in seconds, some by twos
        written += 2 * _SECOND
    return written < _BEGIN
