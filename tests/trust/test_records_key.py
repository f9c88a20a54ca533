"""The key that seals records: whose it is, how it is made, what a job's process gets of it, and life without it."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs import claim, files, seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import records, submit
from nemo_partial_hydra.launchers.preflight.report import Report
from tests.launchers.test_local import SETTINGS, send
from tests.support.sweeps import ALLOW, ROOT, Sweep

SOMEBODY = 54321
LOCAL = "hydra/launcher=submitit_apptainer_local"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a key that is not there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "nemo_partial_hydra"


def test_a_key_is_made_once_and_is_its_users_alone(home: Path) -> None:
    before = os.umask(0)
    try:
        assert seal.require_key() == ""
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home.parent, home, home / "key")] == [0o700, 0o700, 0o600]
    assert os.listdir(home) == ["key"]
    content = (home / "key").read_bytes()
    assert len(content) == 32
    assert seal.require_key() == ""
    assert (home / "key").read_bytes() == content


def test_many_processes_at_once_get_one_key(home: Path) -> None:
    code = "from nemo_partial_hydra.jobs import seal; print(seal.require_key(), seal.user_key().secret.hex())"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", code]
    running = [subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    found = {process.communicate(timeout=60)[0].strip() for process in running}
    assert found == {(home / "key").read_bytes().hex()}


def _link(home: Path) -> None:
    (home / "other").write_bytes(b"x" * 32)
    (home / "other").chmod(0o600)
    (home / "key").symlink_to(home / "other")


def _link_to_nothing(home: Path) -> None:
    (home / "key").symlink_to(home / "nothing")


def _of(mode: int, size: int = 32) -> Callable[[Path], None]:
    def make(home: Path) -> None:
        (home / "key").write_bytes(b"x" * size)
        (home / "key").chmod(mode)

    return make


def _directory_is_a_link(home: Path) -> None:
    home.rename(home.with_name("real"))
    home.symlink_to(home.with_name("real"))
    _of(0o600)(home)


def _open_directory(home: Path) -> None:
    home.chmod(0o777)
    _of(0o600)(home)


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (_link, "is a link"),
    "a link to nothing": (_link_to_nothing, "is a link"),
    "readable by the group": (_of(0o640), "it can be read by others (permissions 0640)"),
    "readable by all": (_of(0o604), "it can be read by others"),
    "a directory that all may write": (_open_directory, "it can be written to by others"),
    "a directory that is a link": (_directory_is_a_link, "is a link"),
    "too short": (_of(0o600, 31), "is damaged"),
    "too long": (_of(0o600, 33), "is damaged"),
    "empty": (_of(0o600, 0), "is damaged"),
    "a pipe": (lambda home: os.mkfifo(home / "key"), "is a named pipe"),
    "a directory": (lambda home: (home / "key").mkdir(), "is a directory"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_key_that_others_have_a_hand_in_is_refused_and_nothing_is_submitted(
    home: Path, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir(parents=True, mode=0o700)
    make, said = BAD[what]
    make(home)
    with pytest.raises(RefusedError, match="key") as error:
        seal.require_key()
    assert said in str(error.value)
    assert seal.user_key() is None
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    assert cli.main(["submit", str(tmp_path / "sweep"), LOCAL, "--allow", ALLOW[0]]) == 3
    assert said in capsys.readouterr().err
    assert not sweep.paths.submissions.exists()
    assert cli.main(["status", str(tmp_path / "sweep")]) == 0


@pytest.mark.root
@pytest.mark.parametrize("which", ["key", "."])
def test_a_key_of_somebody_else_is_refused(home: Path, which: str) -> None:
    assert seal.require_key() == ""
    os.chown(home / which, SOMEBODY, -1)
    with pytest.raises(RefusedError, match=f"it belongs to user {SOMEBODY}"):
        seal.require_key()
    os.chown(home / which, 0, -1)
    assert seal.require_key() == ""


def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def _read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nobody/writes/here")


def _full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = files.write_once

    def write_once(root: Path, path: Path, *rest: Any, **more: Any) -> bool:
        if path.name == "key":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return before(root, path, *rest, **more)

    monkeypatch.setattr(files, "write_once", write_once)


def _state_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))


@pytest.mark.parametrize("without", [_no_home, _read_only, _full_disk, _state_is_a_file])
def test_without_a_key_jobs_run_and_what_acts_later_says_why_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], without: Callable[..., None]
) -> None:
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    sweep.add("fail", message="no such data")
    with monkeypatch.context() as patch:
        without(patch, tmp_path)
        assert [each.state for each in send(sweep)] == [states.DONE, states.FAILED]
    said = capsys.readouterr().err
    assert said.count("Note: what is submitted now cannot be sealed") == 1
    assert records.read_submission(sweep.paths.submission(1)).origin.why.startswith("written without a key")
    assert cli.main(["retry", str(tmp_path / "sweep")]) == 3
    assert "hydra/launcher=" in capsys.readouterr().err
    assert cli.main(["retry", str(tmp_path / "sweep"), LOCAL, "--allow", ALLOW[0]]) == 1
    assert states.read_status(sweep.jobs[1]).attempt == 2
    assert states.read_record(sweep.jobs[1])[1].mine, "this one has a key again"


def test_with_a_key_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], home: Path) -> None:
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    send(sweep)
    assert "sealed" not in capsys.readouterr().err
    assert seal.user_key() is not None


# ---------------------------------------------------------------- what a job's process gets


def test_a_job_has_the_key_of_its_attempt_and_nothing_of_it_in_its_environment(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    send(sweep)
    environment = read_result(job)["environment"]
    assert not any("SEAL" in name for name in environment)
    key = seal.user_key()
    assert key is not None
    attempts = key.of_attempt(str(job.directory), 1).secret.hex()
    assert not any(secret in value for value in environment.values() for secret in (attempts, key.secret.hex()))
    found = claim.holder(job, 1)
    assert found is not None
    assert found.origin.mine
    assert states.read_record(job)[1].mine


def test_the_key_of_an_attempt_says_nothing_of_another_attempt_job_or_kind(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    job, other = sweep.add("report", number=0), sweep.add("report", number=1)
    handed = seal.handed(dict(job.sealed_by.handed_over(1)))
    stolen = JobPaths(job.directory, job.sweep, handed)
    states.write_status(stolen, states.Status(states.RUNNING, 1))
    assert states.read_record(job)[1].mine, "of its own attempt it speaks"
    states.write_status(stolen, states.Status(states.RUNNING, 2))
    assert not states.read_record(job)[1].mine
    there = JobPaths(other.directory, other.sweep, seal.Seals(other.sealed_by.place, 1, handed.key))
    states.write_status(there, states.Status(states.RUNNING, 1))
    assert not states.read_record(other)[1].mine
    claim.take(there, 1, claim.myself({}))
    found = claim.holder(other, 1)
    assert found is not None
    assert not found.origin.mine
    submit.submit(sweep.paths, [sweep.add("report", number=2)], SETTINGS, report=Report())
    paths = sweep.paths.submission(1)
    data = json.loads(paths.record.read_text())
    place = seal.place_of(paths.root, paths.record)
    paths.record.write_text(json.dumps(seal.sealed({**data, "pid": 1}, seal.SUBMISSION, place, handed.key)))
    assert records.read_submission(paths).origin.why == "it was changed"


@pytest.mark.parametrize("text", ["", "null", "[]", "[1, 2]", '["a", "xy", 1, "/"]', "{", "[" * 5000])
def test_a_variable_that_is_none_of_ours_seals_nothing(text: str) -> None:
    environment = {seal.VARIABLE: text}
    assert seal.handed(environment) == seal.NONE
    assert not environment


def test_a_container_that_sees_the_directory_elsewhere_seals_for_the_place_where_it_is(tmp_path: Path) -> None:
    job = Sweep(tmp_path / "sweep").add("report")
    handed = seal.handed(dict(job.sealed_by.handed_over(1)))
    (tmp_path / "sweep").rename(tmp_path / "bound")
    inside = JobPaths(tmp_path / "bound" / "0", tmp_path / "bound", handed)
    states.write_status(inside, states.Status(states.RUNNING))
    (tmp_path / "bound").rename(tmp_path / "sweep")
    assert states.read_record(job)[1].mine
