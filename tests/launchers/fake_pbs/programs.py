"""Stand-ins for ``qsub``, ``qstat`` and ``qdel``: a file a task, and one task at a time.

A task's file says ``Q`` (waits), ``R pid`` or ``F code``; the scheduler is a process that ``qsub`` leaves behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ["FAKE_PBS"])
DELETED = "F 271"


def qsub(count: str, script: str) -> None:
    """Queue an array and print its id, ``7[].pbs``."""
    job = ROOT / str(1 + len(list(ROOT.iterdir())))
    job.mkdir()
    for task in range(int(count)):
        (job / str(task)).write_text("Q")
    line = [sys.executable, __file__, "schedule", job.name, script]
    subprocess.Popen(line, start_new_session=True, stdout=subprocess.DEVNULL)  # who asked waits for our output's end
    print(f"{job.name}[].pbs")


def schedule(job: str, script: str) -> None:
    """Run the tasks of an array one after the other."""
    for task in sorted((ROOT / job).iterdir(), key=lambda path: int(path.name)):
        if task.read_text() == "Q":
            process = subprocess.Popen(["sh", script], env={**os.environ, "PBS_ARRAY_INDEX": task.name})
            task.write_text(f"R {process.pid}")
            task.write_text(f"F {process.wait()}")


def qstat(*jobs: str) -> None:
    """Print ``task state number`` of all tasks of arrays, also of those that have ended."""
    for task in (task for job in jobs for task in (ROOT / job).iterdir()):
        print(f"{task.parent.name}[{task.name}]", task.read_text() or "R 0")  # empty while it is written


def qdel(*tasks: str) -> None:
    """Delete tasks that wait or run."""
    for name in tasks:
        task = ROOT / name.rstrip("]").replace("[", "/")
        state, _, pid = task.read_text().partition(" ")
        if state == "R":
            os.kill(int(pid), signal.SIGTERM)
        else:
            task.write_text(DELETED)


if __name__ == "__main__":
    {one.__name__: one for one in (qsub, schedule, qstat, qdel)}[sys.argv[1]](*sys.argv[2:])
