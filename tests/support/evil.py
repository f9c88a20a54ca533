"""For tests of the policy: modules that nobody has imported yet, and a process that trusts nothing yet."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.runtime.workspace import WORKSPACE

Modules = Callable[..., str]
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def fresh_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test as a fresh process would: nothing was captured, no app has run."""
    monkeypatch.setattr(WORKSPACE.policy, "_trusted", set())
    monkeypatch.setattr(WORKSPACE, "allow", set())


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


def read(data: Any, allow: tuple[str, ...] = ("tests.support",)) -> Any:
    """Read plain data as a tree, as a recipe file is."""
    return WORKSPACE.read_tree(data, allow)
