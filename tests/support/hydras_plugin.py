"""What Hydra's own tests run with: composed as in an ``nph.main`` app; see ``hydras_tests``, which copies this file.

A plugin of the pytest that runs them; there, ``tests`` is Hydra's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPORT = "HYDRAS_TESTS_REPORT"
OUTCOMES: dict[str, str] = {}


def pytest_configure() -> None:
    from hydra.core.plugins import Plugins

    Plugins.instance()  # or the first test that puts the singletons back takes the configs of the plugins with it
    # For what they start.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd() / "stand_in"), os.environ["PYTHONPATH"]])


@pytest.fixture(autouse=True)
def _as_in_an_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from nemo_partial_hydra.libraries.catalog import Catalog
    from nemo_partial_hydra.runtime import session

    monkeypatch.setattr(Catalog, "in_use", lambda self: ())  # whose groups are offered beside those of the tests
    with session.running(session.Session()):
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        before = OUTCOMES.get(report.nodeid, "passed")
        OUTCOMES[report.nodeid] = before if before != "passed" else report.outcome


def pytest_sessionfinish() -> None:
    Path(os.environ[REPORT]).write_text(json.dumps(OUTCOMES))
