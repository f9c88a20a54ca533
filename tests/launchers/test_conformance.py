"""Hydra's own suites for launchers, on ours; on SLURM they run in ``tests/cluster``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

from tests.support.apps import ROOT
from tests.support.conformance import NamedSweep

pytestmark = pytest.mark.matrix

LAUNCHERS = ("freeze", "submitit_apptainer_local")


@pytest.fixture
def hydra_sweep_runner(monkeypatch: pytest.MonkeyPatch) -> Callable[..., NamedSweep]:
    """What the suite runs its sweeps with, as ``hydra.extra.pytest_plugin`` has it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def made(temp_dir: Any = None, **settings: Any) -> NamedSweep:
        sweep = NamedSweep()
        vars(sweep).update(settings, temp_dir=None if temp_dir is None else str(temp_dir))
        sweep.overrides = settings["overrides"] or []
        return sweep

    return made


@pytest.mark.parametrize("launcher_name", LAUNCHERS)
@pytest.mark.parametrize("overrides", [[]])
class TestLauncher(LauncherTestSuite):
    """Sweeps in this process, what they return and leave."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", f"hydra/launcher={name}"]) for name in LAUNCHERS], ids=LAUNCHERS
)
class TestIntegration(IntegrationTestSuite):
    """Apps as processes of their own."""

    @pytest.fixture(autouse=True)
    def _importable(self, monkeypatch: pytest.MonkeyPatch, extra_flags: list[str]) -> None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT)]))
        self.freezes = extra_flags[-1].endswith("=freeze")

    def generate_custom_cmd(self) -> Callable[..., list[str]]:
        """Return what makes of a command one that runs what it has frozen."""

        def command(given: list[str], filename: str) -> list[str]:
            return [sys.executable, "-m", "tests.support.conformance", *given] if self.freezes else given

        return command


def test_the_suite_is_the_whole_one() -> None:
    """No test of the suite is left out here."""
    names = {name for name in vars(LauncherTestSuite) if name.startswith("test_")}
    assert {name for name in dir(TestLauncher) if name.startswith("test_")} == names
    assert len(names) > 6
    assert Path(ROOT, "tests").is_dir()
