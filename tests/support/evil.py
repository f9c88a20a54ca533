"""For tests of the policy: reading a recipe as one file has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_partial_hydra.runtime.workspace import WORKSPACE

Modules = Callable[..., str]


def read(data: Any, allow: tuple[str, ...] = ("tests.support",)) -> Any:
    """Read plain data as a tree, as a recipe file is."""
    return WORKSPACE.read_tree(data, allow)
