"""What was submitted is what runs: the whole job.yaml and the settings are pinned, from their check to their start.

Pairs: the files are exchanged at each stage, hash and all, and nothing of them is imported; beside each the honest
case, in which only what says nothing was changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs import run_here
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, frozen_digest, job_text, read_head, read_job, write_job
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import kept_settings, records, retry, submit
from nemo_partial_hydra.launchers import send as sending
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.status import entries, table
from nemo_partial_hydra.launchers.worker.task import JobTask
from tests.launchers.test_local import SETTINGS
from tests.support import jobs as bare_jobs
from tests.support.sent import Slurm, look, with_slurm
from tests.support.sweeps import ALLOW, Sweep

EVIL = {"_target_": "tests.support.payloads.report", "_partial_": True, "evil": True}


def exchanged(job: JobPaths, **changes: Any) -> None:
    """Put another job.yaml in the place of a job's, with a hash that fits."""
    before = read_job(job)
    recipe = changes.get("recipe", before.recipe)
    made = dataclasses.replace(before, **{**changes, "hash": recipe_hash(recipe)})
    job.job.unlink()
    job.job.write_text(job_text(made))


OTHERS: dict[str, Callable[[JobPaths], None]] = {
    "the recipe": lambda job: exchanged(job, recipe=EVIL),
    "the app": lambda job: exchanged(job, app="/evil"),
    "the overrides": lambda job: exchanged(job, overrides=("evil=true",)),
    "the signatures": lambda job: exchanged(job, signatures={}),
    "the packages": lambda job: exchanged(job, packages={"python": "2.7"}),
    "the image": lambda job: exchanged(job, image={"path": "/evil.sif", "sha256": None}),
    "its place in the sweep": lambda job: exchanged(job, subdir="evil"),
    "its time": lambda job: exchanged(job, created="2020-01-01T00:00:00Z"),
    "a comment": lambda job: _text(job, job.job.read_text() + "# approved\n"),
    "line ends": lambda job: _text(job, job.job.read_text().replace("\n", "\r\n")),
    "nothing at all": lambda job: _text(job, ""),
    "no YAML": lambda job: _text(job, "a: ["),
}


def _text(job: JobPaths, text: str) -> None:
    job.job.unlink()
    job.job.write_bytes(text.encode())


def _touched(job: JobPaths) -> None:
    os.utime(job.job, (1, 1))


def _writable(job: JobPaths) -> None:
    job.job.chmod(0o644)


def _written_again(job: JobPaths) -> None:
    text = job.job.read_bytes()
    job.job.unlink()
    job.job.write_bytes(text)


def _frozen_again(job: JobPaths) -> None:
    write_job(job, dataclasses.replace(read_job(job), created="another day"))


HONEST = [_touched, _writable, _written_again, _frozen_again]


class Sent:
    """A sweep of one job that was submitted, and what its host runs for it."""

    def __init__(self, folder: Path) -> None:
        self.sweep = Sweep(folder)
        self.job = self.sweep.add("report", number=1)
        self.digest = read_head(self.job).digest
        self.submission = submit.submit(self.sweep.paths, self.sweep.jobs, SETTINGS, report=Report())
        self.paths = self.sweep.paths.submission(1)
        (task,) = submit.tasks_of(self.paths, self.sweep.paths, self.submission)
        assert isinstance(task, JobTask)
        self.task: JobTask = pickle.loads(pickle.dumps(task))

    def run(self, task: JobTask | None = None) -> int:
        """Run the job's process as the host does; return the exit code."""
        try:
            (task or self.task)()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    @property
    def status(self) -> states.Status:
        return states.read_status(self.job)

    def failed(self) -> Sent:
        states.write_status(self.job, states.Status(states.FAILED, ended=states.now()))
        return self

    def retried(self, *arguments: str, **more: Any) -> retry.Retry:
        return retry.prepare(str(self.sweep.paths.directory), (), arguments, clusters=with_slurm(Slurm({})), **more)


@pytest.fixture
def one(tmp_path: Path) -> Sent:
    return Sent(tmp_path / "sweep")


# ---------------------------------------------------------------- what is pinned


def test_a_submission_says_what_it_sends(one: Sent) -> None:
    (job,) = records.read_submission(one.paths).jobs
    assert job.digest == f"sha256:{hashlib.sha256(one.job.job.read_bytes()).hexdigest()}" == one.task.digest
    assert records.read_settings(one.paths, one.task.settings) == dataclasses.replace(SETTINGS, image_stamp=None)


def test_what_was_checked_is_what_is_pinned(tmp_path: Path) -> None:
    """The head, from which settings are made, the recipe that is checked, and what is sent are one file."""
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    found = sending.heads([job])
    digests = sending.verify([job], ALLOW, found)
    exchanged(job, recipe=EVIL)
    with pytest.raises(RefusedError, match="is another file than the one that was to run"):
        sending.verify([job], ALLOW, found)
    submit.submit(sweep.paths, [job], SETTINGS, digests=digests, report=Report())
    assert records.read_submission(sweep.paths.submission(1)).jobs[0].digest == digests[job] != read_head(job).digest


