"""A cluster that takes only so many jobs gets so many, each once; the others stay as they were, and go later."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers import arguments, follow, records, submit
from nemo_partial_hydra.launchers.clusters.base import Full
from nemo_partial_hydra.launchers.clusters.slurm import commands, limits
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.records import Submission
from nemo_partial_hydra.launchers.settings import Settings
from tests.support import laws
from tests.support.controller import Controller, said
from tests.support.sweeps import Sweep, filled

SENTENCE = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size "
    "and/or time limits)\n"
)
GOING = ("PENDING", "RUNNING")


@dataclass
class Limited(Controller):
    """A controller that takes only so many jobs at once; whether the number can be asked for is another matter."""

    most: int = 5
    reason: str = "QOSMaxSubmitJobPerUserLimit"
    told: bool = True
    highest: int = field(default=0)

    @property
    def queued(self) -> int:
        return sum(max(1, each.tasks) for each in self.taken if each.state in GOING)

    def sbatch(self, command: Sequence[str], text: str | None = None) -> Answer:
        self.calls.append(command)
        asked = len(command) > 1 and next((word for word in command if word.startswith("--array=")), "")
        size = int(str(asked).partition("%")[0].rpartition("-")[2] or 0) + 1 if asked else 1
        if self.queued + size > self.most:
            return Answer(1, "", f"sbatch: error: {self.reason}\n{SENTENCE}" if self.reason else SENTENCE)
        number = self.take(command[-1])
        self.highest = max(self.highest, self.queued)
        return said(f"Submitted batch job {number}")

    def ask(self, command: Sequence[str], text: str | None = None) -> Answer:
        if command[0] == "sacctmgr":
            return Answer(0, f"normal|{self.most}\nlong|\n", "") if self.told else Answer(1, "", "no")
        if command[0] == "squeue" and command[-1] == "%i":
            return Answer(0, "7\n" * self.queued, "")
        return super().ask(command, text)


def sent_of(sweep: Sweep) -> list[str]:
    """Return the jobs of all submissions, in the order in which they were sent."""
    found = sorted(records.submissions(sweep.paths), key=lambda each: each.number)
    for submission in found:
        assert sum(count for _, count in submission.batches) == len(submission.jobs), "each array has its token"
        assert all(job.id is not None for job in submission.jobs)
    return [job.subdir for submission in found for job in submission.jobs]


@settings(max_examples=laws.tries(25), suppress_health_check=list(HealthCheck))
@given(
    count=st.integers(1, 12),
    most=st.integers(0, 12),
    told=st.sampled_from(["name and number", "name", ""]),  # older versions say the sentence only
    size=st.integers(1, 12),
    before=st.integers(0, 3),
)
def test_as_many_are_sent_as_are_taken(count: int, most: int, told: str, size: int, before: int) -> None:
    with TemporaryDirectory() as folder:
        sweep = filled(Path(folder) / "sweep", count)
        reason = "QOSMaxSubmitJobPerUserLimit" if told else ""
        controller = Limited(most=most, told=told == "name and number", reason=reason)
        for _ in range(min(before, most)):  # of somebody's other work
            script = Path(folder) / "other.sh"
            script.touch()
            controller.take(str(script))
        fit = min(count, max(0, most - before))
        report = Report(cluster_name="here", max_array=size)
        names = [job.directory.name for job in sweep.jobs]
        if fit == 0:
            with pytest.raises(Full, match=r"takes no more jobs.*\nNothing was submitted"):
                submit.submit(sweep.paths, sweep.jobs, Settings(), report=report, clusters=controller.clusters)
            assert records.submissions(sweep.paths) == []
        else:
            made = submit.submit(sweep.paths, sweep.jobs, Settings(), report=report, clusters=controller.clusters)
            assert sent_of(sweep) == names[:fit]
            assert [job.subdir for job in made.jobs] == names[:fit]
            assert bool(made.left) == (fit < count)
            assert ("MaxSubmitJobsPerUser" in made.left) == (fit < count and told == "name and number")
        found = [states.read_status(job).state for job in sweep.jobs]
        assert found == [states.SUBMITTED] * fit + [states.FROZEN] * (count - fit)
        assert not any(job.attempt(1).exists() for job in sweep.jobs[fit:])
        assert len(controller.taken) == len({each.number for each in controller.taken})


REASONS = {
    "QOSMaxSubmitJobPerUserLimit": "the QOS takes no more jobs ({}: MaxSubmitJobsPerUser=5 of normal)",
    "QOSGrpSubmitJobsLimit": "the QOS takes no more jobs ({}: GrpSubmitJobs=5 of normal)",
    "AssocMaxSubmitJobLimit": "your association takes no more jobs ({}: MaxSubmitJobs=5 of physics)",
    "AssocGrpSubmitJobsLimit": "your association takes no more jobs ({}: GrpSubmitJobs=5 of physics)",
}


@pytest.mark.parametrize("reason", REASONS)
def test_the_limit_is_said_with_its_name_and_number(reason: str) -> None:
    me = getpass.getuser()

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        if command[:5] == ["sacctmgr", "-n", "-P", "show", "association"]:
            out = "physics\n" if "format=Account" in command else f"physics|{me}|5\nphysics|you|9\nart||7\nphysics||\n"
            return Answer(0, out, "")
        return Limited().ask(command, text)

    answer = Answer(1, "", f"sbatch: error: {reason}\n{SENTENCE}")
    assert str(limits.full(answer, Settings(), ask)) == REASONS[reason].format(reason)
    assert str(limits.full(answer, Settings(resources={"qos": "long", "account": "art"}), ask)).endswith(f"({reason})")


def test_that_of_the_whole_cluster_too() -> None:
    answer = Answer(1, "", f"sbatch: error: Slurm {commands.AGAIN}, sleeping and retrying\n")
    found = limits.full(answer, Settings(), lambda command, text=None: Answer(0, "MaxJobCount             = 500\n", ""))
    assert str(found) == "SLURM has as many jobs as it takes of all users (MaxJobCount=500)"
    other = Answer(1, "", f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{SENTENCE}")
    assert limits.full(other, Settings(), Limited().ask) is None


def test_who_begins_to_try_again_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "AGAIN_S", 0.2)
    monkeypatch.setattr(commands, "_LOOK_S", 0.1)
    script = (
        f"import sys, time; print('sbatch: error: Slurm {commands.AGAIN}', file=sys.stderr, flush=True); time.sleep(60)"
    )
    began = time.monotonic()
    answer = commands.call([sys.executable, "-c", script])
    assert time.monotonic() - began < 30
    assert answer.code == 1
    assert commands.AGAIN in answer.err
    quick = commands.call([sys.executable, "-c", "print('é' * 100_000)"])
    assert (quick.code, len(quick.out)) == (0, 100_001)


SETTINGS = {
    "QOSMaxWallDurationPerJobLimit": "timeout_min",
    "QOSMaxSubmitJobPerUserLimit": "",
    "QOSMaxNodePerJobLimit": "nodes",
    "QOSMaxMemoryPerJob": "mem_gb",
    "QOSMaxGRESPerJob": "gres or gpus_per_node",
    "AssocMaxCpuPerJobLimit": "cpus_per_task",
    "PartitionTimeLimit": "timeout_min",
}


@pytest.mark.parametrize("reason", SETTINGS)
def test_a_refusal_names_the_setting_that_it_is_about_or_none(reason: str) -> None:
    text = commands.refusal(f"sbatch: error: {reason}; {SENTENCE}")
    setting = SETTINGS[reason]
    assert text.endswith(f"(hydra.launcher.{setting})" if setting else "accounting/QOS policy\n")
    assert "time limits" not in text


@dataclass
class Following:
    """A sweep that is followed while the controller's jobs end, some at each look."""

    sweep: Sweep
    controller: Limited
    ends: Iterator[int]
    slept: int = 0
    now: float = 0.0
    order: list[str] = field(default_factory=list)

    def submit(self, jobs: Sequence[JobPaths]) -> Submission:
        report = Report(cluster_name="here")
        return submit.submit(self.sweep.paths, jobs, Settings(), report=report, clusters=self.controller.clusters)

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += 7.0
        assert self.slept < 2_000
        for each in [each for each in self.controller.taken if each.state in GOING][: next(self.ends)]:
            each.state = "COMPLETED"
        for job in self.sweep.jobs:
            status = states.read_status(job)
            if status.job_id is not None and status.state == states.SUBMITTED:
                array = next(each for each in self.controller.taken if str(each.number) == status.job_id.job)
                if array.state not in GOING:
                    states.write_status(job, states.Status(states.DONE, 1).sent_as(status.job_id))

    def run(self, most: int) -> list[Submission]:
        return follow.follow(
            self.sweep.paths, self.sweep.jobs, self.submit, lambda made: None, most=most,
            clusters=self.controller.clusters, sleep=self.sleep, clock=lambda: self.now,
        )  # fmt: skip


