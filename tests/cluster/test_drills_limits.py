"""Limits of a real SLURM on how many jobs there may be: as many as fit are sent, the rest when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import submit
from nemo_partial_hydra.launchers.clusters.slurm import commands
from nemo_partial_hydra.launchers.settings import Settings
from tests.cluster.drills import Drill
from tests.cluster.host import run
from tests.cluster.lab import Lab

pytestmark = pytest.mark.cluster


@contextmanager
def qos(lab: Lab, **limits: int) -> Iterator[None]:
    """Have limits of the only QOS enforced for a while."""
    with lab.configured(AccountingStorageEnforce="limits,qos"):
        run("sacctmgr", "-i", "modify", "qos", "normal", "set", *(f"{name}={value}" for name, value in limits.items()))
        lab.wait(lambda: refused(99), 10, "the limit counts")
        try:
            yield
        finally:
            lab.cancel_all()
            run("sacctmgr", "-i", "modify", "qos", "normal", "set", *(f"{name}=-1" for name in limits))


def refused(count: int) -> bool:
    """Whether so many jobs are not taken."""
    line = ["sbatch", "--parsable", "--hold", f"--array=0-{count - 1}", "--output=/dev/null", "--wrap=true"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        run("scancel", done.stdout.split(";")[0].strip())
    return done.returncode != 0


def filled(lab: Lab, folder: Path, count: int) -> Drill:
    drill = Drill(lab, folder, None)
    for number in range(count):
        drill.job(f"j{number}", "held")
    return drill


def test_of_a_sweep_that_is_too_large_as_many_are_sent_as_fit(lab: Lab, tmp_path: Path) -> None:
    drill = filled(lab, tmp_path, 8)
    with qos(lab, MaxSubmitJobsPerUser=5):
        sent = drill.submit()
        assert sent.code == 4, sent.err
        assert "Submitted 5 jobs to SLURM" in sent.out
        assert "3 more jobs were not sent: the QOS takes no more jobs (QOSMaxSubmitJobPerUserLimit" in sent.err
        assert "MaxSubmitJobsPerUser=5 of normal" in sent.err
        assert "timeout_min" not in sent.err
        assert drill.went()[5:] == [states.FROZEN] * 3
        again = drill.submit("5-6")
        assert again.code == 4
        assert "Nothing was submitted." in again.err
        follow = drill.submit("--follow")
        lab.wait(lambda: "waiting for room" in follow.err, 30, "that it waits is said")
        assert drill.went()[5:] == [states.FROZEN] * 3
        drill.open()
        assert follow.code == 0, follow.err
        assert drill.ended(60) == [states.DONE] * 8
    assert drill.starts() == {f"j{number}": 1 for number in range(8)}


def test_so_many_are_queued_at_once_as_are_wanted(lab: Lab, tmp_path: Path) -> None:
    drill = filled(lab, tmp_path, 5)
    sent = drill.submit("hydra.launcher.max_queued=2")
    drill.started("j0", "j1")
    lab.wait(lambda: drill.went().count(states.FROZEN) == 3, 10, "two of five to be sent")
    sent.interrupt()
    assert sent.code == 130, sent.err
    assert "3 jobs were not sent; the same command goes on" in sent.err
    assert len(run("squeue", "-h", "-r", "-t", "PENDING,RUNNING").splitlines()) == 2
    drill.open()
    rest = drill.submit("hydra.launcher.max_queued=2")
    assert rest.code == 0, rest.err
    assert drill.ended(60) == [states.DONE] * 5
    assert drill.starts() == {f"j{number}": 1 for number in range(5)}


def test_a_cluster_that_is_full_is_told_from_one_that_is_slow(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drill = filled(lab, tmp_path, 2)
    monkeypatch.setattr(commands, "AGAIN_S", 2.0)
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")
    known = len(run("squeue", "-h", "-r", "-t", "all").splitlines())  # ended ones count until they are forgotten
    with lab.configured(MaxJobCount=str(max(2, known))):
        with pytest.raises(ClusterError, match=r"as many jobs as it takes of all users \(MaxJobCount=\d+\)"):
            submit.submit(drill.paths, drill.jobs, Settings(resources={"timeout_min": 1, "mem_gb": 1}))
        assert drill.untouched()
