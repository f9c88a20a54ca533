"""Another host's writing that is seen late, clocks of hosts that differ, umasks, directories of groups, long names."""

from __future__ import annotations

import dataclasses
import datetime
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.utils import JobStatus

from nemo_partial_hydra.errors import ExitCode, JobFailed, RefusedError
from nemo_partial_hydra.jobs import claim, files, folders
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import keep_result
from nemo_partial_hydra.launchers import launch, records, retry
from nemo_partial_hydra.launchers.clusters.slurm import queue
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status.entries import Overview
from nemo_partial_hydra.launchers.status.look import overview
from nemo_partial_hydra.launchers.sweep import FrozenSweep
from nemo_partial_hydra.launchers.worker import task as tasks
from tests.support.controller import Controller
from tests.support.sent import Slurm, says, swept, with_slurm
from tests.support.sweeps import ALLOW, ROOT, Sweep, filled


def ago(seconds: float) -> str:
    """Return a time as SLURM prints it: local, so many seconds before now."""
    return (datetime.datetime.now() - datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")


def utc(seconds: float) -> str:
    """Return a time as it is written into files, so many seconds before now."""
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rewritten(sweep: Sweep, **changes: Any) -> None:
    """Change the record of a sweep's submission."""
    paths = sweep.paths.submission(1)
    records.write_submission(paths, dataclasses.replace(records.read_submission(paths), **changes))


class Ended(Slurm):
    """A SLURM whose accounting has the jobs as ended well."""

    def __init__(self, sweep: Sweep, ended: float, submitted: float) -> None:
        super().__init__({})
        script = f"sbatch {sweep.paths.submission(1).directory}/submitit/submission_file_x.sh"
        rows = [
            [f"7_{task}", "COMPLETED", ago(submitted), ago(ended + 5), ago(ended), "0:0", "n1", "app", script, ""]
            for task in range(len(sweep.jobs))
        ]
        self.accounts = Answer(0, "".join(queue.SEPARATOR.join(row) + "\n" for row in rows), "")

    def look(self, sweep: Sweep) -> Overview:
        return overview(str(sweep.paths.directory), with_slurm(self))


def test_a_job_whose_last_word_is_not_seen_yet_is_not_lost_and_not_tried_again(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    says(sweep.jobs[0], states.RUNNING)  # as this host sees it: the job has written that it is done
    slurm = Ended(sweep, 5, 100)
    (entry,) = slurm.look(sweep).entries
    assert (entry.state, entry.merged.active) == (states.RUNNING, True)
    assert entry.reason == "SLURM has it as COMPLETED; what it wrote last is not seen here yet"
    with pytest.raises(RefusedError, match="nothing to try again: 1 running"):
        retry.prepare(str(tmp_path), clusters=with_slurm(slurm))
    (entry,) = Ended(sweep, 70, 100).look(sweep).entries
    assert (entry.state, entry.reason) == (states.LOST, "ended without writing how it went")


@pytest.mark.parametrize(
    ("behind", "ended", "state"),
    [(300, 10, states.RUNNING), (300, 70, states.LOST), (-300, 10, states.RUNNING), (3600, 10, states.LOST)],
)
def test_when_a_job_ended_is_told_by_the_clusters_clock(tmp_path: Path, behind: int, ended: int, state: str) -> None:
    """Of what the clocks differ by, as much counts as is known: no more than may be."""
    sweep = swept(tmp_path, 1)
    says(sweep.jobs[0], states.RUNNING)
    rewritten(sweep, created=utc(200))
    (entry,) = Ended(sweep, ended + behind, 200 + behind).look(sweep).entries
    assert entry.state == state


@pytest.mark.parametrize(
    ("host", "age", "state"),
    [
        (socket.gethostname(), 50, states.SUBMITTED),
        (socket.gethostname(), 70, states.LOST),
        ("elsewhere", 300, states.SUBMITTED),  # just now, by a clock that is five minutes behind this one
        ("elsewhere", 700, states.LOST),
    ],
)
def test_what_was_just_sent_from_another_host_is_not_lost(tmp_path: Path, host: str, age: int, state: str) -> None:
    sweep = swept(tmp_path, 1)
    rewritten(sweep, created=utc(age), host=host)
    (entry,) = overview(str(tmp_path), with_slurm(Slurm({}))).entries
    assert entry.state == state


@pytest.mark.parametrize(("heard", "states_"), [(600, {"submitted": 3}), (2000, {"frozen": 3})])
def test_who_sends_for_hours_on_another_host_is_left_alone_while_it_is_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: int, states_: dict[str, int]
) -> None:
    sweep = filled(tmp_path)
    for job in sweep.jobs:
        job.attempt(1).mkdir(parents=True)
        says(job, states.SUBMITTED)
    paths = sweep.paths.submission(1)
    paths.directory.mkdir(parents=True)
    jobs = tuple(records.SentJob(job.directory.name, 1) for job in sweep.jobs)
    made = records.Submission(1, "slurm", "app", utc(7200), "me", "elsewhere", jobs, batches=[(f"nph-{'0' * 16}", 3)])
    with monkeypatch.context() as patched:
        patched.setattr(states, "now", lambda: utc(heard))
        records.write_submission(paths, made)
    assert overview(str(tmp_path), Controller().clusters).counts == states_


def test_a_requeued_job_sees_its_own_claim_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(tmp_path, 1).jobs[0]
    record = {"job": "7", "task": 0}
    claim.take(job, 1, claim.Holder("n1", 7, record))
    listed, late = folders.names, [True, True, True]

    def names(root: Path, path: Path) -> list[str]:
        return [] if late and late.pop() else listed(root, path)

    monkeypatch.setattr(folders, "names", names)
    claim.take(job, 1, claim.Holder("n2", 8, record, restart=1))
    assert not late
    held = claim.holder(job, 1)
    assert held is not None
    assert (held.host, held.restart) == ("n2", 1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (subprocess.CalledProcessError(1, ["scontrol", "requeue", "7"]), "'scontrol requeue 7' ended with 1; the site"),
        (FileNotFoundError(2, "No such file or directory", "scontrol"), "No such file or directory: 'scontrol'"),
        (subprocess.TimeoutExpired(["scontrol", "requeue", "7"], 60), "timed out after 60 seconds"),
    ],
)
def test_a_job_that_cannot_be_requeued_has_run_out_of_time(tmp_path: Path, error: Exception, said: str) -> None:
    """Where a site has JobRequeue=0, or no scontrol on its nodes: it was ``failed``, before it could say why."""
    sweep = swept(tmp_path, 1)
    job = sweep.jobs[0]
    task = tasks.JobTask(str(sweep.paths.submission(1).directory), str(job.directory), 1)
    run = tasks._Run(task, Settings(resources={"signal_delay_s": 0}), job)

    def requeue(event: int, frame: None) -> None:
        task.checkpoint()  # submitit does so before it asks the cluster
        raise error

    run.requeue = requeue
    child = SimpleNamespace(tell=lambda *_: None, finish=lambda _: 130, others_stopped=lambda _: True)
    assert run._time_is_over(child, 12) == 130  # type: ignore[arg-type]
    found = states.read_status(job)
    assert (found.state, found.requeues, found.exit_code) == (states.TIMEOUT, 0, 130)
    assert "stopped 0 s before its time ended, and not requeued: " in str(found.reason)
    assert said in str(found.reason)


