"""docs/failures.md: every message that it quotes is one that the package, Python or SLURM says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from tests.support.sweeps import ROOT

PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
OTHERS = {
    "`ValueError: ...`", "`ModuleNotFoundError: ...`", "`DriftError`", "`No module named 'yaml'`",  # Python's
    "`ValueError: ... (task 3)`",
    "`... python3: not found`", "`user namespace`", "`unknown flag: --nope`", "`bad superblock`", "`corrupted`",
    "`executable file not found`", "`stat /no/python: no such file or directory`",
    "`set_attributes: failed to change uid and gids ...`",  # Apptainer's
}  # fmt: skip


@cache
def pieces() -> tuple[str, ...]:
    """Return the texts in the package's source between which values are put."""
    found = set()
    for path in (ROOT / "nemo_partial_hydra").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {
            node.value.strip()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return tuple(piece for piece in found if len(piece) >= 8)


def quoted() -> list[str]:
    """Return what the first cells of the first two tables quote, but for states and SLURM's own reasons."""
    tables = PAGE.partition("## What other launchers")[0]
    cells = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| ") and "|---" not in line]
    found = [code for cell in cells for code in re.findall(r"`[^`]+`", cell)]
    return [code for code in found if code.strip("`") not in states.STATES and not code.startswith("`waits: ")]


@pytest.mark.parametrize("code", [code for code in quoted() if code not in OTHERS])
def test_a_message_is_said(code: str) -> None:
    parts = [part.strip() for part in code.strip("`").split("...")]
    for part in filter(None, parts):
        assert any(part in piece or piece in part for piece in pieces()), f"nothing says {part!r}"


def test_the_page_covers_every_case_of_the_table_of_faults() -> None:
    table = PAGE.partition("## What other launchers")[2]
    assert len([line for line in table.splitlines() if line.startswith("| ")]) == 1 + 13
    assert Path(ROOT / "docs" / "status.md").exists()
