"""Whether the terminal is still there.

May import: the standard library only. A shell tells its jobs that it ends (``SIGHUP``), but not those that it has given
away, and nobody tells a program whose terminal was not that of its session.
"""

from __future__ import annotations

import select
import sys


def terminal_is_gone() -> bool:
    """Whether nothing will come from the terminal any more."""
    if sys.__stdin__ is None:
        return True
    looks = select.poll()
    looks.register(sys.__stdin__, 0)  # only what is always told: errors, and that the other side has hung up
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in looks.poll(0))
