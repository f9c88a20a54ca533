"""The launchers on a real cluster, in real containers: what arrives inside, what comes back, what is refused before."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import LOCAL
from nemo_partial_hydra.jobs.layout import JobPaths, find_jobs
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import records, submit, wait
from nemo_partial_hydra.launchers import send as launchers
from nemo_partial_hydra.launchers.clusters.slurm import tokens
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.settings import Settings
from tests.cluster.host import run
from tests.cluster.lab import Lab
from tests.cluster.queueing import sbatch
from tests.launchers.test_submit import VALUES
from tests.support.apps import App
from tests.support.sweeps import ALLOW, ROOT, STRANGE, Sweep

pytestmark = pytest.mark.cluster
SMALL = {"timeout_min": 2, "mem_gb": 1, "signal_delay_s": 10}
LINE = (
    "hydra/launcher=submitit_apptainer",
    "hydra.launcher.timeout_min=2",
    "hydra.launcher.mem_gb=1",
    "hydra.launcher.signal_delay_s=10",
)


@pytest.fixture
def settings(lab: Lab, image: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PATH", f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}")
    return Settings(
        container=Container(image=str(image)), resources=SMALL, code=(str(ROOT),), allow=ALLOW, detach=False
    )


def send(sweep: Sweep, settings: Settings, **secrets: str) -> list[states.Status]:
    """Submit all jobs of a sweep and wait; return how each ended."""
    launchers.send(sweep.paths, sweep.jobs, settings, secrets)
    return [states.read_status(job) for job in sweep.jobs]


def runs(job: JobPaths) -> bool:
    return states.read_status(job).state == states.RUNNING


@pytest.mark.parametrize("cluster", ["slurm", LOCAL])
@pytest.mark.parametrize("clean", [True, False])
def test_what_is_given_arrives_inside_unchanged(
    settings: Settings, image_other_python: Path, tmp_path: Path, clean: bool, cluster: str
) -> None:
    sweep = Sweep(tmp_path / STRANGE)
    text = "".join(VALUES.values())
    sweep.add("report", text=text)
    container = Container(image=str(image_other_python), env=VALUES, cleanenv=clean, contain=clean)
    (done,) = send(
        sweep, replace(settings, cluster=cluster, container=container, secrets=("A_TOKEN",)), A_TOKEN="s3 'x"
    )
    assert done.state == states.DONE, done
    seen = read_result(sweep.jobs[0])
    assert seen["values"]["text"] == text
    assert seen["python"] == [3, 13], "the image's own interpreter"
    assert seen["prefix"] == "/usr"
    assert seen["cwd"] == str(sweep.jobs[0].directory)
    found = seen["environment"]
    assert {name: found.get(name) for name in VALUES} == VALUES
    assert found["A_TOKEN"] == "s3 'x"
    assert ("SLURM_JOB_ID" in found) == (cluster == "slurm")
    assert found["PYTHONPATH"].split(":")[0].endswith("/nemo_partial_hydra/jobs/children")
    assert str(ROOT) not in found["PYTHONPATH"]
    for module in ("hydra", "omegaconf", "submitit"):
        assert module not in seen["modules"]
    for path in sweep.paths.directory.rglob("*"):
        if path.is_file() and path.name != "result.json":
            assert b"s3 'x" not in path.read_bytes(), path


def test_an_array_says_how_each_of_its_jobs_ended(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report", lr=1)
    sweep.add("fail", message="no such data")
    sweep.add("leave", code=7)
    sweep.add("kill", number=9)
    done, failed, left, killed = send(sweep, replace(settings, name="my 'sweep'"))
    assert [one.state for one in (done, failed, left, killed)] == ["done", "failed", "failed", "failed"]
    assert [one.exit_code for one in (done, failed, left, killed)] == [0, 1, 7, 137]
    assert failed.error is not None
    assert failed.error["message"] == "no such data"
    (sent,) = records.submissions(sweep.paths)
    array = sent.arrays[0]
    assert [job.spelled for job in sent.jobs] == [f"{array}_{task}" for task in range(4)]
    assert [one.slurm for one in (done, left)] == [{"job": array, "task": 0}, {"job": array, "task": 2}]
    ended = lab.ended(array, tasks=4)
    assert [ended[f"{array}_{task}"] for task in range(3)] == ["COMPLETED", "FAILED", "FAILED"]
    assert {row["JobName"] for row in lab.sacct(array) if "." not in row["JobID"]} <= {"my 'sweep'", "allocation"}
    assert "#SBATCH --array=0-3%4" in sweep.paths.submission(1).script.read_text()
    assert capsys.readouterr().out.count("] ") == 4


def test_detached_it_returns_with_the_ids_and_the_status_command(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("wait", seconds=1)
    (sent,) = launchers.send(sweep.paths, sweep.jobs, replace(settings, detach=True), {})
    assert states.read_status(sweep.jobs[0]).state in (states.SUBMITTED, states.RUNNING)
    said = capsys.readouterr().out
    assert sent.arrays[0] in said
    assert f"nemo-hydra status {sweep.paths.directory}" in said
    assert lab.ended(sent.arrays[0]) == {sent.arrays[0]: "COMPLETED"}
    assert states.read_status(sweep.jobs[0]).state == states.DONE


def test_a_job_that_is_told_saves_and_continues_after_its_requeue(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("count", steps=40)
    again = replace(settings, detach=True, resources={**SMALL, "max_num_timeout": 1})
    (sent,) = launchers.send(sweep.paths, sweep.jobs, again, {})
    lab.wait(lambda: runs(job), 30, "the job to run")
    run("scancel", "--signal=USR2", sent.arrays[0])
    wait.wait(sweep.paths, sent, lambda job, status: None)
    status = states.read_status(job)
    assert (status.state, status.requeues, status.attempt) == (states.DONE, 1, 1), status
    assert read_result(job) == {"step": 40, "starts": 2, "told": 1}
    assert "requeued (1)" in job.err(1).read_text()


def test_all_tasks_of_a_job_save_before_it_is_requeued(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("count", steps=40, slow=2.0)
    both = {**SMALL, "nodes": 2, "max_num_timeout": 1}
    (sent,) = launchers.send(sweep.paths, sweep.jobs, replace(settings, detach=True, resources=both), {})
    lab.wait(lambda: all((job.directory / f"started-{rank}").exists() for rank in range(2)), 30, "both tasks to run")
    run("scancel", "--signal=USR2", sent.arrays[0])
    wait.wait(sweep.paths, sent, lambda job, status: None)
    status = states.read_status(job)
    assert (status.state, status.requeues) == (states.DONE, 1), status
    for rank in range(2):
        assert json.loads((job.directory / f"checkpoint-{rank}.json").read_text()) == {
            "step": 40, "starts": 2, "told": 1,
        }  # fmt: skip


@pytest.mark.parametrize("minutes", [2, 30])
def test_a_preempted_job_continues_whatever_its_limit_of_timeouts(
    settings: Settings, lab: Lab, tmp_path: Path, minutes: int
) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("count", steps=40)
    # What ran a few seconds of it has not timed out.
    on_one = {"partition": "spot", "cpus_per_task": 4, "additional_parameters": {"nodelist": "n1"}}
    spot = {**SMALL, "timeout_min": minutes, **on_one}
    (sent,) = launchers.send(sweep.paths, sweep.jobs, replace(settings, detach=True, resources=spot), {})
    lab.wait(lambda: runs(job), 30, "the job to run")
    sbatch("-p", "debug", "-w", "n1", "-c", "4", "--mem=1000", "--wrap=sleep 1", cwd=tmp_path)
    wait.wait(sweep.paths, sent, lambda job, status: None)
    assert states.read_status(job).state == states.DONE
    assert read_result(job) == {"step": 40, "starts": 2, "told": 1}


def test_a_job_that_is_told_too_often_timed_out(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("wait", seconds=100)
    short = replace(settings, detach=True, resources={**SMALL, "timeout_min": 1})  # its last minute from the start
    (sent,) = launchers.send(sweep.paths, sweep.jobs, short, {})
    lab.wait(lambda: runs(job), 30, "the job to run")
    run("scancel", "--signal=USR2", sent.arrays[0])
    wait.wait(sweep.paths, sent, lambda job, status: None)
    status = states.read_status(job)
    assert status.state == states.TIMEOUT
    assert "too many times" in str(status.reason)


def test_a_cancelled_job_is_cancelled_and_the_others_go_on(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    first, second = sweep.add("wait", seconds=100), sweep.add("wait", seconds=1)
    (sent,) = launchers.send(sweep.paths, sweep.jobs, replace(settings, detach=True), {})
    lab.wait(lambda: runs(first), 30, "the job to run")
    run("scancel", sent.jobs[0].spelled)
    wait.wait(sweep.paths, sent, lambda job, status: None)
    assert [states.read_status(job).state for job in (first, second)] == [states.CANCELLED, states.DONE]


def test_tasks_on_two_nodes_know_each_other(settings: Settings, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("rank")
    container = replace(settings.container, cleanenv=True)
    (done,) = send(sweep, replace(settings, container=container, resources={**SMALL, "nodes": 2, "tasks_per_node": 2}))
    assert done.state == states.DONE, done
    seen = [json.loads((job.directory / f"rank-{rank}.json").read_text()) for rank in range(4)]
    # What Lightning's SLURM environment reads.
    names = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_JOB_NODELIST")
    assert [[each[name] for name in names] for each in seen] == [
        ["0", "0", "0", "4", "n[1-2]"],
        ["1", "1", "0", "4", "n[1-2]"],
        ["2", "0", "1", "4", "n[1-2]"],
        ["3", "1", "1", "4", "n[1-2]"],
    ]


def test_a_job_is_not_done_before_its_last_task_is(settings: Settings, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("last_fails", seconds=2)
    (found,) = send(sweep, replace(settings, resources={**SMALL, "nodes": 2}))
    assert found.state == states.FAILED
    assert "task 1 failed" in str(found.reason)
    assert "the last one fails" in sweep.jobs[0].err(1).with_name("err.1.log").read_text()


def test_an_image_that_was_replaced_while_jobs_wait_is_not_run(settings: Settings, tmp_path: Path) -> None:
    image = tmp_path / "copy.sif"
    shutil.copy(str(settings.container.image), image)
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("touch", path=str(image))
    sweep.add("report")
    container = replace(settings.container, image=str(image), binds=(str(tmp_path),))
    first, second = send(sweep, replace(settings, cluster=LOCAL, container=container))
    assert first.state == states.DONE, first
    assert (second.state, second.exit_code) == (states.FAILED, 3)
    assert "was replaced" in str(second.reason)
    launchers.send(sweep.paths, sweep.jobs[1:], replace(settings, container=container), {}, attempts={sweep.jobs[1]: 2})
    assert states.read_status(sweep.jobs[1]).state == states.DONE, "submitted again it is the image to use"


def test_without_an_image_jobs_run_on_the_nodes_themselves(settings: Settings, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    (done,) = send(sweep, replace(settings, container=Container(env=VALUES)))
    assert done.state == states.DONE
    assert read_result(job)["prefix"] == sys.prefix
    assert {name: read_result(job)["environment"][name] for name in VALUES} == VALUES


def test_arrays_are_split_where_the_clusters_are_smaller(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    for number in range(5):
        sweep.add("report", number=number)
    with lab.configured(MaxArraySize="3"):
        found = send(sweep, replace(settings, resources={**SMALL, "array_parallelism": 1}))
    assert [one.state for one in found] == [states.DONE] * 5
    (sent,) = records.submissions(sweep.paths)
    assert len(sent.arrays) == 2
    assert sweep.paths.submission(1).script.read_text().count("--dependency=afterany:") == 1
    for before, after in itertools.pairwise(found):
        assert str(before.ended) <= str(after.started), "one at a time, across both arrays"


def test_after_waits_for_another_sweep(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Sweep(tmp_path / "first"), Sweep(tmp_path / "second")
    first.add("wait", seconds=2)
    first.add("report")
    second.add("report")
    launchers.send(first.paths, first.jobs, replace(settings, detach=True), {})
    line = ["submit", str(second.paths.directory), "--after", str(first.paths.directory), "--allow", ALLOW[0], *LINE]
    image = f"hydra.launcher.apptainer.image={settings.container.image}"
    assert cli.main([*line, image, "hydra.launcher.detach=false"]) == 0, capsys.readouterr().err
    ends = [states.read_status(job).ended for job in first.jobs]
    assert all(str(end) <= str(states.read_status(second.jobs[0]).started) for end in ends)


def test_after_a_sweep_that_failed_nothing_is_submitted(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Sweep(tmp_path / "first"), Sweep(tmp_path / "second")
    first.add("fail", message="x")
    second.add("report")
    send(first, settings)
    assert cli.main(["submit", str(second.paths.directory), "--after", str(first.paths.directory), *LINE]) == 2
    assert "nemo-hydra retry" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("partition=debgu", 4, "did you mean 'debug'"),
        ("cpus_per_task=100", 4, "no node of partition 'debug' has 100 CPUs"),
        ("timeout_min=100", 4, "60 min"),
        ("mem_gb=100", 4, "GB of memory"),
        ("gpus_per_node=1", 4, "1 GPUs"),
        ("nodes=4", 4, "gives one job: 3"),
        ("constraint=fast", 4, "hydra.launcher.constraint"),
        ("additional_parameters.nope=1", 2, "unrecognized option"),
        ("apptainer.image=/no/such.sif", 2, "no such image"),
        ("apptainer.executable=no-apptainer", 2, "is not on PATH"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_left(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, code: int, said: str
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    image = f"hydra.launcher.apptainer.image={settings.container.image}"
    before = lab.squeue()
    line = ["submit", str(tmp_path), "--allow", ALLOW[0], *LINE, image, f"++hydra.launcher.{setting}"]
    assert cli.main(line) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Nothing was submitted." in error
    assert lab.squeue() == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0", "job.yaml"]


def test_without_a_controller_nothing_is_left(
    settings: Settings, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    lab.stop("slurmctld")
    image = f"hydra.launcher.apptainer.image={settings.container.image}"
    assert cli.main(["submit", str(tmp_path), "--allow", ALLOW[0], *LINE, image]) == 4
    assert "controller cannot be reached" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0", "job.yaml"]


def test_a_dry_run_is_what_is_sent(settings: Settings, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    sweep.add("report", again=True)
    shown = submit.script(sweep.paths, settings, 2)
    send(sweep, settings)
    (sent,) = records.submissions(sweep.paths)
    ((token, count),) = sent.batches
    shown = shown.replace(tokens.PLACEHOLDER, token)
    assert count == 2
    assert sweep.paths.submission(1).script.read_text() == shown
    folder = sweep.paths.submission(1).directory / "submitit"
    assert (folder / f"{sent.arrays[0]}_submission.sh").read_text() == shown


def test_an_app_submits_waits_and_ends_with_one_if_a_job_failed(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "_target_: shop.need\n_partial_: true\nsize: 1\n"})
    app.write("shop.py", "def need(size: int) -> float:\n    return 1 / size\n")
    image = f"hydra.launcher.apptainer.image={settings.container.image}"
    line = ["-m", "size=0,4", *LINE, image, "hydra.sweep.dir=sweep"]
    done = app.run(*line, "hydra.launcher.detach=false", env={"PATH": os.environ["PATH"]})
    assert done.code == 1, done.err
    assert "ZeroDivisionError" in done.out
    jobs = find_jobs(app.folder / "sweep")
    assert [states.read_status(job).state for job in jobs] == [states.FAILED, states.DONE]
    assert read_result(jobs[1]) == 0.25
    detached = app.run(*line[:-1], "hydra.sweep.dir=other", env={"PATH": os.environ["PATH"]})
    assert detached.code == 0, detached.err
    assert "nemo-hydra status" in detached.out


def test_who_stops_waiting_is_told_how_to_cancel(settings: Settings, lab: Lab, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("wait", seconds=60)
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(tmp_path), "--allow", ALLOW[0], *LINE]
    line += [f"hydra.launcher.apptainer.image={settings.container.image}", "hydra.launcher.detach=false"]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    lab.wait(lambda: runs(job), 30, "the job to run")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    (sent,) = records.submissions(sweep.paths)
    assert f"scancel {sent.arrays[0]}" in error
    assert runs(job), "the job itself goes on"
