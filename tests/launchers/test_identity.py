"""Whose answer it is: the queue of another cluster is none, and without accounting nobody knows how a job ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import ClusterError, RefusedError, UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers import cancel, records, retry
from nemo_partial_hydra.launchers.clusters.slurm import answers, dependency, identity, preflight
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status import table
from nemo_partial_hydra.launchers.status.look import overview
from tests.support import slurm_texts as texts
from tests.support.controller import DISABLED
from tests.support.sent import DOWN, NO_ACCOUNTS, Slurm, look, says, sent, with_slurm
from tests.support.sweeps import Sweep

QUEUED = {"7_0": "PENDING", "7_1": "RUNNING", "7_2": "RUNNING"}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Three jobs that were sent to the cluster ``alpha``, of which one is done."""
    made = Sweep(tmp_path / "sweep")
    for number in range(3):
        made.add("report", number=number)
    sent(made, cluster_name="alpha")
    says(made.jobs[1], states.RUNNING)
    says(made.jobs[2], states.DONE)
    return made


def at(name: str, *others: str, **answered: dict[str, str] | Answer) -> Slurm:
    """Return the SLURM of a login node, which reaches some other clusters."""
    slurm = Slurm(answered.get("queue", {}), answered.get("accounts"))
    slurm.name, slurm.others = name, others
    return slurm


def test_the_cluster_that_has_the_jobs_is_asked_as_ever(sweep: Sweep) -> None:
    slurm = at("alpha", queue=QUEUED)
    found = look(sweep, slurm)
    assert [entry.state for entry in found.entries] == ["submitted", "running", "done"]
    assert not found.unsure
    assert not any("-M" in command for command in slurm.asked)


def test_from_another_cluster_states_stay_as_they_were_last_known(sweep: Sweep) -> None:
    found = look(sweep, at("beta"))
    assert [entry.state for entry in found.entries] == ["submitted", "running", "done"]
    assert [entry.name for entry in found.unsure] == ["0", "1"]
    shown = "\n".join(table.lines(found))
    assert shown.count("asked from another cluster (beta; the jobs were sent to alpha)") >= 3
    assert "running?" in shown


def test_the_same_numbers_on_another_cluster_are_no_answer(sweep: Sweep) -> None:
    found = look(sweep, at("beta", queue=dict.fromkeys(QUEUED, "CANCELLED"), accounts=dict.fromkeys(QUEUED, "FAILED")))
    assert [entry.state for entry in found.entries] == ["submitted", "running", "done"]


def test_where_m_reaches_the_cluster_it_is_asked(sweep: Sweep) -> None:
    slurm = at("beta", "alpha", queue={"7_0": "RUNNING"}, accounts={"7_1": "NODE_FAIL"})
    found = look(sweep, slurm)
    assert [entry.state for entry in found.entries] == ["running", "lost", "done"]
    assert not found.unsure
    assert {tuple(command[1:3]) for command in slurm.asked if command[0] in ("squeue", "sacct")} == {("-M", "alpha")}
    done = cancel.cancel(str(sweep.paths.directory), clusters=with_slurm(slurm))
    assert [entry.name for entry in done.cancelled] == ["0"]
    assert ["scancel", "-M", "alpha", "7_0"] in slurm.asked


@pytest.mark.parametrize("numbers", [[], [0], [1]])
def test_retry_refuses_from_another_cluster(sweep: Sweep, numbers: list[int]) -> None:
    says(sweep.jobs[0], states.LOST)
    with pytest.raises(ClusterError, match=r"asked from another cluster \(beta; the jobs were sent to alpha\)"):
        retry.prepare(str(sweep.paths.directory), numbers, clusters=with_slurm(at("beta")))


def test_retry_of_jobs_that_seem_to_go_on_elsewhere_says_who_was_asked(sweep: Sweep) -> None:
    with pytest.raises(ClusterError, match=r"how these jobs are \(asked from .*a host of alpha\): 0, 1"):
        retry.prepare(str(sweep.paths.directory), clusters=with_slurm(at("beta")))


def test_retry_of_what_said_itself_how_it_ended_is_possible_from_everywhere(sweep: Sweep) -> None:
    says(sweep.jobs[0], states.FAILED)
    (group,) = retry.prepare(str(sweep.paths.directory), [0], clusters=with_slurm(at("beta"))).groups
    assert [entry.name for entry in group.entries] == ["0"]


