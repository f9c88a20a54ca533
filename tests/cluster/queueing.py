"""SLURM's queue, nodes and accounting as tests ask them, by SLURM's own commands.  Standard library only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.cluster import daemons
from tests.cluster.host import LabError, run

T = TypeVar("T")
ACTIVE = "PENDING,RUNNING,SUSPENDED,COMPLETING,CONFIGURING,STOPPED,SIGNALING,STAGE_OUT,REQUEUED,REQUEUE_HOLD"
JOB = {"job": "%i", "state": "%T", "reason": "%r", "name": "%j", "partition": "%P", "nodes": "%N", "start": "%S"}
RECORD = "JobID JobName Partition State ExitCode DerivedExitCode Start End NodeList".split()
UNFINISHED = {"PENDING", "RUNNING", "REQUEUED", "SUSPENDED", "COMPLETING", "RESIZING"}


class Queue:
    """What ``Cluster`` knows of jobs and nodes."""

    def drain(self, node: str, reason: str = "drill") -> None:
        run("scontrol", "update", f"nodename={node}", "state=drain", f"reason={reason}")

    def resume(self, node: str) -> None:
        run("scontrol", "update", f"nodename={node}", "state=resume")

    def node_states(self) -> dict[str, str]:
        lines = run("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def squeue(self, job: str | int | None = None, states: str = "all") -> list[dict[str, str]]:
        """Give the queue, one record an array task: job, state, reason, name, partition, nodes, start."""
        some = ["-j", str(job)] if job is not None else []
        text = run("squeue", "-h", "--array", "-t", states, "-o", "\t".join(JOB.values()), *some)
        return [dict(zip(JOB, line.split("\t"), strict=True)) for line in text.splitlines()]

    def sacct(self, job: str | int, duplicates: bool = False) -> list[dict[str, str]]:
        """Give accounting's records of a job, its tasks and steps; with ``duplicates`` of its earlier runs too."""
        more = ["--duplicates"] if duplicates else []
        text = run("sacct", "-nP", "-j", str(job), "-o", ",".join(RECORD), *more)
        return [dict(zip(RECORD, line.split("|"), strict=True)) for line in text.splitlines()]

    def states(self, job: str | int) -> dict[str, str]:
        """Give accounting's state of a job, or of each task of an array, by its id; nothing while it has no record."""
        records = {record["JobID"]: record["State"] for record in self.sacct(job)}
        return {key: state.split()[0] for key, state in records.items() if "." not in key}

    def ended(self, job: str | int, tasks: int = 0, seconds: float = 60.0) -> dict[str, str]:
        """Wait until accounting has a job, or all ``tasks`` of an array, as ended; give the states by id.

        The number is needed: for a moment accounting shows an array as if it were a single job that is done.
        """

        def ended() -> dict[str, str]:
            states = self.states(job)
            complete = sum(map(tasks_in, states)) == tasks
            return states if complete and not set(states.values()) & UNFINISHED else {}

        return self.wait(ended, seconds, f"job {job} ends")

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left, by force if need be."""
        if not self.squeue(states=ACTIVE):
            return
        self._scancel()
        try:
            daemons.wait(lambda: not self.squeue(states=ACTIVE), 10, "the cancelled jobs end")
        except LabError:
            self._scancel("--signal=KILL")
            self.wait(lambda: not self.squeue(states=ACTIVE), 20, "the killed jobs end")

    def _scancel(self, *options: str) -> None:
        """Cancel the jobs of all users."""
        ids = {job["job"].partition("_")[0] for job in self.squeue(states=ACTIVE)}
        if ids:
            run("scancel", *options, *sorted(ids))

    def wait(self, condition: Callable[[], T], seconds: float, what: str = "the condition") -> T:
        """Ask until the answer is true and give it, or raise LabError after ``seconds``."""
        return daemons.wait(condition, seconds, what)


def tasks_in(job: str) -> int:
    """Give the number of an array's tasks that an id of accounting stands for: 1 of ``7_0``, 3 of ``7_[0-1,4]``."""
    _, _, tasks = job.partition("_")
    ranges = [part.split("-") for part in tasks.strip("[]").partition("%")[0].split(",") if part]
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def sbatch(*arguments: str | Path, cwd: Path) -> str:
    """Submit with sbatch and give the job's id."""
    return run("sbatch", "--parsable", *arguments, cwd=cwd).strip().split(";")[0]
