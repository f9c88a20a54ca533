"""The test cluster is what the drills take it for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.cluster import CGROUPS
from tests.cluster.host import LabError, run
from tests.cluster.lab import HOSTS, HOSTS_LINE, LINK, Lab
from tests.cluster.queueing import sbatch
from tests.support.apps import ROOT

pytestmark = pytest.mark.cluster


def script(folder: Path, text: str) -> Path:
    file = folder / "job.sh"
    file.write_text(f"#!/bin/bash\n{text}")
    return file


def test_a_job_in_the_image_is_accounted_for(lab: Lab, image: Path, tmp_path: Path) -> None:
    code = "import sys, yaml; print(sys.version_info[:2], yaml.safe_load('a: 1'))"
    job = sbatch("-o", "out", script(tmp_path, f'exec {lab.apptainer} exec {image} python -c "{code}"\n'), cwd=tmp_path)
    assert lab.ended(job) == {job: "COMPLETED"}
    assert (tmp_path / "out").read_text() == "(3, 11) {'a': 1}\n"
    assert [record["JobID"] for record in lab.sacct(job)] == [job, f"{job}.batch"]


def test_a_failed_job_has_its_exit_code(lab: Lab, tmp_path: Path) -> None:
    job = sbatch("-o", "out", script(tmp_path, "exit 7\n"), cwd=tmp_path)
    assert lab.ended(job) == {job: "FAILED"}
    assert lab.sacct(job)[0]["ExitCode"] == "7:0"


def test_two_tasks_on_two_nodes_each_in_its_container(lab: Lab, image: Path) -> None:
    names = ("SLURM_PROCID", "SLURMD_NODENAME", "SLURM_NTASKS", "SLURM_JOB_NODELIST")
    code = f"import json, os; print(json.dumps([os.environ[name] for name in {names}]))"
    out = run("srun", "-N2", "-n2", lab.apptainer, "exec", image, "python", "-c", code)
    tasks = sorted(json.loads(line) for line in out.splitlines())
    assert tasks == [["0", "n1", "2", "n[1-2]"], ["1", "n2", "2", "n[1-2]"]]


REQUEUED = """
[ -n "$SLURM_RESTART_COUNT" ] && { echo again; exit 0; }
trap 'echo told; scontrol requeue $SLURM_JOB_ID' USR2
echo ready
sleep 100 & wait; wait
"""


def test_usr2_lets_a_job_requeue_itself(lab: Lab, tmp_path: Path) -> None:
    job = sbatch("-o", "out", "--open-mode=append", "--requeue", script(tmp_path, REQUEUED), cwd=tmp_path)
    out = tmp_path / "out"
    lab.wait(lambda: out.exists() and "ready" in out.read_text(), 20, "the job listens")
    run("scancel", "--batch", "--signal=USR2", job)
    lab.wait(lambda: "again" in out.read_text(), 40, "the job runs again")
    assert lab.ended(job) == {job: "COMPLETED"}
    assert [line for line in out.read_text().splitlines() if "slurmstepd" not in line] == ["ready", "told", "again"]
    runs = [record["State"] for record in lab.sacct(job, duplicates=True) if record["JobID"] == job]
    assert runs == ["REQUEUED", "COMPLETED"]


def test_a_job_of_spot_gives_way_and_runs_again(lab: Lab, tmp_path: Path) -> None:
    options = ("--partition=spot", "-N2", "--exclusive", "--requeue", "--open-mode=append", "--signal=B:USR2@30")
    job = sbatch("-o", "out", *options, script(tmp_path, REQUEUED), cwd=tmp_path)
    out = tmp_path / "out"
    lab.wait(lambda: out.exists() and "ready" in out.read_text(), 20, "the job listens")
    assert run("srun", "-N2", "hostname").split() == [lab.facts.hostname] * 2
    lab.wait(lambda: "again" in out.read_text(), 40, "the job runs again")
    assert "told" in out.read_text()
    assert lab.ended(job) == {job: "COMPLETED"}


def test_a_job_that_takes_too_much_memory_is_killed_for_it(lab: Lab, image: Path, tmp_path: Path) -> None:
    if lab.facts.proctrack != "cgroup":
        pytest.fail("memory is not limited here: the freezer and memory cgroups (v1) cannot be written")
    code = "bytearray(b'x' * 10**9)"
    text = f'exec {lab.apptainer} exec {image} python -c "{code}"\n'
    job = sbatch("-o", "out", "--mem=200", script(tmp_path, text), cwd=tmp_path)
    assert lab.ended(job) == {job: "OUT_OF_MEMORY"}


def test_a_running_job_survives_a_crash_of_the_controller(lab: Lab, tmp_path: Path) -> None:
    job = sbatch("-o", "out", script(tmp_path, "touch runs; until [ -e go ]; do sleep 0.1; done\n"), cwd=tmp_path)
    lab.wait((tmp_path / "runs").exists, 20, "the job runs")
    lab.saved(job)
    lab.kill("slurmctld")
    with pytest.raises(LabError):
        lab.squeue()
    lab.start("slurmctld")
    (tmp_path / "go").touch()
    assert lab.ended(job) == {job: "COMPLETED"}


def test_accounting_catches_up_after_an_outage(lab: Lab, tmp_path: Path) -> None:
    lab.stop("slurmdbd")
    assert not lab.alive("slurmdbd")
    job = sbatch("-o", "out", script(tmp_path, "true\n"), cwd=tmp_path)
    lab.wait(lambda: [each["state"] for each in lab.squeue(job)] == ["COMPLETED"], 20, "the job ends")
    with pytest.raises(LabError):
        lab.sacct(job)
    lab.start("slurmdbd")
    assert lab.ended(job) == {job: "COMPLETED"}


def test_a_drained_node_takes_no_job_until_it_is_resumed(lab: Lab, tmp_path: Path) -> None:
    lab.drain("n2", "its disk is full")
    job = sbatch("-o", "out", "-w", "n2", script(tmp_path, "true\n"), cwd=tmp_path)
    [waiting] = lab.wait(lambda: [each for each in lab.squeue(job) if each["reason"] != "None"], 20, "it has a reason")
    assert waiting["state"] == "PENDING"
    assert "UnavailableNodes:n2" in waiting["reason"]
    lab.resume("n2")
    assert lab.ended(job) == {job: "COMPLETED"}


def test_an_option_is_changed_for_a_while(lab: Lab, tmp_path: Path) -> None:
    array = ("--array=0-5", "-o", "out", script(tmp_path, "true\n"))
    with lab.configured(MaxArraySize="3"), pytest.raises(LabError, match="Invalid job array specification"):
        sbatch(*array, cwd=tmp_path)
    job = sbatch(*array, cwd=tmp_path)
    assert lab.ended(job, tasks=6) == {f"{job}_{task}": "COMPLETED" for task in range(6)}


def test_the_small_partition_cannot_hold_a_large_job(lab: Lab, tmp_path: Path) -> None:
    job = sbatch("-p", "small", "-c", "3", "-o", "out", script(tmp_path, "true\n"), cwd=tmp_path)
    [waiting] = lab.wait(lambda: [each for each in lab.squeue(job) if each["reason"] != "None"], 20, "it has a reason")
    assert waiting["state"] == "PENDING"  # as on a real cluster: accepted, and waits for ever


@pytest.mark.parametrize("name", ["python", "other-python"])
def test_an_image_has_pyyaml_and_no_other_package(lab: Lab, name: str) -> None:
    code = """
