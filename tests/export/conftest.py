"""Exports are written and read below a directory with an odd name."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(weird_tmp_path: Path) -> Path:
    """Every directory here has a name that breaks whatever is not quoted."""
    return weird_tmp_path
