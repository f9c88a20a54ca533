"""``status`` and ``logs`` of jobs whose words, and SLURM's, are given."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import JobError, UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import cancel, logs
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.status import live, table
from nemo_partial_hydra.launchers.status.entries import records as as_json
from nemo_partial_hydra.launchers.status.look import Watch, overview
from tests.support.sent import DOWN, NO_ACCOUNTS, Slurm, look, says, seen, sent, swept, with_slurm
from tests.support.sweeps import ROOT, Sweep


def test_one_squeue_and_one_sacct_whatever_the_number_of_jobs_and_submissions(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 30)
    sent(sweep, 2, "8", attempt=2)
    slurm = Slurm({"8_3": "RUNNING"})
    look(sweep, slurm)
    assert sorted(command[0] for command in slurm.asked) == ["sacct", "squeue"]
    assert "8" in slurm.asked[0]


def test_slurm_is_not_asked_where_the_jobs_have_said_all(tmp_path: Path) -> None:
    sweep = swept(tmp_path)
    for job in sweep.jobs:
        says(job, states.DONE)
    slurm = Slurm(DOWN, NO_ACCOUNTS)
    found = look(sweep, slurm)
    assert not slurm.asked
    assert (found.counts, found.unsure) == ({"done": 3}, [])


def test_frozen_jobs_need_no_slurm(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    assert seen(sweep, Slurm(DOWN)) == ["frozen"]


def test_the_jobs_own_words_are_read_after_slurm_was_asked(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)

    class Late(Slurm):
        def __call__(self, command: Sequence[str], text: str | None = None) -> Answer:
            says(sweep.jobs[0], states.DONE)
            return super().__call__(command, text)

    assert seen(sweep, Late({"7_0": "COMPLETED"})) == ["done"]


def test_what_is_said_while_nothing_of_slurm_answers(tmp_path: Path) -> None:
    sweep = swept(tmp_path)
    says(sweep.jobs[0], states.DONE)
    says(sweep.jobs[1], states.RUNNING)
    found = look(sweep, Slurm(DOWN, NO_ACCOUNTS))
    assert [entry.state for entry in found.entries] == ["done", "running", "submitted"]
    assert [entry.name for entry in found.unsure] == ["1", "2"]
    shown = "\n".join(table.lines(found))
    assert "running?" in shown
    assert "Unable to contact slurm controller" in shown
    assert "Connection refused" in shown
    assert "no more than what the jobs themselves have said: 1, 2" in shown


def test_without_accounting_the_queue_is_enough_for_what_it_has(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 2)
    found = look(sweep, Slurm({"7_0": "RUNNING", "7_1": "OUT_OF_MEMORY"}, NO_ACCOUNTS))
    assert [entry.state for entry in found.entries] == ["running", "lost"]
    assert not found.unsure
    assert found.unasked


def test_without_the_controller_the_accounting_tells_the_ends(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 2)
    found = look(sweep, Slurm(DOWN, {"7_0": "CANCELLED by 0", "7_1": "RUNNING"}))
    assert [(entry.state, entry.merged.unsure) for entry in found.entries] == [("cancelled", False), ("running", True)]


def test_a_job_of_another_sweep_with_the_same_number_is_not_ours(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    slurm = Slurm({"7_0": "RUNNING"})
    look(sweep, slurm)
    slurm.folder = "/other/submissions/1/submitit"
    (entry,) = overview(str(tmp_path), with_slurm(slurm)).entries
    assert entry.state == states.LOST


def test_a_sweep_that_was_moved_is_still_found_in_the_queue(tmp_path: Path) -> None:
    sweep = swept(tmp_path / "before", 1)
    slurm = Slurm({"7_0": "RUNNING"})
    look(sweep, slurm)
    (tmp_path / "before").rename(tmp_path / "after")
    (entry,) = overview(str(tmp_path / "after"), with_slurm(slurm)).entries
    assert (entry.state, entry.id) == (states.RUNNING, "7_0")


def test_a_damaged_status_and_a_damaged_job_are_listed_all_the_same(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 2)
    sweep.jobs[0].status.write_text('{"sta')
    sweep.jobs[1].job.chmod(0o644)
    sweep.jobs[1].job.write_text("nope")
    found = look(sweep, Slurm({"7_0": "RUNNING", "7_1": "PENDING"}))
    assert [entry.state for entry in found.entries] == ["running", "submitted"]
    assert "job.yaml" in str(found.entries[1].head.overrides)


def test_a_job_whose_status_file_is_gone_is_known_by_its_submission(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    sweep.jobs[0].status.unlink()
    assert seen(sweep, Slurm({"7_0": "PENDING"})) == ["submitted"]


def test_json_has_all_that_is_known(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    job = sweep.jobs[0]
    job.attempt(1).mkdir(parents=True)
    job.err(1).write_text("first\nlast\n")
    times = {"started": "2026-11-24T22:00:00.000Z", "ended": "2026-11-24T22:00:07.500Z"}
    error = {"type": "ValueError", "message": "no", "where": []}
    says(
        job, states.FAILED, exit_code=1, error=error, **times
    )  # fmt: skip
    (found,) = as_json(look(sweep, Slurm({})))["jobs"]
    assert found["seconds"] == 7.5
    assert (found["state"], found["own"], found["unsure"], found["exit_code"]) == ("failed", "failed", False, 1)
    assert (found["slurm"], found["submission"], found["attempt"]) == ("7_0", 1, 1)
    assert found["overrides"] == ["number=0"]
    assert found["reason"] == "ValueError: no"
    assert (found["log"], found["tail"]) == (str(job.err(1)), ["first", "last"])


def test_what_jobs_write_cannot_steer_the_terminal(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    job = sweep.jobs[0]
    job.attempt(1).mkdir(parents=True)
    job.err(1).write_text("1%\r50%\r\x1b[31mfailed\x1b[0m\x07 \x1b]0;title\x07here\n")
    says(job, states.FAILED, reason="a\x1b[2Jb\nc")
    shown = list(table.lines(look(sweep, Slurm({}))))
    assert "     ab c" in shown
    assert any(line.endswith("| failed here") for line in shown)
    assert all(line.isprintable() for line in shown)


@pytest.mark.parametrize(
    ("own", "code"), [(states.DONE, 0), (states.FAILED, 1), (states.TIMEOUT, 1), (states.SUBMITTED, 4)]
)
def test_the_exit_code_of_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own: str, code: int
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no squeue
    sweep = swept(tmp_path / "sweep", 1)
    says(sweep.jobs[0], own, ended="2020-01-01T00:00:00Z")
    assert cli.main(["status", str(sweep.paths.directory)]) == code
    assert cli.main(["status", str(sweep.paths.directory), "--json"]) == code
    out = capsys.readouterr().out
    assert ("squeue is not on PATH" in out) == (code == 4)
    assert json.loads(out[out.index("{\n") :])["counts"] == {own: 1}


def test_usage_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = swept(tmp_path)
    assert cli.main(["status", str(tmp_path / "nope")]) == 2
    assert cli.main(["logs", str(tmp_path)]) == 2
    assert "there are 3 jobs; name one: 0, 1, 2" in capsys.readouterr().err
    assert cli.main(["logs", str(tmp_path), "9"]) == 2
    assert "there is no job 9" in capsys.readouterr().err
    assert cli.main(["retry", str(tmp_path), "x"]) == 2
    with pytest.raises(UsageError, match="there is no job 9"):
        cancel.cancel(str(sweep.paths.directory), [9], clusters=with_slurm(Slurm({})))


# logs


def test_why_there_is_no_log(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    (entry,) = look(sweep, Slurm({"7_0": "PENDING"})).entries
    with pytest.raises(JobError) as error:
        logs.attempt_of(entry, None)
    assert "submitted as 7_0 (waits: Resources)" in str(error.value)
    assert str(sweep.jobs[0].out(1)) in str(error.value)


def test_output_of_the_last_attempt_that_has_any(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    job = sweep.jobs[0]
    for attempt in (1, 3):
        job.attempt(attempt).mkdir(parents=True)
        job.out(attempt).write_text(f"attempt {attempt}\n")
    job.attempt(4).mkdir()
    (entry,) = look(sweep, Slurm({"7_0": "PENDING"})).entries
    assert logs.attempt_of(entry, None) == 3
    assert logs.attempt_of(entry, 1) == 1
    with pytest.raises(JobError, match="attempt 1, 3"):
        logs.attempt_of(entry, 2)
    out = io.BytesIO()
    logs.show(job, 3, out, ("out",))
    assert out.getvalue() == b"attempt 3\n"


def test_following_goes_on_in_the_next_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.01)
    sweep = swept(tmp_path, 1)
    job = sweep.jobs[0]
    job.attempt(1).mkdir(parents=True)
    job.out(1).write_text("one ")
    says(job, states.RUNNING)
    slurm = Slurm({"7_0": "RUNNING"})
    look(sweep, slurm)
    out = io.BytesIO()
    follower = logs.Follower(Watch(str(tmp_path), clusters=with_slurm(slurm)), 0, out, ("out",))
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(follower.follow(lambda text: None)))
    thread.start()
    with open(job.out(1), "a") as file:
        file.write("two ")
    job.attempt(2).mkdir()
    job.out(2).write_text("three")
    says(job, states.DONE, attempt=2)
    thread.join(30)
    assert ended == [states.DONE]
    assert out.getvalue() == b"one two three"


def test_following_a_job_that_dies_without_a_word_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.01)
    monkeypatch.setattr(logs, "ASK_S", 0.02)
    sweep = swept(tmp_path, 1)
    says(sweep.jobs[0], states.RUNNING)
    slurm = Slurm({"7_0": "NODE_FAIL"})
    look(sweep, slurm)
    said: list[str] = []
    watch = Watch(str(tmp_path), clusters=with_slurm(slurm))
    assert logs.Follower(watch, 0, io.BytesIO(), ("out",)).follow(said.append) == states.LOST
    assert "its node failed" in said[-1]


def test_status_is_light(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    says(sweep.jobs[0], states.DONE)
    code = (
        "import sys; from nemo_partial_hydra.cli.main import main; main(sys.argv[1:]);"
        "print(sorted({'hydra', 'omegaconf', 'submitit', 'rich', 'fiddle', 'nemo_run'} & set(sys.modules)))"
    )
    line = [sys.executable, "-c", code, "status", str(tmp_path)]
    assert subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.endswith("\n[]\n")


FIRST = "2026-11-24T22:00:00.000Z"


def test_watching_in_a_pipe_says_each_change_once_and_ends_with_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = swept(tmp_path, 2)
    turns = iter([states.RUNNING, states.RUNNING, states.FAILED])
    slurm = Slurm({"7_0": "RUNNING", "7_1": "RUNNING"})
    look(sweep, slurm)
    says(sweep.jobs[1], states.DONE, started=FIRST, ended=FIRST.replace(":00.0", ":02.0"))

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        if command[0] == "squeue":
            says(sweep.jobs[0], next(turns), exit_code=3, started=FIRST, ended=FIRST.replace(":00.0", ":03.0"))
        return slurm(command)

    found = live.watch(Watch(str(tmp_path), clusters=with_slurm(ask)), 0.01)
    assert found.counts == {"done": 1, "failed": 1}
    assert capsys.readouterr().out.splitlines() == [
        "0 running; 7_0",
        "1 done; 7_1; 2.0 s",
        "0 failed; 7_0; 3.0 s; exit code 3",
    ]


def test_the_live_table_shows_what_matters_and_counts_all() -> None:
    rows = [(str(number), states.DONE, "", "") for number in range(50)]
    rows += [(str(number), states.SUBMITTED, "", "lr=1") for number in range(50, 90)]
    rows += [("90", states.RUNNING, "3 s", "lr=[2]"), ("91", states.LOST, "", "")]
    console = Console(width=100, height=30, record=True, file=io.StringIO())
    found = [(cells[1], cells) for cells in rows]
    console.print(live.shown(found, lambda cells: cells, ("JOB", "STATE", "TIME", "OVERRIDES")))
    shown = console.export_text().splitlines()
    assert shown[1].split() == ["90", "running", "3", "s", "lr=[2]"]
    assert shown[2].split() == ["91", "lost"]
    assert len(shown) == 1 + live.ROWS + 2
    assert "... and 30 more" in shown[-2]
    assert "92 jobs: 40 submitted, 1 running, 50 done, 1 lost" in shown[-1]
