"""Executors of nemo_run as settings of our launchers: every field that is set becomes something, or is said to be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.export.executor import translated
from tests.support.recipes import nemo_hydra


@dataclass(kw_only=True)
class Packager:
    subpath: str = ""


@dataclass(kw_only=True)
class Torchrun:
    rdzv_port: int = 29500


@dataclass(kw_only=True)
class SlurmExecutor:
    """With the fields of nemo_run's."""

    account: str
    partition: str | None = None
    job_name_prefix: str | None = None
    time: str = "00:10:00"
    nodes: int = 1
    ntasks_per_node: int = 1
    gpus_per_node: int | None = None
    mem: str | None = None
    signal: str | None = None
    exclusive: bool | str | None = None
    array: str | None = None
    container_image: str | None = None
    container_mounts: list[str] = field(default_factory=list)
    env_vars: dict[str, str] = field(default_factory=dict)
    additional_parameters: dict[str, Any] | None = None
    packager: Packager = field(default_factory=Packager)
    launcher: Any = None
    torchrun_nproc_per_node: int | None = None
    retries: int = 0
    setup_lines: str | None = None
    new_in_nemo_run: int = 0


def settings(**fields: Any) -> dict[str, Any]:
    found = translated(SlurmExecutor(**{"account": "a", **fields}))
    assert found.launcher == "submitit_apptainer"
    return found.settings


def test_a_whole_executor() -> None:
    made = translated(
        SlurmExecutor(
            account="me", partition="gpu", time="1-02:30:10", nodes=2, gpus_per_node=8, mem="64G",
            container_image="nvcr.io#nvidia/nemo:25.07", container_mounts=["/data:/data"], env_vars={"A": "1"},
            additional_parameters={"switches": "1"}, exclusive=True, launcher="torchrun", retries=2,
            packager=Packager(subpath="src"), setup_lines="module load a\n\nulimit -n 9\n", job_name_prefix="team.",
        )
    )  # fmt: skip
    assert made.settings == {
        "account": "me", "partition": "gpu", "name": "team.${hydra.job.name}", "timeout_min": 1591, "nodes": 2,
        "gpus_per_node": 8, "mem_gb": 64, "additional_parameters": {"switches": "1", "exclusive": True},
        "apptainer": {
            "image": "docker://nvcr.io/nvidia/nemo:25.07", "binds": ["/data:/data"], "env": {"A": "1"},
        },
        "torch_env": True, "tasks_per_node": 8, "setup": ["module load a", "ulimit -n 9"],
    }  # fmt: skip
    assert {name: why for name, (_, why) in made.left.items()} == {
        "packager": "the directories of the recipes' own modules are bound into the container",
        "retries": "nemo-hydra retry sends again what failed; max_num_timeout is for time limits",
    }
    assert set(made.notes) == {"container_image", "launcher"}
    assert load(made.text) == {"defaults": ["submitit_apptainer", "_self_"], **made.settings}


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        ("5", 5),
        ("5:01", 6),
        ("00:10:30", 11),
        ("1-0", 1440),
        ("2-03:04", 3064),
        ("1-00:00:00", 1440),
        ("10:00:00", 600),
    ],
)
def test_times_of_slurm(time: str, minutes: int) -> None:
    assert settings(time=time)["timeout_min"] == minutes


@pytest.mark.parametrize(
    ("mem", "made"),
    [("16G", {"mem_gb": 16}), ("512M", {"mem_gb": 0.5}), ("2T", {"mem_gb": 2048}), ("2048", {"mem_gb": 2}),
     ("0", {"additional_parameters": {"mem": "0"}})],
)  # fmt: skip
def test_memory(mem: str, made: dict[str, Any]) -> None:
    assert settings(mem=mem) == {"account": "a", **made}


def test_what_has_no_counterpart_is_never_dropped() -> None:
    """Also a field that nemo_run has only later."""
    made = translated(SlurmExecutor(account="a", array="1-3", new_in_nemo_run=7, time="soon", signal="?"))
    assert {name: value for name, (value, _) in made.left.items()} == {
        "array": "1-3", "new_in_nemo_run": 7, "time": "soon", "signal": "?",
    }  # fmt: skip


@pytest.mark.parametrize("each", dataclasses.fields(SlurmExecutor), ids=lambda each: each.name)
def test_each_field_comes_out_somewhere(each: Any) -> None:
    values: dict[str, Any] = {
        "time": "5", "mem": "1G", "signal": "USR1@60", "launcher": Torchrun(), "packager": Packager(subpath="x"),
        "env_vars": {"A": "b"}, "additional_parameters": {"a": 1}, "container_mounts": ["/a:/b"],
    }  # fmt: skip
    plain = translated(SlurmExecutor(account=""))
    value = values.get(each.name, 3)
    made = translated(SlurmExecutor(**{"account": "", each.name: value}))
    assert (made.settings, made.left) != (plain.settings, plain.left)


def test_others_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a Packager: expected a run\.SlurmExecutor or a run\.LocalExecutor"):
        translated(Packager())


MODULE = """
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class SlurmExecutor:
    account: str
    partition: str | None = None
    time: str = "00:10:00"
    nodes: int = 1
    retries: int = 0


CLUSTER = SlurmExecutor(account="me", partition="debug")


def cluster(nodes=1):
    return SlurmExecutor(account="me", time="00:03:00", nodes=nodes, retries=1)
"""


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text(MODULE)
    done = nemo_hydra(tmp_path, "from-executor", "launch:CLUSTER")
    assert (done.code, done.err) == (0, "")
    assert load(done.out) == {"defaults": ["submitit_apptainer", "_self_"], "account": "me", "partition": "debug"}
    target = "conf/hydra/launcher/mine.yaml"
    done = nemo_hydra(tmp_path, "from-executor", "launch:cluster", "--with", "nodes=2", "--out", target)
    assert done.code == 1
    assert "left out: retries=1: nemo-hydra retry sends again what failed" in done.err
    assert load((tmp_path / target).read_text())["nodes"] == 2
    again = nemo_hydra(tmp_path, "from-executor", "launch:cluster", "--out", target)
    assert again.code == 2
    assert "there is such a file already" in again.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["launch"], "launch: expected MODULE:NAME, like launch:cluster"),
        (["lunch:CLUSTER"], "there is no module 'lunch' here"),
        (["launch:CLUSTR"], "there is no 'CLUSTR' in launch; did you mean 'CLUSTER'"),
        (["launch:CLUSTER", "--with", "nodes=2"], "is no function, so it takes no arguments"),
        (["launch:cluster", "--with", "node=2"], "making it fails: TypeError"),
        (["launch:dataclass"], "a function: expected a run.SlurmExecutor"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "launch.py").write_text(MODULE)
    done = nemo_hydra(tmp_path, "from-executor", *words)
    assert done.code == 2
    assert says in done.err
