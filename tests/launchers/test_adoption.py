"""The submitter is killed between any two steps: the next command adopts what was sent, and sends the rest."""

from __future__ import annotations

import dataclasses
import os
import pickle
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.errors import ClusterError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import adoption, claims, records, retry, submit
from nemo_partial_hydra.launchers.clusters.local import liveness
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.clusters.slurm.executor import ScriptExecutor
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status import table
from nemo_partial_hydra.launchers.status.look import overview
from tests.support.controller import DISABLED, DOWN, LATE, Controller
from tests.support.sweeps import ALLOW, Sweep, filled

NOT_THERE = Answer(1, "", "squeue: error: 'here' can't be reached now\n")


class Killed(BaseException):
    """kill -9: nothing that comes after it is done."""


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return filled(tmp_path / "sweep", 4)


class Submitter:
    """A process that submits in two arrays and dies before or after its N-th step of what changes anything."""

    def __init__(self, sweep: Sweep, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sweep, self.controller, self.patch = sweep, controller, monkeypatch
        self.steps, self.dead = 0, False

    def run(self, last: int | None) -> bool:
        """Submit; return whether it came to its end before it had done so many steps."""

        def step(function: Callable[..., Any]) -> Callable[..., Any]:
            def stepped(*args: Any, **kwargs: Any) -> Any:
                self.check(last)
                made = function(*args, **kwargs)
                self.check(last)
                return made

            return stepped

        with self.patch.context() as patch:
            for module, names in (
                (claims, ("write_submission", "claim", "write_settings", "record_ids", "give_back", "withdraw")),
                (submit, ("record_ids", "note_sent")),
                (states, ("write_status",)),
                (ScriptExecutor, ("write",)),
            ):
                for name in names:
                    patch.setattr(module, name, step(getattr(module, name)))
            patch.setattr(claims, "together", lambda call, items: [call(each) for each in items])
            patch.setattr(submit, "together", lambda call, items: [call(each) for each in items])
            patch.setattr(self.controller, "sbatch", step(self.controller.sbatch))
            patch.setattr(os, "getpid", lambda: 2**22 - 1)  # which no process has
            try:
                submit.submit(
                    self.sweep.paths, self.sweep.jobs, SETTINGS, report=Report(max_array=2, cluster_name="here"),
                    clusters=self.controller.clusters,
                )  # fmt: skip
            except Killed:
                return False
        return True

    def check(self, last: int | None) -> None:
        if self.dead or self.steps == last:
            self.dead = True
            raise Killed
        self.steps += 1


SETTINGS = Settings(name="app", allow=ALLOW, resources={"timeout_min": 7})


def resent(sweep: Sweep, controller: Controller) -> None:
    """Submit what was never sent, as ``nemo-hydra submit`` does."""
    adoption.settle_and_say(sweep.paths, controller.clusters)
    fresh = [job for job in sweep.jobs if states.read_status(job).state == states.FROZEN]
    if fresh:
        submit.submit(sweep.paths, fresh, SETTINGS, report=Report(cluster_name="here"), clusters=controller.clusters)


def tasks(sweep: Sweep, controller: Controller) -> list[str]:
    """Return each job that a task of some array would run, by the pickles that the arrays were sent with."""
    found = []
    for array in controller.taken:
        token = Path(array.script).name.removeprefix(".submission_file_").removesuffix(".sh")
        for task in range(array.tasks or 1):
            with open(Path(array.script).parent / f"{token}_{task}.pkl", "rb") as file:
                found.append(Path(pickle.load(file).function.job).name)
    return sorted(found)


def lengths(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> int:
    whole = Submitter(sweep, Controller(), monkeypatch)
    assert whole.run(None)
    return whole.steps


@pytest.mark.parametrize("first", ["status", "submit", "retry"])
def test_killed_at_any_step_no_job_is_lost_or_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], first: str
) -> None:
    def made(name: str) -> Sweep:
        sweep = Sweep(tmp_path / name)
        for number in range(4):
            sweep.add("report", number=number)
        return sweep

    count = lengths(made("whole"), monkeypatch)
    assert count > 30
    adopted = 0
    for last in range(0, count, 1 if first == "status" else 3):
        sweep, controller = made(str(last)), Controller()
        assert not Submitter(sweep, controller, monkeypatch).run(last)
        if first == "status":
            seen = overview(str(sweep.paths.directory), controller.clusters)
            assert not seen.unsure, last
            sent = sum(each.tasks for each in controller.taken)
            assert seen.counts.get("submitted", 0) == sent, (last, seen.counts)
            assert len([entry for entry in seen.entries if entry.id]) == sent
            adopted += any("cut off" in line for line in table.notes(seen))
        elif first == "retry":
            with pytest.raises(RefusedError, match="nothing to try again"):
                retry.prepare(str(sweep.paths.directory), clusters=controller.clusters)
        resent(sweep, controller)
        assert tasks(sweep, controller) == ["0", "1", "2", "3"], last
        seen = overview(str(sweep.paths.directory), controller.clusters)
        assert seen.counts == {"submitted": 4}, last
        assert all(entry.id for entry in seen.entries), last
        assert not any(each.unsettled for each in records.submissions(sweep.paths)), last
        resent(sweep, controller)
        assert sum(each.tasks for each in controller.taken) == 4, "and once more changes nothing"
    assert first != "status" or adopted > 20


