"""What keeps sweeps of very many jobs from taking longer a job than small ones; the figures are in ``benchmarks``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nemo_partial_hydra.errors import ClusterError, JobError
from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers import claims, eligible, records, submit
from nemo_partial_hydra.launchers.clusters.base import Refusal, Subject
from nemo_partial_hydra.launchers.clusters.registry import Clusters
from nemo_partial_hydra.launchers.clusters.slurm import answers
from nemo_partial_hydra.launchers.clusters.slurm import cluster as slurm_cluster
from nemo_partial_hydra.launchers.clusters.slurm.cluster import Slurm as Cluster
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.clusters.slurm.queue import SEPARATOR
from nemo_partial_hydra.launchers.parallel import REST, Pace
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status import entries, live, look
from tests.support.controller import Controller, said
from tests.support.sent import Slurm, says, swept, with_slurm
from tests.support.sweeps import Sweep, filled

ARGUMENT = 1 << 17
"""Linux has no longer argument."""


def running(sweep: Sweep, number: int) -> Clusters:
    """Return the clusters, where SLURM has one of the jobs as running and nothing of the others."""
    slurm = Slurm({f"7_{number}": "RUNNING"})
    slurm.folder = str(sweep.paths.submission(1).directory / "submitit")
    return with_slurm(slurm)


def submitted(sweep: Sweep, controller: Controller, size: int) -> Submission:
    report = Report(cluster_name="here", max_array=size)
    return submit.submit(sweep.paths, sweep.jobs, Settings(), report=report, clusters=controller.clusters)


def test_jobs_of_an_array_have_its_id_before_the_next_array_is_sent(tmp_path: Path) -> None:
    """Jobs that start wait for it, and go on without it after some seconds."""
    sweep = filled(tmp_path, 6)
    seen: list[list[str]] = []

    def site(controller: Controller, script: str) -> Answer:
        seen.append([str(states.read_status(job).job_id or "") for job in sweep.jobs])
        return said(f"Submitted batch job {controller.take(script)}")

    submitted(sweep, Controller(site), 2)
    assert seen == [[""] * 6, ["100_0", "100_1", *[""] * 4], ["100_0", "100_1", "101_0", "101_1", "", ""]]


def test_the_jobs_of_an_array_that_was_sent_have_its_id_where_the_next_one_is_refused(tmp_path: Path) -> None:
    sweep = filled(tmp_path, 4)

    def site(controller: Controller, script: str) -> Answer:
        if controller.taken:
            return Answer(1, "", "sbatch: error: Batch job submission failed: Invalid qos specification\n")
        return said(f"Submitted batch job {controller.take(script)}")

    with pytest.raises(ClusterError, match="2 of 4 jobs were sent before"):
        submitted(sweep, Controller(site), 2)
    found = [states.read_status(job) for job in sweep.jobs]
    assert [str(status.job_id or "") for status in found] == ["100_0", "100_1", "", ""]
    assert [status.state for status in found] == [states.SUBMITTED] * 2 + [states.FROZEN] * 2


def test_the_record_is_not_written_whole_after_each_of_many_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = filled(tmp_path, 12)
    written = []
    write = claims.record_ids

    def counted(*given: Any) -> Submission:
        written.append(len(given[2]))
        return write(*given)

    monkeypatch.setattr(submit, "record_ids", counted)
    monkeypatch.setattr(submit, "Pace", lambda: Pace(clock=lambda: float(len(written))))  # only writing takes time
    sent = submitted(sweep, Controller(), 1)
    assert written == [1, 12]
    assert [job.spelled for job in sent.jobs] == [str(100 + number) for number in range(12)]
    (recorded,) = records.submissions(sweep.paths)
    assert recorded.jobs == sent.jobs
    assert not recorded.unsettled


def test_more_jobs_than_a_record_can_hold_are_refused_before_one_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = filled(tmp_path, 30)
    monkeypatch.setattr(files, "MAX_BYTES", 8_000)
    with pytest.raises(JobError, match=r"too large a record.*submit some of them at a time"):
        submitted(sweep, Controller(), 10)
    assert {states.read_status(job).state for job in sweep.jobs} == {states.FROZEN}
    assert not sweep.paths.submissions.exists()
    del sweep.jobs[20:]
    assert len(submitted(sweep, Controller(), 10).jobs) == 20
    assert len(records.submissions(sweep.paths)) == 1


def test_a_record_has_a_line_for_each_job(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 5)
    text = sweep.paths.submission(1).record.read_text()
    assert len(json.loads(text)["jobs"]) == 5
    assert sum('"subdir"' in line for line in text.splitlines()) == 5
    assert max(map(len, text.splitlines())) < 400


def test_to_choose_what_is_tried_again_jobs_are_not_compared_with_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = swept(tmp_path, 4)
    for job in sweep.jobs[1:]:
        says(job, states.FAILED)
    found = look.overview(str(tmp_path), running(sweep, 0))

    def compared(self: object, other: object) -> bool:
        raise AssertionError("ten thousand jobs are compared with each other a hundred million times")

    monkeypatch.setattr(entries.Entry, "__eq__", compared)
    assert [entry.name for entry in eligible.chosen(found, (), with_slurm(Slurm({})))] == ["1", "2", "3"]


def test_of_one_job_that_is_named_only_its_status_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = swept(tmp_path, 5)
    read = states.read_record
    seen = []

    def counted(paths: Any, *judge: Any) -> Any:
        seen.append(paths.directory.name)
        return read(paths, *judge)

    monkeypatch.setattr(states, "read_record", counted)
    found = look.overview(str(tmp_path), running(sweep, 3), only=[3])
    assert [(entry.name, entry.state) for entry in found.entries] == [("3", states.RUNNING)]
    assert set(seen) == {sweep.jobs[3].directory.name}


def test_who_only_waits_reads_no_job_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = swept(tmp_path, 2)
    monkeypatch.setattr(look, "read_head", lambda paths: pytest.fail("read"))
    watch = look.Watch(str(tmp_path), clusters=running(sweep, 0), jobs=sweep.jobs)
    assert watch.look().entries[0].state == states.RUNNING


def test_ids_that_are_too_many_for_one_command_are_asked_in_several() -> None:
    asked: list[Sequence[str]] = []
    ids = [str(10**9 + number) for number in range(25_000)]

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        asked.append(command)
        some = command[command.index("-j") + 1].split(",")
        return Answer(0, "".join(SEPARATOR.join([one, "PENDING", *[""] * 8]) + "\n" for one in some), "")

    found = answers.ask_all(ids, ask)
    assert not found.unasked
    assert list(found.queue or ()) == list(found.accounts or ()) == ids
    assert [command[0] for command in asked].count("squeue") == 3
    assert max(len(word) for command in asked for word in command) < ARGUMENT
    asked.clear()
    answers.ask_all(ids[:8_000], ask)
    assert sorted(command[0] for command in asked) == ["sacct", "squeue"]


def subjects(sweep: Sweep, ids: Sequence[JobId]) -> list[Subject]:
    own = states.Status(states.SUBMITTED)
    return [Subject(sweep.jobs[0], own, SentJob("0", 1, one)) for one in ids]


def test_jobs_that_are_too_many_for_one_scancel_are_cancelled_by_several(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []
    ids = [JobId("7", number) for number in range(0, 60_000, 2)]

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        asked.append(command)
        return Answer(0, "", "scancel: error: Kill job error on job id 7_50000: Access/permission denied\n")

    cluster = Cluster(ask, ask, ask, lambda: "")
    found = cluster.cancel(subjects(filled(tmp_path, 1), ids))
    assert [ids[index].task for index, why in enumerate(found) if why is not None] == [50_000]
    assert len(asked) == -(-len(ids) // slurm_cluster._AT_ONCE)
    assert max(len(word) for command in asked for word in command) < ARGUMENT
    asked.clear()
    cluster.cancel(subjects(filled(tmp_path / "other", 1), [JobId("7", number) for number in range(60_000)]))
    assert asked == [["scancel", "7_[0-59999]"]]


def test_where_the_second_scancel_fails_that_is_said_of_its_jobs(tmp_path: Path) -> None:
    down = Answer(1, "", "scancel: error: Unable to contact slurm controller (connect failure)\n")
    left = [Answer(0, "", "")]

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        return left.pop() if left else down

    cluster = Cluster(ask, ask, ask, lambda: "")
    ids = [JobId("7", number) for number in range(0, 60_000, 2)]
    found = cluster.cancel(subjects(filled(tmp_path, 1), ids))
    assert found[: slurm_cluster._AT_ONCE] == [None] * slurm_cluster._AT_ONCE
    assert all(isinstance(why, Refusal) and not why.over for why in found[slurm_cluster._AT_ONCE :])


def test_the_live_table_makes_the_rows_that_it_shows() -> None:
    made = []

    def row(number: int) -> list[str]:
        made.append(number)
        return [str(number), states.SUBMITTED]

    jobs = [(states.SUBMITTED, number) for number in range(1000)]
    Console(file=open("/dev/null", "w")).print(live.shown(jobs, row, ("JOB", "STATE")))  # noqa: SIM115
    assert made == list(range(live.ROWS))


def test_who_looks_rests_the_longer_the_more_a_look_takes() -> None:
    now = [0.0]
    pace = Pace(1.5, lambda: now[0])
    assert pace.waits() == 0
    for took, rest in ((0.1, 1.5), (2.0, REST * 2.0)):
        with pace:
            now[0] += took
        assert pace.waits() == rest
        now[0] += rest
        assert pace.waits() == 0


def test_time_that_others_take_is_no_reason_to_rest() -> None:
    now = [0.0]
    pace = Pace(clock=lambda: now[0], spent=lambda: 0.0)
    with pace:
        now[0] += 60
    assert pace.waits() == 0
