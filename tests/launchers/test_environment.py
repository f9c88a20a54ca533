"""What a shell's variables do to a submission: a setting wins, what nobody set may come from there and is said."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers import dry_run, submit
from nemo_partial_hydra.launchers.clusters import allocation
from nemo_partial_hydra.launchers.clusters.base import Array
from nemo_partial_hydra.launchers.clusters.registry import Clusters
from nemo_partial_hydra.launchers.clusters.slurm import dependency, environment, executor
from nemo_partial_hydra.launchers.clusters.slurm.cluster import Slurm
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.preflight import values
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.records import read_submission
from nemo_partial_hydra.launchers.settings import Settings
from tests.support.controller import Controller
from tests.support.sweeps import Sweep, filled

SETTINGS: dict[str, Any] = {
    "timeout_min": 5, "partition": "debug", "mem_gb": 2, "gpus_per_node": 1, "cpus_per_task": 2, "nodes": 1,
    "tasks_per_node": 1, "account": "ours", "qos": "high", "constraint": "a100", "exclusive": True,
    "additional_parameters": {"reservation": "week", "requeue": ""},
}  # fmt: skip
# Each is against one of these settings, or against what the launcher itself asks for.
AGAINST = {
    "SBATCH_PARTITION": "gpu", "SBATCH_TIMELIMIT": "99:00:00", "SBATCH_JOB_NAME": "theirs", "SBATCH_ACCOUNT": "theirs",
    "SBATCH_QOS": "low", "SBATCH_CONSTRAINT": "v100", "SBATCH_EXCLUSIVE": "user", "SBATCH_RESERVATION": "month",
    "SBATCH_MEM_PER_NODE": "1G", "SBATCH_MEM_PER_CPU": "1G", "SBATCH_MEM_PER_GPU": "1G", "SBATCH_GPUS": "8",
    "SBATCH_GPUS_PER_NODE": "8", "SBATCH_GRES": "gpu:8", "SBATCH_CPUS_PER_GPU": "8", "SBATCH_NO_REQUEUE": "1",
    "SBATCH_OUTPUT": "/gone/out", "SBATCH_ERROR": "/gone/err", "SBATCH_INPUT": "/gone/in", "SBATCH_ARRAY_INX": "0-99",
    "SBATCH_WAIT": "1", "SBATCH_EXPORT": "NONE", "SBATCH_OPEN_MODE": "truncate", "SBATCH_SIGNAL": "KILL@1",
    "SBATCH_WCKEY": "theirs", "SBATCH_CONTAINER": "/gone",
}  # fmt: skip
BESIDE = {"SBATCH_HINT": "nomultithread", "SBATCH_DEBUG": "1", "SBATCH_PROFILE": "all", "SBATCH_NEW_IN_2030": "x y"}
INSIDE = {
    "SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_MEM_PER_CPU": "100", "SLURMD_NODENAME": "n1",
    "SLURM_MEM_PER_NODE": "100", "SRUN_DEBUG": "3", "PMI_RANK": "0", "PMIX_RANK": "0", "SUBMITIT_EXECUTOR": "slurm",
    "MASTER_ADDR": "n1", "MASTER_PORT": "1", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0",
}  # fmt: skip
DEVICES = {"CUDA_VISIBLE_DEVICES": "0", "ROCR_VISIBLE_DEVICES": "0"}
KEPT = {"SLURM_CONF": "/etc/other.conf", "SLURM_CLUSTERS": "c2", "SLURM_JWT": "x", "HOME": "/home", "SLURMISH": "1"}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return filled(tmp_path / "sweep")


def script_of(tmp_path: Path, resources: dict[str, Any], count: int = 2) -> str:
    made = executor.slurm(Settings(resources=resources), tmp_path / "files", "nph-0123456789abcdef")
    return made.script(count, "nph-0123456789abcdef")


def test_what_is_set_wins_over_every_variable_and_what_is_not_is_added(tmp_path: Path) -> None:
    script = script_of(tmp_path, SETTINGS)
    found = environment.surroundings(script, {**AGAINST, **BESIDE, **KEPT, "PATH": "/bin"})
    assert set(found.against) == set(AGAINST)
    assert set(found.added) == set(BESIDE)
    assert found.added["SBATCH_NEW_IN_2030"] == "--new-in-2030='x y'"
    assert found.outer == ()
    bare = environment.surroundings(script_of(tmp_path, {}), AGAINST)
    assert {"SBATCH_JOB_NAME", "SBATCH_OUTPUT", "SBATCH_ARRAY_INX", "SBATCH_WAIT", "SBATCH_EXPORT"} <= set(bare.against)
    assert {"SBATCH_PARTITION", "SBATCH_MEM_PER_CPU", "SBATCH_GRES", "SBATCH_NO_REQUEUE"} <= set(bare.added)


@given(st.sets(st.sampled_from(sorted(set(SETTINGS) - {"additional_parameters"}))))
def test_one_setting_more_never_has_a_variable_added(names: set[str]) -> None:
    few = environment.surroundings(script_of(Path("/gone"), {}), AGAINST)
    more = environment.surroundings(script_of(Path("/gone"), {name: SETTINGS[name] for name in names}), AGAINST)
    assert set(more.added) <= set(few.added)


def test_the_options_of_a_script_are_read_as_sbatch_reads_them() -> None:
    script = "#!/bin/bash\n#SBATCH --a=b\n#SBATCH --name='a b'  # c\n#SBATCH --requeue\n# --no\n#SBATCHX --x\necho\n"
    assert environment.options(script) == ["--a=b", "--name=a b", "--requeue"]


@pytest.mark.parametrize("name", [*INSIDE, *DEVICES])
def test_what_belongs_to_an_outer_job_is_left_out(name: str) -> None:
    around = {**INSIDE, **DEVICES, **KEPT}
    assert name in allocation.outer(around)
    assert (name in allocation.outer(around, within=True)) == (name not in DEVICES)
    assert name not in allocation.outer({key: value for key, value in around.items() if key != "SLURM_JOB_ID"})


def test_what_says_where_slurm_is_stays() -> None:
    assert not {*allocation.outer({**INSIDE, **KEPT})} & {*KEPT}


class Recording(Controller):
    """A controller that remembers what ``sbatch`` got."""

    def sbatch(self, command: Sequence[str], text: str | None = None) -> Answer:
        self.environment = dict(os.environ)
        return super().sbatch(command, text)


def test_sbatch_gets_the_settings_as_options_and_nothing_that_contradicts_them(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = {**AGAINST, **BESIDE, **INSIDE, **DEVICES, **{key: KEPT[key] for key in ("SLURM_CONF", "SLURM_JWT")}}
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    controller = Recording()
    report = Report(cluster_name="here", environment={"SBATCH_HINT": "--hint=nomultithread"})
    settings = Settings(resources=SETTINGS, secrets=("RANK",))
    submit.submit(
        sweep.paths, sweep.jobs, settings, report=report, clusters=controller.clusters, secrets={"RANK": "mine"}
    )
    command = next(line for line in controller.calls if line[0] == "sbatch")
    assert {"--partition=debug", "--time=5", "--mem=2GB", "--array=0-2%3", "--export=ALL"} <= {*command}
    assert command[-1].endswith(".sh")
    got = controller.environment
    assert {name for name in around if name in got} == {*BESIDE, "SLURM_CONF", "SLURM_JWT", "RANK"}
    assert got["RANK"] == "mine", "what the settings name is given to the jobs"
    assert dict(os.environ) == before
    assert read_submission(sweep.paths.submission(1)).environment == {"SBATCH_HINT": "--hint=nomultithread"}


def test_a_dry_run_says_what_the_shell_adds_and_what_it_would(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "gpu")
    monkeypatch.setenv("SBATCH_ACCOUNT", "x y")
    settings = Settings(resources={"partition": "debug"})
    shown = dry_run.text(sweep.paths, sweep.jobs, settings)
    assert "\n# from this shell's environment: SBATCH_ACCOUNT adds --account='x y'\n" in shown
    assert "\n# not given to sbatch: SBATCH_PARTITION (--partition=gpu), against the settings\n" in shown
    monkeypatch.delenv("SBATCH_ACCOUNT")
    shown = dry_run.text(sweep.paths, sweep.jobs, replace(settings, resources={}))
    assert "SBATCH_PARTITION adds --partition=gpu" in shown
    monkeypatch.delenv("SBATCH_PARTITION")
    assert "shell's environment" not in dry_run.text(sweep.paths, sweep.jobs, settings)
    assert "shell's environment" not in dry_run.text(sweep.paths, sweep.jobs, replace(settings, cluster="local"))


PARTITION = "PartitionName=debug State=UP Default=YES Nodes=n1\nPartitionName=gpu State=UP Nodes=n1\n"
NODE = f"NodeName=n1 NodeHostName={socket.gethostname()} CPUTot=8 RealMemory=16000 State=IDLE Partitions=debug,gpu\n"


@pytest.mark.parametrize(("named", "fault"), [("gpu", ""), ("gqu", "there is no partition 'gqu'; did you mean 'gpu'?")])
def test_the_preflight_looks_at_the_partition_of_the_shell(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, named: str, fault: str
) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", named)
    monkeypatch.setenv("SBATCH_WAIT", "1")
    tested: list[tuple[Sequence[str], bool]] = []

    def ask(command: Sequence[str], text: str | None = None) -> Answer:
        if command[0] == "sbatch":
            tested.append((command, "SBATCH_WAIT" in os.environ))
        answers = {"partition": PARTITION, "node": NODE, "config": "ClusterName = here\n"}
        return Answer(0, answers.get(command[-1], ""), "")

    clusters = Clusters({"slurm": Slurm(ask=ask)})
    report = submit.check(sweep.paths, Settings(resources={"mem_gb": 1}), clusters=clusters)
    assert fault in "".join(report.cluster)
    if "there is no partition" in fault:
        assert "this shell's SBATCH_PARTITION says so" in "".join(report.cluster), "no setting does"
    if not fault:
        assert report.cluster == report.usage == []
        assert report.environment == {"SBATCH_PARTITION": "--partition=gpu"}
        assert any("SBATCH_PARTITION (--partition=gpu)" in note for note in report.notes)
        ((command, waits),) = tested
        assert "--mem=1GB" in command
        assert "--test-only" in command
        assert not waits
        assert shlex.join(command).count("sbatch") == 1


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("array", "array_parallelism"), ("wait", "detach=false"), ("test_only", "dry_run"), ("test-only", "dry_run"),
        ("signal", "signal_delay_s"), ("wrap", "setup"), ("Version", "nothing"), ("time-min", "timeout_min"),
    ],
)  # fmt: skip
def test_an_option_that_makes_something_else_of_a_submission_is_refused(name: str, instead: str) -> None:
    """With ``array`` one job ran four times, and was lost."""
    ((setting, text),) = values.mistakes(Settings(resources={"additional_parameters": {name: "0-3"}}))
    assert setting == f"additional_parameters.{name}"
    assert instead in text


def array(after: str | None = None, behind: str | None = None, **extra: str) -> Array:
    settings = Settings(resources={"additional_parameters": extra})
    return Array(settings, Path("/gone"), 1, after=after, behind=JobId(behind) if behind else None)


def test_what_the_settings_wait_for_is_waited_for_beside_what_the_launcher_does() -> None:
    own = {"dependency": "afterany:5"}
    assert dependency.options(array(**own)) == {}, "sbatch gets the settings' own"
    found = dependency.options(array("afterok:7", "9", **own))
    assert found == {"dependency": "afterany:5,afterok:7,afterany:9", "kill-on-invalid-dep": "yes"}
    assert "kill-on-invalid-dep" not in dependency.options(array("afterok:7", kill_on_invalid_dep="no"))
    either = {"dependency": "afterok:5?afterok:6"}
    assert dependency.options(array(behind="9", **either))["dependency"] == "afterany:9"
    with pytest.raises(UsageError, match=r"'afterok:5\?afterok:6' waits for any .* parted by commas"):
        dependency.options(array("afterok:7", **either))


@pytest.mark.parametrize(
    ("resources", "asked"),
    [
        ({}, set()),
        ({"max_num_timeout": 2}, {"--requeue"}),
        ({"max_num_timeout": 2, "additional_parameters": {"no_requeue": True}}, {"--no-requeue"}),
    ],
)
def test_a_job_that_is_to_be_requeued_says_so_to_a_site_that_would_not(
    tmp_path: Path, resources: dict[str, Any], asked: set[str]
) -> None:
    found = environment.options(script_of(tmp_path, resources))
    assert {option for option in found if "requeue" in option} == asked
