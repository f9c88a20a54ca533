"""Sweeps that are sent to the test cluster while something goes wrong: how, and what has to be true afterwards.

Each job notes in a ledger that it was started: whatever happened, its ledger has one line at the end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import preflight, submit
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS, Clusters
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status import look
from nemo_partial_hydra.launchers.status.entries import Overview
from tests.cluster.drills import ALLOW, Drill
from tests.cluster.lab import Lab
from tests.cluster.slurmconf import CLUSTER
from tests.support.sweeps import ROOT

SETTINGS = Settings(
    name="sent", resources={"timeout_min": 2, "mem_gb": 1, "signal_delay_s": 10}, code=(str(ROOT),), allow=(ALLOW,),
    detach=True,
)  # fmt: skip
NAMES = ("one", "two")
# What sites put in the place of sbatch: shell scripts, of which {sbatch} is the real one.
REAL = 'OUT=$({sbatch} "$@") || exit $?; ID=${{OUT##* }}\n'
WRAPPERS = {
    "number alone": REAL + "echo $ID",
    "banner": REAL + 'printf "** 2 jobs of 500 **\\n4711\\n"; echo "$OUT"; printf "your last job was 12\\n99\\n"',
    "banner and number": REAL + 'printf "Welcome to cluster 3\\n77\\n"; echo $ID; echo 1 of 20 hours used',
    "coloured": REAL + 'printf "\\033[1;32m%s\\033[0m\\n" "$OUT"',
    "slow": "sleep 1\n" + REAL + 'echo "$OUT"',
    "exit 0 with an error": REAL + "echo sbatch: error: plugin 7 failed >&2",
    "exit 1": REAL + 'echo "$OUT"; exit 1',
    "timed out": REAL + "echo 'Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1",
    "another script": 'for s; do :; done; cp "$s" {folder}/copy.sh; set -- {folder}/copy.sh\n' + REAL + "echo $ID",
}  # fmt: skip


def made(lab: Lab, folder: Path) -> Drill:
    drill = Drill(lab, folder, None)
    for name in NAMES:
        drill.job(name)
    return drill


def sent(drill: Drill, clusters: Clusters = CLUSTERS, settings: Settings = SETTINGS) -> None:
    fresh = [job for job in drill.jobs if states.read_status(job).state == states.FROZEN]
    report = preflight.report.Report(cluster_name=CLUSTER)
    submit.submit(drill.paths, fresh, settings, report=report, clusters=clusters)


def seen(drill: Drill, clusters: Clusters = CLUSTERS) -> Overview:
    return look.overview(str(drill.paths.directory), clusters)


def each_ran_once(drills: Sequence[Drill]) -> None:
    for drill in drills:
        assert drill.ended() == [states.DONE, states.DONE], drill.paths.directory.name
        assert drill.starts() == dict.fromkeys(NAMES, 1), drill.paths.directory.name
        assert [entry.state for entry in seen(drill).entries] == [states.DONE, states.DONE]


def in_child(action: Callable[[], None], seconds: float | None = None) -> int:
    """Do something in a process of its own, which is killed after some seconds; return its exit code."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