@pytest.mark.parametrize(
    ("minutes", "delay", "ran", "over"),
    [
        (2, 10, 5, False), (2, 10, 50, True), (1, 55, 3, True), (60, 120, 3000, False), (60, 120, 3420, True),
        (1440, 120, 23 * 3600, False), (1440, 120, 86_400 - 180, True),
    ],
)  # fmt: skip
def test_a_job_that_is_told_early_gives_way_and_has_not_timed_out(
    tmp_path: Path, minutes: int, delay: int, ran: float, over: bool
) -> None:
    """Where its limit was twelve minutes or less, or in the last fifth of it, a preempted job was ``timeout``."""
    sweep = swept(tmp_path, 1)
    task = tasks.JobTask(str(sweep.paths.submission(1).directory), str(sweep.jobs[0].directory), 1)
    run = tasks._Run(task, Settings(resources={"timeout_min": minutes, "signal_delay_s": delay}), sweep.jobs[0])
    told: list[bool] = []

    class Handler:
        _start_time = time.time() - ran

        def has_timed_out(self) -> bool:
            return not over

        def requeue(self, event: int, frame: None) -> None:
            told.append(self.has_timed_out())

    run.requeue = Handler().requeue
    child = SimpleNamespace(tell=lambda *_: None, finish=lambda _: 130, others_stopped=lambda _: True)
    assert run._time_is_over(child, 12) == 130  # type: ignore[arg-type]
    assert told == [over]