def test_what_was_signed_is_what_is_sent(tmp_path: Path) -> None:
    """A file whose signature was checked, and that was exchanged before it was read for the submission."""
    job = Sweep(tmp_path).add("report")
    signed = {job: read_head(job).digest}
    assert sending.verify([job], ALLOW, sending.heads([job]), signed) == signed
    exchanged(job, app="/evil")
    with pytest.raises(RefusedError, match="is another file than the one that was to run"):
        sending.verify([job], ALLOW, sending.heads([job]), signed)


def test_freezing_over_a_job_that_is_there_pins_the_file_that_is_there(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    mine = read_job(job)
    exchanged(job, created="by somebody else")
    assert write_job(job, mine) == frozen_digest(job, mine) == read_head(job).digest
    other = sweep.paths.job("new")
    assert write_job(other, mine) == read_head(other).digest == mine.digest


# ---------------------------------------------------------------- before the start, and at a requeue


@pytest.mark.parametrize("what", OTHERS)
def test_another_file_is_not_started(one: Sent, what: str) -> None:
    OTHERS[what](one.job)
    assert one.run() == 3
    assert (one.status.state, one.status.exit_code) == (states.FAILED, 3)
    assert one.status.error is not None
    message = one.status.error["message"]
    assert f"{one.job.job}: is another file than the one that was to run" in message
    assert one.digest in message
    assert "--force" in message
    assert not one.job.result.exists()


@pytest.mark.parametrize("change", HONEST)
def test_the_same_file_is_started(one: Sent, change: Callable[[JobPaths], None]) -> None:
    change(one.job)
    assert one.run() == 0
    assert one.status.state == states.DONE
    assert states.read_record(one.job)[1].mine


@pytest.mark.parametrize("what", ["the recipe", "a comment"])
def test_another_file_is_not_started_at_a_requeue(one: Sent, what: str) -> None:
    again = one.task.checkpoint().function
    assert one.status.state == states.SUBMITTED
    OTHERS[what](one.job)
    assert one.run(again) == 3
    assert not one.job.result.exists()


def test_the_same_file_is_started_at_a_requeue(one: Sent) -> None:
    assert one.run(one.task.checkpoint().function) == 0
    assert states.read_record(one.job) == (one.status, states.read_record(one.job)[1])
    assert states.read_record(one.job)[1].mine, "sealed with the key of the next attempt"


@pytest.mark.parametrize(
    "changes",
    [
        {"setup": ["touch evil"]}, {"allow": ["os"]}, {"code": ["/evil"]}, {"secrets": ["HF_TOKEN"]},
        {"container": {"executable": "/evil"}}, {"container": {"env": {"LD_PRELOAD": "/evil.so"}}},
        {"container": {"extra_args": ["--bind", "/"]}}, {"submitit_folder": "/evil"},
    ],
)  # fmt: skip
def test_other_settings_are_not_used_and_need_no_key_to_be_seen(
    one: Sent, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of a node without the home"))
    data = json.loads(one.paths.settings.read_text())
    container = {**data["container"], **changes.get("container", {})}
    one.paths.settings.write_text(json.dumps({**data, **changes, "container": container}))
    assert one.run() == 3
    assert "are other settings than those that were submitted" in str(one.status.reason)
    assert one.task.settings is not None
    assert one.task.settings in str(one.status.reason)


def test_the_same_settings_are_used_without_a_key(one: Sent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of a node without the home"))
    data = json.loads(one.paths.settings.read_text())
    one.paths.settings.write_text(json.dumps(data, sort_keys=True))
    assert one.run() == 0
    assert one.status.state == states.DONE
    monkeypatch.undo()
    assert "written without a key" in states.read_record(one.job)[1].why
    assert records.read_submission(one.paths).origin.mine, "so its ids and settings are there for retry"


@pytest.mark.parametrize("missing", ["digest", "settings"])
def test_a_task_that_pins_nothing_is_refused(one: Sent, missing: str) -> None:
    """As a version before this one has pickled it."""
    state = {name: value for name, value in vars(one.task).items() if name != missing}
    old = object.__new__(JobTask)
    vars(old).update(state)
    assert one.run(pickle.loads(pickle.dumps(old))) == 3
    assert "nemo-hydra retry" in str(one.status.reason)


# ---------------------------------------------------------------- the job's own process


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = bare_jobs.bare_folder(tmp_path / "modules")
    with open(folder / "payload.py", "a") as file:
        file.write("Path('/'.join([os.environ['MARKS'], 'imported'])).touch()\n")
    return folder


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "", "sha256:", "no digest"])
def test_nothing_is_imported_for_another_file(tmp_path: Path, bare: Path, digest: str, rank: str) -> None:
    job = bare_jobs.frozen(tmp_path / "0", bare_jobs.recipe("add", a=1))
    env = {"MARKS": str(tmp_path), "SLURM_JOB_ID": "7", "SLURM_PROCID": rank}
    done = bare_jobs.run(bare, job, f"--digest={digest}", "--attempt=1", env=env)
    assert done.code == 3, done
    assert "is another file than the one that was to run" in done.err
    assert not (tmp_path / "imported").exists()
    assert states.read_status(job).state == (states.FAILED if rank == "0" else states.FROZEN)


def test_this_file_is_run_and_so_is_any_where_none_is_named(tmp_path: Path, bare: Path) -> None:
    env = {"MARKS": str(tmp_path)}
    job = bare_jobs.frozen(tmp_path / "0", bare_jobs.recipe("add", a=1))
    assert bare_jobs.run(bare, job, f"--digest={read_head(job).digest}", env=env).code == 0
    other = bare_jobs.frozen(tmp_path / "1", bare_jobs.recipe("add", a=1))
    assert bare_jobs.run(bare, other, env=env).code == 0


def test_what_runs_here_is_what_was_checked_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Sweep(tmp_path).add("report", number=1)
    before = run_here._process

    def process(command: Any, paths: JobPaths, *rest: Any, **more: Any) -> int:
        exchanged(paths, recipe=EVIL)
        return before(command, paths, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(run_here, "_process", process)
        assert cli.main(["run", str(tmp_path), "--allow", ALLOW[0]]) == 3
    assert not job.result.exists()
    assert cli.main(["run", str(tmp_path), "--allow", ALLOW[0]]) == 0, "it is looked at anew"
    assert read_result(job)["values"] == {"evil": True}


# ---------------------------------------------------------------- retry, and what is shown


@pytest.mark.parametrize("what", [name for name in OTHERS if name not in ("nothing at all", "no YAML")])
def test_status_says_whose_file_is_another(one: Sent, what: str) -> None:
    def seen() -> tuple[list[bool], str]:
        found = look(one.sweep, Slurm({}))
        return [job["exchanged"] for job in entries.records(found)["jobs"]], "\n".join(table.notes(found))

    one.failed()
    assert seen() == ([False], "")
    OTHERS[what](one.job)
    assert seen()[0] == [True]
    assert "Sent with another job.yaml than the one that is there now, which is what is shown: 0" in seen()[1]


@pytest.mark.parametrize("what", [name for name in OTHERS if name not in ("nothing at all", "no YAML")])
def test_another_file_is_not_tried_again_unless_that_is_meant(one: Sent, what: str) -> None:
    one.failed()
    assert one.retried().groups, "the honest one"
    OTHERS[what](one.job)
    with pytest.raises(RefusedError) as error:
        one.retried()
    assert f"{one.job.job}: is another file than the one that was submitted" in str(error.value)
    assert one.digest in str(error.value)
    assert read_head(one.job).digest in str(error.value)
    found = one.retried(force=True)
    assert found.groups[0].digests == {one.job: read_head(one.job).digest}


def test_another_file_is_not_tried_again_with_settings_of_the_command_line(one: Sent, fresh_workspace: None) -> None:
    one.failed()
    line = ["hydra/launcher=submitit_apptainer"]
    assert one.retried(*line, allow=ALLOW).groups, "the honest one"
    OTHERS["the app"](one.job)
    with pytest.raises(RefusedError, match="is another file than the one that was submitted"):
        one.retried(*line, allow=ALLOW)


def test_a_file_is_exchanged_while_it_is_tried_again(one: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its head was read, from which the directories of its code come."""
    one.failed()
    before = kept_settings.again

    def again(*arguments: Any) -> Any:
        exchanged(one.job, app="/evil")
        return before(*arguments)

    monkeypatch.setattr(retry, "again", again)
    with pytest.raises(RefusedError, match="is another file than the one that was to run"):
        one.retried(force=True)


def test_a_digest_in_a_record_of_others_says_nothing(one: Sent, fresh_workspace: None) -> None:
    """Nor does it let a file through that it fits, nor stop one that it does not fit."""
    one.failed()
    data = json.loads(one.paths.record.read_text())
    data["jobs"][0]["digest"] = "sha256:0"
    one.paths.record.write_text(json.dumps(data))
    with pytest.raises(RefusedError, match=r"submission\.json: it was changed"):
        one.retried()
    assert one.retried("hydra/launcher=submitit_apptainer", allow=ALLOW).groups


def test_a_copied_sweep_is_submitted_as_its_own(one: Sent, tmp_path: Path) -> None:
    """What never ran there runs there: a copy of a frozen job is a frozen job."""
    copy = tmp_path / "copy" / "0"
    copy.mkdir(parents=True)
    shutil.copy(one.job.job, copy)
    line = [sys.executable, "-m", "nemo_partial_hydra.cli", "submit", str(copy.parent), "--allow", ALLOW[0]]
    done = subprocess.run(
        [*line, "hydra/launcher=submitit_apptainer_local"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert states.read_record(JobPaths(copy))[1].mine


def test_a_job_is_another_object_with_a_digest_and_the_same_job(tmp_path: Path) -> None:
    job = Sweep(tmp_path).add("report")
    found = read_job(job)
    assert found == dataclasses.replace(found, digest="")
    assert isinstance(found, Job)
    assert "digest" not in job_text(found)
