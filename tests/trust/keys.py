"""SSH keys of two teams and of a stranger, and what is signed with them; all of it with the real ssh-keygen."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.jobs.openssh import NAMESPACE
from tests.conftest import left_out
from tests.support.sweeps import ALLOW, Sweep
from tools import debian


def keygen(*words: str | Path, content: bytes | None = None) -> bytes:
    """Run ssh-keygen as a user does; return what it prints."""
    command = ["ssh-keygen", *map(str, words)]
    stdin = subprocess.DEVNULL if content is None else None
    return subprocess.run(command, input=content, stdin=stdin, capture_output=True, check=True).stdout


def install() -> None:
    """Have ssh-keygen: a test machine that may not leave out a part installs it."""
    if shutil.which("ssh-keygen") is None and os.environ.get("NPH_REQUIRE_ALL") == "1":
        debian.install("openssh-client")
    if shutil.which("ssh-keygen") is None:
        left_out("ssh-keygen is not installed (package openssh-client)")


@dataclass(frozen=True)
class Key:
    """A key pair in files: ``path`` and ``path.pub``."""

    path: Path

    @property
    def public(self) -> str:
        """The kind and the key, without the comment."""
        return " ".join(self.path.with_name(f"{self.path.name}.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen shows it."""
        return keygen("-lf", self.path).decode().split()[1]

    def signs(self, content: bytes, namespace: str = NAMESPACE) -> bytes:
        """Sign as ssh-keygen does, without this package."""
        return keygen("-Y", "sign", "-q", "-n", namespace, "-f", self.path, content=content)


class Keys:
    """Keys by the names of their owners, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, Key] = {}

    def __getitem__(self, name: str) -> Key:
        """``team-a-rsa`` is an RSA key; others are Ed25519."""
        if name not in self.known:
            path = self.folder / name
            kind = name.rpartition("-")[2]
            kind = kind if kind in ("rsa", "ecdsa") else "ed25519"
            keygen("-q", "-t", kind, "-N", "", "-C", name, "-f", path)
            self.known[name] = Key(path)
        return self.known[name]


class Store:
    """A sweep of two jobs that team A has frozen, and team B's file of signers."""

    def __init__(self, folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.keys, self.monkeypatch = folder, keys, monkeypatch
        self.sweep = Sweep(folder / "jobs")
        for steps in (1, 2):
            self.sweep.add("report", steps=steps)
        self.directory = self.sweep.paths.directory
        self.signers = folder / "signers"
        self.accepts(f"team-a {keys['team-a'].public}")

    def accepts(self, *lines: str) -> None:
        """Write team B's file."""
        self.signers.write_text("".join(f"{line}\n" for line in lines))

    def job(self, number: int) -> Path:
        """Return a job's file."""
        return self.sweep.jobs[number].job

    def signature(self, number: int) -> Path:
        """Return the file of a job's signatures."""
        return self.sweep.jobs[number].signature

    def sign(self, name: str = "team-a", directory: Path | None = None) -> int:
        """Sign as a command; return the exit code."""
        return cli.main(["sign", str(directory or self.directory), "--key", str(self.keys[name].path)])

    def change(self, number: int, old: str = "packages: {}", new: str = "packages: {x: '1'}") -> None:
        """Change what a job's file says, which is not part of the recipe's hash."""
        text = self.job(number).read_text()
        assert old in text
        self.put(number, text.replace(old, new).encode())

    def put(self, number: int, content: bytes) -> None:
        """Exchange a job's file."""
        self.job(number).unlink()
        self.job(number).write_bytes(content)

    def run(self, *more: str, directory: Path | None = None) -> int:
        """Run as a command with team B's signers; return the exit code."""
        return cli.main(["run", str(directory or self.directory), *self.given(*more)])

    def given(self, *more: str) -> list[str]:
        """Return the options of whoever runs the jobs."""
        named = any(word.startswith("--signers") for word in more)
        return ["--allow", ALLOW[0], *([] if named else ["--signers", str(self.signers)]), *more]

    def ran(self) -> list[int]:
        """Return the numbers of the jobs that something was run of."""
        return [number for number, job in enumerate(self.sweep.jobs) if (job.directory / "attempts").exists()]
