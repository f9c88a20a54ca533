"""A scheduler like PBS as a cluster of the launchers: all that another scheduler has to bring.

The ``.dist-info`` beside this file offers it to the launchers, as an installed package would.
"""

from __future__ import annotations

import pickle
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_partial_hydra.errors import ClusterError, UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers.clusters.base import Array, Record, Refusal, Subject, Views
from nemo_partial_hydra.launchers.clusters.waits import Wait
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.settings import Settings

PROGRAMS = Path(__file__).with_name("programs.py")
TASK = "import os, pickle, sys; pickle.load(open(sys.argv[1], 'rb'))[int(os.environ['PBS_ARRAY_INDEX'])]()"


def ask(*words: str) -> str:
    """Run one of the scheduler's programs; return what it prints."""
    done = subprocess.run([sys.executable, str(PROGRAMS), *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{words[0]} failed")
    return done.stdout


def spelled(job: JobId) -> str:
    return f"{job.job}[{job.task}]"


def record(state: str, number: str = "") -> Record:
    """Return what ``qstat`` says of a task."""
    ends = {"0": (states.LOST, "ended without a word"), "271": (states.CANCELLED, "deleted")}
    end, why = ends.get(number, (states.FAILED, f"ended with {number}")) if state == "F" else (None, "")
    return Record(state, waits=state == "Q", end=end, why=why, lingers=number == "0")


@dataclass(frozen=True)
class Answers:
    """What ``qstat`` has answered: the queue and the accounting in one."""

    tasks: Mapping[str, Record]
    unasked: Sequence[str] = ()
    queue_failed: bool = False

    def views(self, subject: Subject) -> Views:
        known = self.tasks.get(spelled(subject.id)) if subject.id is not None else None
        return Views(True, known, None, queue_asked=True, accounts_asked=True, cluster="PBS")


class Pbs:
    """The scheduler."""

    name, launcher, title, programs, run = "pbs", "fake_pbs", "PBS", ("qsub", "qdel"), None
    find = surroundings = None

    def preflight(self, settings: Settings, directory: str, script: Callable[[], str], report: Report) -> None:
        if settings.resource("nodes", 1) > 1:
            report.faults([("nodes", "PBS has one node")])

    def dependency(self, directory: str, settings: Settings) -> str | None:
        raise UsageError("--after: this PBS has no dependencies")

    def behind(self, waits: Sequence[Wait]) -> str:
        raise UsageError("this PBS has no dependencies: run the steps one after the other")

    def script(self, array: Array) -> str:
        task = shlex.join([sys.executable, "-c", TASK, str(array.folder / "tasks.pickle")])
        return "\n".join(["#!/bin/sh", *array.settings.host_lines, f"exec {task}\n"])

    def submit(self, array: Array) -> list[JobId]:
        array.folder.mkdir(parents=True, exist_ok=True)
        (array.folder / "tasks.pickle").write_bytes(pickle.dumps(list(array.tasks)))
        (array.folder / "script.sh").write_text(self.script(array))
        job = ask("qsub", str(array.count), str(array.folder / "script.sh")).partition("[")[0]
        return [JobId(job, task, cluster=self.name) for task in range(array.count)]

    def query(self, ids: Sequence[JobId], *, brief: bool = False) -> Answers:
        rows = ask("qstat", *{each.job for each in ids}).splitlines() if ids else []
        return Answers({task: record(*rest) for task, *rest in map(str.split, rows)})

    def cancel(self, subjects: Sequence[Subject]) -> list[Refusal | None]:
        ask("qdel", *[spelled(each.id) for each in subjects if each.id is not None])
        return [None for _ in subjects]


PBS = Pbs()
