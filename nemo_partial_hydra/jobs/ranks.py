"""The other tasks of a job that runs on several at once: the first one claims the job and writes its status.

May import: the standard library only. Which task this is, the scheduler says (see ``job_id``). A task that fails leaves
a file, since the scheduler then ends the others, and the first one could only say that it was told to end.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import ExitCode, JobError
from nemo_partial_hydra.messages import say

from . import files, folders
from .layout import JobPaths
from .outcome import error_record, print_error
from .signals import AttemptSignals, Terminated
from .status import error_of

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Failure:
    """What another task failed with."""

    error: Mapping[str, Any] | None
    reason: str


def run(paths: JobPaths, attempt: int, number: int, call: Callable[[], Any], payload_signal: signal.Signals) -> int:
    """Run the recipe as one of the other tasks; return the exit code."""
    signals = AttemptSignals(paths, attempt, payload_signal)
    try:
        with signals.handled(lambda: None):
            call()
        return ExitCode.DONE
    except (Terminated, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SystemExit as error:
        if error.code in (None, 0):
            return ExitCode.DONE
        keep(paths, attempt, number, error_record(error))
        return ExitCode.FAILED
    except BaseException as error:  # whatever a recipe raises is recorded
        print_error(error)
        keep(paths, attempt, number, error_record(error))
        return ExitCode.FAILED


def keep(paths: JobPaths, attempt: int, number: int, error: Mapping[str, Any]) -> None:
    """Leave what a task failed with, as ``error_record`` returns it, for the first one to find."""
    try:
        files.write(paths.root, paths.task_error(attempt, number), json.dumps(dict(error)) + "\n")
    except JobError as problem:
        say(problem, flush=True)  # the error itself has been printed


def left(paths: JobPaths, attempt: int, number: int) -> bool:
    """Whether a task has left what it failed with."""
    return files.exists(paths.root, paths.task_error(attempt, number))


def failure(paths: JobPaths, attempt: int) -> Failure | None:
    """Return what the first of the other tasks that failed has left."""
    try:
        folder = paths.attempt(attempt)
        for name in folders.names(paths.root, folder):
            if name.startswith("task-") and name.endswith(".json"):
                text = files.read_text(paths.root, folder / name, _MAX_BYTES)
                error, number = error_of(json.loads(text)), name[5:-5]
                if error is not None and number.isdigit():
                    error = {**error, "task": int(number)}
                return Failure(error, f"task {number} failed")
    except (OSError, ValueError, RecursionError):
        return None
    return None