@settings(max_examples=laws.tries(15), suppress_health_check=list(HealthCheck))
@given(count=st.integers(1, 10), taken=st.integers(1, 6), most=st.integers(0, 6), data=st.data())
def test_following_sends_each_once_and_never_more_than_wanted(
    count: int, taken: int, most: int, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        sweep = filled(Path(folder) / "sweep", count)
        ends = iter(lambda: data.draw(st.integers(0, 3)) if data.draw(st.booleans()) else 1, None)
        following = Following(sweep, Limited(most=taken), ends)
        made = following.run(most)
        names = [job.directory.name for job in sweep.jobs]
        assert [job.subdir for each in made for job in each.jobs] == names
        assert sent_of(sweep) == names
        assert following.controller.highest <= (min(taken, most) if most else taken)


def test_who_is_interrupted_goes_on_with_the_rest(tmp_path: Path) -> None:
    sweep = filled(tmp_path / "sweep", 6)
    following = Following(sweep, Limited(most=4), iter(int, 1))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    following.sleep = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        following.run(0)
    names = [job.directory.name for job in sweep.jobs]
    assert sent_of(sweep) == names[:4]
    left = [job for job in sweep.jobs if states.read_status(job).state == states.FROZEN]
    assert [job.directory.name for job in left] == names[4:]
    again = Following(sweep, following.controller, iter(lambda: 1, None))
    follow.follow(
        sweep.paths, left, again.submit, lambda made: None, clusters=again.controller.clusters, sleep=again.sleep,
        clock=lambda: again.now,
    )  # fmt: skip
    assert sorted(sent_of(sweep)) == names


@pytest.mark.parametrize(
    ("word", "expected"), [("3", [3]), ("1-2,4", [1, 2, 4]), ("0-5", [0, 1, 2, 3, 4, 5]), ("5,0", [5, 0])]
)
def test_numbers_of_jobs(word: str, expected: list[int]) -> None:
    assert arguments.split_words([word, "hydra.launcher.a=1-2"]) == (expected, ["hydra.launcher.a=1-2"])


@pytest.mark.parametrize(("word", "message"), [("2-1", "2-1 has no number; write 1-2"), ("1-", "neither numbers of")])
def test_words_that_are_none(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        arguments.split_words([word])


def test_some_jobs_of_a_sweep_are_submitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = filled(tmp_path / "sweep", 4)
    line = ["submit", str(sweep.paths.directory), "--allow", "tests", "hydra/launcher=submitit_apptainer", "--dry-run"]
    assert cli.main([*line, "1-2"]) == 0
    shown = capsys.readouterr().out
    names = [job.directory.name for job in sweep.jobs]
    assert [f"/{name} " in shown or f"/{name}\n" in shown for name in names] == [False, True, True, False]
    assert cli.main([*line, "9"]) == 2
    assert "there is no job 9; there are 0, 1, 2, 3" in capsys.readouterr().err
