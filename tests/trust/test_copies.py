"""``nemo-hydra submit DIR --to MYDIR``: somebody else's jobs as a sweep of one's own, which is only read there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import ExitCode
from nemo_partial_hydra.jobs import status as states
from tests.support.sweeps import ALLOW, Sweep
from tests.trust.keys import Keys

LOCAL = ["hydra/launcher=submitit_apptainer_local", "hydra.launcher.apptainer.image=null"]
SOMEBODY = 54321


def submit(directory: Path, to: Path, *more: str) -> int:
    """Submit as a command; return the exit code."""
    return cli.main(["submit", str(directory), "--to", str(to), *LOCAL, "--allow", ALLOW[0], *more])


def sent(folder: Path) -> dict[str, str]:
    """Return how the jobs of a sweep went."""
    found = sorted(folder.glob("*/job.yaml"))
    return {job.parent.name: states.read_status(Sweep(folder).paths.job(job.parent.name)).state for job in found}


@pytest.fixture
def theirs(tmp_path: Path) -> Sweep:
    """The sweep of another user, whom root stands in for nowhere: it is theirs, and nobody else may write there."""
    sweep = Sweep(tmp_path / "theirs")
    for steps in (1, 2):
        sweep.add("report", steps=steps)
    sweep.paths.multirun.write_text("hydra: {}\n")
    if os.geteuid() == 0:
        for path in (sweep.paths.directory, *sweep.paths.directory.rglob("*")):
            os.chown(path, SOMEBODY, SOMEBODY)
    return sweep


def files_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return all that is known of the files of a directory."""
    return {
        str(path): (found.st_mtime_ns, found.st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted((folder, *folder.rglob("*")))
        for found in [path.lstat()]
    }


def test_the_jobs_run_in_a_sweep_of_ones_own_and_nothing_changes_in_theirs(theirs: Sweep, tmp_path: Path) -> None:
    before = files_of(theirs.paths.directory)
    assert submit(theirs.paths.directory, tmp_path / "mine") == ExitCode.DONE
    assert files_of(theirs.paths.directory) == before
    assert sent(tmp_path / "mine") == {"0": "done", "1": "done"}
    for job in theirs.jobs:
        mine = tmp_path / "mine" / job.directory.name / "job.yaml"
        assert mine.read_bytes() == job.job.read_bytes()
        assert mine.stat().st_uid == os.geteuid()
        assert mine.stat().st_mode & 0o777 == 0o444
    assert (tmp_path / "mine" / "multirun.yaml").read_text() == "hydra: {}\n"


def test_one_job_keeps_its_place(theirs: Sweep, tmp_path: Path) -> None:
    assert submit(theirs.jobs[1].directory, tmp_path / "mine") == ExitCode.DONE
    assert sent(tmp_path / "mine") == {"1": "done"}


def test_the_same_again_submits_what_was_not(theirs: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    assert submit(theirs.jobs[1].directory, mine) == ExitCode.DONE
    assert submit(theirs.paths.directory, mine) == ExitCode.DONE
    assert sent(mine) == {"0": "done", "1": "done"}
    assert "Left out: 1 is done" in capsys.readouterr().err
    assert submit(theirs.paths.directory, mine) == ExitCode.REFUSED


def test_a_dry_run_makes_nothing_and_shows_the_places_of_the_copies(
    theirs: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    assert submit(theirs.paths.directory, mine, "--dry-run") == ExitCode.DONE
    assert not mine.exists()
    assert f"{mine}/1" in capsys.readouterr().out


def test_who_runs_them_is_who_retries_and_cancels_them(theirs: Sweep, tmp_path: Path) -> None:
    theirs.add("fail")
    assert submit(theirs.paths.directory, tmp_path / "mine") == ExitCode.FAILED
    assert sent(tmp_path / "mine") == {"0": "done", "1": "done", "2": "failed"}
    assert cli.main(["retry", str(tmp_path / "mine"), "2"]) == ExitCode.FAILED
    job = Sweep(tmp_path / "mine").paths.job("2")
    assert states.read_status(job).attempt == 2


class Pair(NamedTuple):
    """What the other team may leave there, what is said of it, and the nearest case that works."""

    attack: Callable[[Sweep, Path], object]
    place: str
    honest: Callable[[Sweep, Path], object]


def nothing(theirs: Sweep, mine: Path) -> None:
    """Leave it as it is."""


def changed(theirs: Sweep, mine: Path) -> None:
    """Change the recipe, and not its hash."""
    job = theirs.jobs[1].job
    text = job.read_text().replace("steps: 2", "steps: 3")
    job.unlink()
    job.write_text(text)


def linked(theirs: Sweep, mine: Path) -> None:
    """Put a link to another file in the place of job.yaml."""
    job = theirs.jobs[1].job
    job.rename(theirs.paths.directory.parent / "elsewhere.yaml")
    job.symlink_to(theirs.paths.directory.parent / "elsewhere.yaml")


def piped(theirs: Sweep, mine: Path) -> None:
    """Put a pipe there, which nobody writes into."""
    theirs.jobs[1].job.unlink()
    os.mkfifo(theirs.jobs[1].job)


def away(theirs: Sweep, mine: Path) -> None:
    """Have a job's directory lead elsewhere."""
    moved = theirs.paths.directory.parent / "moved"
    theirs.jobs[1].directory.rename(moved)
    theirs.jobs[1].directory.symlink_to(moved)


def another(theirs: Sweep, mine: Path) -> None:
    """Have another job in the place of the copy."""
    other = Sweep(mine)
    other.add("report", steps=8)
    other.add("report", steps=9)


def same(theirs: Sweep, mine: Path) -> None:
    """Have the same job in the place of the copy."""
    shutil.copytree(theirs.jobs[1].directory, mine / "1")


def trapped(theirs: Sweep, mine: Path) -> None:
    """Make a link of the copy's place before it is made."""
    (mine.parent / "victim").mkdir()
    mine.mkdir()
    (mine / "1").symlink_to(mine.parent / "victim")


def ready(theirs: Sweep, mine: Path) -> None:
    """Make the copy's place before it is made."""
    (mine / "1").mkdir(parents=True)


def huge(theirs: Sweep, mine: Path) -> None:
    """Make job.yaml larger than any."""
    theirs.jobs[1].job.chmod(0o644)
    os.truncate(theirs.jobs[1].job, 1 << 33)


def refused(theirs: Sweep, mine: Path) -> None:
    """Freeze a job that calls what nobody has allowed."""
    theirs.payloads = "shutil"
    theirs.jobs = theirs.jobs[:1]
    shutil.rmtree(theirs.paths.directory / "1")
    theirs.add("rmtree", path="/nowhere")


def outside(theirs: Sweep, mine: Path) -> None:
    """Freeze a job whose file says that it belongs elsewhere."""
    job = theirs.jobs[1].job
    text = job.read_text().replace("subdir: '1'", "subdir: ../../../victim").replace("subdir: 1", "subdir: ../../../x")
    job.unlink()
    job.write_text(text)


PAIRS = {
    "a changed recipe": Pair(changed, "/1/job.yaml: the recipe is not", nothing),
    "a link": Pair(linked, "/1/job.yaml", nothing),
    "a pipe": Pair(piped, "/1/job.yaml", nothing),
    "a directory that leads elsewhere": Pair(away, "/1", nothing),
    "another job in the copy's place": Pair(another, "/mine/0", same),
    "a link in the copy's place": Pair(trapped, "/mine/1", ready),
    "a job of gigabytes": Pair(huge, "/1/job.yaml", nothing),
    "a call that is not allowed": Pair(refused, "/1/job.yaml: 'shutil.rmtree' is not", nothing),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_is_not_copied_is_named_and_nothing_is_submitted(
    theirs: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str], pair: Pair
) -> None:
    mine = tmp_path / "mine"
    pair.attack(theirs, mine)
    assert submit(theirs.paths.directory, mine) in (ExitCode.USAGE, ExitCode.REFUSED)
    said = capsys.readouterr().err
    assert pair.place in said
    assert "Traceback" not in said
    assert not list(mine.rglob("submissions"))
    assert not list((tmp_path / "victim").glob("*"))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_nearest_honest_case_is_copied(theirs: Sweep, tmp_path: Path, pair: Pair) -> None:
    pair.honest(theirs, tmp_path / "mine")
    assert submit(theirs.paths.directory, tmp_path / "mine") == ExitCode.DONE


def test_a_place_that_a_file_claims_is_none(theirs: Sweep, tmp_path: Path) -> None:
    outside(theirs, tmp_path)
    assert submit(theirs.jobs[1].directory, tmp_path / "mine") == ExitCode.DONE
    assert sent(tmp_path / "mine") == {"1": "done"}
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("to", ["theirs", "theirs/below", "."])
def test_a_copy_lies_beside_what_it_is_of(
    theirs: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str
) -> None:
    before = files_of(theirs.paths.directory)
    assert submit(theirs.paths.directory, tmp_path / to) == ExitCode.USAGE
    assert "name a directory of your own elsewhere" in capsys.readouterr().err
    assert files_of(theirs.paths.directory) == before


@pytest.mark.root
def test_a_copy_is_made_in_no_directory_of_others(
    theirs: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    os.chown(tmp_path / "mine", SOMEBODY, SOMEBODY)
    assert submit(theirs.paths.directory, tmp_path / "mine") == ExitCode.REFUSED
    assert "belongs to" in capsys.readouterr().err
    assert not list((tmp_path / "mine").iterdir())


def test_signatures_go_with_the_copy_and_are_asked_for_before(
    theirs: Sweep, tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(f"team-a {keys['team-a'].public}\n")
    mine = tmp_path / "mine"
    assert submit(theirs.paths.directory, mine, "--signers", str(signers)) == ExitCode.REFUSED
    assert "not signed" in capsys.readouterr().err
    assert not mine.exists()
    for path in (theirs.paths.directory, *theirs.paths.directory.rglob("*")):
        os.chown(path, os.geteuid(), -1)
    assert cli.main(["sign", str(theirs.paths.directory), "--key", str(keys["team-a"].path)]) == ExitCode.DONE
    assert submit(theirs.paths.directory, mine, "--signers", str(signers)) == ExitCode.DONE
    assert cli.main(["run", str(mine), "--force", "--allow", ALLOW[0], "--signers", str(signers)]) == ExitCode.DONE
