"""What the commands do with a sweep in which somebody else has put traps: links, pipes, files without an end.

Whatever the trap and wherever it is: nothing is written through it, nothing waits for it, one job with a trap hides no
other, and what acts refuses the job and names the place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import JobError, RecipeError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import find_jobs
from nemo_partial_hydra.launchers import cancel, claims, retry, submit
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.settings import Settings
from tests.support.sent import Slurm, look, says, swept, with_slurm
from tests.support.sweeps import ALLOW, Sweep

SOMEBODY = 54321


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda number, frame: pytest.fail("it waits"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Trapped:
    """A sweep of three jobs of which one has failed, and what the victim has elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        (self.home / "file").write_text("kept\n")
        (self.home / "folder").mkdir()
        self.sweep = swept(folder / "sweep")
        self.slurm = Slurm({})
        for number, job in enumerate(self.sweep.jobs):
            job.attempt(1).mkdir(parents=True)
            job.out(1).write_text(f"output of {number}\n")
            job.err(1).write_text(f"error of {number}\n")
            job.claim(1).write_text("{}")
            job.result.write_text('{"result": 1}\n')
            says(job, states.FAILED if number == 1 else states.DONE, ended=states.now(), exit_code=1)
        self.folder = self.sweep.paths.directory
        self.job = self.folder / "1"

    def unharmed(self) -> bool:
        found = sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))
        return (self.home / "file").read_text() == "kept\n" and found == ["file", "folder"]


@pytest.fixture
def trapped(tmp_path: Path) -> Trapped:
    return Trapped(tmp_path)


def _put(trapped: Trapped, place: str, make: Callable[[Path], object]) -> Path:
    path = trapped.folder / place
    if os.path.lexists(path):
        path.rename(path.with_name(f".{path.name}.before"))
    make(path)
    return path


def _sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 30)


KINDS: dict[str, Callable[[Trapped, Path], object]] = {
    "link to a file": lambda trapped, path: path.symlink_to(trapped.home / "file"),
    "link to a directory": lambda trapped, path: path.symlink_to(trapped.home / "folder"),
    "link to nothing": lambda trapped, path: path.symlink_to(trapped.home / "new"),
    "pipe": lambda trapped, path: os.mkfifo(path),
    "no end": lambda trapped, path: path.symlink_to("/dev/zero"),
    "sparse": lambda trapped, path: _sparse(path),
    "second name": lambda trapped, path: path.hardlink_to(trapped.home / "file"),
    "directory": lambda trapped, path: path.mkdir(),
}
OF_THE_JOB = (
    "1/job.yaml", "1/status.json", "1/result.json", "1/attempts", "1/attempts/1", "1/attempts/1/err.log",
    "1/attempts/1/out.log", "1/attempts/1/claim", "1/attempts/1/notice", "1/attempts/2", "1/attempts/2/err.log",
)  # fmt: skip
OF_THE_SWEEP = (
    "submissions", "submissions/1", "submissions/1/submission.json", "submissions/1/settings.json",
    "submissions/1/script.sh", "submissions/2", "multirun.yaml",
)  # fmt: skip
EVERYWHERE = ("link to a file", "link to a directory", "pipe")
SOMEWHERE = ("1/job.yaml", "1/status.json", "1/attempts", "1/attempts/1/err.log", "submissions/1/submission.json")
TRAPS = [
    (place, kind)
    for place in (*OF_THE_JOB, *OF_THE_SWEEP)
    for kind in KINDS
    if kind in EVERYWHERE or place in SOMEWHERE
]


def _trap(trapped: Trapped, place: str, kind: str) -> None:
    (trapped.folder / place).parent.mkdir(exist_ok=True)
    _put(trapped, place, lambda path: KINDS[kind](trapped, path))


