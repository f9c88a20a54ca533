"""A terminal that goes away without a word: nothing tells a program whose session has another one, or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.explorer.test_start import Session
from tests.support.apps import App

LONGEST = 60  # seconds until it must have noticed


@pytest.mark.textual
def test_it_ends_with_its_terminal(tmp_path: Path) -> None:
    session = Session(App(tmp_path))
    session.until("optimizers")
    os.close(session.ours)
    try:
        out, _ = session.process.communicate(timeout=LONGEST)
    finally:
        session.process.kill()
    assert out == b""
    assert session.process.returncode in (129, 120)  # or what Python says where it cannot flush what it has drawn