def test_cancel_refuses_from_another_cluster_and_names_the_way_out(sweep: Sweep) -> None:
    slurm = at("beta")
    with pytest.raises(ClusterError, match=r"sent to alpha\); cancel them from a host of alpha: scancel 7_\[0-1\]"):
        cancel.cancel(str(sweep.paths.directory), clusters=with_slurm(slurm))
    assert not any(command[0] == "scancel" and "-M" not in command for command in slurm.asked)
    assert states.read_status(sweep.jobs[0]).state == states.SUBMITTED


def test_nothing_waits_for_jobs_of_another_cluster(sweep: Sweep) -> None:
    directory = str(sweep.paths.directory)
    with pytest.raises(UsageError, match=r"sent to another cluster \(alpha; these jobs go to beta\).*host of alpha"):
        dependency.dependency(directory, lambda: "beta")
    assert dependency.dependency(directory, lambda: "alpha") == "afterok:7_0:7_1"
    assert dependency.dependency(directory, lambda: None) == "afterok:7_0:7_1", "where that is not known"
    slurm = with_slurm(at("beta")).named("slurm")
    asked = Settings(resources={"additional_parameters": {"clusters": "alpha"}})
    assert slurm.dependency(directory, asked) == "afterok:7_0:7_1"
    with pytest.raises(UsageError, match="these jobs go to beta"):
        slurm.dependency(directory, Settings())


def test_a_sweep_with_jobs_on_two_clusters_asks_each_about_its_own(sweep: Sweep) -> None:
    sent(sweep, 2, "8", attempt=2, cluster_name="beta")
    for job in sweep.jobs[1:]:
        says(job, states.RUNNING, attempt=1, slurm={"job": "7", "task": 1})
    states.write_status(sweep.jobs[0], states.Status(states.SUBMITTED, 2))
    slurm = at("beta", queue={"8_0": "RUNNING", "8_1": "RUNNING", "8_2": "RUNNING"})
    slurm.folder = str(sweep.paths.submission(2).directory / "submitit")
    found = overview(str(sweep.paths.directory), with_slurm(slurm))
    assert found.entries[0].state == states.RUNNING
    assert not found.entries[0].merged.unsure


