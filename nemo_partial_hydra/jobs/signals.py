"""The signals that end a running job: they reach the recipe once, and the status says why it ended.

May import: the standard library only. A recipe's own handlers come first: NeMo installs one for SIGTERM and writes a
checkpoint. Ours is there before it, so that a job that handles nothing ends with a status that says why.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from . import files
from .layout import JobPaths
from .status import CANCELLED, TIMEOUT

_MAX_BYTES = 4096


class Terminated(BaseException):
    """A signal asked the job to end, and the recipe has no handler for it."""


class AttemptSignals:
    """The signals that one attempt gets.

    ``time_is_up`` is whether SLURM has said so, ``signal`` the one that ended the recipe, None as long as none did.
    """

    def __init__(self, paths: JobPaths, attempt: int, payload_signal: signal.Signals) -> None:
        self.paths = paths
        self.attempt = attempt
        self.payload_signal = payload_signal
        self.time_is_up = False
        self.signal: signal.Signals | None = None

    @property
    def state(self) -> str:
        """The state of a job that is ended by a signal: what the launcher said, or else ``cancelled``."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if files.read_text(self.paths.root, self.paths.notice(self.attempt), _MAX_BYTES).strip() == TIMEOUT:
                return TIMEOUT
        return TIMEOUT if self.time_is_up else CANCELLED

    @property
    def reason(self) -> str:
        """Why the job ends, for people: the signal, and whether its time is up."""
        name = self.signal.name if self.signal is not None else "a signal"
        return f"{name}: the time is up" if self.time_is_up else name

    @contextlib.contextmanager
    def handled(self, note: Callable[[], object]) -> Iterator[None]:
        """Handle signals while the recipe runs; ``note`` is called when one ends it.

        SIGUSR2 is how the cluster says that the time is up, to every process of the job and with some ways of process
        tracking twice; the recipe is told once, by ``payload_signal``.
        """

        def end(number: int, frame: FrameType | None) -> None:
            del frame
            if self.signal is None:
                self.signal = signal.Signals(number)
                note()
                raise Terminated(self.signal.name)

        def tell(number: int, frame: FrameType | None) -> None:
            del number, frame
            if not self.time_is_up:
                self.time_is_up = True
                os.kill(os.getpid(), self.payload_signal)

        kinds = {signal.SIGTERM: end, signal.SIGUSR2: tell}
        if self.payload_signal not in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
            kinds[self.payload_signal] = end
        before = {number: signal.signal(number, handler) for number, handler in kinds.items()}
        try:
            yield
        finally:
            for number, old in before.items():
                # From here on only the status is written: no signal may come in between.
                signal.signal(number, signal.SIG_IGN if number in (signal.SIGTERM, signal.SIGUSR2) else old)
