"""Every console block of the README and the docs is run, its output compared with what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.apps import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One command of a page and the output that the page shows below it."""

    command: str
    shown: list[str]


def blocks() -> list[tuple[str, list[Step]]]:
    """Return the console blocks of all pages."""
    found = []
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
            steps: list[Step] = []
            for line in match.group(1).splitlines():
                if line.startswith("$ "):
                    steps.append(Step(line[2:], []))
                else:
                    steps[-1].shown.append(line)
            found.append((f"{page.name}-{number}", steps))
    return found


BLOCKS = blocks()


def matches(shown: list[str], real: list[str]) -> bool:
    """Whether real lines are the shown ones, where ``...`` stands for any lines."""
    if not shown:
        return not real
    if shown[0] == "...":
        return any(matches(shown[1:], real[cut:]) for cut in range(len(real) + 1))
    return bool(real) and real[0] == shown[0] and matches(shown[1:], real[1:])


def test_pages_have_blocks() -> None:
    assert {name.partition("-")[0] for name, _ in BLOCKS} >= {"README.md", "guide.md", "listing.md"}


@pytest.mark.parametrize(("name", "steps"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_console_block(name: str, steps: list[Step], tmp_path: Path) -> None:
    work = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "examples", work / "examples", ignore=shutil.ignore_patterns("outputs", "multirun", "__pycache__")
    )
    folder = work if steps[0].command.startswith("cd ") else work / "examples" / "optimizers"
    for step in steps:
        words = shlex.split(step.command)
        if words[0] == "cd":
            folder = (folder / words[1]).resolve()
            continue
        commands = {"python": [], "nemo-hydra": ["-m", "nemo_partial_hydra.cli"]}
        assert words[0] in commands, f"{name}: {words[0]} is not run here"
        done = subprocess.run(
            [sys.executable, *commands[words[0]], *words[1:]],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        real = (done.stdout + done.stderr).splitlines()
        shown = ["..." if line.strip() == "..." else line for line in step.shown]
        assert matches(shown, real), f"{step.command}\n--- shown\n{chr(10).join(shown)}\n--- real\n{chr(10).join(real)}"


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
