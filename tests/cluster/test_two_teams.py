"""The story of two teams, ``examples/two_teams/story.sh``, run as it is; docs/two-teams.md shows what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.lab import Lab
from tests.support.sweeps import ROOT

pytestmark = pytest.mark.cluster
PAGE = ROOT / "docs" / "two-teams.md"
BLOCK = re.compile(r"(<!-- story\.sh -->\n```text\n)(.*?)(^```)", re.MULTILINE | re.DOTALL)


def test_the_story_is_as_the_page_tells_it(lab: Lab, image: Path, tmp_path: Path) -> None:
    """With NPH_RECORD=1 the page is written anew."""
    told = story(lab, image, tmp_path / "work", tmp_path / "bin")
    page = PAGE.read_text()
    if os.environ.get("NPH_RECORD") == "1":
        PAGE.write_text(BLOCK.sub(lambda match: match.group(1) + told + match.group(3), page))
    shown = BLOCK.search(page)
    assert shown is not None
    assert told == shown.group(2)


def story(lab: Lab, image: Path, folder: Path, tools: Path) -> str:
    """Run the script in a copy of its directory; return what it says, without what differs from run to run."""
    shutil.copytree(ROOT / "examples" / "two_teams", folder, ignore=shutil.ignore_patterns("__pycache__"))
    tools.mkdir()
    for name, words in {"python": "", "nemo-hydra": " -m nemo_partial_hydra.cli"}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable}{words} "$@"\n')
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), str(lab.apptainer.parent), os.environ["PATH"]])
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "XDG_STATE_HOME") if name in os.environ}
    env = {**kept, "PATH": path, "IMAGE": str(image), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "story.sh"], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return plain(done.stdout, folder, image, lab)


def plain(text: str, folder: Path, image: Path, lab: Lab) -> str:
    """Put names in the places of ids, times and this machine's paths."""
    ids = dict.fromkeys(re.findall(r"(?:SLURM job|SLURM as) (\d+)", text))
    for number, known in enumerate(ids):
        text = re.sub(rf"\b{known}\b|\b{known}(?=_)", str(1001 + number), text)
    known_paths = {str(image): "image.sif", str(folder): "/shared/two_teams", str(ROOT): "/opt/nemo_partial_hydra"}
    for path, name in known_paths.items():
        text = text.replace(path, name)
    text = re.sub(r"\b\d+(\.\d+)? s\b", "1.0 s", text)
    text = re.sub(r"^\[[-0-9: ,]+\]", "[2026-11-22 10:00:00,000]", text, flags=re.MULTILINE)
    text = re.sub(r"\b\d\d-\d\d \d\d:\d\d:\d\d\b", "11-22 10:00:00", text)
    # What may come in any order, or not at all, between the lines that matter.
    text = re.sub(r"^\d+ (running|submitted).*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"(^\[\d+/\d+\] .*\n)+", _in_order, text, flags=re.MULTILINE)
    text = re.sub(r"^JOB  .*\n(\d+  .*\n|     .*\n)+", _aligned, text, flags=re.MULTILINE)
    return text.lstrip("\n")


def _in_order(match: re.Match[str]) -> str:
    """Say of jobs how they ended in the order of their numbers."""
    said = sorted(line.partition("] ")[2] for line in match.group().splitlines())
    return "".join(f"[{number}/{len(said)}] {line}\n" for number, line in enumerate(said, 1))


def _aligned(match: re.Match[str]) -> str:
    """Align a table's columns again: ids have been replaced by others of another length."""
    lines = match.group().splitlines()
    rows = [re.split(r" {2,}", line) for line in lines if not line.startswith(" ")]
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
    return "".join(f"{line if line.startswith(' ') else texts.pop(0)}\n" for line in lines)
