"""Jobs of a sweep, made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.made_jobs import Made, maker


@pytest.fixture
def job(tmp_path: Path) -> Made:
    """Make jobs of a sweep, each with its overrides, its result, its state and what its recipe sets."""
    return maker(tmp_path)
