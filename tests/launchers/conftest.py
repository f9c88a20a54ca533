"""What tests of launchers share."""

from __future__ import annotations

import os

import pytest

from tests.support.sweeps import found_by_jobs


@pytest.fixture(autouse=True)
def _this_tests_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", found_by_jobs(os.environ))
