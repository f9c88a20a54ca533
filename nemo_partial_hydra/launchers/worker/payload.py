"""The container as a child process: how it is started, told to stop, waited for, and what its end means.

May import: the standard library only. Python's handlers only note a signal; a pipe wakes the wait, so that nothing is
done inside a handler and nothing is polled.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from nemo_partial_hydra.errors import ExitCode, JobError
from nemo_partial_hydra.jobs import files, folders
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers.container import command
from nemo_partial_hydra.launchers.log_tail import tail
from nemo_partial_hydra.launchers.settings import Settings

from . import complaint, rendezvous

_ERROR = "Error: "  # how the runner begins what it refuses
_LINES = 60  # of the log, in which the reason is looked for


def binds(settings: Settings, paths: JobPaths, sweep: Path) -> list[str]:
    """Return the directories that a job has inside under their own path: the sweep's, its own, and the code."""
    started = [settings.folder] if settings.folder not in (None, "/") else []
    return [str(sweep), str(paths.directory), *settings.code, *filter(None, started)]


def command_of(settings: Settings, paths: JobPaths, attempt: int, sweep: Path, digest: str | None = None) -> list[str]:
    """Return the exact argument list of one job; ``digest`` is that of its job.yaml, once it is known."""
    arguments = [
        str(paths.directory),
        f"--sweep={sweep}",
        "--attempt",
        str(attempt),
        "--payload-signal",
        settings.stop_signal.name,
    ]
    arguments += [f"--digest={digest}"] if digest is not None else []
    for prefix in settings.allow:
        arguments += ["--allow", prefix]
    option = "--code" if settings.container.image is None else "--bound-code"
    arguments += [f"{option}={folder}" for folder in settings.code]
    arguments += [f"--trust-code={folder}" for folder in settings.trust_code]
    arguments += [f"--folder={settings.folder}"] if settings.folder is not None else []
    return command.command(
        settings.container, arguments, directory=str(paths.directory), binds=binds(settings, paths, sweep)
    )


class Child:
    """A running payload, with its log files."""

    def __init__(
        self,
        settings: Settings,
        paths: JobPaths,
        attempt: int,
        *,
        sweep: Path,
        digest: str | None = None,
        restarts: int = 0,
        rank: int = 0,
    ) -> None:
        folders.make(paths.root, paths.attempt(attempt))
        self.out, self.err = paths.out(attempt, rank), paths.err(attempt, rank)
        self.paths, self.attempt, self.restarts, self.rank = paths, attempt, restarts, rank
        self.container = settings.container
        self.cancelled = False
        self._told = False
        if rank == 0:
            with contextlib.suppress(OSError):
                files.remove(paths.root, paths.notice(attempt))  # of this attempt before it was requeued
        self._events: list[int] = []
        secrets = {name: os.environ[name] for name in settings.secrets if name in os.environ}
        given = {**rendezvous.variables(settings, os.environ), **secrets, **paths.sealed_by.handed_over(attempt)}
        environment = command.environment(settings.container, os.environ, extra=given)
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with files.open_log(paths.root, self.out) as out, files.open_log(paths.root, self.err) as err:
            if restarts:
                err.write(f"--- requeued ({restarts}) ---\n".encode())
                err.flush()
            self.process = subprocess.Popen(
                command_of(settings, paths, attempt, sweep, digest),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=paths.directory,
            )  # fmt: skip

    @contextlib.contextmanager
    def watching(self, signals: Sequence[int]) -> Iterator[None]:
        """Note signals, and the child's end, until the block is left."""
        wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        before: dict[int, Any] = {each: signal.signal(each, self._note) for each in signals}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            signal.set_wakeup_fd(wakeup)
            os.close(self._read)
            os.close(self._write)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._events.append(number)

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the child's end (None) or a signal (its number); None after ``seconds`` too."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._events and self.process.poll() is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            select.select([self._read], [], [], left)
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 4096)
        return self._events.pop(0) if self._events else None

    def tell(self, number: signal.Signals, state: str) -> None:
        """Send the payload a signal, once in its life, after noting for its runner why."""
        if self._told or self.process.poll() is not None:
            return
        self._told = True
        if self.rank == 0:
            with contextlib.suppress(JobError):  # on a full disk the runner takes the signal for what it is
                files.write(self.paths.root, self.paths.notice(self.attempt), state)
        self.process.send_signal(number)

    def finish(self, seconds: float) -> int:
        """Give the payload so long to end, then kill it; return its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.wait(end - time.monotonic())  # what the cluster says meanwhile is no news
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return self.code

    def stopped(self, rank: int | None = None) -> Path:
        """Return the file by which a task tells the first one that its payload has ended."""
        rank = self.rank if rank is None else rank
        return self.paths.attempt(self.attempt) / f"stopped.{self.restarts}.{rank}"

    def others_stopped(self, tasks: int) -> bool:
        """Whether the payloads of all other tasks have ended."""
        return all(files.exists(self.paths.root, self.stopped(rank)) for rank in range(1, tasks))

    @property
    def code(self) -> int:
        """The exit code, 128 and the number for a signal, as a shell says it."""
        code = self.process.wait()
        return 128 - code if code < 0 else code

    def came_up(self) -> bool:
        """Whether the container started, as far as its log tells: Apptainer says of what does not that it is fatal."""
        return not any(line.startswith("FATAL:") for line in tail(self.paths, self.err, _LINES))

    def explain(self, *, started: bool) -> str:
        """Say why a payload ended that did not say so itself.

        Parameters
        ----------
        started : whether its runner had begun.
        """
        code = self.code
        if code == 0:
            return "the job ended without writing its result"
        if code == 128 + signal.SIGKILL:
            return "killed with SIGKILL: often the memory limit; see mem_gb"
        if code > 128 and code - 128 in [int(each) for each in signal.Signals]:
            return f"killed with {signal.Signals(code - 128).name}"
        if started:
            return f"ended with exit code {code} without writing how it went"
        said = tail(self.paths, self.err, _LINES)
        refusal = [line.removeprefix(_ERROR) for line in said if line.startswith(_ERROR)]
        if refusal and code in (ExitCode.USAGE, ExitCode.REFUSED):
            return refusal[-1]  # of the runner, which may not write how the job goes: another one runs it
        what = "the job" if self.container.image is None else f"{self.container.image}: the container"
        why = complaint.complaint(said) or "it wrote nothing"
        about = complaint.setting(why) if self.container.image is not None else None
        hint = f" (see hydra.launcher.apptainer.{about})" if about else ""
        return f"{what} did not start: exit code {code}: {why}{hint}"
