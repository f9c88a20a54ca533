"""What tests of launchers share."""

from __future__ import annotations

import os

import pytest

from tests.support.sweeps import ROOT


@pytest.fixture(autouse=True)
def _this_tests_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this package of tests found by the jobs: NeMo installs another ``tests``, and code of an app comes last."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