def cut_off(sweep: Sweep, controller: Controller, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Leave a submission whose array was taken, whose process is gone, and whose record has no id."""

    def dies(controller: Controller, script: str) -> Answer:
        controller.take(script)
        raise Killed

    controller.site = dies
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 2**22 - 1)
        with pytest.raises(Killed):
            submit.submit(
                sweep.paths, sweep.jobs, SETTINGS, report=Report(cluster_name="here"), clusters=controller.clusters
            )
    (sent,) = records.submissions(sweep.paths)
    records.write_submission(sweep.paths.submission(1), dataclasses.replace(sent, **changed))


def test_what_was_sent_is_adopted_by_whoever_looks_first(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller()
    cut_off(sweep, controller, monkeypatch)
    found = overview(str(sweep.paths.directory), controller.clusters)
    assert [entry.id for entry in found.entries] == ["100_0", "100_1", "100_2", "100_3"]
    (line,) = found.notes
    assert line.startswith("Submission 1: 4 jobs are in the queue or were, as 100.")
    assert [str(states.read_status(job).job_id) for job in sweep.jobs] == ["100_0", "100_1", "100_2", "100_3"]
    assert overview(str(sweep.paths.directory), controller.clusters).notes == ()


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_what_somebody_still_sends_is_left_alone(sweep: Sweep, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    controller = Controller()
    here = {"pid": os.getpid(), "host": socket.gethostname()}
    cut_off(sweep, controller, monkeypatch, **(here if host == "here" else {"host": "elsewhere"}))
    controller.taken.clear()
    found = overview(str(sweep.paths.directory), controller.clusters)
    assert found.counts == {"submitted": 4}
    assert not found.unsure
    assert "is being sent by process" in found.entries[0].reason
    assert controller.asked("squeue") == 0
    if host == "elsewhere":  # of which nothing is known, so time has to tell
        monkeypatch.setattr(adoption, "SENDING_S", 0.0)
        assert overview(str(sweep.paths.directory), controller.clusters).counts == {"frozen": 4}


def test_sbatch_that_outlives_who_called_it_is_waited_for(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller()
    cut_off(sweep, controller, monkeypatch)
    controller.taken.clear()
    (sent,) = records.submissions(sweep.paths)
    name = f".submission_file_{sent.batches[0][0]}.sh"
    slow = subprocess.Popen(["sh", "-c", "read line", name], stdin=subprocess.PIPE)
    while name.encode() not in liveness.command_line(slow.pid):
        pass
    try:
        assert overview(str(sweep.paths.directory), controller.clusters).counts == {"submitted": 4}
    finally:
        slow.kill()
        slow.communicate()
    assert overview(str(sweep.paths.directory), controller.clusters).counts == {"frozen": 4}


@pytest.mark.parametrize(
    ("changed", "said_of_it"),
    [
        ({"queue": DOWN}, "Unable to contact slurm controller"),
        ({"accounts": DISABLED}, "accounting storage is disabled"),
        (
            {"name": "there", "queue": NOT_THERE},
            "another cluster (there;",
        ),
    ],
)
def test_where_nobody_can_be_asked_it_stays_unknown_and_nothing_is_sent(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], said_of_it: str
) -> None:
    controller = Controller()
    long_ago = {"created": "2026-11-20T10:00:00.000Z"}
    cut_off(sweep, controller, monkeypatch, **long_ago)
    controller.taken.clear()
    for name, value in changed.items():
        setattr(controller, name, value)
    found = overview(str(sweep.paths.directory), controller.clusters)
    assert len(found.unsure) == 4
    assert said_of_it in found.entries[0].reason
    controller.site = Controller().site
    resent(sweep, controller)
    assert not controller.taken
    with pytest.raises(ClusterError, match="whether these jobs still run"):
        retry.prepare(str(sweep.paths.directory), [0], clusters=controller.clusters)


def test_a_retry_that_was_cut_off_can_be_tried_again(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the settings of the attempt before: what was cut off has left none."""
    controller = Controller()
    given = dataclasses.replace(SETTINGS, name="as before")
    report = Report(cluster_name="here")
    submit.submit(sweep.paths, sweep.jobs, given, report=report, clusters=controller.clusters)
    for job in sweep.jobs:
        job.attempt(1).mkdir(parents=True, exist_ok=True)
        states.write_status(job, states.Status(states.FAILED))
    attempts = dict.fromkeys(sweep.jobs, 2)

    def dies(controller: Controller, script: str) -> Answer:
        raise Killed

    controller.site = dies
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 2**22 - 1)
        with pytest.raises(Killed):
            submit.submit(
                sweep.paths, sweep.jobs, SETTINGS, attempts=attempts, report=report, clusters=controller.clusters
            )
    found = overview(str(sweep.paths.directory), controller.clusters)
    assert found.counts == {"lost": 4}
    assert "ended before the cluster had it" in found.entries[0].reason
    (group,) = retry.prepare(str(sweep.paths.directory), allow=ALLOW, clusters=controller.clusters).groups
    assert set(group.attempts.values()) == {3}
    assert group.settings.name == "as before"