@pytest.mark.parametrize(("place", "kind"), TRAPS)
def test_status_shows_all_jobs_whatever_the_trap(
    trapped: Trapped, place: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _trap(trapped, place, kind)
    found = look(trapped.sweep, trapped.slurm)
    assert [entry.head.num for entry in found.entries] == [0, 1, 2]
    assert [entry.state for entry in found.entries if entry.head.num != 1] == [states.DONE, states.DONE]
    assert cli.main(["status", str(trapped.folder)]) == 1
    assert cli.main(["status", str(trapped.folder), "--json"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert trapped.unharmed()


@pytest.mark.parametrize(("place", "kind"), TRAPS)
def test_what_acts_goes_through_no_trap(
    trapped: Trapped, place: str, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may do its work or refuse it, as an error of ours; the honest sweep is in the tests of each command."""
    _trap(trapped, place, kind)
    clusters = with_slurm(trapped.slurm)
    for act in (
        lambda: retry.prepare(str(trapped.folder), [1], clusters=clusters),
        lambda: cancel.cancel(str(trapped.folder), clusters=clusters),
        lambda: claims.claim(trapped.sweep.jobs[1], 2),
        lambda: claims.new_directory(trapped.sweep.paths),
        lambda: cli.main(["diff", str(trapped.job), str(trapped.folder / "2"), "--allow", ALLOW[0]]),
        lambda: kind == "sparse" or cli.main(["logs", str(trapped.folder), "1"]),  # a log may be as long as it is
    ):
        with contextlib.suppress(RecipeError):
            act()
        assert trapped.unharmed()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("place", "kind"), [(place, kind) for place, kind in TRAPS if place in OF_THE_JOB and kind == EVERYWHERE[0]]
)
def test_a_job_that_is_run_writes_through_no_trap(trapped: Trapped, place: str, kind: str) -> None:
    _trap(trapped, place, kind)
    cli.main(["run", str(trapped.job), "--allow", ALLOW[0], "--force"])
    assert trapped.unharmed()


def test_the_same_job_without_a_trap_runs(trapped: Trapped) -> None:
    assert cli.main(["run", str(trapped.job), "--allow", ALLOW[0]]) == 0
    assert states.read_status(trapped.sweep.jobs[1]).attempt == 2
    assert cli.main(["run", str(trapped.folder), "--allow", ALLOW[0], "--force"]) == 0


INSTEAD: dict[str, Callable[[Trapped, Path], Any]] = {
    "a link": lambda trapped, path: path.symlink_to(Sweep(trapped.home.parent / "other").add("report").directory),
    "a link to nothing": lambda trapped, path: path.symlink_to("/nothing"),
    "a named pipe": lambda trapped, path: os.mkfifo(path),
    "a device": lambda trapped, path: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.root if name == "a device" else ()) for name in INSTEAD]
)
def test_what_stands_in_the_place_of_a_job_is_a_bad_row_and_refused(
    trapped: Trapped, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _put(trapped, "1", lambda path: INSTEAD[name](trapped, path))
    found = look(trapped.sweep, trapped.slurm)
    assert [(entry.head.num, entry.state) for entry in found.entries] == [(0, "done"), (1, "lost"), (2, "done")]
    assert cli.main(["status", str(trapped.folder)]) == 1
    said = f"{path} is {name.removesuffix(' to nothing')}, "
    assert said in capsys.readouterr().out
    with pytest.raises(JobError, match="is a "):
        retry.prepare(str(trapped.folder), [1], clusters=with_slurm(trapped.slurm))
    with pytest.raises(JobError, match="is a "):
        submit.submit(trapped.sweep.paths, find_jobs(trapped.folder), Settings(), report=Report())
    assert cli.main(["run", str(trapped.folder), "--force", "--allow", ALLOW[0]]) != 0
    assert said in capsys.readouterr().err
    assert states.read_status(trapped.sweep.jobs[2]).attempt == 2, "the others run"


def test_another_name_of_a_job_is_no_other_job(trapped: Trapped) -> None:
    (trapped.folder / "best").symlink_to("2")
    (trapped.folder / "data").symlink_to(trapped.home / "folder")
    (trapped.folder / "latest").symlink_to("nowhere")
    assert [paths.directory.name for paths in find_jobs(trapped.folder)] == ["0", "1", "2"]
    assert cli.main(["run", str(trapped.folder / "best"), "--force", "--allow", ALLOW[0]]) == 0
    link = trapped.home.parent / "mine"
    link.symlink_to(trapped.folder)
    assert cli.main(["run", str(link), "--allow", ALLOW[0]]) == 0
    assert [entry.state for entry in look(trapped.sweep, trapped.slurm).entries] == ["done"] * 3


@pytest.mark.root
class TestOwners:
    """Jobs of somebody else are shown, and nothing is done with them; also for root."""

    def test_they_are_refused_by_what_acts(self, trapped: Trapped, capsys: pytest.CaptureFixture[str]) -> None:
        os.chown(trapped.job, SOMEBODY, SOMEBODY)
        assert cli.main(["status", str(trapped.folder), "1"]) == 1
        assert cli.main(["logs", str(trapped.folder), "1"]) == 0
        with pytest.raises(RefusedError, match=f"{trapped.job}: belongs to user {SOMEBODY}"):
            retry.prepare(str(trapped.folder), clusters=with_slurm(trapped.slurm))
        with pytest.raises(RefusedError, match="belongs to"):
            submit.submit(trapped.sweep.paths, trapped.sweep.jobs, Settings(), report=Report())
        capsys.readouterr()
        assert cli.main(["run", str(trapped.folder), "--allow", ALLOW[0]]) == 3
        assert "belongs to user" in capsys.readouterr().err
        says(trapped.sweep.jobs[1], states.SUBMITTED)
        trapped.slurm.queue = {"7_1": "PENDING"}
        look(trapped.sweep, trapped.slurm)
        with pytest.raises(RefusedError, match="belongs to"):
            cancel.cancel(str(trapped.folder), clusters=with_slurm(trapped.slurm))
        assert not any(command[0] == "scancel" for command in trapped.slurm.asked)

    def test_the_advice_works(self, trapped: Trapped, capsys: pytest.CaptureFixture[str]) -> None:
        for path in (trapped.folder, *trapped.folder.rglob("*")):
            os.chown(path, SOMEBODY, SOMEBODY)
        assert cli.main(["run", str(trapped.job), "--allow", ALLOW[0]]) == 3
        advice = capsys.readouterr().err.strip().rpartition(": ")[2].replace("COPY", str(trapped.home.parent / "copy"))
        assert os.system(advice) == 0
        assert cli.main(["run", str(trapped.home.parent / "copy"), "--allow", ALLOW[0]]) == 0

    def test_a_sweep_of_somebody_else_with_a_job_of_this_user(self, trapped: Trapped) -> None:
        os.chown(trapped.folder, SOMEBODY, SOMEBODY)
        assert cli.main(["run", str(trapped.job), "--allow", ALLOW[0]]) == 0
        with pytest.raises(RefusedError, match=f"{trapped.folder}: belongs to"):
            submit.submit(trapped.sweep.paths, trapped.sweep.jobs, Settings(), report=Report())


def test_what_a_submission_runs_is_writable_by_nobody_else(trapped: Trapped) -> None:
    before = os.umask(0)
    try:
        with claims.claimed(trapped.sweep.paths, [(trapped.sweep.jobs[1], 2)], Settings(), None) as (paths, _):
            for folder in (paths.directory, paths.directory / "submitit"):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    finally:
        os.umask(before)


def test_a_submission_that_cannot_be_read_stops_what_acts_and_is_shown(
    trapped: Trapped, capsys: pytest.CaptureFixture[str]
) -> None:
    trapped.sweep.paths.submission(1).record.write_text("{")
    assert cli.main(["status", str(trapped.folder)]) == 1
    assert "submission.json: the file is damaged" in capsys.readouterr().out
    with pytest.raises(JobError, match=r"submission\.json: the file is damaged"):
        retry.prepare(str(trapped.folder), clusters=with_slurm(trapped.slurm))
    with pytest.raises(JobError, match=r"submission\.json: the file is damaged"):
        cancel.cancel(str(trapped.folder), clusters=with_slurm(trapped.slurm))


def test_a_subdir_in_a_record_leads_nowhere_else(trapped: Trapped) -> None:
    """A record that names a directory outside of the sweep is no way to have anything written there."""
    job = trapped.sweep.paths.job("../home/folder")
    with pytest.raises(JobError, match="outside of"):
        states.write_status(job, states.Status(states.LOST))
    assert trapped.unharmed()
