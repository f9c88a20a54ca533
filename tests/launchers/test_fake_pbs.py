"""Another scheduler, which nothing but its own folder knows: a sweep is submitted, seen, cancelled and tried again."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore

from hydra_plugins.nemo_partial_hydra.slurm import SubmititApptainerConf
from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers import records
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS
from nemo_partial_hydra.launchers.status.look import overview
from tests.launchers.test_local import until
from tests.support.sweeps import ALLOW, ROOT, Sweep

FOLDER = Path(__file__).with_name("fake_pbs")
LINE = ("hydra/launcher=fake_pbs", "--allow", ALLOW[0])


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the scheduler, here and for the jobs' processes."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(FOLDER)]))
    monkeypatch.setenv("FAKE_PBS", str(tmp_path / "pbs"))
    (tmp_path / "pbs").mkdir()
    importlib.invalidate_caches()
    ConfigStore.instance().store(group="hydra/launcher", name="fake_pbs", node=SubmititApptainerConf)
    yield
    del ConfigStore.instance().repo["hydra"]["launcher"]["fake_pbs.yaml"]  # other tests list the launchers


def seen(sweep: Sweep) -> list[str]:
    return [entry.state for entry in overview(str(sweep.paths.directory)).entries]


def test_a_sweep_is_submitted_seen_cancelled_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path / "sweep")
    directory = str(sweep.paths.directory)
    sweep.add("fail", message="no luck")
    sweep.add("wait", seconds=100)
    sweep.add("report")

    assert cli.main(["submit", directory, *LINE, "--dry-run"]) == 0
    assert "# qsub script of jobs 0 to 2\n#!/bin/sh" in capsys.readouterr().out
    assert cli.main(["submit", directory, *LINE]) == 0
    assert "Submitted 3 jobs to PBS as 1 (app)." in capsys.readouterr().out
    (sent,) = records.submissions(sweep.paths)
    assert (sent.cluster, [str(job.id) for job in sent.jobs]) == ("pbs", ["1_0", "1_1", "1_2"])

    until((sweep.jobs[1].directory / "started").exists)
    assert seen(sweep) == ["failed", "running", "submitted"]
    assert cli.main(["status", directory, "--json"]) == 1
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [(job["slurm"], job["slurm_state"]) for job in told["jobs"]][2] == ("1_2", "Q")
    assert cli.main(["submit", directory, *LINE]) == 3, "nothing is submitted twice"
    assert cli.main(["retry", directory, "1"]) == 3, "nor tried again while it runs"
    capsys.readouterr()

    assert cli.main(["cancel", directory]) == 0
    assert "Cancelled 2 jobs (1, 2) (1_[1-2])." in capsys.readouterr().out
    until(lambda: seen(sweep) == ["failed", "cancelled", "cancelled"])

    assert cli.main(["retry", directory, "0", "2", "hydra.launcher.detach=false"]) == 1, "one fails again"
    out = capsys.readouterr().out
    assert "[2/2]" in out
    assert seen(sweep) == ["failed", "cancelled", "done"]
    assert [states.read_status(job).attempt for job in sweep.jobs] == [2, 1, 2]
    assert cli.main(["logs", directory, "0", "--err"]) == 0


def test_what_a_job_cannot_say_the_scheduler_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(tmp_path / "sweep")
    job = sweep.add("report")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # so that not even our own half of the job starts
    more = ("hydra.launcher.detach=false", "hydra.launcher.setup=['exit 3']")
    assert cli.main(["submit", str(sweep.paths.directory), *LINE, *more]) == 1
    status = states.read_status(job)
    assert (status.state, status.reason) == ("failed", "ended with 3")


def test_a_fault_of_the_scheduler_is_said_with_its_own_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path / "sweep")
    sweep.add("report")
    assert cli.main(["submit", str(sweep.paths.directory), *LINE, "hydra.launcher.nodes=2"]) == 4
    assert "hydra.launcher.nodes: PBS has one node" in capsys.readouterr().err
    assert not sweep.paths.submissions.exists()


def test_a_cluster_that_is_not_installed_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no cluster 'lsf'"):
        CLUSTERS.named("lsf")
    with pytest.raises(UsageError, match=r"frozen jobs are sent by submitit_apptainer, .*fake_pbs"):
        CLUSTERS.of_launcher("basic")
