"""What is known before submission: SLURM's texts are read, faults are found, all of them are said at once."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.errors import ClusterError, RecipeError, UsageError
from nemo_partial_hydra.jobs.job_id import LOCAL
from nemo_partial_hydra.launchers.clusters.slurm import commands, resources
from nemo_partial_hydra.launchers.clusters.slurm import preflight as asking
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.preflight import check as preflight
from nemo_partial_hydra.launchers.preflight import host
from nemo_partial_hydra.launchers.settings import Settings
from tests.support import slurm_texts as texts
from tests.support.sent import with_slurm

PARTITIONS, NODES = commands.partitions(texts.PARTITIONS), commands.nodes(texts.NODES)


def test_partitions_are_read() -> None:
    debug, small, gpu, old = PARTITIONS
    assert (debug.name, debug.default, debug.up, debug.max_minutes, debug.max_nodes) == ("debug", True, True, 60, None)
    assert (small.max_minutes, small.max_nodes, small.max_cpus_per_node, small.max_mb_per_node) == (2, 1, 2, 8000)
    assert gpu.max_minutes == 7 * 24 * 60
    assert (old.up, old.state, old.max_minutes) == (False, "DOWN", None)


def test_nodes_are_read() -> None:
    first, drained, idle, down, mixed = NODES
    assert (first.cpus, first.memory_mb, first.usable, first.partitions) == (4, 16000, True, ("debug", "small"))
    assert first.host == "login"
    assert (drained.usable, drained.reason) == (False, "a bad disk = slow")
    assert (idle.gpu_count(), idle.gpu_count("a100"), idle.gpu_count("h100")) == (8, 8, 0)
    assert (down.usable, down.reason) == (False, "Not responding")
    assert (mixed.usable, mixed.gpus) == (True, {"h100": 4, "": 4})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5), ("5:30", 5.5), ("1:00:00", 60), ("1-00", 1440), ("1-02:30", 1590), ("1-02:30:30", 1590.5),
        ("UNLIMITED", None), ("infinite", None),
    ],
)  # fmt: skip
def test_time_limits_are_read(text: str, expected: float | None) -> None:
    assert commands.minutes(text) == expected


def test_the_size_of_arrays_is_read() -> None:
    assert commands.max_array_size(texts.CONFIG) == 10001
    assert commands.max_array_size("") == 1001


FAULTS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"partition": "debgu"}, [("partition", "did you mean 'debug'")]),
    ({"partition": "old"}, [("partition", "is DOWN")]),
    ({"timeout_min": 61}, [("timeout_min", "61 min is more than partition 'debug' allows: 60")]),
    ({"nodes": 3}, [("nodes", "3 is more than partition 'debug' gives one job: 2")]),
    ({"partition": "small", "nodes": 2, "timeout_min": 1}, [("nodes", "gives one job: 1")]),
    ({"cpus_per_task": 5}, [("cpus_per_task", "no node of partition 'debug' has 5 CPUs: the largest has 4")]),
    ({"tasks_per_node": 5}, [("tasks_per_node", "has 5 CPUs")]),
    ({"tasks_per_node": 2, "cpus_per_task": 3}, [("cpus_per_task", "has 6 CPUs")]),
    ({"partition": "small", "timeout_min": 1, "cpus_per_task": 3}, [("cpus_per_task", "the largest has 2")]),
    ({"mem_gb": 16}, [("mem_gb", "no node of partition 'debug' has 16 GB of memory: the largest has 15.6")]),
    ({"partition": "small", "timeout_min": 1, "mem_gb": 8}, [("mem_gb", "the largest has 7.8")]),
    ({"gpus_per_node": 1}, [("gpus_per_node", "has 1 GPUs: the largest has 0")]),
    ({"partition": "gpu", "gpus_per_node": 9}, [("gpus_per_node", "the largest has 8")]),
    ({"partition": "gpu", "gpus_per_task": 2, "tasks_per_node": 5}, [("gpus_per_task", "has 10 GPUs")]),
    ({"partition": "gpu", "gres": "gpu:h200:1"}, [("gres", "GPUs of type h200")]),
    ({"partition": "gpu", "gres": "gpu:h100:4", "nodes": 2}, [("gres", "only 1 nodes")]),
    ({"partition": "gpu", "gres": "gpu:h100:4", "mem_gb": 900}, [("nodes", "all of what is asked for at once")]),
    (
        {"timeout_min": 100, "cpus_per_task": 9, "nodes": 4, "gpus_per_node": 1},
        [("timeout_min", ""), ("nodes", ""), ("cpus_per_task", ""), ("gpus_per_node", "")],
    ),
    ({"partition": "small,debug", "timeout_min": 90}, [("timeout_min", "small"), ("timeout_min", "debug")]),
]


@pytest.mark.parametrize(("asked", "expected"), FAULTS)
def test_what_the_cluster_can_never_do_is_said_of_the_setting(
    asked: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found, notes = resources.mistakes(Settings(resources=asked), PARTITIONS, NODES)
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, text), (_, part) in zip(found, expected, strict=True):
        assert part in text
    assert notes == []


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"timeout_min": 60, "cpus_per_task": 4, "mem_gb": 15},
        {"partition": "small,debug", "timeout_min": 50},
        {"partition": "gpu", "gres": "gpu:a100:8"},
        {"partition": "gpu", "timeout_min": 10080, "gpus_per_node": 8},
    ],
)
def test_what_the_cluster_can_do_is_no_fault(asked: dict[str, Any]) -> None:
    assert resources.mistakes(Settings(resources=asked), PARTITIONS, NODES)[0] == []


def test_what_has_to_wait_for_a_broken_node_is_noted_and_allowed() -> None:
    found, notes = resources.mistakes(Settings(resources={"nodes": 2}), PARTITIONS, NODES)
    assert found == []
    assert "1 of the 2 nodes" in notes[0]
    assert "a bad disk = slow" in notes[0]


def test_without_a_default_partition_one_has_to_be_named() -> None:
    found, _ = resources.mistakes(Settings(), [one for one in PARTITIONS if not one.default], NODES)
    assert found[0][0] == "partition"


# ---------------------------------------------------------------- the host


def sif(path: Path, *, cut: int = 0) -> Path:
    """Write a file that has the head of a SIF and so many bytes too few."""
    head = b"#!/usr/bin/env run-singularity\n\0" + b"SIF_MAGIC\0" + b"01\0" + b"02\0"
    head = head.ljust(112, b"\0") + struct.pack("<qq", 4096, 1000)
    path.write_bytes(head.ljust(5096 - cut, b"\0"))
    return path


def test_an_image_is_a_sif_a_sandbox_or_an_address(tmp_path: Path) -> None:
    sandbox = tmp_path / "sandbox"
    (sandbox / "bin").mkdir(parents=True)
    for image in (None, str(sif(tmp_path / "x.sif")), str(sandbox), "docker://a/b"):
        assert host.image_mistakes(Container(image=image)) == []


def test_what_is_wrong_with_an_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.sif").write_text("no image")
    (tmp_path / "empty").mkdir()
    for name, said in [
        ("nope.sif", "no such image; "),
        ("text.sif", "this is no image"),
        ("empty", "empty"),
        ("a/b.sif", "no directory"),
    ]:
        assert said in host.image_mistakes(Container(image=str(tmp_path / name)))[0][1]
    cut = host.image_mistakes(Container(image=str(sif(tmp_path / "cut.sif", cut=1))))
    assert "5095 of 5096 bytes" in cut[0][1]


def test_an_executable_is_found_or_brought_by_a_line() -> None:
    container = Container(image="x.sif", executable="no-such-apptainer")
    assert "module load" in host.executable_mistakes(container, [])[0][1]
    assert host.executable_mistakes(container, ["module load apptainer"]) == []
    assert host.executable_mistakes(Container(executable="no-such-apptainer"), []) == []
    assert host.executable_mistakes(Container(image="x.sif", executable=str(shutil.which("sh"))), []) == []


def test_directories_that_are_bound_have_to_exist(tmp_path: Path) -> None:
    container = Container(binds=(f"{tmp_path}:/x:ro", "/nope:/y"), overlay=("/no.img:ro",), workdir="/no")
    found = host.bind_mistakes(container, [str(tmp_path), "/gone"])
    assert [name for name, _ in found] == ["apptainer.binds", "apptainer.overlay", "apptainer.workdir", "code"]


def test_paths_that_slurm_changes_are_refused() -> None:
    for mark in "%\\\n":
        assert asking.script_path_mistakes([f"/a{mark}b"])
    assert asking.script_path_mistakes(["/a b'c\"$d/ü"]) == []


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /dev/shm tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
server:/a /mnt/a\\040b nfs4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/home/x", None), ("/mnt/a b/x", None), ("/dev/shm/x", True), ("/tmp/x", True), ("/srv/x", False)],
)
def test_directories_that_other_hosts_cannot_see(path: str, expected: bool | None) -> None:
    far = [node for node in NODES if node.name == "gpu01"]
    found = host.unseen(path, far, MOUNTS)
    assert (found[1] if found else None) == expected


def test_on_this_host_every_directory_is_seen() -> None:
    here = commands.nodes(texts.NODES.replace("NodeHostName=login", f"NodeHostName={os.uname().nodename}"))[:2]
    assert host.unseen("/tmp/x", here, MOUNTS) is None


# ---------------------------------------------------------------- the whole report


class Cluster:
    """Answers as recorded; what is asked for is kept."""

    def __init__(self, **changed: Answer) -> None:
        self.asked: list[list[str]] = []
        self.answers = {
            "partition": Answer(0, texts.PARTITIONS, ""),
            "node": Answer(0, texts.NODES, ""),
            "config": Answer(0, texts.CONFIG, ""),
            "--test-only": Answer(0, "", texts.ACCEPTED),
            **changed,
        }

    def __call__(self, command: Sequence[str], text: str | None = None) -> Answer:
        self.asked.append(list(command))
        return self.answers[command[-1]]


def checked(asked: Cluster, folder: Path, **changed: Any) -> RecipeError | None:
    """Check settings; return the error."""
    # Wherever the interpreter of the tests stands, it is none of the nodes' business here.
    changed["resources"] = {"python": "/usr/bin/python3", **changed.get("resources", {})}
    report = preflight.check(Settings(**changed), str(folder), lambda: "#!/bin/bash\n", clusters=with_slurm(asked))
    try:
        report.check()
    except RecipeError as error:
        return error
    return None


def test_a_right_submission_passes(tmp_path: Path) -> None:
    assert checked(Cluster(), Path("/srv")) is None


def test_all_problems_are_in_one_report(tmp_path: Path) -> None:
    image = Container(image="/srv/no.sif", executable="no-such-apptainer")
    found = checked(
        Cluster(), Path("/srv"), container=image, payload_signal="NOPE", resources={"cpus_per_task": 9, "mem_gb": 99}
    )
    assert isinstance(found, UsageError)
    for part in (
        "5 problems",
        "Nothing was submitted.",
        "payload_signal",
        "no.sif",
        "no-such-apptainer",
        "has 9 CPUs",
        "has 99 GB",
    ):
        assert part in str(found)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"partition": Answer(1, "", texts.UNREACHABLE)}, "controller cannot be reached"),
        ({"partition": Answer(127, "", "scontrol is not on PATH")}, "submitit_apptainer_local"),
        ({"--test-only": Answer(127, "", "sbatch is not on PATH")}, "sbatch is not on PATH"),
        ({"--test-only": Answer(1, "", texts.NO_ACCOUNT)}, "(hydra.launcher.account)"),
    ],
)
def test_faults_of_the_cluster_have_their_own_exit_code(answer: dict[str, Answer], said: str) -> None:
    found = checked(Cluster(**answer), Path("/srv"))
    assert isinstance(found, ClusterError)
    assert found.exit_code == 4
    assert said in str(found)


def test_an_option_that_sbatch_does_not_know_is_a_setting(tmp_path: Path) -> None:
    answer = Answer(1, "", "sbatch: unrecognized option '--foo'\n")
    found = checked(Cluster(**{"--test-only": answer}), Path("/srv"))
    assert isinstance(found, UsageError)


def test_on_this_machine_slurm_is_not_asked(tmp_path: Path) -> None:
    cluster = Cluster()
    assert checked(cluster, tmp_path, cluster=LOCAL) is None
    assert cluster.asked == []
    assert isinstance(checked(cluster, tmp_path, cluster=LOCAL, resources={"nodes": 2}), UsageError)


def test_nodes_that_are_away_now_are_a_note_and_no_fault(tmp_path: Path) -> None:
    """``sbatch --test-only`` refuses what ``sbatch`` itself puts into the queue while all nodes are drained."""
    refused = Answer(1, "", "allocation failure: Requested node configuration is not available\n")
    idle = texts.NODES.replace("State=MIXED", "State=IDLE+DRAIN")
    away = Cluster(**{"--test-only": refused, "node": Answer(0, idle, "")})
    settings = Settings(resources={"python": "/usr/bin/python3"})
    report = preflight.check(settings, "/srv", lambda: "#!/bin/bash\n", clusters=with_slurm(away))
    report.check()
    assert any("the jobs will wait" in note for note in report.notes)
    up = Cluster(**{"--test-only": refused})
    assert isinstance(checked(up, Path("/srv")), ClusterError), "not where nodes are up"