import json, pkgutil, sys
added = [path for path in sys.path if path.endswith("-packages")]
print(json.dumps([sys.version_info[:2], sorted(found.name for found in pkgutil.iter_modules(added))]))
"""
    found = run(lab.apptainer, "exec", "--no-home", lab.image(images.RECIPES[name]), "python", "-I", "-c", code)
    version, modules = json.loads(found)
    assert modules == ["_yaml", "yaml"]
    assert version == {"python": [3, 11], "other-python": [3, 13]}[name]


@pytest.mark.nemo
def test_the_nemo_environment_runs_in_an_image_that_has_no_python(lab: Lab, image_nemo: images.Bound) -> None:
    listed = run(lab.apptainer, "exec", image_nemo.image, "ls", "/usr/bin")
    assert "python" not in listed
    code = "import torch, nemo_run; print(torch.ones(2).sum().item(), nemo_run.Partial(print).__fn_or_cls__)"
    out = run(*image_nemo.command(lab.apptainer, "-c", code), timeout=180)
    assert out == "2.0 <built-in function print>\n"


def test_everything_listens_on_loopback(lab: Lab) -> None:
    """Also srun, while it waits for its task."""
    with subprocess.Popen(["srun", "-n1", "sleep", "20"]) as srun:
        lab.wait(lambda: "sleep" in {job["name"] for job in lab.squeue(states="RUNNING")}, 20, "it runs")
        pids = [daemon.pid for daemon in lab.daemons.values()] + [srun.pid]
        owned = {os.readlink(fd) for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
        listening = set()
        for table in ("tcp", "tcp6"):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in owned:
                    listening.add(words[1].split(":")[0])
        srun.send_signal(signal.SIGTERM)
    assert listening == {"0100007F"}


def test_a_second_lab_does_not_take_the_place_of_the_first(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    assert "of another cluster" in str(other.why_not())
    with pytest.raises(LabError, match="does not replace it"):
        other.up()
    assert lab.is_up()


def test_who_is_not_root_is_told(lab: Lab) -> None:
    code = """
import os
from tests.cluster.lab import Lab
lab = Lab()
os.setuid(65534)
print(lab.why_not())
"""
    assert "needs root" in run(sys.executable, "-c", code, cwd=ROOT)


def test_an_interrupted_start_is_completed_by_two_at_once(lab: Lab) -> None:
    command = [sys.executable, "-m", "tests.cluster.lab", "--state", str(lab.state), "up"]
    lab.down()
    assert not lab.is_up()
    assert not os.path.lexists(LINK)
    assert HOSTS_LINE not in HOSTS.read_text()
    assert not list(CGROUPS.glob("*/slurm_n?"))
    with pytest.raises(LabError):
        lab.squeue()
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as interrupted:
        lab.wait(lambda: lab.alive("mariadbd"), 20, "half of it is up")
        interrupted.kill()
    assert not lab.is_up()
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert lab.is_up()
    assert run("srun", "-N2", "hostname").split() == [lab.facts.hostname] * 2
