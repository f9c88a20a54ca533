"""Drills of sending: wrappers around ``sbatch``, time-outs, kill -9; of another cluster's login node; of no accounting.

All sweeps of a drill run at the end, side by side: each job's ledger has one line, whatever happened before.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import random
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.errors import ClusterError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import adoption, cancel, claims, records, retry, submit
from nemo_partial_hydra.launchers.clusters.local.cluster import Local
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS, Clusters
from nemo_partial_hydra.launchers.clusters.slurm import commands
from nemo_partial_hydra.launchers.clusters.slurm.cluster import Slurm
from nemo_partial_hydra.launchers.clusters.slurm.executor import ScriptExecutor
from nemo_partial_hydra.launchers.settings import Settings
from tests.cluster.daemons import Daemon
from tests.cluster.drills import Drill
from tests.cluster.lab import Lab
from tests.cluster.queueing import sbatch
from tests.cluster.sending import NAMES, SETTINGS, WRAPPERS, each_ran_once, in_child, made, seen, sent
from tests.cluster.slurmconf import CLUSTER, CONTROLLER_PORT

pytestmark = pytest.mark.cluster
HELD = dataclasses.replace(SETTINGS, resources={**SETTINGS.resources, "additional_parameters": {"hold": True}})
MOMENTS, RUN = 50, 10
"""At so many random moments the submitter is killed; so many of these sweeps are run to their end, the others held."""


# ---------------------------------------------------------------- wrappers


@pytest.fixture
def wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put an ``sbatch`` of a site's own first on PATH."""
    real, path = shutil.which("sbatch"), os.environ["PATH"]

    def wrap(text: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "sbatch").write_text("#!/bin/sh\n" + text.format(sbatch=real, folder=folder) + "\n")
        (folder / "sbatch").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{path}")

    return wrap


def test_whatever_a_wrapper_prints_each_job_runs_once(lab: Lab, tmp_path: Path, wrapped: Callable[[str], None]) -> None:
    drills = []
    for name, text in WRAPPERS.items():
        wrapped(text)
        drills.append(made(lab, tmp_path / name))
        sent(drills[-1])
        (submission,) = records.submissions(drills[-1].paths)
        assert len(submission.arrays) == 1, name
        assert submission.cluster_name == CLUSTER
        (array,) = submission.arrays
        assert lab.squeue(array), name
    arrays = {array for drill in drills for array in drill.arrays()}
    assert {job["job"].partition("_")[0] for job in lab.squeue() if job["name"] == "sent"} >= arrays
    assert len(arrays) == len(WRAPPERS)
    each_ran_once(drills)


def test_a_controller_that_is_late_takes_the_array_once(lab: Lab, tmp_path: Path) -> None:
    """It stands still while ``sbatch`` gives up, and takes what lies in its socket afterwards."""
    sbatch = functools.partial(commands.call, seconds=1.0)
    clusters = Clusters({"slurm": Slurm(sbatch=sbatch, waits=(1.0, 2.0, 3.0)), "local": Local()})
    drill = made(lab, tmp_path / "late")
    pid = lab.daemons["slurmctld"].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(2.5, os.kill, (pid, signal.SIGCONT))
    timer.start()
    try:
        sent(drill, clusters)
    finally:
        timer.join()
    each_ran_once([drill])
    (array,) = drill.arrays()
    running = {job["job"].partition("_")[0] for job in lab.squeue() if job["state"] in ("PENDING", "RUNNING")}
    assert running <= {array}


# ---------------------------------------------------------------- kill -9


def killed(drill: Drill, step: str | None, seconds: float | None = None, settings: Settings = SETTINGS) -> None:
    """Submit in a process of its own, which is killed before a step, or after some time."""

    def submit_or_die() -> None:
        if step is not None:
            _die_before(step)
        sent(drill, settings=settings)

    in_child(submit_or_die, seconds)


