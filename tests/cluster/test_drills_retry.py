"""Drills of trying again: what failed and nothing else, once, wherever the sweep is by then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs.layout import sweep_paths
from nemo_partial_hydra.jobs.outcome import read_result
from tests.cluster.drills import ALLOW, SETTINGS, WAITED, Drill
from tests.cluster.lab import Lab

pytestmark = pytest.mark.cluster


def test_the_sweep_is_moved_before_two_people_retry_it(lab: Lab, image: Path, tmp_path: Path) -> None:
    """Its settings are named anew, since records of another place decide nothing: without, exit code 3. Only the failed
    job is tried again, as attempt 2, where the sweep is now; of two who retry one does, the other is refused with exit
    code 3. The log of attempt 1 is kept. Afterwards there is nothing to retry: exit code 3.
    """
    drill = Drill(lab, tmp_path / "sweep", image, ledger=tmp_path)
    drill.job("fine")
    drill.job("bad", "needs", file="data.txt")
    first = drill.submit(WAITED)
    assert first.code == 1, first.err
    assert "FileNotFoundError" in first.out
    moved = tmp_path / "moved to another place"
    drill.paths.directory.rename(moved)
    (tmp_path / "data.txt").write_text("here it is")
    refused = drill.command("retry", moved, "--allow", ALLOW, WAITED)
    assert refused.code == 3, refused.out
    assert "copied or moved from" in refused.err
    line = ("retry", moved, "--allow", ALLOW, *SETTINGS, f"hydra.launcher.apptainer.image={image}", WAITED)
    both = [drill.command(*line) for _ in range(2)]
    assert sorted(command.code for command in both) == [0, 3], [command.err for command in both]
    assert drill.starts() == {"fine": 1, "bad": 2}
    job = sweep_paths(moved).job("1")
    assert read_result(job) == "here it is"
    assert "FileNotFoundError" in job.err(1).read_text()
    assert job.err(2).exists()
    seen = drill.command("status", moved, "--json")
    assert seen.code == 0, seen.err
    assert [job["state"] for job in json.loads(seen.out)["jobs"]] == ["done", "done"]
    again = drill.command(*line)
    assert again.code == 3, again.out
    assert not drill.paths.directory.exists(), "nothing is written to where it was"
