"""Drills around SLURM: its daemons, its nodes, its limits; and two people at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from tests.cluster.drills import WAITED, Drill, small_disk
from tests.cluster.host import run
from tests.cluster.lab import Lab

pytestmark = pytest.mark.cluster


@pytest.fixture
def drill(lab: Lab, image: Path, tmp_path: Path) -> Drill:
    return Drill(lab, tmp_path / "sweep", image)


def test_more_cpus_than_the_partition_has(drill: Drill) -> None:
    """It is refused at once with exit code 4, and says what the largest node has.

    With the stock launcher it hangs without a message.
    """
    drill.job("one")
    command = drill.submit("hydra.launcher.cpus_per_task=5", WAITED)
    assert command.code == 4
    assert "hydra.launcher.cpus_per_task: no node of partition 'debug' has 5 CPUs: the largest has 4" in command.err
    assert "Nothing was submitted." in command.err
    assert drill.untouched()
    assert not drill.lab.squeue(states="PENDING,RUNNING")


def test_accounting_is_down_and_a_job_dies_without_a_word(drill: Drill) -> None:
    """The end is seen all the same, from the queue, and named; the other job goes on; the exit code is 1.

    The stock launcher hangs.
    """
    drill.lab.stop("slurmdbd")
    drill.job("one", "held", gate="never")
    drill.job("two", "held")
    command = drill.submit(WAITED)
    drill.started("one", "two")
    # The whole task at once, submitit's process too: nobody is left to write how it ended.
    run("scancel", "--signal=KILL", "--full", f"{drill.arrays()[0]}_0")
    drill.lab.wait(lambda: "] 0 " in command.out, 30, "the user to be told")
    assert "[1/2] 0 failed" in command.out or "[1/2] 0 cancelled" in command.out
    drill.open()
    assert command.code == 1, command.err
    assert drill.went()[1] == states.DONE
    assert drill.starts() == {"one": 1, "two": 1}


def test_the_controller_crashes_in_the_middle_of_a_sweep(drill: Drill, image: Path, tmp_path: Path) -> None:
    """Who waits notices nothing but a pause: running jobs go on and end, those in the queue start afterwards, each
    once. ``status`` tells what the jobs say, and that SLURM cannot be asked: exit code 4.

    Who submits another sweep meanwhile gets exit code 4, a message that names the controller, and nothing is left
    over, where the stock launcher leaves orphan files; the same command works when the controller is back.
    """
    with drill.lab.configured(MessageTimeout="5"):  # or every question that nobody answers takes 20 s
        for name in ("one", "two", "three"):
            drill.job(name, "held")
        other = Drill(drill.lab, tmp_path / "other", image)
        other.job("four")
        command = drill.submit("hydra.launcher.array_parallelism=2", WAITED)
        drill.started("one", "two")
        drill.lab.saved(drill.arrays()[0])
        drill.lab.kill("slurmctld")
        refused, seen = other.submit(WAITED), drill.command("status", drill.paths.directory, "0", "1", "2")
        assert refused.code == 4
        assert "SLURM's controller cannot be reached" in refused.err
        assert "Nothing was submitted." in refused.err
        assert other.untouched()
        assert seen.code == 4, seen.out
        assert seen.out.count("running") >= 2
        assert command.process.poll() is None
        drill.lab.start("slurmctld")
        again = other.submit(WAITED)
        drill.open()
        assert command.code == 0, command.err
        assert drill.starts() == {"one": 1, "two": 1, "three": 1}
        assert drill.results() == ["one", "two", "three"]
        assert again.code == 0, again.err
        assert other.starts() == {"four": 1}


def test_the_nodes_are_drained_while_jobs_wait(drill: Drill) -> None:
    """At submission a note says that the jobs will wait, for which nodes and why; they run when the nodes are back."""
    drill.job("one")
    for node in drill.lab.nodes:
        drill.lab.drain(node, "new disks")
    command = drill.submit(WAITED)
    job = drill.jobs[0]
    drill.lab.wait(lambda: drill.status(job).slurm, 30, "the job to be submitted")
    assert "Note: the jobs will wait: 0 of the 3 nodes of partition 'debug' that fit are up" in command.err
    assert "new disks" in command.err
    assert drill.status(job).state == states.SUBMITTED
    assert command.process.poll() is None
    for node in drill.lab.nodes:
        drill.lab.resume(node)
    assert command.code == 0, command.err
    assert drill.starts() == {"one": 1}


def test_jobs_are_requeued_held_and_suspended_by_hand(drill: Drill) -> None:
    """What runs again is not tried again beside it; what stands still is said to, and what lets it go on."""
    drill.job("bad", "raises", message="no data")
    drill.job("slow", "held")
    assert drill.submit().code == 0
    bad, slow = (f"{drill.arrays()[0]}_{number}" for number in range(2))
    drill.lab.wait(lambda: drill.went() == [states.FAILED, states.RUNNING], 40, "one to fail, one to run")

    def queued(states: str) -> list[str]:
        return [record["job"] for record in drill.lab.squeue(states=states)]

    drill.lab.wait(lambda: queued("RUNNING,COMPLETING") == [slow], 20, "SLURM to see that")
    run("scontrol", "requeuehold", bad)
    drill.lab.wait(lambda: queued("PENDING") == [bad], 20, "it to be held")
    run("scontrol", "suspend", slow)
    shown = drill.command("status", drill.paths.directory)
    assert shown.code == 0, shown.out
    assert f"requeued after it failed: job requeued in held state; scontrol release {bad} lets it start" in shown.out
    assert "SLURM has suspended it; " in shown.out
    refused = drill.command("retry", drill.paths.directory, "0")
    assert refused.code == 3
    assert f"job 0 is submitted as {bad}: nothing runs twice" in refused.err
    run("scontrol", "release", bad)
    run("scontrol", "resume", slow)
    drill.open()
    drill.lab.wait(lambda: drill.starts() == {"bad": 2, "slow": 1}, 60, "the requeued one to run again")
    assert drill.ended() == [states.FAILED, states.DONE]


def test_two_people_submit_the_same_sweep(drill: Drill) -> None:
    """One submits, the other is refused with exit code 3 and told under which id the job is; each job runs once."""
    for name in ("one", "two"):
        drill.job(name)
    both = [drill.submit(WAITED), drill.submit(WAITED)]
    assert sorted(command.code for command in both) == [0, 3], [command.err for command in both]
    refused = next(command for command in both if command.code == 3)
    assert "already" in refused.err or "nothing to submit" in refused.err
    assert drill.went() == ["done", "done"]
    assert drill.starts() == {"one": 1, "two": 1}
    third = drill.submit()
    assert third.code == 3
    assert "nothing to submit: 0 is done, 1 is done" in third.err
    assert len(drill.arrays()) == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 1024) as folder:
        yield folder


def test_the_disk_is_full(lab: Lab, image: Path, tmp_path: Path, disk: Path) -> None:
    """What fills it is said of each job: of the one whose result cannot be kept, of the one that fails, of the one
    that ends later, of the one that cannot even start. No job says that it is done, and none is waited for any more.

    Submitting to it is refused with exit code 2.
    """
    drill = Drill(lab, disk / "sweep", image, ledger=tmp_path)
    drill.job("later", "held", gate="later")
    drill.job("fails", "fills", gate="fails", fails=True)
    drill.job("fills", "fills", gate="gate")
    drill.job("never")
    more = Drill(lab, disk / "more", image, ledger=tmp_path)
    more.job("more")
    command = drill.submit("hydra.launcher.array_parallelism=3", WAITED)
    drill.started("later", "fails", "fills")
    drill.open()
    lab.wait(lambda: "] 2 " in command.out, 40, "the disk to be full")
    drill.open("fails")
    lab.wait(lambda: command.out.count("] ") == 3, 40, "the last job not to start")
    refused = more.submit()
    assert refused.code == 2
    assert "the disk is full" in refused.err
    drill.open("later")
    assert command.code == 1, command.err + command.out
    assert command.out.count("] ") == 4, command.err
    assert "Traceback" not in command.err
    assert drill.went() == ["failed"] * 4
    lines = [line for line in command.out.splitlines() if "] " in line]
    assert sum("No space left on device" in line for line in lines) >= 3, lines
    assert "ValueError: the checkpoint is not whole" in command.out
    assert drill.starts() == {"later": 1, "fails": 1, "fills": 1}
    assert more.untouched()
