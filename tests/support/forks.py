"""Runs in forks of one process (``tests.support.fork_server``), each with its own output and exit code.

A fork does what ``python SCRIPT ...`` does, in half the time; in a tenth of it where NeMo-Run is imported.  It is no
new interpreter, so a run is a process of its own wherever the environment differs in what only a start reads, and in
tests that look at ``sys.modules``, at times, at signals or at process groups: those say so.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import fork_server

AT_START = ("PYTHON", "LC_", "LD_", "LANG", "GLIBC_", "MALLOC_", "HOME", "PATH", "TZ", "VIRTUAL_ENV")
"""How the names of variables begin that the interpreter, the C library or a package reads as it is loaded."""

ROOT = Path(__file__).resolve().parents[2]


def environment(*folders: Path) -> dict[str, str]:
    """Return an environment in which only the repository is on the path, and before it these folders."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "NPH_CACHE") if name in os.environ}
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


class Forks:
    """A server, the environment that it was started with, and what it has imported beside Hydra."""

    def __init__(self, environment: Mapping[str, str], *imported: str) -> None:
        self.environment = dict(environment)
        self.imported = imported
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def can(self, script: Path | None, environment: Mapping[str, str]) -> bool:
        """Whether a fork runs the script, or a module for none, as a process of its own would."""
        if script is not None and (not script.is_file() or script.is_symlink()):
            return False
        names = {name for name in (*environment, *self.environment) if name.startswith(AT_START)}
        return all(environment.get(name) == self.environment.get(name) for name in names)

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python SCRIPT ...``, or ``-m MODULE``, in a fork; return what ``subprocess.run`` does."""
        with self._lock:
            channel = self._started()
            umask = os.umask(0)
            os.umask(umask)
            message = {"arguments": [*arguments], "folder": str(folder), "environment": dict(environment)}
            ends = [os.pipe(), os.pipe()]
            socket.send_fds(channel, [json.dumps({**message, "umask": umask}).encode()], [write for _, write in ends])
            for _, write in ends:
                os.close(write)
            process = int(channel.recv(fork_server.LARGEST))
            try:
                out, err = _read([read for read, _ in ends], timeout)
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired([*arguments], timeout) from None
            finally:
                for read, _ in ends:
                    os.close(read)
                code = os.waitstatus_to_exitcode(int(channel.recv(fork_server.LARGEST)))
        return subprocess.CompletedProcess([*arguments], code, out, err)

    def close(self) -> None:
        """End the server, if it was started."""
        if self._channel is not None and self._process is not None:
            self._channel.close()
            self._process.wait()
            self._channel = self._process = None

    def _started(self) -> socket.socket:
        if self._channel is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, fork_server.__file__, str(theirs.fileno()), *self.imported],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            self._channel = ours  # now that there is a server: a quick run of the tests starts none
        return self._channel


APPS = Forks(environment())
RECIPES = Forks(environment(), "nemo_run")
"""Of the apps of all tests in this process, and of those whose modules import NeMo-Run; each is started when the first
needs it, and ended by ``tests.conftest``."""


def _read(descriptors: Sequence[int], timeout: float) -> list[str]:
    """Read from pipes until all ends are closed, as :meth:`subprocess.Popen.communicate` does."""
    end = time.monotonic() + timeout
    found: dict[int, list[bytes]] = {descriptor: [] for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                part = os.read(key.fd, 1 << 16)
                found[key.fd].append(part)
                if not part:
                    selector.unregister(key.fd)
    return [b"".join(parts).decode().replace("\r\n", "\n").replace("\r", "\n") for parts in found.values()]
