"""What holds for all tests: what they need, what may not run at once, and what is put back after each.

Skips are named here and nowhere else: a test says what it needs with a marker of ``NEEDS`` or with ``left_out``; where
that is missing it is skipped with the reason, or fails if ``NPH_REQUIRE_ALL=1`` says that no part may be left out.
"""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest
from hypothesis import settings

from nemo_partial_hydra.jobs import seal
from tests.support import (
    forks,
    laws,  # noqa: F401 - it registers the profiles
)

# ``--hypothesis-profile=few`` is read later and wins.
settings.load_profile("full")

# A shell starts what runs in its background with SIGINT ignored, and children inherit that: a test that interrupts a
# process would wait for ever. A handler of our own is not inherited, but the default action is then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests read of targets is no concern of the user's cache, nor what is in that of them.
os.environ["NPH_CACHE"] = "0"

# pytest-xdist's workers import readline, which writes the size of a terminal that is not there into the environment.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


# An environment of its own has it, by ``make bridge``: nobody has left out what was not asked for.
collect_ignore = (
    [] if importlib.util.find_spec("megatron") and importlib.util.find_spec("megatron.bridge") else ["bridge"]
)


class Need(NamedTuple):
    """What a machine or an environment must have for a test, and why the test is left out where it has not."""

    met: bool
    reason: str


def _major(distribution: str) -> str | None:
    """Return the first number of an installed distribution's version; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution).partition(".")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


NEMO = _major("nemo_toolkit")  # 3 has none of the LLM recipes that tests marked nemo are about
NEEDS = {
    "nemo": Need(NEMO not in (None, "3"), "NeMo is not installed in this environment"),
    "nemo3": Need(NEMO == "3", "NeMo 3 is not installed in this environment: make nemo3"),
    "textual": Need(importlib.util.find_spec("textual") is not None, "textual is not installed in this environment"),
    "root": Need(os.geteuid() == 0, "this needs root"),
    "devices": Need(all(map(os.path.exists, ("/dev/full", "/dev/zero"))), "there is no /dev/full or /dev/zero here"),
}
"""By marker.  Whether there can be a cluster is asked by its fixture, since to ask takes a while."""

ONE_AT_A_TIME = ("cluster", "nemo", "nemo3", "browser")
"""Markers of tests that are kept together in one process of pytest-xdist, so that none runs beside another: they
share one SLURM or one browser, or import 2 GB of NeMo."""


STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn")
"""Audit events of a process that starts another.  To wait for one takes longer than a hundred other tests."""
STARTED = "it starts a process, and --quick was given"


def left_out(reason: str) -> NoReturn:
    """Skip the test for this reason, or fail where every part is required."""
    if os.environ.get("NPH_REQUIRE_ALL") == "1":
        pytest.fail(f"no part may be left out here, but: {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what this machine or environment cannot run."""
    asked = {name for name in NEEDS if item.get_closest_marker(name) is not None}
    if item.get_closest_marker("cluster") is not None:
        asked.discard("nemo")  # the jobs' image has it; the fixture of that image asks
    for name in sorted(asked):
        if not NEEDS[name].met:
            left_out(NEEDS[name].reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out each test that starts a process, as it does so")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick"):
        sys.addaudithook(_start_no_process)


def _start_no_process(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS and "PYTEST_CURRENT_TEST" in os.environ:  # pytest sets it while a test or its fixtures run
        pytest.skip(STARTED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what tests have counted, and what a quick run has left out, in two lines instead of one for each."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "said":
                terminalreporter.write_line(str(text))
    if config.getoption("quick"):
        started = [report for report in terminalreporter.getreports("skipped") if STARTED in str(report.longrepr)]
        terminalreporter.write_line(f"left out here and run by make test: {len(started)} tests that start a process,")
        terminalreporter.write_line("those that need NeMo or the cluster, and nine tenths of the laws' examples")


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what was collected, or each of its runs looks through all tests."""
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Group what must not run at once for ``--dist loadgroup``: pytest-xdist reads it once all are collected."""
    group = next((name for name in ONE_AT_A_TIME if item.get_closest_marker(name) is not None), None)
    if group is not None:
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _no_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have SLURM's commands fail at once outside of the cluster's tests, which may have stopped its controller."""
    before = os.environ.get("SLURM_CONF")
    if request.node.get_closest_marker("cluster") is None:
        empty = tmp_path_factory.getbasetemp() / "no-slurm.conf"  # for a file that is not there they wait a minute
        empty.touch()
        os.environ["SLURM_CONF"] = str(empty)
    yield
    if before is None:
        os.environ.pop("SLURM_CONF", None)
    else:
        os.environ["SLURM_CONF"] = before


@pytest.fixture(autouse=True, scope="session")
def _state_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the key that seals records out of the directory of whoever runs the tests."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    seal.require_key()
    yield
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


@pytest.fixture(autouse=True, scope="session")
def _forks() -> Iterator[None]:
    """End the processes that apps are forked from."""
    yield
    forks.APPS.close()
    forks.RECIPES.close()


@pytest.fixture
def fresh_workspace() -> Iterator[None]:
    """Have a test start as a new process does, and leave no trace: nothing captured, allowed or registered, no app.

    Tests need it that look at what is remembered from one call to the next; the others need not pay for it.
    """
    from hydra.core.global_hydra import GlobalHydra

    from nemo_partial_hydra.composition.registry import REGISTRY, Registry
    from nemo_partial_hydra.runtime.workspace import WORKSPACE, Workspace

    before = {id(one): (one, dict(vars(one))) for one in (WORKSPACE, REGISTRY)}
    Workspace.__init__(WORKSPACE)
    Registry.__init__(REGISTRY)
    yield
    for one, attributes in before.values():
        vars(one).clear()
        vars(one).update(attributes)
    GlobalHydra.instance().clear()


@pytest.fixture
def weird_tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose name breaks whatever is not quoted: quotes, a newline, a semicolon, ``$(...)``.

    SLURM's scripts cannot have a newline in a path, which is refused; ``tests.support.sweeps.STRANGE`` has none.
    """
    made = tmp_path_factory.mktemp("weird") / 'it\'s "odd";\n$(touch broken) `x` é & {a} %j'
    made.mkdir()
    return made
