"""Drills of jobs that go wrong in the middle of a sweep: one sweep, waited for, in which everything happens at once.

Each drill says what the user sees and what the stock launcher shows instead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from tests.cluster.drills import WAITED, Command, Drill
from tests.cluster.host import run
from tests.cluster.lab import Lab

pytestmark = pytest.mark.cluster
NAMES = ("fine", "bad", "killed", "hungry", "cancelled", "last")


class Sweep:
    """The sweep of all drills here, and what its user saw."""

    def __init__(self, drill: Drill, command: Command, before: str) -> None:
        self.drill, self.command, self.before = drill, command, before
        self.code, self.out, self.err = command.code, command.out, command.err

    def status(self, name: str) -> states.Status:
        return self.drill.status(self.drill.jobs[NAMES.index(name)])

    def line(self, name: str) -> str:
        """What was said of a job."""
        number = f"] {NAMES.index(name)} "
        return next(line for line in self.out.splitlines() if number in line)


@pytest.fixture(scope="module")
def sweep(lab: Lab, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Six jobs: one is cancelled while it runs; the last one ends only after that has been said."""
    drill = Drill(lab, tmp_path_factory.mktemp("sweep"), image)
    drill.job("fine")
    drill.job("bad", "raises", message="no such data: $HOME 'x'")
    drill.job("killed", "killed")
    drill.job("hungry", "hungry", gb=3)
    drill.job("cancelled", "held", gate="never")
    drill.job("last", "held")
    command = drill.submit(WAITED)
    drill.started("cancelled", "last")
    run("scancel", f"{drill.arrays()[0]}_{NAMES.index('cancelled')}")
    lab.wait(lambda: command.out.count("] ") == 5, 60, "the user to be told of five jobs")
    before = command.out
    drill.open()
    return Sweep(drill, command, before)


def test_one_failed_job_does_not_lose_the_others(sweep: Sweep) -> None:
    """The exit code is 1, every job is named once with how it ended, all results are kept, each has run once.

    The stock launcher raises the first error, and the results of the other jobs are lost.
    """
    assert sweep.code == 1, sweep.err
    assert sweep.drill.starts() == dict.fromkeys(NAMES, 1)
    assert sweep.drill.went() == ["done", "failed", "failed", "failed", "cancelled", "done"]
    assert sweep.drill.results() == ["fine", None, None, None, None, "last"]
    assert sweep.out.count("] ") == 6


def test_a_job_raises(sweep: Sweep, lab: Lab) -> None:
    """One line has the error, how long it took, the exit code and the log; SLURM says FAILED too.

    With the stock launcher SLURM says COMPLETED.
    """
    line = sweep.line("bad")
    assert "failed" in line
    assert "ValueError: no such data: $HOME 'x'" in line
    assert "exit code 1" in line
    log = sweep.drill.jobs[1].err(1)
    assert str(log) in line
    said = log.read_text()
    assert "mishaps.py" in said
    assert "nemo_partial_hydra/" not in said.replace("nemo_partial_hydra_source", ""), "only the recipe's own frames"
    array = sweep.drill.arrays()[0]
    ended = lab.ended(array, tasks=len(NAMES))
    assert ended[f"{array}_1"] == "FAILED"
    assert ended[f"{array}_0"] == "COMPLETED"


def test_a_job_is_killed_with_sigkill(sweep: Sweep) -> None:
    """The line names SIGKILL and what it often means; nothing waits for a result that never comes."""
    assert "killed with SIGKILL" in sweep.line("killed")
    assert "exit code 137" in sweep.line("killed")


def test_a_job_runs_out_of_memory(sweep: Sweep, lab: Lab) -> None:
    """The line says that memory was the reason and names the setting to raise."""
    assert "memory" in sweep.line("hungry")
    assert "mem_gb" in sweep.line("hungry")
    array = sweep.drill.arrays()[0]
    lab.ended(array, tasks=len(NAMES))
    known = {record["JobID"]: record["State"] for record in lab.sacct(array)}
    assert known[f"{array}_3.0"] == "OUT_OF_MEMORY", "it is SLURM that ended it"


def test_one_task_is_cancelled(sweep: Sweep) -> None:
    """It is said while its peers still run, and they go on.

    With the stock launcher it is seen only after its peers, and their results are lost.
    """
    assert "cancelled" in sweep.line("cancelled")
    assert sweep.line("cancelled") in sweep.before
    assert "] 5 " not in sweep.before
    assert sweep.status("last").state == states.DONE


def test_ctrl_c(lab: Lab, image: Path, tmp_path: Path) -> None:
    """The exit code is 130; the jobs go on, named, with the command that cancels them, which does.

    With the stock launcher jobs keep running, unnamed.
    """
    drill = Drill(lab, tmp_path, image)
    drill.job("one", "held", gate="never")
    drill.job("two", "held")
    command = drill.submit(WAITED)
    drill.started("one", "two")
    command.interrupt()
    assert command.code == 130
    array = drill.arrays()[0]
    assert f"nemo-hydra cancel {tmp_path}" in command.err
    assert f"scancel {array}" in command.err
    assert "Traceback" not in command.err
    drill.open()
    lab.wait(lambda: drill.went()[1] == states.DONE, 30, "the second job to be done: it was left alone")
    cancelled = drill.command("cancel", tmp_path)
    assert cancelled.code == 0, cancelled.err
    assert drill.ended() == [states.CANCELLED, states.DONE]
    assert drill.starts() == {"one": 1, "two": 1}
