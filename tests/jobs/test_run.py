"""Running frozen jobs where there is only Python and PyYAML: results, refusals, signals, claims, full disks."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.jobs import claim
from nemo_partial_hydra.jobs.job import job_text, read_job
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.status import Status, read_status, write_status
from tests.conftest import left_out
from tests.support.apps import ROOT, App
from tests.support.jobs import bare_folder, command, environment, frozen, recipe, run, start, until

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_folder(tmp_path_factory.mktemp("bare") / "modules")


def test_a_job_runs_without_hydra_and_leaves_its_result(bare: Path, weird_tmp_path: Path) -> None:
    paths = frozen(weird_tmp_path / "3", recipe("add", a=2, note="${oc.env:MY_TOKEN,null}", out="${hydra:sweep.dir}/x"))
    done = run(bare, paths, env={"MY_TOKEN": "a ${b} \\"})
    assert (done.code, done.err) == (0, "")
    own = str(paths.directory)
    assert read_result(paths) == {"sum": 3.5, "note": "a ${b} \\", "out": f"{weird_tmp_path}/x", "cwd": own}
    status = read_status(paths)
    assert (status.state, status.attempt, status.exit_code, status.error) == ("done", 1, 0, None)
    assert status.started is not None
    assert status.ended is not None
    assert status.started <= status.ended


def test_the_runner_imports_nothing_of_hydra(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("loaded"))
    assert run(bare, paths).code == 0
    loaded = set(read_result(paths))
    assert "yaml" in loaded
    assert loaded.isdisjoint({"hydra", "omegaconf", "rich", "fiddle", "nemo_run", "torch"})


def test_no_file_of_the_job_or_of_the_package_hides_a_module(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("found"))
    for name in ("json", "payload", "status", "yaml"):
        (paths.directory / f"{name}.py").write_text("raise SystemExit('a file of the job was imported')\n")
    done = subprocess.run(
        command(paths), env=environment(bare, {"PYTHONPATH": f":{bare}:"}), cwd=paths.directory, check=False
    )  # as with --pwd JOBDIR and a PYTHONPATH that was put together by a shell
    assert done.returncode == 0
    file, path = read_result(paths)
    assert file.startswith(os.path.dirname(os.__file__))
    assert str(paths.directory) not in path
    assert str(ROOT) not in path, "the package is found without a new entry"
    assert not any(folder.endswith("nemo_partial_hydra/jobs") for folder in path)


def test_a_recipe_may_start_processes_of_its_own(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("spawns", path=str(tmp_path / "note")))
    done = run(bare, paths)
    assert (done.code, read_result(paths)) == (0, 0), done.err
    assert json.loads((tmp_path / "note").read_text())[0] == bare.name


def test_a_result_that_is_no_json_is_kept_as_text(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("odd"))
    assert run(bare, paths).code == 0
    assert json.loads(paths.result.read_text()) == {"repr": "{1, 2}"}


def test_an_error_is_recorded_with_the_recipes_frames(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("fail", message="wörld"))
    done = run(bare, paths)
    assert done.code == 1
    assert "LookupError: wörld" in done.err
    assert "runner.py" not in done.err
    error = read_status(paths).error
    assert error is not None
    assert (error["type"], error["message"]) == ("LookupError", "wörld")
    assert [line.rpartition(" ")[2] for line in error["where"]] == ["fail", "inner"]
    assert not paths.result.exists()


@pytest.mark.parametrize(("code", "state"), [(0, "done"), (4, "failed")])
def test_a_recipe_that_leaves(bare: Path, tmp_path: Path, code: int, state: str) -> None:
    paths = frozen(tmp_path / "0", recipe("leave", code=code))
    assert run(bare, paths).code == int(code != 0)
    status = read_status(paths)
    assert status.state == state
    assert "sys.exit" in str(status.reason)


def test_a_done_job_is_refused_without_force(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    assert run(bare, paths).code == 0
    before = paths.status.read_text()
    for arguments in ((), ("--attempt", "2")):
        again = run(bare, paths, *arguments)
        assert again.code == 3
        assert "--force" in again.err
        assert paths.status.read_text() == before
    assert run(bare, paths, "--force").code == 0
    assert read_status(paths).attempt == 2


def edited(paths: JobPaths, old: str, new: str) -> None:
    """Change job.yaml behind the back of everyone."""
    text = paths.job.read_text()
    assert old in text
    paths.job.chmod(0o644)
    paths.job.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("a: 1", "a: 2", 3, "not the one that was frozen"),
        ("payload.add", "payload.fail", 3, "not the one that was frozen"),
        ("format: 1", "format: 99", 2, "newer version"),
        ("dialect: 1", "dialect: 99", 2, "newer dialect"),
        ("packages:", "package:", 2, "lacks packages"),
        ("recipe:", "recipes:", 2, "'recipe' is no recipe"),
        ("num: 0", "num: zero", 2, "expected int"),
        ("_partial_: true", "_partial_: [true", 2, "damaged or half-written"),
        ("format: 1\n", "", 2, "no frozen job"),
    ],
)
def test_a_damaged_or_changed_job_does_not_run(
    bare: Path, tmp_path: Path, old: str, new: str, code: int, words: str
) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    edited(paths, old, new)
    done = run(bare, paths)
    assert done.code == code
    assert words in done.err
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err
    assert not paths.status.exists()
    assert not paths.result.exists()


def test_a_half_written_job_does_not_run(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1, note="a long text that is cut"))
    text = paths.job.read_text()
    paths.job.chmod(0o644)
    for cut in range(0, len(text) - 1, 7):
        paths.job.write_text(text[:cut])
        with pytest.raises(Exception, match=r"job\.yaml") as raised:
            read_job(paths)
        assert type(raised.value).__name__ in ("JobError", "RefusedError")
    paths.job.unlink()
    assert run(bare, paths).code == 2


@pytest.mark.parametrize("arguments", [(), ("--attempt", "1")])
def test_policy_comes_before_everything(bare: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    done = run(bare, paths, *arguments, allow=None)
    assert done.code == 3
    assert "--allow payload" in done.err
    assert read_status(paths).state == ("failed" if arguments else "frozen"), "a launcher's job says what happened"


def test_all_that_is_wrong_is_said_before_the_job_starts(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", b="${oc.env:A_TOKEN}", note="${oc.env:B_KEY}"))
    done = run(bare, paths)
    assert done.code == 2
    assert "A_TOKEN" in done.err
    assert "B_KEY" in done.err
    paths = frozen(tmp_path / "1", recipe("add", b="x", c=3))
    done = run(bare, paths)
    assert done.code == 2
    assert "no parameter 'c'" in done.err
    assert "b: " in done.err


def test_two_processes_on_one_job_one_runs(bare: Path, tmp_path: Path) -> None:
    ready, go = tmp_path / "ready", tmp_path / "go"
    paths = frozen(tmp_path / "0", recipe("once", ready=str(ready), go=str(go)))
    processes = [start(bare, paths) for _ in range(4)]
    until(lambda: sum(process.poll() is not None for process in processes) == 3)
    go.touch()
    ends = sorted((process.wait(timeout=60), process.communicate()[1]) for process in processes)
    assert [code for code, _ in ends] == [0, 3, 3, 3]
    assert all("attempt 1" in text and "process" in text for _, text in ends[1:])
    assert ready.read_text() == "x"
    assert read_status(paths).state == "done"


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize(
    ("number", "notice", "state"),
    [
        (signal.SIGTERM, None, "cancelled"),
        (signal.SIGTERM, "timeout", "timeout"),
        (signal.SIGUSR2, None, "timeout"),
        (signal.SIGINT, None, "cancelled"),
    ],
)
def test_a_signal_that_the_recipe_does_not_handle(
    bare: Path, tmp_path: Path, number: signal.Signals, notice: str | None, state: str
) -> None:
    paths = frozen(tmp_path / "0", recipe("wait"))
    process = start(bare, paths)
    until((paths.directory / "started").exists, process)
    if notice is not None:
        paths.notice(1).write_text(notice)
    process.send_signal(number)
    assert ended(process) == 130
    status = read_status(paths)
    assert (status.state, status.exit_code) == (state, 130)
    assert status.ended is not None


@pytest.mark.parametrize(("number", "state"), [(signal.SIGTERM, "done"), (signal.SIGUSR2, "timeout")])
def test_the_recipes_own_handler_comes_first_and_once(
    bare: Path, tmp_path: Path, number: signal.Signals, state: str
) -> None:
    paths = frozen(tmp_path / "0", recipe("handles"))
    process = start(bare, paths)
    until((paths.directory / "started").exists, process)
    process.send_signal(number)
    if number == signal.SIGUSR2:
        process.send_signal(number)
    ended(process)
    assert read_result(paths) == {"told": 1}
    assert read_status(paths).state == state


def test_after_sigkill_a_retry_is_a_new_attempt(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("wait"))
    process = start(bare, paths)
    mark = paths.directory / "started"
    until(mark.exists, process)
    process.kill()
    ended(process)
    assert read_status(paths).state == "running", "nobody was left to say otherwise"
    assert run(bare, paths, "--attempt", "1").code == 3, "the attempt is used up"
    held = claim.holder(paths, 1)
    assert held is not None
    assert held.alive() is False
    mark.unlink()
    again = start(bare, paths)  # the dead process was on this machine: the next attempt is free to take
    until(mark.exists, again)
    again.terminate()
    ended(again)
    assert (read_status(paths).state, read_status(paths).attempt) == ("cancelled", 2)


def test_a_requeued_slurm_job_takes_over_its_own_attempt(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    slurm = {"SLURM_JOB_ID": "31", "SLURM_ARRAY_JOB_ID": "30", "SLURM_ARRAY_TASK_ID": "1"}
    claim.take(paths, 1, claim.myself({**slurm, "SLURM_JOB_ID": "31"}))
    assert run(bare, paths, "--attempt", "1", env=slurm).code == 3
    assert run(bare, paths, "--attempt", "1", env={**slurm, "SLURM_ARRAY_TASK_ID": "2"}).code == 3
    other = {**slurm, "SLURM_ARRAY_JOB_ID": "29", "SLURM_RESTART_COUNT": "1"}
    assert run(bare, paths, "--attempt", "1", env=other).code == 3
    done = run(bare, paths, "--attempt", "1", env={**slurm, "SLURM_RESTART_COUNT": "1"})
    assert done.code == 0, done.err
    status = read_status(paths)
    assert (status.state, status.requeues, status.slurm) == ("done", 1, {"job": "30", "task": 1})


def test_an_attempt_that_the_cluster_starts_again_does_not_run_beside_a_later_one(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    slurm = {"SLURM_JOB_ID": "31"}
    claim.take(paths, 1, claim.myself(slurm))
    write_status(paths, Status("failed", attempt=1))
    paths.attempt(2).mkdir()  # nemo-hydra retry has sent it
    again = run(bare, paths, "--attempt", "1", env={**slurm, "SLURM_RESTART_COUNT": "1"})
    assert again.code == 3
    assert "attempt 1 does not run again: attempt 2 was sent since; see nemo-hydra status" in again.err
    assert run(bare, paths, "--attempt", "2", env={"SLURM_JOB_ID": "32"}).code == 0


def test_a_queued_job_is_not_run_beside_its_queue(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    write_status(paths, Status("submitted", slurm={"job": "7", "task": None}, submitted="2026-01-01T00:00:00Z"))
    done = run(bare, paths)
    assert done.code == 3
    assert "SLURM job 7" in done.err
    assert run(bare, paths, "--attempt", "1").code == 0
    assert read_status(paths).submitted == "2026-01-01T00:00:00Z"


def test_other_tasks_run_with_the_first_and_their_failure_is_the_jobs(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("wait"))
    slurm = {"SLURM_JOB_ID": "5", "SLURM_NTASKS": "2"}
    first = start(bare, paths, "--attempt", "1", env={**slurm, "SLURM_PROCID": "0"})
    until((paths.directory / "started").exists, first)
    (paths.directory / "started").unlink()
    second = start(bare, paths, "--attempt", "1", env={**slurm, "SLURM_PROCID": "1"})
    until((paths.directory / "started").exists, second)
    paths.task_error(1, 1).write_text(json.dumps({"type": "ValueError", "message": "rank", "where": []}))
    for process in (second, first):
        process.terminate()
        ended(process)
    status = read_status(paths)
    assert (status.state, status.reason) == ("failed", "task 1 failed")
    assert status.error == {"type": "ValueError", "message": "rank", "where": [], "task": 1}
    assert (status.task, status.why) == (1, "ValueError: rank (task 1)")


def limited(size: int) -> Any:
    """Return what keeps a process from writing files beyond a size, as a full disk does."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_result_that_cannot_be_written_is_not_lost(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1, note="n" * 5000))
    done = subprocess.run(
        command(paths), env=environment(bare), cwd="/", capture_output=True, text=True, check=False,
        preexec_fn=limited(2000),
    )  # fmt: skip
    assert done.returncode == 0
    assert "n" * 5000 in done.stderr
    assert "cannot be written" in done.stderr
    status = read_status(paths)
    assert status.state == "done"
    assert "result" in str(status.reason)
    assert sorted(path.name for path in paths.directory.iterdir()) == ["attempts", "job.yaml", "status.json"]


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


