"""One browser for all tests of pages, and the pages of a real sweep and of a real listing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import left_out
from tests.support.recipes import nemo_hydra, python
from tools import browser as tools_browser
from tools.browser import Browser

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LRS, MOMENTA = ("0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "0.9", "1.1"), ("0", "0.3", "0.6")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start a browser; a machine that may not leave out a part installs one."""
    if importlib.util.find_spec("selenium") is None:
        left_out("selenium is not installed in this environment")
    try:
        if os.environ.get("NPH_REQUIRE_ALL") == "1":
            tools_browser.install()
        with tools_browser.browsing() as started:
            yield started
    except tools_browser.BrowserError as error:
        left_out(str(error))


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The browser with a large light screen, nothing asked for and nothing complained about."""
    chromium.driver.get("about:blank")
    chromium.look(1400, 1000)
    chromium.requests()
    chromium.complaints()
    return chromium


@pytest.fixture(scope="package")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 24 jobs that have run, of which some have failed."""
    folder = tmp_path_factory.mktemp("fit") / "example"
    shutil.copytree(EXAMPLES / "results", folder, ignore=shutil.ignore_patterns("out", "outputs", "multirun"))
    swept = f"optim.lr={','.join(LRS)}", f"optim.momentum={','.join(MOMENTA)}"
    done = python(folder, "sweep.py", "-m", *swept, "hydra/launcher=freeze", "hydra.sweep.dir=out")
    assert done.code == 0, done.err
    ran = nemo_hydra(folder, "run", "out", "--allow", "fit", path=(folder,))
    assert (folder / "out" / "0" / "result.json").exists(), ran.err
    return folder / "out"


@pytest.fixture(scope="package")
def report(sweep: Path) -> Path:
    """The report of the sweep."""
    done = nemo_hydra(sweep.parent, "report", "out")
    assert done.code == 0, done.err
    return sweep / "report.html"


@pytest.fixture(scope="package")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The listing of NeMo's Llama 3 70B pretraining, as a page."""
    done = python(EXAMPLES / "pretrain", "pretrain.py", "--cfg-paths=html", "trainer.max_steps=100")
    assert done.code == 0, done.err
    page = tmp_path_factory.mktemp("listing") / "paths.html"
    page.write_text(done.out)
    return page
