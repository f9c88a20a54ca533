"""Each test of the policy starts as a new process does, with modules at hand that nobody has imported yet."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.evil import Modules

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _fresh(fresh_workspace: None) -> None:
    """Nothing was captured yet, so nothing is trusted yet."""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Make modules that nobody has imported yet; whether one was is seen in ``sys.modules``."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made: list[str] = []

    def make(text: str = "def f(a=None): ...\n", name: str = "evil") -> str:
        full = f"{name}{next(_numbers)}_of_the_tests"
        (folder / f"{full}.py").write_text(textwrap.dedent(text))
        made.append(full)
        return full

    yield make
    for name in made:
        sys.modules.pop(name, None)
