"""``cancel`` and ``retry`` of jobs whose words, and SLURM's, are given."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import ClusterError, PolicyError, RefusedError, UsageError
from nemo_partial_hydra.jobs import seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers import cancel, records, retry
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import stamp
from tests.support.sent import DOWN, KEPT, NO_ACCOUNTS, Slurm, look, says, seen, sent, swept, with_slurm
from tests.support.sweeps import ALLOW, Sweep


def test_one_scancel_for_all_and_what_waited_is_marked(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 5)
    says(sweep.jobs[0], states.DONE)
    says(sweep.jobs[1], states.RUNNING)
    slurm = Slurm({"7_1": "RUNNING", "7_2": "PENDING", "7_3": "PENDING", "7_4": "PENDING"})
    look(sweep, slurm)
    slurm.asked.clear()
    done = cancel.cancel(str(tmp_path), [0, 1, 2, 4], clusters=with_slurm(slurm))
    assert [command for command in slurm.asked if command[0] == "scancel"] == [["scancel", "7_[1-2,4]"]]
    assert [states.read_status(job).state for job in sweep.jobs] == [
        "done", "running", "cancelled", "submitted", "cancelled",
    ]  # fmt: skip
    assert done.lines == ["Cancelled 3 jobs (1, 2, 4) (7_[1-2,4]).", "Left as it is: job 0: done already"]


def test_what_slurm_does_not_cancel_is_said(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 2)
    slurm = Slurm({"7_0": "PENDING", "7_1": "PENDING"})
    look(sweep, slurm)
    slurm.cancel = Answer(1, "", "scancel: error: Kill job error on job id 7_1: Access/permission denied\n")
    done = cancel.cancel(str(tmp_path), clusters=with_slurm(slurm))
    assert [entry.name for entry in done.cancelled] == ["0"]
    assert done.left[0][1] == "Access/permission denied"
    assert states.read_status(sweep.jobs[1]).state == states.SUBMITTED
    slurm.cancel = DOWN
    with pytest.raises(ClusterError, match="the jobs go on"):
        cancel.cancel(str(tmp_path), clusters=with_slurm(slurm))


def test_a_job_that_waits_on_this_machine_is_taken_away(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    says(job, states.SUBMITTED)
    done = cancel.cancel(str(tmp_path), clusters=with_slurm(Slurm({})))
    assert [entry.name for entry in done.cancelled] == ["0"]
    assert states.read_status(job).state == states.CANCELLED
    assert cli.main(["run", str(tmp_path), "--allow", ALLOW[0]]) == 0, "as a new attempt"
    assert states.read_status(job).attempt == 2


def test_a_job_on_another_host_is_not_cancelled_and_that_is_said(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    says(sweep.add("report"), states.RUNNING, host="elsewhere")
    done = cancel.cancel(str(tmp_path), clusters=with_slurm(Slurm({})))
    assert done.left[0][1] == "it runs on elsewhere: cancel it there"


def prepared(sweep: Sweep, slurm: Slurm, *arguments: str, numbers: Sequence[int] = (), **more: Any) -> retry.Retry:
    slurm.folder = str(sweep.paths.submission(1).directory / "submitit")
    return retry.prepare(str(sweep.paths.directory), numbers, arguments, clusters=with_slurm(slurm), **more)


def test_only_what_ended_badly_is_tried_again_with_the_kept_settings(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 6)
    ends = [states.DONE, states.FAILED, states.CANCELLED, states.TIMEOUT]
    for job, state in zip(sweep.jobs, ends, strict=False):
        says(job, state)
    found = prepared(sweep, Slurm({"7_5": "RUNNING"}))
    (group,) = found.groups
    assert [entry.name for entry in group.entries] == ["1", "2", "3", "4"], "the last one is lost"
    assert group.settings == KEPT
    assert set(group.attempts.values()) == {2}


@pytest.mark.parametrize(
    ("number", "said"), [(0, "job 0 is done"), (1, "job 1 is running as 7_1"), (2, "is submitted")]
)
def test_what_is_done_or_goes_on_is_refused(tmp_path: Path, number: int, said: str) -> None:
    sweep = swept(tmp_path, 4)
    says(sweep.jobs[0], states.DONE)
    says(sweep.jobs[3], states.FAILED)
    with pytest.raises(RefusedError, match=said):
        prepared(sweep, Slurm({"7_1": "RUNNING", "7_2": "PENDING"}), numbers=[number, 3])


def test_a_job_that_slurm_may_still_have_is_not_tried_again(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    says(sweep.jobs[0], states.TIMEOUT, ended=states.now())
    with pytest.raises(RefusedError, match="nothing to try again: 1 submitted"):
        prepared(sweep, Slurm({"7_0": "PENDING"}))
    for numbers in ([0], []):
        with pytest.raises(RefusedError, match="job 0 is timeout and still ends as 7_0"):
            prepared(sweep, Slurm({"7_0": "COMPLETING"}), numbers=numbers)
    with pytest.raises(ClusterError, match="requeued"):
        prepared(sweep, Slurm(DOWN))
    says(sweep.jobs[0], states.RUNNING)
    with pytest.raises(ClusterError, match="whether these jobs still run"):
        prepared(sweep, Slurm(DOWN, NO_ACCOUNTS), numbers=[0])


def test_a_failed_job_that_slurm_starts_again_is_not_tried_again_beside_it(tmp_path: Path) -> None:
    """By ``scontrol requeue``, or where the site has RequeueExit."""
    sweep = swept(tmp_path, 2)
    for job in sweep.jobs:
        says(job, states.FAILED, ended=states.now(), exit_code=1)
    slurm = Slurm({"7_0": "PENDING", "7_1": "FAILED"})
    assert seen(sweep, slurm) == ["submitted", "failed"]
    with pytest.raises(RefusedError, match="job 0 is submitted as 7_0: nothing runs twice"):
        prepared(sweep, slurm, numbers=[0])
    assert seen(sweep, Slurm(DOWN, NO_ACCOUNTS)) == ["failed", "failed"], "what they have said needs nobody's word"
    assert not look(sweep, Slurm(DOWN, NO_ACCOUNTS)).unasked


def test_jobs_sent_with_other_settings_are_sent_with_theirs(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 3)
    other = dataclasses.replace(KEPT, resources={"timeout_min": 99})
    jobs = tuple(SentJob("1", 2, JobId("9")) for _ in range(1))
    sweep.paths.submission(2).directory.mkdir()
    records.write_submission(
        sweep.paths.submission(2), Submission(2, "slurm", "app", states.now(), "me", "here", jobs)
    )  # fmt: skip
    records.write_settings(sweep.paths.submission(2), other)
    for number, job in enumerate(sweep.jobs):
        says(job, states.FAILED, attempt=2 if number == 1 else 1)
    found = prepared(sweep, Slurm({}))
    assert [([entry.name for entry in group.entries], group.settings.resources) for group in found.groups] == [
        (["1"], {"timeout_min": 99}),
        (["0", "2"], {"timeout_min": 7}),
    ]


def test_settings_of_a_sweep_that_was_moved_are_named_anew(tmp_path: Path, fresh_workspace: None) -> None:
    sweep = swept(tmp_path / "before", 1)
    says(sweep.jobs[0], states.FAILED)
    shutil.move(tmp_path / "before", tmp_path / "after")
    moved, clusters = str(tmp_path / "after"), with_slurm(Slurm({}))
    with pytest.raises(RefusedError, match=rf"copied or moved from {tmp_path}/before/.*hydra/launcher="):
        retry.prepare(moved, clusters=clusters)
    found = retry.prepare(moved, (), ["hydra/launcher=submitit_apptainer"], allow=ALLOW, clusters=clusters)
    assert found.groups[0].settings.resources["timeout_min"] == 60, "the launcher's own default"


def test_an_image_that_was_replaced_is_refused_unless_forced(tmp_path: Path) -> None:
    image = tmp_path / "x.sif"
    image.write_bytes(b"x")
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    sent(
        sweep, settings=dataclasses.replace(KEPT, container=Container(image=str(image)), image_stamp=stamp(str(image)))
    )
    says(sweep.jobs[0], states.FAILED)
    assert prepared(sweep, Slurm({})).groups
    image.write_bytes(b"another")
    with pytest.raises(RefusedError, match=r"replaced after these jobs were submitted.*--force"):
        prepared(sweep, Slurm({}))
    assert prepared(sweep, Slurm({}), force=True).groups


def test_settings_that_another_key_has_sealed_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = swept(tmp_path / "sweep", 1)
    says(sweep.jobs[0], states.FAILED)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    with pytest.raises(RefusedError, match=r"your key .* cannot be read here.*hydra/launcher="):
        prepared(sweep, Slurm({}))
    seal.require_key()
    with pytest.raises(RefusedError, match=r"another key than yours.*hydra/launcher="):
        prepared(sweep, Slurm({}))


def test_a_job_that_no_launcher_sent_says_what_to_do(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    says(sweep.add("report"), states.FAILED)
    with pytest.raises(UsageError, match=r"nemo-hydra run.*hydra/launcher="):
        prepared(sweep, Slurm({}))


def test_secrets_are_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    sent(sweep, settings=dataclasses.replace(KEPT, secrets=("A_TOKEN", "B_TOKEN")))
    says(sweep.jobs[0], states.FAILED)
    monkeypatch.setenv("A_TOKEN", "x")
    monkeypatch.delenv("B_TOKEN", raising=False)
    (group,) = prepared(sweep, Slurm({})).groups
    assert group.secrets == {"A_TOKEN": "x"}
    assert "B_TOKEN" in capsys.readouterr().err


def test_a_command_line_changes_what_it_names_of_the_kept_settings(tmp_path: Path, fresh_workspace: None) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    container = Container(env={"A": "1", "B": "2"}, nv=True, setup=("module load x",))
    resources = {"timeout_min": 7, "mem_gb": 3, "additional_parameters": {"x": 1}}
    before = dataclasses.replace(
        KEPT, container=container, resources=resources, payload_signal="SIGUSR1", secrets=("T_TOKEN",), code=("/code",)
    )
    sent(sweep, settings=before)
    says(sweep.jobs[0], states.FAILED)
    (same,) = prepared(sweep, Slurm({}), "hydra.launcher.mem_gb=3").groups
    assert same.settings == before
    (group,) = prepared(
        sweep, Slurm({}), "hydra.launcher.mem_gb=9", "+hydra.launcher.apptainer.env.B=new", "hydra.job.name=again",
        "hydra.launcher.apptainer.nv=false",
    ).groups  # fmt: skip
    assert group.settings == dataclasses.replace(
        before,
        name="again",
        resources={**resources, "mem_gb": 9},
        container=dataclasses.replace(container, env={"A": "1", "B": "new"}, nv=False),
    )
    line = ["hydra/launcher=submitit_apptainer", "hydra.launcher.mem_gb=1"]
    with pytest.raises(PolicyError, match="--allow"):
        prepared(sweep, Slurm({}), *line)
    (named,) = prepared(sweep, Slurm({}), *line, allow=ALLOW).groups
    assert named.settings.resources["timeout_min"] == 60, "the launcher's own default"
    with pytest.raises(UsageError, match="the jobs are frozen"):
        prepared(sweep, Slurm({}), "optimizers.0.lr=1")
