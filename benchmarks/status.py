"""``nemo-hydra status`` of a sweep of 1,000 jobs, a whole process, beside the least that could do it.

The jobs are as a sweep over a recipe with 534 parameters leaves them when most of it has run: submitted as two arrays,
some done, some failed with logs, some running. ``squeue`` and ``sacct`` are programs that print what SLURM would, so
that no cluster's own load is in the figures; both sides start each of them once, and ours is checked to. The peer is
``python -c`` that reads 1,000 status files as JSON and asks both: it merges and prints nothing.
"""

from __future__ import annotations

import datetime
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import synthetic
from benchmarks.measure import Comparison, Side, on_path, process, report, seconds, turns, verdict
from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.jobs import seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, job_text
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import SweepPaths, sweep_paths
from nemo_partial_hydra.launchers import records
from nemo_partial_hydra.launchers.clusters.slurm import queue as queues
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import Settings

JOBS, ROUNDS = 1_000, 7
LIMIT = 2.0  # seconds, of the whole process
FLOOR = """
import json, subprocess, sys
from pathlib import Path
found = [json.loads(Path(sys.argv[1], str(n), "status.json").read_text()) for n in range(int(sys.argv[2]))]
for command in ("squeue", "sacct"):
    subprocess.run([command], capture_output=True, text=True, check=True)
"""


def main() -> int:
    """Print the figures; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")  # of the key that seals the records
        seal.require_key()
        sweep = swept(folder / "sweep")
        with slurm(folder, sweep):
            ours = counted(folder, process("-c", _SILENT, "status", str(sweep.directory)))
            floor = process("-c", FLOOR, str(sweep.directory), str(JOBS))
            made = turns(
                Comparison("status", "reading the files, asking both", None, f"{JOBS} jobs"), ours, floor, ROUNDS
            )
    spent = statistics.median(made.ours)
    code = report("Status of a sweep, whole process", [made])
    from rich.console import Console

    Console().print(f"status of {JOBS} jobs: {seconds(spent)}, to be under {LIMIT:g} s  {verdict(spent < LIMIT)}")
    return code or int(spent >= LIMIT)


# The exit code 1 says that jobs failed, which is so.
_SILENT = "import sys; from nemo_partial_hydra.cli.main import main; sys.exit(0 if main(sys.argv[1:]) == 1 else 9)"


def state_of(number: int) -> str:
    """Return how a job went: four of ten are done, one failed, five run."""
    return {0: states.FAILED}.get(number % 10, states.DONE if number % 10 < 5 else states.RUNNING)


def swept(folder: Path) -> SweepPaths:
    """Write a sweep that was submitted as two arrays."""
    recipe = load(synthetic.recipe_yaml())
    recipe = recipe.get("recipe", recipe)
    sweep, hashed = sweep_paths(folder), recipe_hash(recipe)
    sent = []
    for number in range(JOBS):
        job = sweep.job(str(number))
        job.attempt(1).mkdir(parents=True)
        job.job.write_text(
            job_text(Job(hashed, "train", number, str(number), (f"optim.lr={number}e-5",), states.now(), recipe=recipe))
        )
        array, task = str(70 + number * 2 // JOBS), number % (JOBS // 2)
        sent_as = JobId(array, task)
        state = state_of(number)
        error = {"type": "ValueError", "message": "no", "where": []} if state == states.FAILED else None
        end = None if state == states.RUNNING else states.now()
        made = states.Status(
            state, 1, states.now(), states.now(), end, "n1", 7, sent_as.record(), 1 if error else 0, error
        )
        job.status.write_text(states.encode(made, job))
        job.err(1).write_text("a line of a log\n" * 200)
        sent.append(SentJob(str(number), 1, sent_as))
    paths = sweep.submission(1)
    paths.directory.mkdir(parents=True)
    made_by = Submission(
        1, "slurm", "train", states.now(), "me", "login", sent, None, str(folder), f"{folder}/submitit"
    )
    records.write_submission(paths, made_by)
    records.write_settings(paths, Settings())
    return sweep


@contextmanager
def slurm(folder: Path, sweep: SweepPaths) -> Iterator[None]:
    """Put a ``squeue`` and a ``sacct`` on the path, which print what SLURM would, and count how often."""
    (sent,) = records.submissions(sweep)
    now = datetime.datetime.now().isoformat(timespec="seconds")
    script = f"{sent.folder}/submission_file_x.sh"
    queue, accounts = [], []
    for number, job in enumerate(sent.jobs):
        runs = state_of(number) == states.RUNNING
        if runs:
            queue.append([job.spelled, "RUNNING", now, now, now, "None", "n1", "train", script])
        accounts.append(
            [job.spelled, "RUNNING" if runs else "COMPLETED", now, now, now, "0:0", "n1", "train", f"sbatch {script}"]
        )
    tools = folder / "bin"
    tools.mkdir()
    for name, rows in (("squeue", queue), ("sacct", accounts)):
        (folder / name).write_text("".join(queues.SEPARATOR.join(row) + "\n" for row in rows))
        (tools / name).write_text(f'#!/bin/sh\necho {name} >> "{folder}/calls"\nexec cat "{folder}/{name}"\n')
        (tools / name).chmod(0o755)
    with on_path(tools):
        yield


def counted(folder: Path, side: Side) -> Side:
    """Make a side that fails unless it asked each program once."""

    def checked() -> float:
        (folder / "calls").unlink(missing_ok=True)
        spent = side()
        calls = sorted((folder / "calls").read_text().split())
        if calls != ["sacct", "squeue"]:
            raise RuntimeError(f"status asked {calls}")
        return spent

    return checked


if __name__ == "__main__":
    sys.exit(main())
