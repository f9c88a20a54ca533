"""Records of others are no records of mine: what acts takes ids, processes and settings from sealed records only.

Pairs of an attack, or a mishap, and the honest case next to it. Every record is manipulated in every way; whatever the
way, it is shown, nothing is done with it, and a message says what is the matter.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import RefusedError, UsageError
from nemo_partial_hydra.jobs import claim, seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.claim import Holder, holder
from nemo_partial_hydra.jobs.layout import find_jobs, sweep_paths
from nemo_partial_hydra.jobs.seal import Origin
from nemo_partial_hydra.launchers import cancel, records, retry
from nemo_partial_hydra.launchers.clusters.slurm import dependency
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.status import entries, table
from tests.support.sent import KEPT, Slurm, look, says, sent, swept, with_slurm
from tests.support.sweeps import ALLOW, Sweep

SOMEBODY = 54321
EVIL = dataclasses.replace(KEPT, setup=("touch evil",), allow=("os",), container=Container(executable="/evil"))
SETTINGS_AGAIN = ["hydra/launcher=submitit_apptainer"]

SUBMISSION, SETTINGS = "submissions/1/submission.json", "submissions/1/settings.json"
CLAIM, STATUS = "0/attempts/1/claim", "0/status.json"
RECORDS = (SUBMISSION, SETTINGS, CLAIM, STATUS)


class Sent:
    """A sweep of two jobs that were sent as 7_0 and 7_1, the first of which a process of this host runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep = swept(folder, 2)
        claim.take(self.sweep.jobs[0], 1, claim.myself({}))
        self.slurm = Slurm({"7_0": "RUNNING", "7_1": "PENDING"})

    def at(self, folder: Path) -> Sent:
        """Return the same sweep as it is in another place."""
        other = object.__new__(Sent)
        other.folder, other.slurm, other.sweep = folder, self.slurm, object.__new__(Sweep)
        other.sweep.paths, other.sweep.jobs = sweep_paths(folder), find_jobs(folder)
        return other

    def origin(self, name: str) -> Origin:
        """Return whose word a record is found to be."""
        paths = self.sweep.paths.submission(1)
        if name == SUBMISSION:
            return records.read_submission(paths).origin
        if name == SETTINGS:
            return Origin(records.own_settings(paths)[1].partition(": ")[2])
        if name == CLAIM:
            found = holder(self.sweep.jobs[0], 1)
            return Origin("no claim") if found is None else found.origin
        return states.read_record(self.sweep.jobs[0])[1]

    def data(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found

    def write(self, name: str, data: Any) -> None:
        path = self.folder / name
        path.unlink()
        path.write_text(json.dumps(data))

    def scancelled(self) -> list[list[str]]:
        """Cancel all; return what SLURM was told."""
        self.slurm.folder = str(self.folder / "submissions" / "1" / "submitit")
        cancel.cancel(str(self.folder), clusters=with_slurm(self.slurm))
        return [list(command) for command in self.slurm.asked if command[0] == "scancel"]

    def retried(self, *arguments: str, **more: Any) -> retry.Retry:
        """Try both again, which have failed."""
        return retry.prepare(str(self.folder), (), arguments, clusters=with_slurm(Slurm({})), **more)

    def fail(self) -> Sent:
        for job in self.sweep.jobs:
            says(job, states.FAILED, ended=states.now())
        return self


@pytest.fixture
def one(tmp_path: Path) -> Sent:
    return Sent(tmp_path / "sweep")


# ---------------------------------------------------------------- every record, in every way


def _copied(one: Sent, name: str) -> Sent:
    shutil.copytree(one.folder, one.folder.with_name("copy"))
    return one.at(one.folder.with_name("copy"))


def _as_a_command(*command: str) -> Callable[[Sent, str], Sent]:
    def make(one: Sent, name: str) -> Sent:
        subprocess.run([*command, str(one.folder), str(one.folder.with_name("copy"))], check=True)
        return one.at(one.folder.with_name("copy"))

    return make


def _packed(one: Sent, name: str) -> Sent:
    archive = shutil.make_archive(str(one.folder.with_name("packed")), "tar", one.folder)
    shutil.unpack_archive(archive, one.folder.with_name("copy"))
    return one.at(one.folder.with_name("copy"))


def _moved(one: Sent, name: str) -> Sent:
    return one.at(one.folder.rename(one.folder.with_name("moved")))


def _put_into_anothers_place(one: Sent, name: str) -> Sent:
    """A record of another sweep of this user's, at the same place below."""
    other = Sent(one.folder.with_name("other"))
    shutil.copy(other.folder / name, one.folder / name)
    return one


CHANGES: dict[str, dict[str, Any]] = {
    SUBMISSION: {"cluster": "local"}, SETTINGS: {"setup": ["touch evil"]}, CLAIM: {"pid": 4711},
    STATUS: {"slurm": {"job": "99", "task": None}},
}  # fmt: skip


def _changed(one: Sent, name: str) -> Sent:
    one.write(name, {**one.data(name), **CHANGES[name]})
    return one


def _added(one: Sent, name: str) -> Sent:
    one.write(name, {**one.data(name), "more": 1})
    return one


def _seal_of(other: str) -> Callable[[Sent, str], Sent]:
    def make(one: Sent, name: str) -> Sent:
        from_name = other if other != name else STATUS if name == SUBMISSION else SUBMISSION
        one.write(name, {**one.data(name), **CHANGES[name], "seal": one.data(from_name)["seal"]})
        return one

    return make


def _with_seal(change: Callable[[str], Any]) -> Callable[[Sent, str], Sent]:
    def make(one: Sent, name: str) -> Sent:
        one.write(name, {**one.data(name), "seal": change(one.data(name)["seal"])})
        return one

    return make


def _unsealed(one: Sent, name: str) -> Sent:
    one.write(name, {key: value for key, value in one.data(name).items() if key != "seal"})
    return one


def _claims_to_be_here(one: Sent, name: str) -> Sent:
    """A copy whose seal is made to say that it was written here."""
    there = _copied(one, name)
    text = there.data(name)["seal"]
    there.write(name, {**there.data(name), "seal": text.replace(str(one.folder), str(there.folder))})
    return there


WAYS: dict[str, tuple[Callable[[Sent, str], Sent], str]] = {
    "cp -r": (_copied, "copied or moved from"),
    "cp -a": (_as_a_command("cp", "-a"), "copied or moved from"),
    "git clone or tar": (_packed, "copied or moved from"),
    "mv": (_moved, "copied or moved from"),
    "of another sweep": (_put_into_anothers_place, "copied or moved from"),
    "a copy that says it was written here": (_claims_to_be_here, "it was changed"),
    "a field changed": (_changed, "it was changed"),
    "a field added": (_added, "it was changed"),
    "the seal of another record": (_seal_of(SETTINGS), "it was changed"),
    "no seal, as of 0.1": (_unsealed, "written without a key"),
    "an empty seal": (_with_seal(lambda text: ""), "another version"),
    "a seal that is no text": (_with_seal(lambda text: [text]), "written without a key"),
    "a seal of odd letters": (_with_seal(lambda text: text.replace(" ", "  ") + "\udcff\x1b"), "another key"),
    "a newer seal": (_with_seal(lambda text: "2" + text[1:]), "another version"),
    "cut off": (_with_seal(lambda text: text[:20]), "it was changed"),
    "another name of the key": (_with_seal(lambda text: "1 00000000" + text[10:]), "another key"),
}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_record_that_is_not_as_it_was_written_is_nobodys(one: Sent, name: str, way: str) -> None:
    assert one.origin(name).mine, "the honest one"
    make, said = WAYS[way]
    found = make(one, name).origin(name)
    assert not found.mine
    assert said in found.why


def _reached_by_a_link(one: Sent) -> Sent:
    one.folder.with_name("link").symlink_to(one.folder)
    return one.at(one.folder.with_name("link"))


def _moved_and_back(one: Sent) -> Sent:
    one.folder.rename(one.folder.with_name("away")).rename(one.folder)
    return one


def _restored(one: Sent) -> Sent:
    """From a backup, to where it was."""
    there = _copied(one, "")
    shutil.rmtree(one.folder)
    there.folder.rename(one.folder)
    return one


def _printed_otherwise(one: Sent) -> Sent:
    for name in RECORDS:
        one.write(name, dict(reversed(one.data(name).items())))
    return one


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("way", [_reached_by_a_link, _moved_and_back, _restored, _printed_otherwise])
def test_a_record_in_its_place_is_mine(one: Sent, name: str, way: Callable[[Sent], Sent]) -> None:
    assert way(one).origin(name).mine


@pytest.mark.parametrize("name", RECORDS)
def test_with_another_key_nothing_is_mine_and_with_the_old_one_all_is(
    one: Sent, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.environ["XDG_STATE_HOME"]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert "cannot be read here" in one.origin(name).why
    seal.require_key()
    assert "another key" in one.origin(name).why
    monkeypatch.setenv("XDG_STATE_HOME", before)
    assert one.origin(name).mine


@pytest.mark.root
@pytest.mark.parametrize("name", RECORDS)
def test_a_file_of_another_user_is_not_mine_and_one_of_roots_is(one: Sent, name: str) -> None:
    """Not even with a seal of this user's: an older record that somebody has kept would have one."""
    os.chown(one.folder / name, SOMEBODY, -1)
    assert one.origin(name).why == f"written by user {SOMEBODY}"
    os.chown(one.folder / name, 0, -1)
    assert one.origin(name).mine


def opened(*folders: Path) -> None:
    """Let everybody into directories that were made for this test."""
    for folder in itertools.takewhile(lambda each: each != Path(tempfile.gettempdir()), folders):
        os.chmod(folder, os.stat(folder).st_mode | 0o055)


@pytest.mark.root
@pytest.mark.parametrize("name", RECORDS)
def test_what_another_user_has_sealed_with_a_key_of_theirs_is_theirs(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chmod(folder, 0o777)
    opened(*folder.parents)
    child = os.fork()
    if child == 0:
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
        made = not seal.require_key() and Sent(folder / "sweep").origin(name).mine
        os._exit(0 if made else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "who wrote it knows it"
    theirs = object.__new__(Sent)
    theirs.slurm = Slurm({})
    found = theirs.at(folder / "sweep").origin(name)
    assert found.why == f"written by user {SOMEBODY}"


# ---------------------------------------------------------------- cancel


@pytest.mark.parametrize("way", ["mv", "cp -r", "a field changed", "no seal, as of 0.1", "of another sweep"])
def test_slurm_is_told_no_id_of_a_record_that_is_not_mine(one: Sent, way: str) -> None:
    there = WAYS[way][0](one, SUBMISSION)
    for job in there.sweep.jobs:
        job.status.unlink(missing_ok=True)
    assert there.scancelled() == []


def test_slurm_is_told_the_ids_of_my_records(one: Sent) -> None:
    assert one.scancelled() == [["scancel", "7_[0-1]"]]


def test_what_is_not_cancelled_says_why_and_how_it_can_be_done(one: Sent, capsys: pytest.CaptureFixture[str]) -> None:
    there = _copied(one, SUBMISSION)
    there.slurm.folder = str(one.folder / "submissions" / "1" / "submitit")
    done = cancel.cancel(str(there.folder), clusters=with_slurm(there.slurm))
    assert [why.partition(" (")[0] for _, why in done.left] == [
        "the record that names its id is not known to be yours"
    ] * 2
    assert f"copied or moved from {one.folder}" in done.left[0][1]
    assert done.left[0][1].endswith("if it is: scancel 7_0")


@pytest.mark.parametrize(
    "slurm",
    [
        {"job": "--user=root", "task": None}, {"job": "99", "task": None}, {"job": "7", "task": 1},
        {"job": "1.host", "task": None, "cluster": "nope"}, {"pid": 4711}, {"pid": -1},
    ],
)  # fmt: skip
def test_an_id_in_a_status_that_somebody_wrote_is_told_to_nobody(tmp_path: Path, slurm: dict[str, Any]) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    job.status.write_text(json.dumps({"format": 1, "state": "running", "attempt": 1, "slurm": slurm, "pid": 1}))
    asked = Slurm({"99": "RUNNING", "7_1": "RUNNING"})
    done = cancel.cancel(str(tmp_path), clusters=with_slurm(asked))
    assert not [command for command in asked.asked if command[0] == "scancel"]
    assert [entry.name for entry, _ in done.left] == ["0"]


def test_an_id_that_my_status_has_is_cancelled_where_the_record_was_cut_off(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    says(sweep.add("report"), states.RUNNING, slurm={"job": "99", "task": None})
    asked = Slurm({"99": "RUNNING"})
    asked.folder = str(tmp_path)
    cancel.cancel(str(tmp_path), clusters=with_slurm(asked))
    assert ["scancel", "99"] in asked.asked


def test_a_forged_record_beside_mine_hides_nothing_of_mine(one: Sent) -> None:
    """Somebody adds a later submission of the same attempts, under other ids."""
    shutil.copytree(one.folder / "submissions" / "1", one.folder / "submissions" / "2")
    data = one.data("submissions/2/submission.json")
    data["jobs"] = [{**job, "id": {"job": "66", "task": 0}} for job in data["jobs"]]
    one.write("submissions/2/submission.json", data)
    assert one.scancelled() == [["scancel", "7_[0-1]"]]


def test_of_a_changed_record_the_id_of_my_status_counts(one: Sent) -> None:
    data = one.data(SUBMISSION)
    data["jobs"] = [{**job, "id": {"job": "66", "task": 0}} for job in data["jobs"]]
    one.write(SUBMISSION, data)
    assert one.scancelled() == [["scancel", "7_[0-1]"]]


# ---------------------------------------------------------------- processes of this machine


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def running(folder: Path, pid: int) -> Sweep:
    """Return a sweep of one job that this process of this host runs, as it says itself."""
    sweep = Sweep(folder)
    job = sweep.add("report")
    birth = claim._birth(pid)
    assert birth is not None
    claim.take(job, 1, Holder(os.uname().nodename, pid, birth=birth, since=states.now()))
    says(job, states.RUNNING, host=os.uname().nodename, pid=pid)
    return sweep


def _forged(sweep: Sweep) -> Sweep:
    """The right host, number and birth of the innocent, in what was a claim of another process."""
    path = sweep.jobs[0].claim(1)
    data = json.loads(path.read_text())
    path.unlink()
    claim.take(sweep.jobs[0], 1, claim.myself({}))
    path.write_text(json.dumps({**data, "seal": json.loads(path.read_text())["seal"]}))
    return sweep


def _without_seal(sweep: Sweep) -> Sweep:
    path = sweep.jobs[0].claim(1)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in data.items() if name != "seal"}))
    return sweep


def _later_claim(sweep: Sweep) -> Sweep:
    """The claim of a requeue that never was."""
    data = sweep.jobs[0].claim(1).read_bytes()
    sweep.jobs[0].claim(1, 3).write_bytes(data)
    return sweep


def _of_another_attempt(sweep: Sweep) -> Sweep:
    job = sweep.jobs[0]
    job.attempt(2).mkdir()
    shutil.copy(job.claim(1), job.claim(2))
    says(job, states.RUNNING, attempt=2)
    return sweep


def _of_another_job(sweep: Sweep) -> Sweep:
    other = sweep.add("report", number=1)
    other.attempt(1).mkdir(parents=True)
    shutil.copy(sweep.jobs[0].claim(1), other.claim(1))
    says(other, states.RUNNING, host=os.uname().nodename)
    says(sweep.jobs[0], states.DONE)
    return sweep


@pytest.mark.parametrize("forge", [_forged, _without_seal, _later_claim, _of_another_attempt, _of_another_job])
def test_no_process_is_killed_that_a_claim_of_others_names(
    tmp_path: Path, innocent: subprocess.Popen[bytes], forge: Callable[[Sweep], Sweep]
) -> None:
    forge(running(tmp_path, innocent.pid))
    done = cancel.cancel(str(tmp_path), clusters=with_slurm(Slurm({})))
    assert innocent.poll() is None
    assert "the claim that names its process is not known to be yours" in done.left[0][1]
    assert "pgrep -af" in done.left[0][1]


def test_a_copied_sweep_kills_nothing_of_the_one_that_runs(tmp_path: Path, innocent: subprocess.Popen[bytes]) -> None:
    running(tmp_path / "sweep", innocent.pid)
    shutil.copytree(tmp_path / "sweep", tmp_path / "copy")
    assert cancel.cancel(str(tmp_path / "copy"), clusters=with_slurm(Slurm({}))).left
    assert innocent.poll() is None


def test_the_process_that_my_claim_names_is_told_to_end(tmp_path: Path, innocent: subprocess.Popen[bytes]) -> None:
    running(tmp_path, innocent.pid)
    assert not cancel.cancel(str(tmp_path), clusters=with_slurm(Slurm({}))).left
    assert innocent.wait(30) < 0


def test_another_process_of_the_same_number_is_left_alone(tmp_path: Path, innocent: subprocess.Popen[bytes]) -> None:
    sweep = Sweep(tmp_path)
    job = sweep.add("report")
    claim.take(job, 1, Holder(os.uname().nodename, innocent.pid, birth="another boot/1"))
    says(job, states.RUNNING)
    cancel.cancel(str(tmp_path), clusters=with_slurm(Slurm({})))
    assert innocent.poll() is None


# ---------------------------------------------------------------- retry


@pytest.mark.parametrize("name", [SUBMISSION, SETTINGS])
@pytest.mark.parametrize("way", WAYS)
def test_no_settings_are_used_again_that_are_not_mine(one: Sent, name: str, way: str) -> None:
    one.fail()
    assert one.retried().groups[0].settings == KEPT, "the honest one"
    with pytest.raises(RefusedError) as error:
        WAYS[way][0](one, name).retried()
    assert WAYS[way][1] in str(error.value) or "submission.json: copied" in str(error.value)
    assert name.rpartition("/")[2] in str(error.value) or "submission.json: copied" in str(error.value)
    assert "hydra/launcher=" in str(error.value)


@pytest.mark.parametrize("way", ["cp -r", "mv", "no seal, as of 0.1", "a field changed"])
def test_named_anew_they_are_sent_and_nothing_of_the_old_ones_is_in_them(
    tmp_path: Path, way: str, fresh_workspace: None
) -> None:
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    sent(sweep, settings=EVIL)
    says(sweep.jobs[0], states.FAILED)
    there = object.__new__(Sent)
    there.slurm = Slurm({})
    found = WAYS[way][0](there.at(tmp_path / "sweep"), SETTINGS).retried(*SETTINGS_AGAIN, allow=ALLOW)
    settings = found.groups[0].settings
    assert (settings.setup, settings.container.executable, settings.allow) == ((), "apptainer", ALLOW)


def test_an_argument_does_not_bring_settings_of_others_back(one: Sent) -> None:
    there = _copied(one.fail(), SETTINGS)
    with pytest.raises(RefusedError, match="copied or moved"):
        there.retried("hydra.launcher.mem_gb=3")


def test_settings_of_mine_are_not_those_of_a_job_that_somebody_says_was_sent_with_them(one: Sent) -> None:
    """A forged record in the directory of a submission of mine, whose settings allow more."""
    job = one.sweep.add("report", number=9)
    says(job, states.FAILED)
    data = one.data(SUBMISSION)
    data["jobs"].append({"subdir": "2", "attempt": 1, "id": None})
    one.write(SUBMISSION, data)
    with pytest.raises(RefusedError, match=r"submission\.json: it was changed"):
        retry.prepare(str(one.folder), [2], clusters=with_slurm(Slurm({})))


def test_the_number_in_a_record_leads_nowhere_else(one: Sent) -> None:
    one.write(SUBMISSION, {**one.data(SUBMISSION), "number": 77})
    assert records.read_submission(one.sweep.paths.submission(1)).number == 1


def test_nothing_waits_for_an_id_of_others(one: Sent) -> None:
    assert dependency.dependency(str(one.folder)) == "afterok:7"
    there = _copied(one, SUBMISSION)
    with pytest.raises(UsageError, match=r"is not known to be yours .*copied or moved.*additional_parameters"):
        dependency.dependency(str(there.folder))


# ---------------------------------------------------------------- what is shown


def test_status_shows_all_and_says_whose_it_is(one: Sent, capsys: pytest.CaptureFixture[str]) -> None:
    says(one.sweep.jobs[1], states.DONE)
    found = look(one.sweep, one.slurm)
    assert [job["not_yours"] for job in entries.records(found)["jobs"]] == [None, None]
    assert "*" not in "\n".join(table.lines(found))
    there = _copied(one, STATUS)
    found = look(there.sweep, there.slurm)
    assert [entry.state for entry in found.entries][1] == "done"
    told = [job["not_yours"] for job in entries.records(found)["jobs"]]
    assert all(f"copied or moved from {one.folder}" in each for each in told)
    lines = list(table.lines(found))
    assert any(" done* " in line for line in lines)
    assert any("Not known to be yours" in line for line in lines)


@pytest.mark.parametrize(
    "data",
    [
        [], {}, {"jobs": 1}, {"jobs": [1]}, {"jobs": [{"subdir": 1, "attempt": 1}]},
        {"jobs": [{"subdir": "0", "attempt": []}]}, {"jobs": [], "created": 5, "cluster": "slurm"},
        {"jobs": [], "cluster": ["x"], "name": "x", "created": "x", "user": "x", "host": "x"},
    ],
)  # fmt: skip
def test_one_bad_record_hides_no_other(one: Sent, data: Any) -> None:
    shutil.copytree(one.folder / "submissions" / "1", one.folder / "submissions" / "2")
    one.write("submissions/2/submission.json", data)
    found = look(one.sweep, one.slurm)
    assert [entry.state for entry in found.entries] == ["running", "submitted"]
    assert len(found.problems) == 1
    assert "submissions/2/submission.json" in found.problems[0]


@pytest.mark.parametrize(
    "changed",
    [{"error": {"x": 1}}, {"error": {"type": 1, "message": []}}, {"seal": 5}, {"attempt": "1"}, {"attempt": [1]}],
)
def test_an_odd_status_is_shown(one: Sent, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    one.write(STATUS, {**one.data(STATUS), "state": "failed", **changed})
    assert cli.main(["status", str(one.folder), "--json"]) in (1, 4)
    first = json.loads(capsys.readouterr().out)["jobs"][0]
    assert first["state"] == "failed"
    assert first["not_yours"]


@pytest.mark.root
def test_a_sweep_is_read_by_another_user(one: Sent) -> None:
    opened(one.folder, *one.folder.parents)
    child = os.fork()
    if child == 0:
        os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
        found = look(one.sweep, one.slurm)
        shown = [entry.state for entry in found.entries] == ["running", "submitted"]
        os._exit(0 if shown and all(entry.not_yours for entry in found.entries) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ---------------------------------------------------------------- no word of others becomes mine


def test_a_status_of_others_that_is_written_again_brings_no_ids_along(one: Sent) -> None:
    job = one.sweep.jobs[1]
    assert states.read_to_write(job).slurm == {"job": "7", "task": 1}, "of mine all stays"
    job.status.write_text(
        json.dumps({"state": "submitted", "attempt": 1, "slurm": {"job": "66"}, "host": "x", "pid": 5})
    )
    kept = states.read_to_write(job)
    assert (kept.state, kept.slurm, kept.host, kept.pid) == ("submitted", None, None, None)


def test_what_was_not_sent_gets_its_old_status_back_with_the_seal_that_it_had(one: Sent) -> None:
    from nemo_partial_hydra.launchers import claims

    job = one.fail().sweep.jobs[1]
    for text in (job.status.read_text(), '{"state": "failed", "attempt": 1}'):
        job.status.write_text(text)
        with pytest.raises(ZeroDivisionError), claims.claimed(one.sweep.paths, [(job, 2)], KEPT, None):
            raise ZeroDivisionError
        assert job.status.read_text() == text


def test_two_submissions_at_once_have_each_its_own_seal(one: Sent) -> None:

    from nemo_partial_hydra.launchers import claims

    jobs = one.fail().sweep.jobs
    with (
        claims.claimed(one.sweep.paths, [(jobs[0], 2)], KEPT, None) as (first, _),
        claims.claimed(one.sweep.paths, [(jobs[1], 2)], KEPT, None) as (second, _),
    ):
        assert first.directory != second.directory
        assert all(records.read_submission(each).origin.mine for each in (first, second))
        shutil.copy(first.record, second.record)
        assert "copied or moved" in records.read_submission(second).origin.why
        with pytest.raises(RefusedError, match="submitted already"):
            claims.claim(jobs[0], 2)
