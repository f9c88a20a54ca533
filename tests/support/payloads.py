"""What frozen jobs run in the launchers' tests: standard library only, since they also run in images."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import time
from typing import Any


def report(**values: Any) -> dict[str, Any]:
    """Return what a job can see of where it runs."""
    return {
        "values": values,
        "python": list(sys.version_info[:2]),
        "prefix": sys.prefix,
        "cwd": os.getcwd(),
        "path": sys.path,
        "environment": dict(os.environ),
        "modules": sorted(sys.modules),
    }


def fail(message: str) -> None:
    """Fail with a message."""
    raise ValueError(message)


def leave(code: int) -> None:
    """End the process as a crash does: nothing is written."""
    os._exit(code)


def kill(number: int) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(30)


def wait(seconds: float, note: str = "started") -> str:
    """Say that the job has started, then wait."""
    pathlib.Path(note).touch()
    time.sleep(seconds)
    return "waited"


def count(steps: int, seconds: float = 0.2, slow: float = 0.0) -> dict[str, Any]:
    """Count steps; at SIGTERM write a checkpoint and stop; continue from it when started again.

    Every task has a checkpoint of its own; the higher its rank, the longer it takes to write it (``slow`` seconds).
    """
    rank = int(os.environ.get("SLURM_PROCID", "0"))
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    file = pathlib.Path(f"checkpoint-{rank}.json")
    pathlib.Path(f"started-{rank}").touch()
    state = json.loads(file.read_text()) if file.exists() else {"step": 0, "starts": 0, "told": 0}
    state["starts"] += 1
    while state["step"] < steps and not told:
        time.sleep(seconds)
        state["step"] += 1
    time.sleep(0.5 + slow * rank if told else 0)  # a second signal would be counted
    state["told"] += len(told)
    file.write_text(json.dumps(state))
    return state


def last_fails(seconds: float) -> None:
    """Fail in every task but the first, a while after that one is done."""
    if os.environ.get("SLURM_PROCID", "0") != "0":
        time.sleep(seconds)
        raise ValueError("the last one fails")


def touch(path: str) -> None:
    """Change a file's time, as copying another one over it does."""
    os.utime(path)


def rank(folder: str = ".") -> dict[str, str]:
    """Write what a task knows of its place among the others."""
    found = {name: value for name, value in os.environ.items() if name.startswith(("SLURM_", "RANK", "WORLD"))}
    pathlib.Path(folder, f"rank-{os.environ.get('SLURM_PROCID', '0')}.json").write_text(json.dumps(found))
    return found
