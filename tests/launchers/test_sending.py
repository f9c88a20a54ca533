"""An array is sent once, whatever ``sbatch``, or what a site has put in its place, does and says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers import preflight, records, submit
from nemo_partial_hydra.launchers.clusters.base import Found, Unsettled
from nemo_partial_hydra.launchers.clusters.slurm import commands, sending
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.records import Submission
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status.look import overview
from tests.support.controller import DOWN, HUNG, LATE, Controller, Site, said
from tests.support.sweeps import Sweep, filled


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return filled(tmp_path / "sweep")


def submitted(sweep: Sweep, controller: Controller, report: Report | None = None, **settings: object) -> Submission:
    report = report or Report(cluster_name="here")
    chosen = Settings(**settings)  # type: ignore[arg-type]
    return submit.submit(sweep.paths, sweep.jobs, chosen, report=report, clusters=controller.clusters)


def first_then(first: Site, later: Site) -> Site:
    """Do one thing the first time, and another one afterwards."""
    left = [first]

    def site(controller: Controller, script: str) -> Answer:
        return (left.pop() if left else later)(controller, script)

    return site


def honest(controller: Controller, script: str) -> Answer:
    return said(f"Submitted batch job {controller.take(script)}")


def taken(answer: Callable[[int], Answer]) -> Site:
    """Take the array, and say something about it."""
    return lambda controller, script: answer(controller.take(script))


BANNER = "*** 3 jobs left of 500 ***\n2026\nsee ticket 4711\n{}\nyour last job 12 ended\n99\n"
SURE: dict[str, Callable[[int], Answer]] = {
    "sbatch": lambda number: said(f"Submitted batch job {number}"),
    "of a federation": lambda number: said(f"Submitted batch job {number} on cluster here"),
    "a banner around it": lambda number: said(BANNER.format(f"Submitted batch job {number}")),
    "coloured": lambda number: said(f"\x1b[1;32mSubmitted batch job {number}\x1b[0m"),
    "warnings beside it": lambda number: said(f"Submitted batch job {number}", err="sbatch: lua: job 7 is cheap\n"),
}
UNSURE: dict[str, Callable[[int], Answer]] = {
    "the number alone": lambda number: said(f"{number}"),
    "the number in colours": lambda number: said(f"\x1b[32m{number}\x1b[0m"),
    "a banner with other numbers": lambda number: said(BANNER.format(number)),
    "two sentences": lambda number: said(f"Submitted batch job 12\nSubmitted batch job {number}"),
    "in other words": lambda number: said(f"Job <{number}> is submitted to queue <gpu>."),
    "nothing": lambda number: said(""),
    "another number in its sentence": lambda number: said(f"last time: Submitted batch job 5; now {number}"),
    "an error with exit code 0": lambda number: said("", err="sbatch: error: plugin 7 has timed out\n"),
    "a refusal with exit code 0": lambda number: said("sbatch: error: Batch job submission failed: unspecified"),
    "exit code 1": lambda number: said(f"Submitted batch job {number}", 1),
    "a time-out": lambda number: LATE,
    "no answer": lambda number: HUNG,
}


@pytest.mark.parametrize("kind", SURE)
def test_a_certain_word_needs_nobody_else(sweep: Sweep, kind: str) -> None:
    controller = Controller(taken(SURE[kind]))
    assert [str(job.id) for job in submitted(sweep, controller).jobs] == ["100_0", "100_1", "100_2"]
    assert (controller.asked("sbatch"), controller.asked("squeue"), controller.asked("sacct")) == (1, 0, 0)


@pytest.mark.parametrize("kind", UNSURE)
def test_what_was_taken_is_found_and_not_sent_again(sweep: Sweep, kind: str) -> None:
    controller = Controller(taken(UNSURE[kind]))
    sent = submitted(sweep, controller)
    assert sent.arrays == ["100"]
    assert len(controller.taken) == controller.asked("sbatch") == controller.asked("squeue") == 1
    assert controller.slept == []
    assert [entry.id for entry in overview(str(sweep.paths.directory), controller.clusters).entries] == [
        "100_0", "100_1", "100_2",
    ]  # fmt: skip


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("comment", [None, "of my own"])
def test_an_array_is_found_by_its_comment_name_or_script(sweep: Sweep, plain: bool, comment: str | None) -> None:
    controller = Controller(taken(UNSURE["the number alone"]), keeps_comments=not plain)
    resources = {} if comment is None else {"comment": comment}
    sent = submitted(sweep, controller, Report(plain=plain), name="app", resources=resources)
    ((token, count),) = sent.batches
    (array,) = controller.taken
    assert (sent.arrays, count) == (["100"], 3)
    assert token in array.script
    assert (token in array.option("job-name")) == plain
    assert (array.option("comment") == token) == (not plain and comment is None)


@given(st.lists(st.sampled_from(["taken", "not"]), min_size=1, max_size=4), st.booleans())
def test_whatever_times_out_there_is_one_array_at_the_end_or_none(kinds: list[str], late: bool) -> None:
    """Each try is taken or not; what was not taken at once may come through while it is waited."""
    left, behind = list(kinds), [late]
    found: list[int] = []

    def sbatch(line: object) -> Answer:
        if left and left.pop(0) == "taken":
            found.append(len(found) + 1)
        return LATE

    def sleep(seconds: float) -> None:
        if behind.pop() if behind else False:
            found.append(len(found) + 1)

    def find() -> Found:
        return Found({"t": JobId(str(found[0]))} if found else {})

    try:
        job = sending.send(["sbatch"], sending.Call(sbatch, find, sleep, (1, 1, 1)))
    except ClusterError:
        assert not found
    else:
        assert job.job == "1"
        assert len(found) == 1


def test_what_was_not_taken_is_sent_again_with_growing_waits(sweep: Sweep) -> None:
    controller = Controller(lambda controller, script: LATE)
    with pytest.raises(ClusterError, match=r"in 4 tries, and has none of them: .*Socket timed out"):
        submitted(sweep, controller)
    assert controller.asked("sbatch") == 4
    assert controller.slept == sorted(set(controller.slept))
    assert [states.read_status(job).state for job in sweep.jobs] == [states.FROZEN] * 3
    assert not sweep.paths.submissions.exists()
    controller.site = first_then(lambda controller, script: LATE, honest)
    assert submitted(sweep, controller).arrays == ["100"]
    assert len(controller.taken) == 1


def test_what_comes_through_while_it_is_waited_is_not_sent_again(sweep: Sweep) -> None:
    scripts: list[str] = []

    def slow(controller: Controller, script: str) -> Answer:
        scripts.append(script)
        return HUNG

    controller = Controller(slow, awake=lambda controller: (controller.take(scripts[0]), None)[1])
    assert submitted(sweep, controller).arrays == ["100"]
    assert controller.asked("sbatch") == 1


def test_an_array_that_was_taken_twice_counts_once_and_the_other_is_cancelled(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    def twice(controller: Controller, script: str) -> Answer:
        controller.take(script)
        controller.take(script)
        return HUNG

    controller = Controller(twice)
    assert submitted(sweep, controller).arrays == ["100"]
    assert [each.state for each in controller.taken] == ["PENDING", "CANCELLED"]
    assert "100 counts, cancelled 101" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer",
    [
        said("", 1, "sbatch: error: Batch job submission failed: Invalid qos specification\n"),
        said("you have used all of your budget", 7),
        said("sbatch: error: Batch job submission failed: Requested time limit is invalid"),
    ],
)
def test_a_refusal_is_said_at_once_and_everything_is_given_back(sweep: Sweep, answer: Answer) -> None:
    controller = Controller(lambda controller, script: answer)
    with pytest.raises(ClusterError, match=r"SLURM did not take the jobs: (Batch|you|sbatch said)") as error:
        submitted(sweep, controller)
    assert not isinstance(error.value, Unsettled)
    assert (controller.asked("sbatch"), controller.slept) == (1, [])
    assert not sweep.paths.submissions.exists()


def test_where_nobody_can_be_asked_nothing_is_sent_again_and_nothing_given_back(sweep: Sweep) -> None:
    """The jobs are neither there for another submission nor lost: whoever looks later finds what became of them."""
    controller = Controller(taken(lambda number: LATE), queue=DOWN)
    with pytest.raises(Unsettled, match=r"not known whether SLURM took the jobs: .*(?s:.)*nemo-hydra status") as error:
        submitted(sweep, controller)
    assert error.value.exit_code == 4
    assert controller.asked("sbatch") == 1
    (sent,) = records.submissions(sweep.paths)
    assert (sent.unsettled, sent.arrays) == (True, [])


def test_of_several_arrays_the_ones_that_were_sent_stay_sent(sweep: Sweep) -> None:
    controller = Controller(first_then(honest, lambda controller, script: LATE))
    with pytest.raises(ClusterError, match="1 of 3 jobs were sent before"):
        submitted(sweep, controller, Report(max_array=1, cluster_name="here"))
    assert [states.read_status(job).state for job in sweep.jobs] == ["submitted", "frozen", "frozen"]
    (sent,) = records.submissions(sweep.paths)
    assert ([str(job.id) for job in sent.jobs], sent.unsettled, len(sent.batches)) == (["100"], False, 1)


def test_sbatch_gets_the_environment_that_the_jobs_are_to_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that our own questions are asked with would go into every job."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.delenv("SLURM_TIME_FORMAT", raising=False)
    found = commands.call(["sh", "-c", "echo $LC_ALL.$SLURM_TIME_FORMAT"])
    assert found.out == "de_DE.UTF-8.\n"
    assert commands.call([str(tmp_path / "no")]).code == 127


def test_what_a_slow_wrapper_has_started_ends_with_it(tmp_path: Path) -> None:
    later = f"(sleep 1; touch {tmp_path}/sent) & sleep 9"
    assert commands.call(["sh", "-c", later], seconds=0.2).code == 124
    assert not commands.call(["sh", "-c", "sleep 1.2"]).code
    assert not (tmp_path / "sent").exists()


def test_a_site_without_comments_gets_the_token_in_the_name(tmp_path: Path) -> None:
    refused = Answer(1, "", "allocation failure: comments are not allowed here\n")
    texts: list[str | None] = []

    def ask(command: list[str], text: str | None = None) -> Answer:
        if command[0] != "sbatch":
            return Answer(0, "", "")
        texts.append(text)
        return refused if "--comment" in str(text) else Answer(0, "", "")

    from nemo_partial_hydra.launchers.clusters.slurm.preflight import _tested

    for resources, plain in (({}, True), ({"comment": "mine"}, False)):
        report = preflight.report.Report()
        answer = _tested(Settings(resources=resources), "#!/bin/sh\n#SBATCH --comment=nph-TOKEN\n", report, ask)
        assert (report.plain, answer.code == 0) == (plain, plain)
