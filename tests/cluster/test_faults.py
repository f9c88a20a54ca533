"""Faults at random, on a real SLURM: whatever happens while jobs are sent, none is lost and none runs twice.

Each run is one sweep of two jobs and one fault.  ``NPH_FAULT_RUNS=160`` has more, ``NPH_FAULT_SEED`` others.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import adoption, retry
from nemo_partial_hydra.launchers.clusters.local.cluster import Local
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS, Clusters
from nemo_partial_hydra.launchers.clusters.slurm import commands
from nemo_partial_hydra.launchers.clusters.slurm.cluster import Slurm
from tests.cluster.drills import Drill
from tests.cluster.lab import Lab
from tests.cluster.sending import NAMES, WRAPPERS, each_ran_once, in_child, made, seen, sent
from tests.cluster.test_drills_limits import qos

pytestmark = pytest.mark.cluster
RUNS = int(os.environ.get("NPH_FAULT_RUNS", "16"))
SEED = int(os.environ.get("NPH_FAULT_SEED", "4711"))
HASTY = Clusters(
    {"slurm": Slurm(sbatch=functools.partial(commands.call, seconds=0.5), waits=(0.5, 1.0, 2.0)), "local": Local()}
)
"""A SLURM whose ``sbatch`` is given up soon."""


class Site:
    """The cluster, and what can go wrong there while a sweep is sent."""

    def __init__(self, lab: Lab, folder: Path, clock: random.Random) -> None:
        self.lab, self.clock = lab, clock
        self.path, self.sbatch = os.environ["PATH"], shutil.which("sbatch")
        self.bin = folder / "bin"
        self.bin.mkdir()

    def killed(self, drill: Drill) -> None:
        """The submitter is killed."""
        in_child(lambda: sent(drill), self.clock.uniform(0.005, 0.5))

    def wrapped(self, drill: Drill) -> None:
        """The site has a wrapper around ``sbatch``; the submitter may be killed as well."""
        text = self.clock.choice(list(WRAPPERS.values()))
        file = self.bin / "sbatch"
        file.write_text("#!/bin/sh\n" + text.format(sbatch=self.sbatch, folder=self.bin) + "\n")
        file.chmod(0o755)
        os.environ["PATH"] = f"{self.bin}{os.pathsep}{self.path}"
        try:
            in_child(lambda: sent(drill), self.clock.choice([None, self.clock.uniform(0.1, 0.8)]))
        finally:
            os.environ["PATH"] = self.path

    def late(self, drill: Drill) -> None:
        """The controller stands still for a while, and ``sbatch`` is given up."""
        pid = self.lab.daemons["slurmctld"].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(self.clock.uniform(0.2, 3.0), os.kill, (pid, signal.SIGCONT))
        timer.start()
        try:
            in_child(lambda: sent(drill, HASTY))
        finally:
            timer.join()

    def restarted(self, drill: Drill) -> None:
        """The controller is restarted."""
        wait = self.clock.uniform(0.0, 0.3)

        def restart() -> None:
            time.sleep(wait)  # this is the moment of the fault, nothing is waited for
            self.lab.stop("slurmctld")
            self.lab.start("slurmctld")

        thread = threading.Thread(target=restart)
        thread.start()
        try:
            in_child(lambda: sent(drill, HASTY))
        finally:
            thread.join()

    def two_at_once(self, drill: Drill) -> None:
        """Two submit the same sweep, and one of them may be killed."""
        seconds = self.clock.choice([None, self.clock.uniform(0.05, 0.4)])
        thread = threading.Thread(target=in_child, args=(lambda: sent(drill),))
        thread.start()
        in_child(lambda: sent(drill), seconds)
        thread.join()

    def retried(self, drill: Drill) -> None:
        """The jobs have failed, and who tries them again is killed."""
        sent(drill)
        assert drill.ended() == [states.FAILED] * len(NAMES)
        drill.open()
        in_child(lambda: again(drill), self.clock.uniform(0.05, 0.8))


FAULTS: tuple[Callable[[Site, Drill], None], ...] = (
    Site.killed, Site.wrapped, Site.late, Site.restarted, Site.two_at_once, Site.retried,
)  # fmt: skip


def again(drill: Drill) -> None:
    """Try again whatever has ended without being done."""
    retry.send(retry.prepare(str(drill.paths.directory)))


def brought_to_its_end(drill: Drill) -> None:
    """Do what a person would after the fault: look, send what is frozen, try again what is over, until all is done."""

    def done() -> bool:
        found = seen(drill)
        assert not found.problems
        assert "unknown" not in found.counts
        if any("is being sent" in entry.reason for entry in found.entries):
            return False  # sbatch outlives who called it
        with suppress(RecipeError):  # there is no room, or another one was quicker
            if any(entry.state == states.FROZEN for entry in found.entries):
                sent(drill)
            elif any(entry.state in states.RETRIED for entry in found.entries):
                again(drill)
        return found.counts == {states.DONE: len(NAMES)}

    adoption.settle_and_say(drill.paths, CLUSTERS)
    drill.lab.wait(done, 60, f"all jobs of {drill.paths.directory.name} to be done")


def failing(lab: Lab, folder: Path) -> Drill:
    drill = Drill(lab, folder, None)
    for name in NAMES:
        drill.job(name, "needs", file="gate")
    return drill


def test_whatever_happens_none_is_lost_and_none_runs_twice(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    clock = random.Random(SEED)
    site = Site(lab, tmp_path, clock)
    met: Counter[str] = Counter()
    once, twice = [], []
    for number in range(RUNS):
        fault = FAULTS[number % len(FAULTS)] if number < len(FAULTS) else clock.choice(FAULTS)
        name = fault.__name__
        met[name] += 1
        if fault is Site.retried:
            twice.append(failing(lab, tmp_path / f"{number} {name}"))
            fault(site, twice[-1])
        else:
            once.append(made(lab, tmp_path / f"{number} {name}"))
            fault(site, once[-1])
        found = seen((twice if fault is Site.retried else once)[-1]).entries
        lost = [entry.reason for entry in found if entry.state == states.LOST]
        assert not [why for why in lost if "ended before the cluster had it" not in why], (number, name)
    with qos(lab, MaxSubmitJobsPerUser=4):
        for number in range(RUNS // 4):
            met["limited"] += 1
            once.append(made(lab, tmp_path / f"{number} limited"))
            in_child(lambda: sent(once[-1]))
    for drill in [*once, *twice]:
        brought_to_its_end(drill)
    each_ran_once(once)
    for drill in twice:
        assert drill.starts() == dict.fromkeys(NAMES, 2), "once before it failed, once again"
    counts = ", ".join(f"{number} {name}" for name, number in sorted(met.items()))
    record_property("said", f"fault runs on SLURM: {met.total()} ({counts}): no job lost, none run twice")
