"""Waiting for jobs on SLURM: whose word counts, and what is made of it when a job says nothing."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers import records, wait
from nemo_partial_hydra.launchers.clusters.slurm import dependency
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.clusters.slurm.queue import SEPARATOR
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import Settings
from tests.support.sent import EARLIER, with_slurm
from tests.support.sweeps import Sweep

DOWN = Answer(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
GONE = Answer(1, "", "slurm_load_jobs error: Invalid job id specified\n")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("POLL_S", 0.01), ("FILE_S", 0.02), ("FILE_DONE_S", 0.04)):
        monkeypatch.setattr(wait, name, seconds)


def sent(sweep: Sweep, array: str = "7") -> Submission:
    """Say that all jobs of a sweep were submitted as one array, and record it."""
    jobs = tuple(SentJob(str(task), 1, JobId(array, task)) for task in range(len(sweep.jobs)))
    made = Submission(1, "slurm", "app", EARLIER, "me", "here", jobs)
    sweep.paths.submission(1).directory.mkdir(parents=True)
    records.write_submission(sweep.paths.submission(1), made)
    records.write_settings(sweep.paths.submission(1), Settings())
    for task, job in enumerate(sweep.jobs):
        states.write_status(job, states.Status(states.SUBMITTED, slurm={"job": array, "task": task}))
    return made


def answers(*queue: Answer | Callable[[], Answer], account: Answer = DOWN) -> Callable[[Sequence[str]], Answer]:
    """Answer ``squeue`` one after the other, the last one for ever; ``7_0|RUNNING`` stands for a whole row."""
    left = list(queue)

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        if command[0] == "sacct":
            return rows(account)
        found = left.pop(0) if len(left) > 1 else left[0]
        return rows(found if isinstance(found, Answer) else found())

    def rows(answer: Answer) -> Answer:
        made = [[*line.split("|"), "", "", "", "", "", "app", ""] for line in answer.out.splitlines()]
        return Answer(answer.code, "".join(SEPARATOR.join(row) + "\n" for row in made), answer.err)

    return ask


def waited(sweep: Sweep, *queue: Answer | Callable[[], Answer], account: Answer = DOWN) -> list[states.Status]:
    """Wait for the jobs of a sweep; return how each ended, in the order in which that was said."""
    found: list[states.Status] = []
    asked = answers(*queue, account=account)
    wait.wait(sweep.paths, sent(sweep), lambda job, status: found.append(status), clusters=with_slurm(asked))
    return found


@pytest.mark.parametrize(
    ("slurm", "state", "reason"),
    [
        ("CANCELLED", states.CANCELLED, "cancelled"),
        ("TIMEOUT", states.TIMEOUT, "time limit"),
        ("OUT_OF_MEMORY", states.LOST, "mem_gb"),
        ("NODE_FAIL", states.LOST, "node"),
        ("FAILED", states.FAILED, "before it could say why"),
        ("COMPLETED", states.LOST, "without writing"),
    ],
)
def test_a_job_that_says_nothing_ended_as_slurm_says(tmp_path: Path, slurm: str, state: str, reason: str) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    (found,) = waited(sweep, Answer(0, "7_0|RUNNING\n", ""), Answer(0, f"7_0|{slurm}\n", ""))
    assert found.state == state
    assert reason in str(found.reason)
    assert states.read_status(sweep.jobs[0]) == found, "it is written"


def test_what_a_job_says_itself_comes_first(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")

    def done() -> Answer:
        states.write_status(job, states.Status(states.DONE, exit_code=0))
        return Answer(0, "7_0|FAILED\n", "")

    assert [one.state for one in waited(sweep, done)] == [states.DONE]


def test_a_job_that_was_told_to_stop_is_over_when_slurm_says_so(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")

    def told() -> Answer:
        states.write_status(job, states.Status(states.TIMEOUT, reason="told"))
        return Answer(0, "7_0|RUNNING\n", "")

    def again() -> Answer:
        states.write_status(job, states.Status(states.DONE))
        return Answer(0, "7_0|PENDING\n", "")

    assert [one.state for one in waited(sweep, told, again)] == [states.DONE]


def test_what_was_told_and_not_requeued_timed_out(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")

    def told() -> Answer:
        states.write_status(job, states.Status(states.TIMEOUT, reason="told"))
        return Answer(0, "7_0|FAILED\n", "")

    (found,) = waited(sweep, told)
    assert (found.state, found.reason) == (states.TIMEOUT, "told")


def test_while_the_controller_is_down_it_waits(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    (found,) = waited(sweep, *[DOWN] * 10, Answer(0, "7_0|CANCELLED\n", ""))
    assert found.state == states.CANCELLED


def test_what_slurm_has_forgotten_the_accounting_knows(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    (found,) = waited(sweep, GONE, account=Answer(0, "7_0|CANCELLED by 0\n", ""))
    assert found.state == states.CANCELLED


@pytest.mark.parametrize(("account", "state"), [(Answer(0, "", ""), states.LOST), (DOWN, states.UNKNOWN)])
def test_what_nobody_has_any_more_is_lost_and_unknown_without_accounts(
    tmp_path: Path, account: Answer, state: str
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    (found,) = waited(sweep, GONE, account=account)
    assert found.state == state
    assert states.read_status(sweep.jobs[0]).state == state, "it is written"


def test_of_several_tasks_the_first_one_s_status_is_not_the_end(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    made = sent(sweep)
    records.write_settings(sweep.paths.submission(1), Settings(resources={"tasks_per_node": 2}))
    states.write_status(job, states.Status(states.DONE, exit_code=0))
    asked: list[str] = []

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        asked.append(command[0])
        return answers(Answer(0, "7_0|RUNNING\n" if len(asked) < 4 else "7_0|COMPLETED\n", ""))(command)

    found: list[states.Status] = []
    wait.wait(sweep.paths, made, lambda job, status: found.append(status), clusters=with_slurm(ask))
    assert [one.state for one in found] == [states.DONE]
    assert asked[:4] == ["squeue"] * 4, "accounting is not asked as long as the queue has it"


def test_a_job_that_makes_room_for_another_may_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "FILE_DONE_S", 30.0)
    sweep = Sweep(tmp_path)
    job = sweep.add("report")

    def again() -> Answer:
        states.write_status(job, states.Status(states.DONE))
        return Answer(0, "7_0|RUNNING\n", "")

    found = waited(sweep, *[Answer(0, "7_0|PREEMPTED\n", "")] * 9, Answer(0, "7_0|PENDING\n", ""), again)
    assert [one.state for one in found] == [states.DONE]


def test_a_dependency_is_on_whole_arrays_or_the_tasks_that_are_left(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    first, second = sweep.add("report"), sweep.add("report", again=True)
    sent(sweep)
    assert dependency.dependency(str(tmp_path)) == "afterok:7"
    states.write_status(first, states.Status(states.DONE))
    assert dependency.dependency(str(tmp_path)) == "afterok:7_1"
    states.write_status(second, states.Status(states.DONE))
    assert dependency.dependency(str(tmp_path)) is None


def test_a_dependency_is_also_on_what_failed_and_waits_again(tmp_path: Path) -> None:
    """``retry`` refuses such a job, so it cannot be what is advised."""
    sweep = Sweep(tmp_path)
    first, second = sweep.add("report"), sweep.add("report", again=True)
    sent(sweep)
    for job in (first, second):
        states.write_status(job, states.Status(states.FAILED))
    ask = answers(Answer(0, "7_0|PENDING\n7_1|FAILED\n", ""))
    with pytest.raises(UsageError, match="1 is failed: try it again first") as error:
        dependency.dependency(str(tmp_path), ask=ask)
    assert "0 is failed" not in str(error.value)
    states.write_status(second, states.Status(states.DONE))
    assert dependency.dependency(str(tmp_path), ask=ask) == "afterok:7_0"


@pytest.mark.parametrize(
    ("answer", "waits_for"),
    [
        (Answer(0, "7_0|RUNNING\n7_1|COMPLETED\n", ""), "afterok:7_0"),
        (Answer(0, "7_0|COMPLETED\n7_1|COMPLETED\n", ""), None),
        (Answer(0, "", ""), None),
        (Answer(1, "", "Unable to contact slurm controller"), "afterok:7"),
    ],
)
def test_a_dependency_waits_for_all_tasks_of_a_job(tmp_path: Path, answer: Answer, waits_for: str | None) -> None:
    """A job of several tasks says that it is done when its first one is; the others may run on."""
    sweep = Sweep(tmp_path)
    jobs = [sweep.add("report"), sweep.add("report", again=True)]
    made = sent(sweep)
    for job in jobs:
        states.write_status(job, states.Status(states.DONE))
    ask = answers(answer)
    assert dependency.dependency(str(tmp_path), ask=ask) is None
    records.write_submission(sweep.paths.submission(1), dataclasses.replace(made, tasks=4))
    assert dependency.dependency(str(tmp_path), ask=ask) == waits_for


def test_what_the_jobs_say_is_seen_while_squeue_hangs(tmp_path: Path) -> None:
    """As it does for a minute while the controller is down."""
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    over = threading.Event()

    def hangs() -> Answer:
        states.write_status(job, states.Status(states.DONE))
        assert over.wait(30)
        return DOWN

    (found,) = waited(sweep, hangs)
    asleep = not over.is_set()
    over.set()
    assert found.state == states.DONE
    assert asleep, "nobody waited for the answer"


def test_an_error_of_the_question_is_raised_and_not_lost(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")

    def breaks() -> Answer:
        raise PermissionError("squeue")

    with pytest.raises(PermissionError):
        waited(sweep, breaks)
