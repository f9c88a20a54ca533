"""``status``, ``cancel`` and ``retry`` of real jobs on this machine, without SLURM and without a container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, job_paths
from nemo_partial_hydra.launchers import cancel
from nemo_partial_hydra.launchers.status.look import overview
from tests.launchers.test_local import until
from tests.support.sweeps import ALLOW, ROOT, Sweep

LINE = ("hydra/launcher=submitit_apptainer_local", "--allow", ALLOW[0])


def launched(sweep: Sweep, *more: str) -> subprocess.Popen[str]:
    """Start the launcher of a sweep in a process of its own."""
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(sweep.paths.directory), *LINE, *more]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def seen(sweep: Sweep) -> list[str]:
    return [entry.state for entry in overview(str(sweep.paths.directory)).entries]


def runs(job: JobPaths) -> bool:
    return (job.directory / "started").exists()


def test_what_runs_and_what_waits_is_cancelled(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    first, second, third = sweep.add("wait", seconds=100), sweep.add("wait", seconds=99), sweep.add("report")
    launcher = launched(sweep)
    until(lambda: runs(first))
    assert seen(sweep) == ["running", "submitted", "submitted"]
    done = cancel.cancel(str(tmp_path), [0, 1])
    assert [entry.name for entry in done.cancelled] == ["0", "1"]
    out, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 1, out
    assert seen(sweep) == ["cancelled", "cancelled", "done"]
    assert not runs(second)
    assert "[3/3] 2 done" in out
    assert third.result.exists()


def test_jobs_whose_launcher_and_processes_were_killed_are_lost_and_tried_again_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "before"
    sweep = Sweep(folder)
    first = sweep.add("wait", seconds=1.5)
    sweep.add("report")
    launcher = launched(sweep)
    until(lambda: runs(first))
    pid = states.read_status(first).pid or 0
    above = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    for each in (launcher.pid, above, pid):
        os.kill(each, signal.SIGKILL)
    launcher.communicate(timeout=60)
    until(lambda: seen(sweep) == ["lost", "lost"])
    reasons = [entry.reason for entry in overview(str(folder)).entries]
    assert reasons[0] == "its process is gone, and wrote nothing"
    assert reasons[1].startswith("the process that submitted it ended")

    moved = folder.rename(tmp_path / "after")
    assert cli.main(["retry", str(moved)]) == 3, "settings of a sweep that was moved are named anew"
    assert cli.main(["retry", str(moved), *LINE]) == 0
    assert [states.read_status(job_paths(moved / name)).state for name in "01"] == [states.DONE] * 2
    assert [states.read_status(job_paths(moved / name)).attempt for name in "01"] == [2, 2]


def test_a_failed_job_is_tried_again_and_its_old_log_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("fail", message="no such data")
    assert launched(sweep).wait(60) == 1
    assert cli.main(["retry", str(tmp_path), "--dry-run"]) == 0
    assert "--attempt 2" in capfd.readouterr().out
    assert states.last_attempt(job) == 1
    assert cli.main(["retry", str(tmp_path), "0", "hydra.launcher.timeout_min=3"]) == 1
    assert "no such data" in job.err(1).read_text()
    assert "no such data" in job.err(2).read_text()
    capfd.readouterr()
    assert cli.main(["logs", str(tmp_path), "--attempt", "1", "--err"]) == 0
    assert capfd.readouterr().out == job.err(1).read_text()
    assert cli.main(["logs", str(tmp_path), "-f", "--err"]) == 1
    assert capfd.readouterr().out == job.err(2).read_text()