def test_a_time_out_that_nobody_could_settle_is_settled_by_the_next_look(sweep: Sweep) -> None:
    def late(controller: Controller, script: str) -> Answer:
        controller.take(script)
        return LATE

    controller = Controller(late, queue=DOWN)
    with pytest.raises(ClusterError, match="not known"):
        submit.submit(
            sweep.paths, sweep.jobs, SETTINGS, report=Report(cluster_name="here"), clusters=controller.clusters
        )
    (sent,) = records.submissions(sweep.paths)
    records.write_submission(sweep.paths.submission(1), dataclasses.replace(sent, pid=2**22 - 1))
    controller.queue = None
    found = overview(str(sweep.paths.directory), controller.clusters)
    assert [entry.id for entry in found.entries] == ["100_0", "100_1", "100_2", "100_3"]


def test_records_of_others_are_not_acted_on(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller()
    cut_off(sweep, controller, monkeypatch)
    file = sweep.paths.submission(1).record
    file.write_text(file.read_text().replace('"seal"', '"other"'))
    found = overview(str(sweep.paths.directory), controller.clusters)
    assert found.notes == ()
    assert found.counts == {"submitted": 4}
    assert len(found.unsure) == 4
    assert "not known to be yours" in found.entries[0].reason
    assert controller.asked("squeue") == 0
