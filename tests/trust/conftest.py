"""What tests of signatures share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.sweeps import found_by_jobs
from tests.trust.keys import Keys, Store, install


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    install()
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def store(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in ("NPH_SIGNERS", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    return Store(tmp_path, keys, monkeypatch)


@pytest.fixture(autouse=True)
def _this_tests_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", found_by_jobs(os.environ))
