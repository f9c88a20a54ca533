"""The reserved keys of the dialect are spelled in one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import nemo_partial_hydra
from nemo_partial_hydra.recipes import keys

PACKAGE = Path(nemo_partial_hydra.__file__).parent
SPELLED = {*keys.RESERVED, keys.MISSING}
# Settings of launchers and sweepers, in which ``_target_`` is Hydra's.
HYDRAS = {"composition/checks.py", "launchers/settings.py"}


def literals(path: Path) -> Iterator[str]:
    """Yield the texts of a module's code, docstrings left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_other_module_spells_a_reserved_key() -> None:
    found = {
        str(path.relative_to(PACKAGE)): sorted(SPELLED & set(literals(path)))
        for path in PACKAGE.rglob("*.py")
        if path != Path(keys.__file__)
    }
    assert {name: texts for name, texts in found.items() if texts and name not in HYDRAS} == {}
    assert {name for name, texts in found.items() if texts} >= HYDRAS
