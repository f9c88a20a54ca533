"""What holds for all tests."""

from __future__ import annotations

import os
import signal

# A shell starts what runs in its background with SIGINT ignored, and children inherit that: a test that interrupts a
# process would wait for ever. A handler of our own is not inherited, but the default action is then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# pytest-xdist's workers import readline, which writes the size of a terminal that is not there into the environment.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
