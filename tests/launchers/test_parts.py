"""Small parts of the launchers: the last lines of logs, work on many jobs at once, columns of the status table."""

from __future__ import annotations

import contextvars
import sys
import threading
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import job_paths
from nemo_partial_hydra.launchers import log_tail
from nemo_partial_hydra.launchers.parallel import together
from nemo_partial_hydra.launchers.status import live, table
from tests.support.sent import Slurm, look, says, swept

NAME = contextvars.ContextVar("NAME", default="nobody's")


def test_the_last_lines_are_those_of_the_log_that_says_most(tmp_path: Path) -> None:
    job = job_paths(tmp_path)
    assert log_tail.last_lines(job, 1) == (job.err(1), [])
    job.attempt(1).mkdir(parents=True)
    job.out(1).write_bytes(b"x" * log_tail.SIZE + b"\nfirst  \nlast \xff\n\n")
    assert log_tail.last_lines(job, 1, lines=2) == (job.out(1), ["first", "last \ufffd"])
    job.err(1).write_text("error\n")
    assert log_tail.last_lines(job, 1) == (job.err(1), ["error"])
    job.err(1, 3).write_text("of task 3\n")
    assert log_tail.last_lines(job, 1, 3) == (job.err(1, 3), ["of task 3"])


def test_work_on_many_sees_the_context_of_its_caller() -> None:
    seen: list[tuple[str, bool]] = []
    NAME.set("mine")
    together(lambda item: seen.append((NAME.get(), threading.current_thread() is threading.main_thread())), range(5))
    assert seen == [("mine", False)] * 5


def test_of_several_errors_the_first_item_s_is_raised() -> None:
    def work(item: int) -> None:
        raise ValueError(item)

    with pytest.raises(ValueError, match=r"^0$"):
        together(work, range(40))


def test_a_row_has_a_cell_for_each_column(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 1)
    says(sweep.jobs[0], states.RUNNING, requeues=2)
    found = look(sweep, Slurm({"7_0": "RUNNING"}))
    cells = dict(zip([column.head for column in table.COLUMNS], table.row(found.entries[0], found.time), strict=True))
    assert (cells["JOB"], cells["STATE"], cells["TRY"], cells["SLURM"]) == ("0", "running", "1 (requeued 2)", "7_0")
    live = [column for column in table.COLUMNS if column.live]
    assert table.row(found.entries[0], found.time, live)[:2] == ["0", "running"]


def test_who_waits_at_a_terminal_sees_some_of_the_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = swept(tmp_path, 2)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    with live.Board(sweep.jobs) as board:
        says(sweep.jobs[1], states.RUNNING)
        board.look()
        board(sweep.jobs[0], states.Status(states.FAILED, exit_code=1, reason="no luck"))
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["JOB", "STATE", "TIME", "OVERRIDES"] in shown
    assert ["1", "running", "number=1"] in shown
    assert ["0", "failed", "number=0"] in shown
