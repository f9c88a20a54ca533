"""A thousand jobs in several arrays of a real SLURM: submitted, watched, cancelled and tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.lab import Lab
from tests.cluster.scale import Many, played

pytestmark = pytest.mark.cluster


def test_a_thousand_jobs(lab: Lab, image: Path, tmp_path: Path) -> None:
    many = Many(lab, tmp_path, image, 1000)
    with lab.configured(MaxArraySize="301"):
        played(many, 4)
    assert len(many.arrays()) == 4 + 2
    for cost in many.costs:
        assert cost.memory < 200, cost