def _die_before(step: str) -> None:
    def die(*args: Any, **kwargs: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    places: dict[str, tuple[Any, str]] = {
        "the claims": (claims, "claim"),
        "the array is written": (ScriptExecutor, "write"),
        "sbatch is called": (commands, "call"),
        "its id is written down": (submit, "record_ids"),
        "the jobs have their ids": (submit, "note_sent"),
    }
    owner, name = places[step]
    setattr(owner, name, die)  # in the child alone
    if step == "sbatch is called":
        object.__setattr__(CLUSTERS.named("slurm"), "sbatch", die)


STEPS = ("the claims", "the array is written", "sbatch is called", "its id is written down", "the jobs have their ids")


def test_the_submitter_is_killed_at_any_moment(lab: Lab, tmp_path: Path) -> None:
    """Whoever comes next finds what was sent, sends what was not, and each job is there once and runs once."""
    clock = random.Random(13)
    drills, held = [], {}
    for step in STEPS:
        drills.append(made(lab, tmp_path / step))
        killed(drills[-1], step)
    for moment in range(MOMENTS):
        drill = made(lab, tmp_path / f"moment {moment}")
        drills.append(drill)
        if moment >= RUN:
            held[drill.paths.directory] = dataclasses.replace(HELD, name=f"moment{moment}")
        killed(drill, None, clock.uniform(0.005, 0.25), held.get(drill.paths.directory, SETTINGS))
    adopted = 0
    for drill in drills:

        def settled(drill: Drill = drill) -> bool:
            return not any("is being sent" in entry.reason for entry in seen(drill).entries)

        adopted += any("in the queue or were" in note for note in seen(drill).notes)
        lab.wait(settled, 20, "sbatch, which may outlive who called it")
        adoption.settle_and_say(drill.paths)
        if any(state == states.FROZEN for state in drill.went()):
            sent(drill, settings=held.get(drill.paths.directory, SETTINGS))
    assert adopted >= 1
    tasks = Counter(job["name"] for job in lab.squeue(states="PENDING"))
    assert {each.name: tasks[each.name] for each in held.values()} == {each.name: len(NAMES) for each in held.values()}
    each_ran_once([drill for drill in drills if drill.paths.directory not in held])


# ---------------------------------------------------------------- clusters


@pytest.fixture
def other(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """The slurm.conf of a second cluster, which keeps no accounts, with its own controller."""
    conf, port = tmp_path / "slurm.conf", CONTROLLER_PORT + 10
    text = (lab.state / "etc" / "slurm.conf").read_text()
    changes = {
        "ClusterName": "other", "SlurmctldPort": str(port), "StateSaveLocation": str(tmp_path / "state"),
        "SlurmctldPidFile": str(tmp_path / "pid"), "SlurmctldLogFile": str(lab.state / "log" / "slurmctld-other.log"),
        "AccountingStorageType": "accounting_storage/none",
    }  # fmt: skip
    lines = []
    for line in text.splitlines():
        name = line.partition("=")[0]
        lines.append(f"{name}={changes[name]}" if name in changes else line)
    conf.write_text("\n".join(line for line in lines if not line.startswith("AccountingStorageP")) + "\n")
    (tmp_path / "state").mkdir()
    command = ("slurmctld", "-D", "-f", str(conf))
    daemon = Daemon("slurmctld-other", "slurmctld", command, lab.state, (port,), {"SLURM_CONF": str(conf)})
    daemon.start()
    try:
        yield conf
    finally:
        daemon.stop()


def test_from_the_login_node_of_another_cluster(
    lab: Lab, tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its controller answers, and knows no such jobs: none is lost, none is tried again, none is cancelled there."""
    drill = made(lab, tmp_path / "sweep")
    sent(drill, settings=HELD)
    (array,) = drill.arrays()
    directory = str(drill.paths.directory)
    with monkeypatch.context() as patch:
        patch.setenv("SLURM_CONF", str(other))
        lab.wait(lambda: "Invalid job id" in commands.ask(["squeue", "-j", array]).err, 20, "the other controller")
        found = seen(drill)
        assert [entry.state for entry in found.entries] == [states.SUBMITTED] * 2
        assert len(found.unsure) == 2
        assert f"asked from another cluster (other; the jobs were sent to {CLUSTER})" in found.unasked[0]
        with pytest.raises(ClusterError, match="asked from another cluster"):
            retry.prepare(directory)
        with pytest.raises(ClusterError, match=f"from a host of {CLUSTER}: scancel"):
            cancel.cancel(directory)
        # Where both have one accounting, -M reaches the right one.
        other.write_text((lab.state / "etc" / "slurm.conf").read_text().replace(f"={CLUSTER}\n", "=other\n"))
        found = seen(drill)
        held = [f"waits: JobHeldUser; scontrol release {entry.id} lets it start" for entry in found.entries]
        assert [entry.reason for entry in found.entries] == held
        assert not found.unsure
        assert len(cancel.cancel(directory, [0]).cancelled) == 1
    assert [entry.state for entry in seen(drill).entries] == [states.CANCELLED, states.SUBMITTED]


def test_without_accounting_nobody_says_that_a_job_is_lost(lab: Lab, tmp_path: Path) -> None:
    """What left the queue without a word is unknown, and is tried again only if it is named, and that is meant."""
    # A controller that has lost its jobs would give their numbers out again, which accounting knows from before.
    first = int(sbatch("--hold", "--wrap=true", cwd=tmp_path)) + 1_000
    with lab.configured(AccountingStorageType="accounting_storage/none", FirstJobId=str(first)):
        drill = made(lab, tmp_path / "sweep")
        sent(drill, settings=HELD)
        assert seen(drill).counts == {"submitted": 2}
        lab.stop("slurmctld")
        for file in (lab.state / "slurmctld").glob("job_state*"):
            file.unlink()
        lab.start("slurmctld")
        assert int(sbatch("--hold", "--wrap=true", cwd=tmp_path)) >= first  # only with a job does it keep the number
        young = seen(drill)
        assert (young.counts, "does not show it yet" in young.entries[0].reason) == ({"submitted": 2}, True)
        (submission,) = records.submissions(drill.paths)
        long_ago = dataclasses.replace(submission, created="2026-01-01T00:00:00.000Z")
        records.write_submission(drill.paths.submission(1), long_ago)
        found = seen(drill)
        assert found.counts == {"unknown": 2}
        assert "keeps no accounts" in found.entries[0].reason
        with pytest.raises(RefusedError, match="make sure that it does not run"):
            retry.prepare(str(drill.paths.directory), [0])
        assert retry.prepare(str(drill.paths.directory), [0], force=True).groups
