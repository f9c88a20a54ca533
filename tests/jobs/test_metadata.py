"""What git is asked about a directory, whose settings may be somebody else's."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs.metadata import git_of

ATTACKS = {
    "clean filter": ("filter.x.clean", "{touch}; cat"),
    "process filter": ("filter.x.process", "{touch}"),
    "fsmonitor": ("core.fsmonitor", "{touch};"),
    "fetch by an address": ("remote.origin.url", "ext::{touch}"),
    "fetch by a command": ("remote.origin.uploadpack", "{touch};"),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("x\n")
    (folder / ".gitattributes").write_text("* filter=x\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "m")
    git_of.cache_clear()
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(("key", "value"), ATTACKS.values(), ids=ATTACKS)
def test_git_runs_nothing_of_a_repository(repository: Path, tmp_path: Path, key: str, value: str) -> None:
    mark = tmp_path / "mark"
    settings = {key: value.format(touch=f"touch {shlex.quote(str(mark))}")}
    if key.startswith("remote"):
        tree = git(repository, "rev-parse", "HEAD^{tree}")
        (repository / ".git/objects" / tree[:2] / tree[2:]).unlink()
        settings = {"remote.origin.url": str(repository), "protocol.ext.allow": "always", **settings}
        settings |= {"extensions.partialClone": "origin", "remote.origin.promisor": "true"}
        settings |= {"core.repositoryformatversion": "1"}
    os.utime(repository / "a.txt", (1, 1))  # git looks at what is in it
    for name, text in settings.items():
        git(repository, "config", name, text)
    found = git_of(str(repository))
    assert found is not None
    assert len(found["commit"]) == 40
    assert found["dirty"] is (False if key == "core.fsmonitor" else None)
    assert not mark.exists()


def test_filters_of_the_runner_are_the_runners_own(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text('[filter "x"]\n\tclean = cat\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert (git_of(str(repository)) or {})["dirty"] is False
