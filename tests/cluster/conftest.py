"""The cluster as fixtures: brought up once a session, cleaned after each test, its logs shown when one fails.

A lab that is up already is used and stays up; one that this session started is brought down at its end.  Where the
machine cannot host one the tests are left out.  All of this is loaded in environments without a cluster too, so it
imports pytest and the lab alone.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.host import LabError
from tests.cluster.lab import Lab
from tests.conftest import NEEDS, left_out


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The cluster, up and for this session alone."""
    lab = Lab()
    reason = lab.why_not()
    if reason is not None:
        left_out(reason)
    with lab.alone():
        ran = lab.runs()
        try:
            try:
                lab.up()
                lab.clean()
            except LabError as error:
                pytest.fail(f"the test cluster does not come up: {error}", pytrace=False)
            yield lab
        finally:
            if not ran:
                lab.down()


@pytest.fixture(scope="session")
def image(lab: Lab) -> Path:
    """An image with Python 3.11 and PyYAML, and nothing else."""
    return lab.image(images.PYTHON)


@pytest.fixture(scope="session")
def image_other_python(lab: Lab) -> Path:
    """The same with Python 3.13."""
    return lab.image(images.OTHER_PYTHON)


@pytest.fixture(scope="session")
def image_nemo(lab: Lab) -> images.Bound:
    """An image with the NeMo environment bound into it: the one of NPH_NEMO_VENV, else the one that runs the tests."""
    named = os.environ.get("NPH_NEMO_VENV")
    if named is None and importlib.util.find_spec("nemo") is None:
        left_out(f"{NEEDS['nemo'].reason}, and NPH_NEMO_VENV names no other")
    return lab.nemo(Path(named or sys.prefix))


@pytest.fixture(autouse=True)
def _as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test: no jobs, every daemon up, options and nodes as they were."""
    yield
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab").clean()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found: object = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(found, Lab):
        report.sections.append(("the cluster's logs", found.logs()))
    return report
