"""Jobs of several processes on several nodes, each in its container: how they find each other, and what goes wrong."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import send as launchers
from nemo_partial_hydra.launchers import wait
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.settings import Settings
from tests.cluster.cluster import processes_of
from tests.cluster.drills import Drill
from tests.cluster.host import run
from tests.cluster.images import Bound
from tests.cluster.lab import Lab
from tests.support.sweeps import ROOT, Sweep

pytestmark = pytest.mark.cluster
TWO_BY_TWO = ("hydra.launcher.nodes=2", "hydra.launcher.tasks_per_node=2", "hydra.launcher.cpus_per_task=1")
RANKS = range(4)


class Distributed(Sweep):
    """Jobs that need PyTorch."""

    payloads = "tests.support.distributed"


def written(job: JobPaths, name: str) -> list[Any]:
    """Return what each process has written."""
    return [json.loads((job.directory / f"{name}-{rank}.json").read_text()) for rank in RANKS]


@pytest.mark.nemo
def test_processes_reduce_train_and_meet_again_after_a_requeue(
    lab: Lab, image_nemo: Bound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 nodes by 2 processes: torch.distributed over gloo, and Lightning's Trainer with its own SLURM environment."""
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")
    # NeMo installs another package of the name tests.
    env = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    container = Container(image=str(image_nemo.image), binds=image_nemo.binds, python=str(image_nemo.python), env=env)
    resources = {"timeout_min": 5, "mem_gb": 3, "signal_delay_s": 20, "nodes": 2, "tasks_per_node": 2,
                 "cpus_per_task": 1, "max_num_timeout": 1}  # fmt: skip
    settings = Settings(
        container=container, resources=resources, code=(str(ROOT),), detach=True,
        allow=(Distributed.payloads, "lightning.pytorch.Trainer"),
    )  # fmt: skip
    plain, torchrun = Distributed(tmp_path / "plain"), Distributed(tmp_path / "torchrun")
    reduced = plain.add("reduced", torchrun=False)
    trainer = {"_target_": "lightning.pytorch.Trainer", "strategy": "ddp", "accelerator": "cpu", "devices": 2,
               "num_nodes": 2, "max_epochs": 1, "logger": False, "enable_checkpointing": False,
               "enable_progress_bar": False, "enable_model_summary": False}  # fmt: skip
    fitted = plain.add("fit", trainer=trainer, steps=2)
    again = torchrun.add("reduced_again")
    (again_sent,) = launchers.send(torchrun.paths, torchrun.jobs, replace(settings, torch_env=True), {})
    (plain_sent,) = launchers.send(plain.paths, plain.jobs, settings, {})
    total = {"sum": sum(RANKS), "world": len(RANKS)}

    def first() -> bool:
        assert states.read_status(again).state in (states.SUBMITTED, states.RUNNING), again.err(1).read_text()
        return all((again.directory / f"reduced-{rank}.json").exists() for rank in RANKS)

    lab.wait(first, 90, "all processes to have met once")
    lab.wait(lambda: written(again, "reduced") == [[total]] * 4, 10, "all processes to have written")
    run("scancel", "--signal=USR2", str(states.read_status(again).job_id))
    wait.wait(torchrun.paths, again_sent, lambda job, status: None)
    wait.wait(plain.paths, plain_sent, lambda job, status: None)
    for job in (again, reduced, fitted):
        log = job.err(1).read_text()
        assert states.read_status(job).state == states.DONE, log
    assert read_result(reduced) == total
    assert (states.read_status(again).requeues, written(again, "reduced")) == (1, [[total, total]] * 4)
    found = written(fitted, "fit")
    assert {each["environment"] for each in found} == {"SLURMEnvironment"}
    assert [(each["rank"], each["node"], each["world"]) for each in found] == [
        (0, 0, 4), (1, 0, 4), (2, 1, 4), (3, 1, 4),
    ]  # fmt: skip
    assert len({each["main"] for each in found}) == 1
    # Each of two steps goes down by the mean of the ranks' gradients: (1 + 2 + 3 + 4) / 4.
    assert [each["weight"] for each in found] == [-5.0] * 4


@pytest.fixture
def drill(lab: Lab, image: Path, tmp_path: Path) -> Drill:
    return Drill(lab, tmp_path, image)


def test_one_process_fails(drill: Drill) -> None:
    """The others, which would wait for it for ever, are ended; which one failed is said, with its error."""
    drill.job("one", "one_raises", rank=3)
    command = drill.submit(*TWO_BY_TWO, "hydra.launcher.detach=false")
    assert command.code == 1, command.err
    assert "ValueError: rank 3 has no data (task 3)" in command.out
    assert command.out.rstrip().endswith("/err.3.log")
    (job,) = drill.jobs
    assert drill.status(job).reason == "task 3 failed"
    shown = drill.command("status", drill.paths.directory)
    assert shown.code == 1
    assert "rank 3 has no data" in shown.out
    assert drill.went() == [states.FAILED]
    assert not [pid for node in drill.lab.nodes for pid in processes_of(node)]


def test_one_process_hangs(drill: Drill) -> None:
    """The job runs on, and ``status`` says so, though the first process is done; at its time's end it has timed out."""
    drill.job("one", "one_hangs", rank=2)
    assert drill.submit(*TWO_BY_TWO).code == 0
    drill.lab.wait(lambda: drill.starts() == {"one": 4}, 40, "all processes to run")
    drill.lab.wait(lambda: drill.went() == [states.DONE], 20, "the first one to be done")
    shown = drill.command("status", drill.paths.directory)
    assert shown.code == 0, shown.err
    assert "1 job: 1 running" in shown.out, shown.out
    assert drill.command("retry", drill.paths.directory, "0").code == 3
    run("scancel", "--signal=USR2", drill.arrays()[0])
    drill.lab.wait(lambda: drill.went() == [states.TIMEOUT], 40, "the time to be over")
    shown = drill.command("status", drill.paths.directory)
    assert shown.code == 1
    assert "task 2 ran until its time was over" in shown.out


def test_a_node_dies(drill: Drill) -> None:
    """SLURM starts the job again on the nodes that are left; the user sees that it was requeued."""
    drill.job("one", "with_others")
    with drill.lab.configured(SlurmdTimeout="5"):
        assert drill.submit(*TWO_BY_TWO).code == 0
        drill.lab.wait(lambda: sum(drill.starts().values()) == 4, 40, "all processes to run")
        nodes = {name.partition(":")[2] for name in drill.starts()}
        assert len(nodes) == 2
        dead = max(nodes)
        drill.lab.kill(f"slurmd-{dead}")
        for pid in processes_of(dead):
            os.kill(pid, 9)
        drill.lab.wait(lambda: sum(drill.starts().values()) == 8, 90, "all processes to run again")
        drill.open()
        assert drill.ended() == [states.DONE]
    assert drill.starts()[f"one:{dead}"] == 2, "nothing of it ran there again"
    (job,) = drill.jobs
    assert drill.status(job).requeues == 1
