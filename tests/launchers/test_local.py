"""Frozen jobs on this machine, without a container: what runs, how it is stopped, what is said about its end."""

from __future__ import annotations

import contextlib
import itertools
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import LOCAL
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import claims, records
from nemo_partial_hydra.launchers import send as launchers
from nemo_partial_hydra.launchers.clusters.local import run
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.settings import Settings
from tests.launchers.test_submit import VALUES
from tests.support.sweeps import ALLOW, ROOT, STRANGE, Sweep

CLEANS_UP = "INFO:    Cleaning up image...\n"
SETTINGS = Settings(
    cluster=LOCAL,
    resources={"timeout_min": 2, "array_parallelism": 3, "signal_delay_s": 30},
    code=(str(ROOT),),
    allow=ALLOW,
)


@pytest.fixture
def tmp_path(weird_tmp_path: Path) -> Path:
    """Every directory here has a name that breaks whatever is not quoted."""
    return weird_tmp_path


def send(sweep: Sweep, settings: Settings = SETTINGS, **secrets: str) -> list[states.Status]:
    """Run all jobs of a sweep; return how each ended."""
    launchers.send(sweep.paths, sweep.jobs, settings, secrets)
    return [states.read_status(job) for job in sweep.jobs]


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def files_with(folder: Path, text: str) -> Iterator[str]:
    """Yield the names of the files below a folder that have a text."""
    for path in folder.rglob("*"):
        if path.is_file() and text.encode() in path.read_bytes():
            yield path.name


def test_jobs_get_what_they_were_given_and_say_how_they_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path / STRANGE)
    sweep.add("report", text=VALUES["QUOTES"] + VALUES["DOLLAR"] + VALUES["LINES"])
    sweep.add("fail", message="no such data")
    sweep.add("leave", code=7)
    sweep.add("kill", number=9)
    settings = replace(SETTINGS, container=Container(env=VALUES), secrets=("A_TOKEN",))
    done, failed, left, killed = send(sweep, settings, A_TOKEN="s3 'cret")

    assert (done.state, done.exit_code) == (states.DONE, 0)
    seen = read_result(sweep.jobs[0])
    assert seen["values"]["text"] == VALUES["QUOTES"] + VALUES["DOLLAR"] + VALUES["LINES"]
    assert seen["cwd"] == str(sweep.jobs[0].directory)
    assert {name: seen["environment"][name] for name in VALUES} == VALUES
    assert seen["environment"]["A_TOKEN"] == "s3 'cret"
    assert set(files_with(sweep.paths.directory, "s3 'cret")) == {"result.json"}, "only the job itself wrote it"
    assert not {"hydra", "omegaconf", "submitit"} & set(seen["modules"])

    assert (failed.state, failed.exit_code) == (states.FAILED, 1)
    assert failed.error is not None
    assert failed.error["message"] == "no such data"
    assert (left.state, left.exit_code, left.reason) == (
        states.FAILED, 7, "ended with exit code 7 without writing how it went",
    )  # fmt: skip
    assert (killed.state, killed.exit_code) == (states.FAILED, 128 + 9)
    assert "SIGKILL" in str(killed.reason)
    said = capsys.readouterr().out
    assert "ValueError: no such data" in said
    assert str(sweep.jobs[1].err(1)) in said


