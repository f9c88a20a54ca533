"""``status``, ``logs``, ``cancel`` and ``retry`` on a real cluster, also while parts of it are down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, job_paths
from nemo_partial_hydra.launchers import records, send
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status.look import overview
from tests.cluster.host import run
from tests.cluster.lab import Lab
from tests.cluster.queueing import tasks_in
from tests.support.sweeps import ALLOW, ROOT, Sweep

pytestmark = pytest.mark.cluster
SMALL = {"timeout_min": 2, "mem_gb": 1, "signal_delay_s": 10}


@pytest.fixture
def settings(lab: Lab, image: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")
    return Settings(
        name="app", container=Container(image=str(image)), resources=SMALL, code=(str(ROOT),), allow=ALLOW, detach=True
    )


def submitted(sweep: Sweep, settings: Settings) -> str:
    """Submit all jobs of a sweep; return the array's id."""
    (array,) = send.send(sweep.paths, sweep.jobs, settings, {})[0].arrays
    return array


def status(folder: Path, capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    """Return what ``status --json`` says, once it ends with a code."""
    capsys.readouterr()
    assert cli.main(["status", str(folder), "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def seen(folder: Path, capsys: pytest.CaptureFixture[str], code: int) -> list[str]:
    return [job["state"] for job in status(folder, capsys, code)["jobs"]]


def says(job: JobPaths) -> str:
    return states.read_status(job).state


def over(lab: Lab, *jobs: JobPaths) -> None:
    """Wait until jobs have said how they ended."""
    final = (states.DONE, *states.RETRIED)
    lab.wait(lambda: all(says(job) in final for job in jobs), 60, "the jobs to end")


def test_a_sweep_from_its_submission_to_its_retry(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    sweep = Sweep(folder)
    done, failed, waits = (
        sweep.add("report", lr=1),
        sweep.add("fail", message="no data"),
        sweep.add("wait", seconds=100),
    )
    array = submitted(sweep, settings)
    over(lab, done, failed)
    lab.wait(lambda: says(waits) == states.RUNNING, 30, "the last job to run")

    found = status(folder, capsys, 1)
    assert found["counts"] == {"running": 1, "done": 1, "failed": 1}
    assert [job["slurm"] for job in found["jobs"]] == [f"{array}_{task}" for task in range(3)]
    assert found["jobs"][1]["exit_code"] == 1
    assert found["jobs"][1]["reason"] == "ValueError: no data"
    assert found["jobs"][1]["tail"][-1] == "ValueError: no data"
    assert not found["unasked"]
    assert cli.main(["logs", str(folder), "1"]) == 0
    assert "ValueError: no data" in capsys.readouterr().out

    assert cli.main(["retry", str(folder), "2"]) == 3
    assert f"job 2 is running as {array}_2" in capsys.readouterr().err
    assert cli.main(["cancel", str(folder)]) == 0
    assert f"Cancelled job 2 ({array}_2)" in capsys.readouterr().out
    over(lab, waits)
    lab.wait(lambda: seen(folder, capsys, 1) == ["done", "failed", "cancelled"], 30, "it to be cancelled")
    lab.ended(array, tasks=3)

    moved = folder.rename(tmp_path / "moved")
    detached = "hydra.launcher.detach=false"
    assert cli.main(["retry", str(moved), "1", detached]) == 3, "settings of a sweep that was moved are named anew"
    line = ["hydra/launcher=submitit_apptainer", f"hydra.launcher.apptainer.image={settings.container.image}", detached]
    line += [f"hydra.launcher.{name}={value}" for name, value in SMALL.items()]
    capsys.readouterr()
    assert cli.main(["retry", str(moved), "1", *line, "--allow", ALLOW[0]]) == 1
    said = capsys.readouterr().out
    assert "[1/1] 1 failed" in said
    (first, second) = records.submissions(sweep_of(moved))
    assert [job.attempt for job in second.jobs] == [2]
    assert first.arrays != second.arrays
    for attempt in (1, 2):
        assert "no data" in job_paths(moved / "1").err(attempt).read_text(), "old logs are kept"
    found = status(moved, capsys, 1)
    assert [job["attempt"] for job in found["jobs"]] == [1, 2, 1]
    assert [job["state"] for job in found["jobs"]] == ["done", "failed", "cancelled"]


def sweep_of(folder: Path) -> Any:
    from nemo_partial_hydra.jobs.layout import sweep_paths

    return sweep_paths(folder)


def test_jobs_that_wait_are_cancelled_before_they_start(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    for number in range(3):
        sweep.add("report", number=number)
    array = submitted(sweep, replace(settings, resources={**SMALL, "additional_parameters": {"hold": True}}))
    found = status(tmp_path, capsys, 0)
    held = [f"waits: JobHeldUser; scontrol release {array}_{number} lets it start" for number in range(3)]
    assert [(job["state"], job["reason"]) for job in found["jobs"]] == [("submitted", reason) for reason in held]
    # Of a task that is cancelled before the accounting knows of its array, SLURM never tells it.
    lab.wait(lambda: sum(map(tasks_in, lab.states(array))) == 3, 60, "the accounting to know the array")
    assert cli.main(["logs", str(tmp_path), "0"]) == 2
    assert f"submitted as {array}_0 ({held[0]}) and has not started" in capsys.readouterr().err
    assert cli.main(["cancel", str(tmp_path), "0", "1"]) == 0
    assert [says(job) for job in sweep.jobs] == ["cancelled", "cancelled", "submitted"]
    assert seen(tmp_path, capsys, 1) == ["cancelled", "cancelled", "submitted"]
    for job in sweep.jobs[:2]:
        job.status.write_text(
            states.encode(states.Status(states.SUBMITTED, slurm={"job": array, "task": int(job.directory.name)}))
        )
    assert seen(tmp_path, capsys, 1) == ["cancelled", "cancelled", "submitted"], "by SLURM's word too"
    run("scancel", array)
    assert seen(tmp_path, capsys, 1) == ["cancelled"] * 3
    # What a controller that stops has not yet told the accounting, it tells when it is back.
    assert {*lab.ended(array, 3).values()} == {"CANCELLED"}
    lab.stop("slurmctld")

    def sure() -> bool:
        """Whether the accounting knows by now; until it does, the exit code says that nobody could be asked."""
        capsys.readouterr()
        code = cli.main(["status", str(tmp_path), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert code == (4 if any(job["unsure"] for job in found["jobs"]) else 1)
        return [job["state"] for job in found["jobs"]] == ["cancelled"] * 3

    lab.wait(sure, 120, "the accounting to know it")


def ancestors(pid: int) -> list[int]:
    """Return a process and those that it descends from, up to SLURM's own."""
    found = []
    while pid > 1:
        stat = Path(f"/proc/{pid}/stat").read_text()
        if "(slurmstepd)" in stat:
            break
        found.append(pid)
        pid = int(stat.rpartition(")")[2].split()[1])
    return found


def test_a_job_killed_with_sigkill_is_lost_and_tried_again(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("wait", seconds=2)
    array = submitted(sweep, settings)
    lab.wait(lambda: says(job) == states.RUNNING, 30, "the job to run")
    for pid in reversed(ancestors(states.read_status(job).pid or 0)):  # first who could say what has happened
        os.kill(pid, signal.SIGKILL)
    lab.ended(array)
    found = status(tmp_path, capsys, 1)["jobs"][0]
    assert (found["state"], found["own"]) == (states.LOST, states.RUNNING)
    assert (found["exit_code"], found["slurm_state"]) == (9, "FAILED")
    assert "SIGKILL" in found["reason"]
    assert cli.main(["retry", str(tmp_path), "hydra.launcher.detach=false"]) == 0, capsys.readouterr().err
    assert says(job) == states.DONE
    assert states.read_status(job).attempt == 2


def test_the_truth_while_parts_of_the_cluster_are_down(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    done, runs = sweep.add("report"), sweep.add("wait", seconds=1000)
    array = submitted(sweep, replace(settings, resources={**SMALL, "timeout_min": 20}))
    over(lab, done)
    lab.wait(lambda: says(runs) == states.RUNNING, 30, "the job to run")
    lab.saved(f"{array}_1")

    lab.stop("slurmdbd")
    found = status(tmp_path, capsys, 0)
    assert [job["state"] for job in found["jobs"]] == ["done", "running"]
    assert [why.partition(":")[0] for why in found["unasked"]] == ["sacct"]

    lab.stop("slurmctld")
    found = status(tmp_path, capsys, 4)
    assert [(job["state"], job["unsure"]) for job in found["jobs"]] == [("done", False), ("running", True)]
    assert sorted(why.partition(":")[0] for why in found["unasked"]) == ["sacct", "squeue"]
    assert cli.main(["cancel", str(tmp_path)]) == 4
    assert "the jobs go on" in capsys.readouterr().err
    assert cli.main(["retry", str(tmp_path), "1"]) == 4

    lab.start("slurmdbd")
    lab.start("slurmctld")
    lab.wait(lambda: seen(tmp_path, capsys, 0) == ["done", "running"], 60, "the cluster to be back")
    assert cli.main(["cancel", str(tmp_path)]) == 0
    lab.wait(lambda: seen(tmp_path, capsys, 1) == ["done", "cancelled"], 60, "it to be cancelled")


def test_a_job_that_slurm_lost_is_lost(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    earlier = "2026-01-01T00:00:00Z"
    states.write_status(job, states.Status(states.RUNNING, slurm={"job": "99999", "task": None}, submitted=earlier))
    found = status(tmp_path, capsys, 1)["jobs"][0]
    assert (found["state"], found["reason"]) == ("lost", "SLURM does not know it any more, and it wrote nothing")


def active(folder: Path) -> bool:
    """Whether SLURM still has any of the jobs."""
    return any(entry.merged.active for entry in overview(str(folder)).entries)


def test_of_two_retries_at_once_one_is_refused(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("wait", seconds=100)
    submitted(sweep, settings)
    lab.wait(lambda: says(job) == states.RUNNING, 30, "the job to run")
    assert cli.main(["cancel", str(tmp_path)]) == 0
    lab.wait(lambda: not active(tmp_path), 60, "it to have ended")
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "retry", str(tmp_path)]
    both = [subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    said = [each.communicate(timeout=120) for each in both]
    assert sorted(each.returncode for each in both) == [0, 3], said
    assert states.last_attempt(job) == 2


def test_an_image_that_was_replaced_is_refused(
    settings: Settings,
    lab: Lab,
    image: Path,
    image_other_python: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = tmp_path / "mine.sif"
    shutil.copy(image, mine)
    sweep = Sweep(tmp_path / "sweep")
    job = sweep.add("fail", message="x")
    submitted(sweep, replace(settings, container=Container(image=str(mine))))
    over(lab, job)
    shutil.copy(image_other_python, mine)
    assert cli.main(["retry", str(sweep.paths.directory)]) == 3
    assert "the image was replaced" in capsys.readouterr().err
    assert states.last_attempt(job) == 1
    assert cli.main(["retry", str(sweep.paths.directory), "--force"]) == 0


def test_output_is_followed_until_the_job_ends(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("wait", seconds=100)
    submitted(sweep, settings)
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "logs", "-f", str(tmp_path)]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lab.wait(lambda: says(job) == states.RUNNING, 30, "the job to run")
    with open(job.out(1), "a") as file:
        file.write("a line of the job\n")
    assert cli.main(["cancel", str(tmp_path)]) == 0
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "a line of the job" in out
    assert "job 0: cancelled" in error


@pytest.mark.parametrize("payload", [{"name": "fail", "message": "x"}, {"name": "leave", "code": 9}])
def test_who_waits_hears_of_a_failure_within_five_seconds(
    settings: Settings, lab: Lab, tmp_path: Path, payload: dict[str, Any]
) -> None:
    sweep = Sweep(tmp_path)
    name = payload["name"]
    sweep.add(name, **{key: value for key, value in payload.items() if key != "name"})
    sweep.add("wait", seconds=60)
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(tmp_path), "--allow", ALLOW[0]]
    line += ["hydra/launcher=submitit_apptainer", "hydra.launcher.detach=false", "hydra.launcher.timeout_min=2"]
    line += ["hydra.launcher.mem_gb=1", "hydra.launcher.signal_delay_s=10"]
    line += [f"hydra.launcher.apptainer.image={settings.container.image}"]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for said in process.stdout:
        if said.startswith("[1/2] 0 failed"):
            break
    heard = time.time()
    (sent,) = records.submissions(sweep.paths)
    lab.wait(lambda: lab.states(sent.arrays[0]).get(sent.jobs[0].spelled) == "FAILED", 30, "SLURM to know it")
    ended = records_end(lab, sent.jobs[0].spelled)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert f"nemo-hydra cancel {tmp_path}" in error
    assert heard - ended < 5 + 1, "SLURM's times are whole seconds"
    assert cli.main(["cancel", str(tmp_path)]) == 0


def records_end(lab: Lab, job: str) -> float:
    """Return when SLURM says that a job has ended, as seconds since the epoch."""
    (row,) = [row for row in lab.sacct(job) if row["JobID"] == job]
    return time.mktime(time.strptime(row["End"], "%Y-%m-%dT%H:%M:%S"))


def test_a_terminal_is_asked_whether_to_cancel(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("wait", seconds=100)
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(tmp_path), "--allow", ALLOW[0]]
    line += ["hydra/launcher=submitit_apptainer", "hydra.launcher.detach=false", "hydra.launcher.timeout_min=2"]
    line += ["hydra.launcher.mem_gb=1", "hydra.launcher.signal_delay_s=10"]
    line += [f"hydra.launcher.apptainer.image={settings.container.image}"]
    ours, theirs = os.openpty()
    process = subprocess.Popen(line, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    screen = b""
    awaited = [b"1 running", b"[y/N]"]
    try:
        while part := os.read(ours, 65536):
            screen += part
            if awaited and awaited[0] in screen:
                awaited.pop(0)
                if awaited:
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(ours, b"y\n")
    except OSError:
        pass  # the other end is closed
    assert process.wait(30) == 130
    assert b"Cancelled job 0" in screen
    lab.wait(lambda: says(job) == states.CANCELLED, 30, "it to be cancelled")
