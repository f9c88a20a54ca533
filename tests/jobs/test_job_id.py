"""Ids of jobs: their records, how a process finds its own, how many are shown."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_partial_hydra.jobs.job_id import JobId, ThisTask, folded, this_task


@pytest.mark.parametrize(
    ("job", "record", "text"),
    [
        (JobId("123", 4), {"job": "123", "task": 4}, "123_4"),
        (JobId("123"), {"job": "123", "task": None}, "123"),
        (JobId(pid=4711, cluster="local"), {"pid": 4711}, ""),
        (JobId("12.host", 0, cluster="pbs"), {"job": "12.host", "task": 0, "cluster": "pbs"}, "12.host_0"),
    ],
)
def test_an_id_is_read_as_it_was_recorded(job: JobId, record: dict[str, Any], text: str) -> None:
    assert job.record() == record
    assert JobId.of(record) == job
    assert str(job) == text


@pytest.mark.parametrize(
    "record", [None, {}, [], "7", {"job": ""}, {"job": None}, {"job": "7", "task": "x"}, {"pid": "7"}]
)
def test_what_is_no_id_is_none(record: Any) -> None:
    assert JobId.of(record) is None


@pytest.mark.parametrize("cluster", [{}, {"cluster": "pbs"}], ids=["slurm", "another"])
@pytest.mark.parametrize(
    "job", ["--user=root", "-t", "7 --user=root", "7\n", "7,8", "7;rm", "", " 7", "٣", True, 7.0, ["7"]]
)
def test_an_id_is_no_option_and_no_list(job: Any, cluster: dict[str, str]) -> None:
    assert JobId.of({"job": job, **cluster}) is None
    assert JobId.of({"job": "7", **cluster}) is not None


@pytest.mark.parametrize(
    "record",
    [
        *({"pid": pid} for pid in (1, 0, -5, True, 2**70)),
        *({"job": "7", "task": task} for task in (-1, True)),
        {"job": "7", "cluster": ["slurm"]},
        {"job": "12.host"},
    ],
)
def test_numbers_that_stand_for_more_than_one_process(record: Any) -> None:
    assert JobId.of(record) is None


@pytest.mark.parametrize(
    ("environment", "task"),
    [
        ({}, ThisTask()),
        ({"SLURM_JOB_ID": "7"}, ThisTask(JobId("7"), number="7")),
        (
            {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"},
            ThisTask(JobId("7", 1), number="8"),
        ),
        ({"SLURM_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "1"}, ThisTask(JobId("8", 1), number="8")),
        ({"SLURM_PROCID": "3", "SLURM_RESTART_COUNT": "2"}, ThisTask(None, 3, 2)),
        (
            {
                "SLURM_JOB_ID": "7",
                "SLURM_PROCID": "3",
                "SLURM_LOCALID": "1",
                "SLURM_NODEID": "1",
                "SLURM_JOB_NODELIST": "n[1-2]",
            },
            ThisTask(JobId("7"), 3, 0, 1, 1, "7", "n[1-2]"),
        ),
        ({"SLURM_PROCID": "x", "SLURM_RESTART_COUNT": ""}, ThisTask()),
    ],
)
def test_a_process_finds_its_place_in_its_variables(environment: dict[str, str], task: ThisTask) -> None:
    assert this_task(environment) == task


def test_an_id_is_shown_by_its_cluster() -> None:
    assert (JobId("7").title, JobId("7", cluster="pbs").title) == ("SLURM", "pbs")


def test_ids_are_folded_by_their_arrays() -> None:
    assert folded(["7_0", "9", "7_1", "7_2", "7_5", "8_3", "12.my_host"]) == ["7_[0-2,5]", "9", "8_3", "12.my_host"]