def test_the_submission_is_recorded(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    send(sweep)
    (found,) = records.submissions(sweep.paths)
    assert (found.number, found.cluster, [job.subdir for job in found.jobs]) == (1, LOCAL, ["0"])
    assert found.jobs[0].id is not None
    assert records.read_settings(sweep.paths.submission(1)) == SETTINGS


def test_no_job_is_sent_twice(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    sweep.add("report", again=True)
    launchers.send(sweep.paths, sweep.jobs[:1], SETTINGS, {})
    with pytest.raises(RefusedError, match="nothing is submitted twice"):
        launchers.send(sweep.paths, sweep.jobs, SETTINGS, {})
    assert states.read_status(sweep.jobs[1]).state == states.FROZEN, "the other one was given back"
    assert not sweep.paths.submission(2).directory.exists()
    assert launchers.ready(sweep.jobs) == sweep.jobs[1:]
    with pytest.raises(RefusedError, match="nothing to submit"):
        launchers.ready(sweep.jobs[:1])


def test_of_two_submissions_at_once_each_job_belongs_to_one(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    for number in range(4):
        sweep.add("report", number=number)
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(tmp_path), "--allow", ALLOW[0]]
    line += ["hydra/launcher=submitit_apptainer_local"]
    both = [subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    for each in both:
        each.communicate(timeout=120)
    assert 0 in [each.returncode for each in both]
    assert {each.returncode for each in both} <= {0, 3}
    assert [states.read_status(job).state for job in sweep.jobs] == [states.DONE] * 4
    assert [len(list(job.attempt(1).glob("claim*"))) for job in sweep.jobs] == [1] * 4


def test_only_so_many_run_at_a_time(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    for _ in range(3):
        sweep.add("wait", seconds=0.3)
    found = send(sweep, replace(SETTINGS, resources={**SETTINGS.resources, "array_parallelism": 1}))
    for before, after in itertools.pairwise(found):
        assert before.ended is not None
        assert after.started is not None
        assert before.ended <= after.started


def test_another_attempt_keeps_the_first_ones_logs(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("fail", message="first")
    send(sweep)
    launchers.send(sweep.paths, [job], SETTINGS, {}, attempts={job: 2})
    assert states.read_status(job).attempt == 2
    assert "first" in job.err(1).read_text()
    assert "first" in job.err(2).read_text()
    assert [each.number for each in records.submissions(sweep.paths)] == [1, 2]


def test_a_job_whose_time_ends_is_told_once_and_continues_when_started_again(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("count", steps=60, seconds=0.1)
    # Three seconds at a time; on a busy machine some of them end before the job has begun to count.
    resources = {"timeout_min": 1, "signal_delay_s": 57, "max_num_timeout": 50}
    (found,) = send(sweep, replace(SETTINGS, resources=resources))
    assert found.state == states.DONE
    counted = read_result(job)
    assert counted["step"] == 60
    assert counted["starts"] == counted["told"] + 1 >= 2


def test_a_job_whose_time_ends_too_often_timed_out(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("wait", seconds=100)
    (found,) = send(sweep, replace(SETTINGS, resources={"timeout_min": 1, "signal_delay_s": 58}))
    assert found.state == states.TIMEOUT
    assert "58 s before its time ended" in str(found.reason)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    sweep = Sweep(tmp_path)
    first, second = sweep.add("wait", seconds=100), sweep.add("report")
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(tmp_path), "--allow", ALLOW[0]]
    process = subprocess.Popen([*line, "hydra/launcher=submitit_apptainer_local"], cwd=ROOT, stderr=subprocess.PIPE)
    until((first.directory / "started").exists)
    pid = states.read_status(first).pid
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    until(lambda: not _alive(pid))
    assert [states.read_status(job).state for job in (first, second)] == [states.CANCELLED] * 2


def _alive(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_tasks_of_one_job_know_their_ranks(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("rank")
    (found,) = send(sweep, replace(SETTINGS, resources={**SETTINGS.resources, "tasks_per_node": 2}))
    assert found.state == states.DONE
    seen = [json.loads((job.directory / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert [each["RANK"] for each in seen] == ["0", "1"]
    assert {each["WORLD_SIZE"] for each in seen} == {"2"}


def test_an_executable_that_is_not_there_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    line = ["submit", str(tmp_path), "hydra/launcher=submitit_apptainer_local", "--allow", ALLOW[0]]
    assert cli.main([*line, "hydra.launcher.apptainer.image=/no.sif", "hydra.launcher.apptainer.executable=nope"]) == 2
    said = capsys.readouterr().err
    assert "2 problems" in said
    assert "/no.sif" in said
    assert "'nope' is not on PATH" in said
    assert states.read_status(sweep.jobs[0]) == states.Status()
    assert not sweep.paths.submissions.exists()


def test_an_executable_that_goes_away_is_said_by_the_job(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    container = Container(image="docker://x", executable="/nope/apptainer", setup=("true",))
    (found,) = send(sweep, replace(SETTINGS, container=container))
    assert (found.state, found.exit_code) == (states.FAILED, 127)
    assert "/nope/apptainer: No such file or directory" in str(found.reason)
    assert job.attempt(1).exists()


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        (
            "FATAL:   no such image\nINFO:    Cleaning up image...\n",
            255,
            "did not start: exit code 255: no such image",
        ),
        (
            "Error: DIR: attempt 1 is run by another\nINFO:    Cleaning up image...\n",
            3,
            "DIR: attempt 1 is run by another",
        ),
        ("INFO:    Cleaning up image...\n", 7, "did not start: exit code 7: INFO:    Cleaning"),
        ("", 7, "did not start: exit code 7: it wrote nothing"),
    ],
)
def test_the_reason_is_what_was_said_and_not_how_the_container_cleans_up(
    tmp_path: Path, said: str, code: int, reason: str
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    program = tmp_path / "apptainer"
    program.write_text(f"#!/bin/sh\nprintf {shlex.quote(said)} >&2\nexit {code}\n")
    program.chmod(0o755)
    (found,) = send(sweep, replace(SETTINGS, container=Container(image="docker://x", executable=str(program))))
    assert (found.state, found.exit_code) == (states.FAILED, code)
    assert reason in str(found.reason)


def test_what_was_not_sent_is_given_back(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    with contextlib.suppress(ZeroDivisionError), claims.claimed(sweep.paths, [(job, 1)], SETTINGS, None):
        assert states.read_status(job).state == states.SUBMITTED
        raise ZeroDivisionError
    assert sorted(path.name for path in job.directory.iterdir()) == ["job.yaml"]
    assert not sweep.paths.submissions.exists()


def test_a_job_that_waited_is_lost_if_its_process_says_nothing(tmp_path: Path) -> None:
    job = JobPaths(Sweep(tmp_path).add("report").directory)
    states.write_status(job, states.Status(states.RUNNING))
    assert run._final(job, 1).state == states.LOST
