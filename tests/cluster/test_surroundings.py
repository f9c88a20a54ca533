"""A shell full of ``SBATCH_*``, and a shell that is itself a job: what was asked for is what runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import records
from tests.cluster.drills import Drill
from tests.cluster.host import run
from tests.cluster.lab import Lab
from tests.cluster.queueing import sbatch
from tests.support.sweeps import ROOT, Sweep

pytestmark = pytest.mark.cluster
# Each of them won over the settings, or made something else of the submission.
AGAINST = {
    "SBATCH_TIMELIMIT": "00:20:00", "SBATCH_PARTITION": "nowhere", "SBATCH_JOB_NAME": "theirs", "SBATCH_WAIT": "1",
    "SBATCH_MEM_PER_CPU": "99G", "SBATCH_ARRAY_INX": "0-9", "SBATCH_OUTPUT": "/gone/out", "SBATCH_EXPORT": "NONE",
}  # fmt: skip
INNER = ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_MEM_PER_CPU", "SLURM_STEP_ID")


ONE = ("--ntasks=1", "--cpus-per-task=2", "--mem=2000", "--time=3")
INSIDE = {
    "salloc": ["salloc", *ONE],
    "srun --pty": ["script", "-qec", shlex.join(["srun", *ONE, "--pty", "bash", "-c"]) + " {line}", "/dev/null"],
}


def shown(job: str) -> dict[str, str]:
    """Return what ``scontrol show job`` says."""
    return dict(re.findall(r"(\w+)=(\S*)", run("scontrol", "-o", "show", "job", job)))


def test_settings_win_and_what_nobody_set_comes_from_the_shell(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**AGAINST, "SBATCH_NO_REQUEUE": "1", "SLURM_NTASKS_PER_SOCKET": "7", "A_VARIABLE": "x"}.items():
        monkeypatch.setenv(name, value)
    drill = Drill(lab, tmp_path, None)
    drill.job("a", "held")
    partition = run("sinfo", "-h", "-o", "%R").split()[0]
    sent = drill.submit(f"hydra.launcher.partition={partition}", "hydra.launcher.name=ours")
    assert sent.code == 0, sent.err
    assert "Note: from this shell's environment: SBATCH_NO_REQUEUE (--no-requeue=1)\n" in sent.err
    drill.started("a")
    (array,) = drill.arrays()
    found = shown(array)
    wanted = {"TimeLimit": "00:02:00", "Partition": partition, "JobName": "ours", "Requeue": "0", "MinMemoryNode": "1G"}
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["StdOut"].startswith(str(drill.paths.directory))
    (record,) = records.submissions(drill.paths)
    assert record.environment == {"SBATCH_NO_REQUEUE": "--no-requeue=1"}
    drill.open()
    assert drill.ended() == [states.DONE]


@pytest.mark.parametrize("launcher", ["submitit_apptainer", "submitit_apptainer_local"])
def test_from_inside_of_a_step_of_two_tasks(lab: Lab, image: Path, tmp_path: Path, launcher: str) -> None:
    """The outer job has two tasks and memory by CPU, which would be read as the inner one's."""
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    outer = ["--ntasks=2", "--cpus-per-task=1", "--mem-per-cpu=100M", "--time=2"]
    more = ["hydra.launcher.tasks_per_node=2", "hydra.launcher.detach=false", "hydra.launcher.timeout_min=2"]
    more += [f"hydra.launcher.apptainer.image={image}", "hydra.launcher.signal_delay_s=10"]
    more += ["hydra.launcher.mem_gb=1"] if launcher == "submitit_apptainer" else []
    command = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(sweep.paths.directory), "--allow", "tests"]
    line = shlex.join([*command, f"hydra/launcher={launcher}", *more])
    script = tmp_path / "outer.sh"
    first = f'[ "$SLURM_PROCID" != 0 ] || RANK=5 WORLD_SIZE=7 {line}'
    path = f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}"
    lines = ["#!/bin/bash", f"export PATH={shlex.quote(path)}", f"cd {shlex.quote(str(ROOT))}"]
    script.write_text("\n".join([*lines, f"srun --overlap bash -c {shlex.quote(first)}\n"]))
    job = sbatch(*outer, f"--output={tmp_path}/outer.log", script, cwd=tmp_path)
    ended = lab.ended(job, seconds=90)
    log = (tmp_path / "outer.log").read_text()
    assert set(ended.values()) == {"COMPLETED"}, log
    (inner,) = sweep.jobs
    assert states.read_status(inner).state == states.DONE, log
    seen = read_result(inner)["environment"]
    ranks = sorted(path.name for path in inner.attempt(1).glob("out*.log"))
    assert ranks == ["out.1.log", "out.log"], "both of its tasks have run"
    assert (seen["RANK"], seen["WORLD_SIZE"]) == ("0", "2") if launcher.endswith("local") else "RANK" not in seen
    if launcher.endswith("local"):
        assert not {*INNER} & {*seen}
    else:
        assert seen["SLURM_JOB_ID"] != job
        assert seen["SLURM_NTASKS"] == "2"
        assert "SLURM_MEM_PER_CPU" not in seen


@pytest.mark.parametrize("how", INSIDE)
def test_in_an_allocation_all_tasks_run_and_are_requeued(lab: Lab, image: Path, tmp_path: Path, how: str) -> None:
    """The local launcher at a prompt in ``salloc`` or ``srun --pty``: two tasks, requeued after some seconds."""
    sweep = Sweep(tmp_path / "sweep")
    job = sweep.add("count", steps=25, seconds=0.25)
    settings = {
        "tasks_per_node": 2, "timeout_min": 1, "signal_delay_s": 56, "max_num_timeout": 5, "apptainer.image": image,
    }  # fmt: skip
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(sweep.paths.directory), "--allow", "tests"]
    line += [
        "hydra/launcher=submitit_apptainer_local",
        *(f"hydra.launcher.{name}={settings[name]}" for name in settings),
    ]
    outer = [word.format(line=shlex.quote(shlex.join(line))) for word in INSIDE[how]]
    outer += line if how == "salloc" else []
    path = f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}"
    log = run(*outer, cwd=ROOT, env={"PATH": path, "SHELL": "/bin/bash"}, timeout=120)
    status = states.read_status(job)
    assert status.state == states.DONE, log
    assert status.attempt > 1, "every start after the first is another attempt"
    assert read_result(job)["step"] == 25
    for rank in range(2):
        found = json.loads((job.directory / f"checkpoint-{rank}.json").read_text())
        assert found["starts"] == status.attempt
        assert found["told"] >= status.attempt - 1
    assert not lab.squeue(states="RUNNING,PENDING"), "the allocation has ended with its command"
