"""Every console block of the README and the docs is run, its output compared with what the page shows.

Above a block, ``*(needs NeMo)*`` has it run where NeMo is installed only. The other blocks of such a page are run where
NeMo cannot be imported, in each environment. Times (``in 3.21s``) and the number of
warnings before one are not compared.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import ROOT
from tests.support.shims import shims

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(\*\(needs NeMo\)\*\n\n)?```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
PIECE = re.compile(r"^```\w+\n# (examples/\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TIME = re.compile(r"(, \d+ warnings?)? in \d+\.\d+s( \(\d+:\d\d:\d\d\))?$")


@dataclass(frozen=True)
class Step:
    """One command of a page and the output that the page shows below it."""

    command: str
    shown: list[str]


@dataclass(frozen=True)
class Block:
    """What stands between a pair of fences."""

    steps: list[Step]
    without_nemo: bool


def blocks() -> list[Any]:
    """Return the console blocks of all pages, each with a name, as parameters of a test."""
    found = []
    for page in PAGES:
        fences = list(BLOCK.finditer(page.read_text(encoding="utf-8")))
        tells = any(match.group(1) for match in fences)
        for number, match in enumerate(fences):
            steps: list[Step] = []
            for line in match.group(2).splitlines():
                if line.startswith("$ "):
                    steps.append(Step(line[2:], []))
                else:
                    steps[-1].shown.append(line)
            name = f"{page.name}-{number}"
            block = Block(steps, without_nemo=tells and not match.group(1))
            found.append(pytest.param(name, block, id=name, marks=[pytest.mark.nemo] if match.group(1) else []))
    return found


BLOCKS = blocks()
COMMANDS = {"python", "nemo-hydra", "sh", "tail"}


def matches(shown: list[str], real: list[str]) -> bool:
    """Whether real lines are the shown ones, where ``...`` stands for any lines."""
    if not shown:
        return not real
    if shown[0] == "...":
        return any(matches(shown[1:], real[cut:]) for cut in range(len(real) + 1))
    return bool(real) and real[0] == shown[0] and matches(shown[1:], real[1:])


def test_pages_have_blocks() -> None:
    pages = {block.id.rpartition("-")[0] for block in BLOCKS}
    assert pages >= {"README.md", "guide.md", "listing.md", "from-nemo-run.md"}


@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_console_block(name: str, block: Block, tmp_path: Path) -> None:
    work = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "examples",
        work / "examples",
        ignore=shutil.ignore_patterns("outputs", "multirun", "jobs", "*.csv", "__pycache__"),
    )
    env = shims(tmp_path / "bin", block.without_nemo)
    folder = work if block.steps[0].command.startswith("cd ") else work / "examples" / "optimizers"
    for step in block.steps:
        words = shlex.split(step.command)
        if words[0] == "cd":
            folder = (folder / words[1]).resolve()
            continue
        assert words[0] in COMMANDS, f"{name}: {words[0]} is not run here"
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
        real = [TIME.sub(" in a while", line) for line in (done.stdout + done.stderr).splitlines()]
        shown = ["..." if line.strip() == "..." else line for line in step.shown]
        shown = [TIME.sub(" in a while", line) for line in shown]
        assert matches(shown, real), f"{step.command}\n--- shown\n{chr(10).join(shown)}\n--- real\n{chr(10).join(real)}"


PIECES = [(page.name, *piece) for page in PAGES for piece in PIECE.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "name", "piece"), PIECES, ids=[f"{page}-{name}" for page, name, _ in PIECES])
def test_what_is_shown_of_a_file_is_in_it(page: str, name: str, piece: str) -> None:
    assert piece.strip() in (ROOT / name).read_text(encoding="utf-8"), f"{page} shows something else than {name}"


def test_the_example_is_the_file() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    source = (ROOT / "examples" / "optimizers" / "registered.py").read_text(encoding="utf-8")
    shown = re.search(r"```python\n# examples/optimizers/registered.py\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    assert shown.group(1) == source


def test_the_config_file_is_the_file() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    source = (ROOT / "conf" / "import.yaml").read_text(encoding="utf-8")
    lines = [line for line in source.splitlines() if not line.startswith("# ")]
    assert "\n".join(lines) in text