def returned(job: JobPaths) -> Any:
    frozen: Any = [(job, SimpleNamespace(overrides=(), name="app", num=0, hash="", step=None))]
    (made,) = launch._ended(FrozenSweep(SimpleNamespace(), frozen, frozen))  # type: ignore[arg-type]
    return made


def late(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have files not be seen the first times that they are looked for."""
    there, left = files.exists, [None] * count

    def exists(root: Path, path: Path) -> bool:
        return False if left and left.pop() is None else there(root, path)

    monkeypatch.setattr(files, "exists", exists)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_the_result_of_a_job_that_is_done_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(tmp_path, 1).jobs[0]
    keep_result(job, 0.5)
    states.write_status(job, states.Status(states.DONE))
    late(monkeypatch, 3)
    assert returned(job).return_value == 0.5


def test_a_result_that_is_not_there_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(tmp_path, 1).jobs[0]
    states.write_status(job, states.Status(states.DONE))
    monkeypatch.setattr(launch, "RESULT_S", 0.0)
    made = returned(job)
    assert made.status == JobStatus.FAILED
    with pytest.raises(JobFailed, match=r"the job is done, and result\.json is not there"):
        _ = made.return_value
    states.write_status(job, states.Status(states.DONE, reason="no space; the result is in the job's standard error"))
    assert returned(job).return_value is None


LONG = "jobs of the team, ünï€ôdé ✓ " + "and a name of two hundred characters " * 4 + "x" * 24


def typed(umask: int, *words: str | Path) -> str:
    """Type a ``nemo-hydra`` command; return what it says."""
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", *map(str, words)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, umask=umask)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("mine", "its"), [(0o000, 0o077), (0o027, 0o000), (0o077, 0o027)])
def test_umasks_of_who_submits_and_of_the_job_in_a_directory_of_a_group(tmp_path: Path, mine: int, its: int) -> None:
    assert len(LONG) == 200
    group = os.getgroups()[-1] if os.geteuid() else 12345
    shared = tmp_path / LONG
    shared.mkdir()
    os.chown(shared, -1, group)
    shared.chmod(0o2775)
    old = os.umask(mine)
    try:
        sweep = filled(shared / "sweep", 2)
    finally:
        os.umask(old)
    where = sweep.paths.directory
    launcher = ["hydra/launcher=submitit_apptainer_local", f"hydra.launcher.setup=['umask {its:03o}']"]
    typed(mine, "submit", where, "--allow", ALLOW[0], *launcher)
    shown = typed(mine, "status", where)
    assert "2 jobs: 2 done" in shown
    assert "*" not in shown, "who wrote it is known"
    below = [path for path in where.rglob("*") if not path.is_symlink()]
    assert {path.stat().st_gid for path in below} == {group}
    open_to_all = [path for path in below if stat.S_IMODE(path.stat().st_mode) & mine & its]
    # The directories of a submission are opened by their paths by the cluster's own programs.
    assert [path for path in open_to_all if "submissions" not in path.parts] == []


def test_nothing_else_is_left_of_a_command_than_files_that_it_names(tmp_path: Path) -> None:
    sweep = filled(tmp_path / LONG, 1)
    launcher = "hydra/launcher=submitit_apptainer_local"
    typed(0o022, "submit", sweep.paths.directory, "--allow", ALLOW[0], launcher, "--to", tmp_path / f"{LONG[:-1]}y")
    assert {path.name for path in sweep.paths.directory.rglob("*")} == {"0", "job.yaml"}


@pytest.mark.parametrize(("restarts", "code"), [("1", 0), ("0", int(ExitCode.REFUSED))])
def test_a_job_that_was_done_as_it_was_requeued_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: str, code: int
) -> None:
    """A step that ended in the seconds which SLURM leaves it was refused, and what waited for it was cancelled."""
    sweep = swept(tmp_path, 1)
    job = sweep.jobs[0]
    states.write_status(job, states.Status(states.DONE, attempt=1))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    task = tasks.JobTask(str(sweep.paths.submission(1).directory), str(job.directory), 1)
    assert tasks._Run(task, Settings(), job).run() == code
    assert states.read_status(job).state == states.DONE