def test_records_without_a_name_are_asked_about_as_before_and_that_is_said(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    sent(sweep)
    slurm = at("beta", queue={"7_0": "RUNNING"})
    found = look(sweep, slurm)
    assert [entry.state for entry in found.entries] == ["running"]
    assert ["wrote down no cluster's name" in note for note in found.notes] == [True]
    assert not any(command[0] == "scontrol" for command in slurm.asked)


@pytest.mark.parametrize("name", ["--user=root", "-M", "a b", "a;b", "", 7])
def test_a_name_that_would_be_an_option_is_no_name(sweep: Sweep, name: object) -> None:
    import json

    file = sweep.paths.submission(1).record
    file.write_text(json.dumps({**json.loads(file.read_text()), "cluster_name": name}))
    problems: list[str] = []
    assert records.submissions(sweep.paths, problems) == []
    assert "the file is damaged" in problems[0]


# ---------------------------------------------------------------- which cluster this is


def test_the_name_is_read_from_the_file_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_CLUSTERS", raising=False)
    conf = tmp_path / "slurm.conf"
    conf.write_text("# ClusterName=no\nSlurmctldHost=a\nclustername = Alpha-1 # ours\n")
    monkeypatch.setenv("SLURM_CONF", str(conf))
    slurm = at("asked")
    assert identity.here(slurm) == "Alpha-1"
    assert slurm.asked == []
    conf.unlink()
    assert identity.here(slurm) == "asked", "a host may have no file, and get its configuration from the controller"
    assert identity.here(lambda command: DOWN) is None
    monkeypatch.setenv("SLURM_CLUSTERS", "other")
    assert identity.here(slurm) == "other", "as squeue itself takes it"


def test_the_preflight_notes_which_cluster_takes_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in identity.ASKED:
        monkeypatch.delenv(name, raising=False)
    asked: list[list[str]] = []

    def ask(command: list[str], text: str | None = None) -> Answer:
        asked.append(command)
        config = texts.CONFIG + "ClusterName             = alpha\n"
        given = {"partition": texts.PARTITIONS, "node": texts.NODES, "config": config}
        return Answer(0, given.get(command[-1], ""), "")

    def noted(**extra: str) -> str | None:
        asked.clear()
        report = Report()
        settings = Settings(resources={"python": "/usr/bin/python3", "additional_parameters": extra})
        preflight.preflight(settings, "/srv", lambda: "#!/bin/sh\n", report, ask)
        return report.cluster_name

    assert noted() == "alpha"
    assert len([command for command in asked if command[0] == "scontrol"]) == 3, "no further question"
    assert noted(clusters="beta") == "beta"
    assert all(command[1:3] == ["-M", "beta"] for command in asked if command[0] == "scontrol")
    assert noted(cluster="beta,gamma") == "beta,gamma", "SLURM chooses when it takes them"
    monkeypatch.setenv("SBATCH_CLUSTERS", "delta")
    assert noted() == "delta"


# ---------------------------------------------------------------- lost, and not known


def gone(sweep: Sweep, accounts: Answer | dict[str, str]) -> list[tuple[str, str]]:
    return [(e.state, e.reason) for e in look(sweep, at("alpha", queue={}, accounts=accounts)).entries[:2]]


def test_without_accounting_what_left_the_queue_without_a_word_is_unknown(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gone(sweep, DISABLED)
    assert [state for state, _ in found] == ["unknown", "unknown"]
    assert all("this cluster keeps no accounts" in reason for _, reason in found)
    assert all("accounting cannot be asked now" in reason for _, reason in gone(sweep, NO_ACCOUNTS))
    assert [state for state, _ in gone(sweep, {})] == ["lost", "lost"], "where the accounting knows nothing"


def test_what_is_unknown_is_tried_again_only_if_it_is_named_and_forced(sweep: Sweep) -> None:
    slurm = at("alpha", queue={}, accounts=DISABLED)
    clusters, directory = with_slurm(slurm), str(sweep.paths.directory)
    for numbers, force in (([], False), ([], True), ([0], False)):
        with pytest.raises(RefusedError, match=r"make sure that it does not run, .*nemo-hydra retry DIR 0 --force"):
            retry.prepare(directory, numbers, clusters=clusters, force=force)
    (group,) = retry.prepare(directory, [0], clusters=clusters, force=True).groups
    assert [entry.name for entry in group.entries] == ["0"]


def test_what_waiting_has_written_as_unknown_is_asked_about_again(sweep: Sweep) -> None:
    for job in sweep.jobs[:2]:
        says(job, states.UNKNOWN)
    assert [state for state, _ in gone(sweep, DISABLED)] == ["unknown"] * 2
    assert [state for state, _ in gone(sweep, {"7_0": "TIMEOUT", "7_1": "COMPLETED"})] == ["timeout", "lost"]
    found = look(sweep, at("alpha", queue={"7_0": "RUNNING", "7_1": "PENDING"}))
    assert [entry.state for entry in found.entries[:2]] == ["running", "submitted"]
    with pytest.raises(UsageError, match="nobody knows how it ended"):
        dependency.dependency(str(sweep.paths.directory))


def test_what_was_sent_a_moment_ago_is_not_lost_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.sent.EARLIER", states.now())
    sweep = Sweep(tmp_path)
    sweep.add("report")
    sent(sweep)
    (entry,) = look(sweep, Slurm({}, {})).entries
    assert (entry.state, entry.merged.active, entry.merged.unsure) == ("submitted", True, False)
    assert "does not show it yet" in entry.reason
    monkeypatch.setattr(answers, "YOUNG_S", 0.0)
    monkeypatch.setattr(answers, "SKEW_S", 0.0)  # it was sent from another host
    assert look(sweep, Slurm({}, {})).entries[0].state == states.LOST


def test_the_exit_code_says_that_not_all_is_known(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("squeue", "exit 0"), ("sacct", "echo Slurm accounting storage is disabled >&2; exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    (tmp_path / "slurm.conf").write_text("ClusterName=alpha\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    assert cli.main(["status", str(sweep.paths.directory)]) == 4
    assert "1 done, 2 unknown" in capsys.readouterr().out


def test_an_id_is_the_same_whether_or_not_its_cluster_has_a_name() -> None:
    assert JobId("7", 1, cluster_name="alpha") == JobId("7", 1)
    assert JobId("7", 1, cluster_name="alpha").record() == {"job": "7", "task": 1}