@pytest.mark.root
def test_a_full_disk_keeps_the_status(bare: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        left_out("mounting is not allowed here")
    try:
        go = tmp_path / "go"
        paths = frozen(disk / "0", recipe("once", ready=str(tmp_path / "ready"), go=str(go)))
        process = start(bare, paths)
        until((tmp_path / "ready").exists, process)
        fill(disk / "ballast")
        go.touch()
        _, err = process.communicate(timeout=60)
        status = read_status(paths)
        assert (status.state, process.returncode) == ("done", 0), err
        assert '"ran"' in err
        assert "No space left" in err
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.devices
def test_a_job_whose_result_and_log_are_lost_has_failed(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1, note="n" * 5000))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(paths), env=environment(bare), cwd="/", stderr=full, check=False, preexec_fn=limited(2000)
        )
    status = read_status(paths)
    assert (status.state, status.exit_code) == ("failed", 1), done
    assert status.error is not None
    assert "so the result is lost" in status.error["message"]
    assert done.returncode != 0


def test_job_yaml_is_never_written_again(bare: Path, tmp_path: Path) -> None:
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    before = (paths.job.read_bytes(), os.stat(paths.job).st_mtime_ns)
    assert os.stat(paths.job).st_mode & 0o222 == 0
    run(bare, paths)
    assert (paths.job.read_bytes(), os.stat(paths.job).st_mtime_ns) == before
    assert job_text(read_job(paths)).encode() == before[0]


def cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``nemo-hydra`` in a folder that holds the targets."""
    return subprocess.run(
        [sys.executable, "-m", "nemo_partial_hydra.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nemo_hydra_run_of_a_sweep(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "payload.py").write_text((bare / "payload.py").read_text())
    sweep = tmp_path / "sweep"
    jobs = [
        frozen(sweep / str(number), data, num=number, overrides=(f"a={number}",))
        for number, data in enumerate([recipe("add", a=0), recipe("fail"), recipe("add", a=2)])
    ]
    done = cli(tmp_path, "run", "sweep", "--allow", "payload")
    assert done.returncode == 1
    assert [line.partition(" (")[0] for line in done.stdout.splitlines()] == ["0 a=0: done", "2 a=2: done"]
    assert "1 a=1: failed" in done.stderr
    assert "LookupError: no luck; see sweep/1/attempts/1/err.log" in done.stderr
    assert "LookupError: no luck" in jobs[1].err(1).read_text()
    again = cli(tmp_path, "run", "sweep", "--allow", "payload")
    assert again.returncode == 1
    assert again.stdout == ""
    assert read_status(jobs[1]).attempt == 2
    assert read_status(jobs[0]).attempt == 1


def test_nemo_hydra_run_of_one_job(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "payload.py").write_text((bare / "payload.py").read_text())
    paths = frozen(tmp_path / "0", recipe("add", a=1))
    refused = cli(tmp_path, "run", "0")
    assert (refused.returncode, read_status(paths).state) == (3, "frozen")
    assert "--allow payload" in refused.stderr
    assert cli(tmp_path, "run", "0", "--allow", "payload").returncode == 0
    again = cli(tmp_path, "run", "0", "--allow", "payload")
    assert (again.returncode, again.stdout) == (3, "")
    assert "--force" in again.stderr
    nothing = cli(tmp_path, "run", str(bare))
    assert nothing.returncode == 2
    assert "no job is frozen there" in nothing.stderr


def test_a_job_is_refused_where_its_targets_have_changed_since(tmp_path: Path) -> None:
    """All that changed is listed at once, before anything runs."""
    app = App(tmp_path)
    done = app.run("-m", "hydra/launcher=freeze", "hydra.sweep.dir=jobs", "steps=3")
    assert done.code == 0, done.err
    assert "shop.Net" in (tmp_path / "jobs/0/job.yaml").read_text()
    text = (tmp_path / "shop.py").read_text()
    text = text.replace("    hidden: int = 8\n", "    width: int = 8\n")
    text = text.replace("    lr: float = 0.1\n", "    lr: str = 'x'\n")
    text = text.replace("def train(\n", "def train(\n    now: int,\n")
    (tmp_path / "shop.py").write_text(text)
    command = [sys.executable, "-m", "nemo_partial_hydra.cli", "run", "jobs/0", "--allow", "shop"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=app.environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 3, ran.stdout + ran.stderr
    found = ran.stdout + ran.stderr
    assert "model.config.hidden: Net no longer has 'hidden'" in found
    assert "now: " in found
    assert "optimizers.0.lr: " in found
    assert "Traceback" not in found
    assert "RESULT" not in found
