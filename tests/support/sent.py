"""Sweeps that were sent, as far as their records say so, and a SLURM that answers what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers import records
from nemo_partial_hydra.launchers.clusters.local.cluster import Local
from nemo_partial_hydra.launchers.clusters.registry import Clusters
from nemo_partial_hydra.launchers.clusters.slurm import queue as queues
from nemo_partial_hydra.launchers.clusters.slurm.cluster import Slurm as Cluster
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer, Ask
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status.entries import Overview
from nemo_partial_hydra.launchers.status.look import overview
from tests.support.sweeps import ALLOW, Sweep

DOWN = Answer(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
NO_ACCOUNTS = Answer(1, "", "sacct: error: Problem talking to the database: Connection refused\n")
KEPT = Settings(name="app", allow=ALLOW, detach=True, resources={"timeout_min": 7})


UNREACHED = (
    "{0}: error: '{2}' can't be reached now, or it is an invalid entry for --cluster.  "
    "Use 'sacctmgr list clusters' to see available clusters.\n"
)
EARLIER = "2026-11-24T20:00:00.000Z"
"""When what was sent was sent, by its record: so long ago that SLURM would know it."""


class Slurm:
    """SLURM's commands with given answers; it notes what it was asked.

    ``name`` is the cluster that answers, ``others`` those that it reaches by ``-M``.
    """

    def __init__(self, queue: dict[str, str] | Answer, accounts: dict[str, str] | Answer | None = None) -> None:
        self.queue, self.accounts = queue, accounts if accounts is not None else {}
        self.folder = ""
        self.asked: list[Sequence[str]] = []
        self.cancel = Answer(0, "", "")
        self.name, self.others = "here", tuple[str, ...]()

    def __call__(self, command: Sequence[str], text: str | None = None) -> Answer:
        self.asked.append(command)
        if command[0] == "scontrol":
            return Answer(0, f"MaxArraySize = 1001\nClusterName             = {self.name}\n", "")
        if "-M" in command and command[command.index("-M") + 1] not in self.others:
            return Answer(1, "", UNREACHED.format(*command))
        if command[0] == "scancel":
            return self.cancel
        given = self.queue if command[0] == "squeue" else self.accounts
        if isinstance(given, Answer):
            return given
        line = f"{self.folder}/submission_file_x.sh"
        rows = []
        for job, state in given.items():
            times = ["2026-11-24T22:28:54", "2026-11-24T22:28:55", "2026-11-24T22:28:56"]
            if command[0] == "squeue":
                rows.append([job, state, *times, "Resources" if state == "PENDING" else "None", "n1", "app", line])
            else:
                rows.append([job, state, *times, "1:0", "n1", "app", f"sbatch {line}"])
        return Answer(0, "".join(queues.SEPARATOR.join(row) + "\n" for row in rows), "")


def with_slurm(ask: Ask) -> Clusters:
    """Return the clusters that there are, with a SLURM whose commands a function answers."""
    return Clusters({"slurm": Cluster(ask, ask, ask, lambda: ""), "local": Local()})


def sent(
    sweep: Sweep, number: int = 1, array: str = "7", attempt: int = 1, settings: Settings = KEPT, **more: Any
) -> None:
    """Record that all jobs of a sweep were sent as one array."""
    folder = str(sweep.paths.submission(number).directory / "submitit")
    jobs = tuple(SentJob(str(task), attempt, JobId(array, task)) for task in range(len(sweep.jobs)))
    made = Submission(
        number, "slurm", "app", EARLIER, "me", "here", jobs, None, str(sweep.paths.directory), folder, **more
    )
    sweep.paths.submission(number).directory.mkdir(parents=True)
    records.write_submission(sweep.paths.submission(number), made)
    records.write_settings(sweep.paths.submission(number), settings)
    for task, job in enumerate(sweep.jobs):
        says(job, states.SUBMITTED, attempt=attempt, slurm={"job": array, "task": task}, submitted=states.now())


def says(job: JobPaths, state: str, **values: object) -> None:
    """Have a job say how it goes."""
    given = {"slurm": states.read_status(job).slurm, **values}
    states.write_status(job, states.Status(state, **given))  # type: ignore[arg-type]


def swept(folder: Path, count: int = 3) -> Sweep:
    sweep = Sweep(folder)
    for number in range(count):
        sweep.add("report", number=number)
    sent(sweep)
    return sweep


def look(sweep: Sweep, slurm: Slurm) -> Overview:
    slurm.folder = str(sweep.paths.submission(1).directory / "submitit")
    return overview(str(sweep.paths.directory), with_slurm(slurm))


def seen(sweep: Sweep, slurm: Slurm) -> list[str]:
    return [entry.state for entry in look(sweep, slurm).entries]
