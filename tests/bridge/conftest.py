"""Bridge with stand-ins for what needs CUDA, and a hub that refuses at once: Bridge asks a silent one four times."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.apps import ROOT

STAND_INS = ROOT / "tests" / "support" / "bridge_stand_ins"


class Refusing(BaseHTTPRequestHandler):
    """A hub to which every model is gated."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Export(NamedTuple):
    """A library of Bridge's recipes, and what was said while it was made."""

    folder: Path
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of processes that import Bridge."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cache = tmp_path_factory.mktemp("hub")
    yield {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(cache),
        "MEGATRON_CONFIG_LOCK_DIR": str(cache),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, STAND_INS))),
        "PYTHONWARNINGS": "ignore",
    }
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def export(surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Export:
    """What ``nemo-hydra export megatron.bridge.recipes`` makes."""
    folder = tmp_path_factory.mktemp("exported") / "lib"
    command = [sys.executable, "-m", "nemo_partial_hydra.cli", "export", "megatron.bridge.recipes", "-o", str(folder)]
    done = subprocess.run(
        command, env=surroundings, cwd=folder.parent, capture_output=True, text=True, check=False, timeout=300
    )
    return Export(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def bridge(surroundings: dict[str, str], export: Export) -> Iterator[None]:
    """Have this process import Bridge as those do, in the directory that is in the exported recipes' paths."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in surroundings.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(STAND_INS))
        patch.chdir(export.folder.parent)
        yield
