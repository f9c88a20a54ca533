"""One daemon of the lab: started, asked whether it lives, stopped, killed.

Its process id is recorded before it becomes the daemon, so that an interrupted start leaves none unrecorded.  A
recorded id counts only while the process has the daemon's name and carries the lab's mark in its environment: ids are
used again, and a daemon of somebody else is not ours to stop.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.cluster.host import LabError

T = TypeVar("T")
MARK = "NPH_LAB"  # the variable that says whose a daemon is
BECOME = 'echo $$ >"$1.new" && mv "$1.new" "$1" && shift && exec "$@"'


def wait(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Ask until the answer is true and give it; after ``seconds`` raise LabError, naming ``what`` was waited for."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Daemon:
    """A daemon that stays in the foreground: its command, the process name it shows, where it listens."""

    name: str
    comm: str
    command: tuple[str, ...]
    state: Path
    ports: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def _file(self) -> Path:
        return self.state / "pid" / self.name

    @property
    def output(self) -> Path:
        return self.state / "log" / f"{self.name}.out"

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        try:
            pid = int(self._file.read_text())
            comm = Path(f"/proc/{pid}/comm").read_text().strip()
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        ours = comm == self.comm and f"{MARK}={self.state}".encode() in environment
        return pid if ours and status != "Z" else None

    def start(self) -> None:
        """Start it if it does not run; whether it answers is for the caller to wait for."""
        if self.pid is not None:
            return
        for port in self.ports:
            _must_be_free(port, self.name)
        self._file.unlink(missing_ok=True)
        env = {**os.environ, **self.environment, MARK: str(self.state)}
        words = ["setsid", "--fork", "sh", "-c", BECOME, "sh", str(self._file), *self.command]
        with self.output.open("ab") as output:
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd="/", check=True)
        wait(self._file.exists, 10, f"{self.name} is started")
        wait(lambda: self.pid is not None or not self._starting(), 10, f"{self.name} is started")

    def _starting(self) -> bool:
        return Path("/proc", self._file.read_text().strip(), "environ").exists()

    def stop(self, seconds: float = 20.0) -> None:
        """End it in order; a daemon that does not end in ``seconds`` is killed."""
        self._signal(signal.SIGTERM)
        try:
            wait(lambda: self.pid is None, seconds, f"{self.name} ends")
        except LabError:
            self.kill()
        self._file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        wait(lambda: self.pid is None, 10, f"{self.name} is gone after SIGKILL")
        self._file.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return


def _must_be_free(port: int, name: str) -> None:
    """Wait for a port: what a daemon that was killed had started ends a moment after it."""
    with suppress(LabError):
        wait(lambda: _is_free(port), 10, f"port {port} is free")
        return
    raise LabError(
        f"port {port} of 127.0.0.1, which {name} needs, is in use: is another test cluster up?"
        f" (ss -ltnp 'sport = :{port}' names the process)"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
