"""What the lab asks of the machine: can it host a cluster, run a command, bring Debian packages.

The mirror is the one that the machine's own apt is set up with.  Packages of a newer Debian are only downloaded and
unpacked into the lab's directory; what is installed on the machine comes from its own release.  Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RELEASE = "bookworm"
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# test cluster: a package's script must not start a daemon\nexit 101\n"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class LabError(Exception):
    """The cluster cannot do what was asked; the message is what the user is told."""


def why_not() -> str | None:
    """Say why this machine cannot host the cluster, or None where it can."""
    facts = _os_release()
    if facts.get("ID") != "debian" or facts.get("VERSION_CODENAME") != RELEASE:
        found = facts.get("PRETTY_NAME", "something else")
        return f"the test cluster needs Debian 12 ({RELEASE}), whose Slurm it is written for; this is {found}"
    missing = [name for name in ("apt-get", "dpkg", "dpkg-deb", "setsid") if shutil.which(name) is None]
    if missing:
        return f"the test cluster installs Debian packages, and {', '.join(missing)} is not on PATH"
    if os.uname().machine != "x86_64":
        return f"the test cluster needs an amd64 machine, as the packages it unpacks; this is {os.uname().machine}"
    if os.geteuid() != 0:
        return "the test cluster needs root: it installs packages, and slurmd starts jobs as other users"
    return None


def _os_release() -> dict[str, str]:
    path = Path("/etc/os-release")
    lines = path.read_text().splitlines() if path.exists() else []
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def run(
    *command: str | Path, timeout: float = 60.0, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command of the lab's own and give its standard output.

    Raises
    ------
    LabError
        It failed or took longer than ``timeout`` seconds; the message has its last lines.
    """
    words = [str(word) for word in command]
    full = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=full,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no answer within {timeout:.0f} s from: {' '.join(words)}") from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise LabError(f"exit code {done.returncode} from: {' '.join(words)}\n{tail}")
    return done.stdout


def digest(*parts: object) -> str:
    """Give a short stamp of what something is made from."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass
class Apt:
    """The machine's apt, and a private one in ``directory`` that also knows newer releases."""

    directory: Path
    _fresh: bool = False

    def installed(self, packages: Sequence[str]) -> bool:
        """Say whether all of these are properly installed on the machine."""
        query = ["dpkg-query", "-W", "-f", "${Status}\n", *packages]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        return done.stdout.split("\n").count("install ok installed") == len(packages)

    def install(self, packages: Sequence[str]) -> None:
        """Install packages of the machine's release; none of their daemons is started."""
        if self.installed(packages):
            return
        self._update()
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        with _no_daemons():
            if run("dpkg", "--audit").strip():  # an installation was interrupted
                run("dpkg", "--configure", "-a", "--force-confdef", env=quiet, timeout=600)
            options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-unsafe-io"]
            run("apt-get", *options, "install", "-qy", "--no-install-recommends", *packages, env=quiet, timeout=600)

    def download(self, *packages: str) -> Path:
        """Download just these, each ``name/release`` of a newer Debian; give the folder with the .deb files."""
        return self._folder(packages, "download", self._newer)

    def closure(self, release: str, packages: Sequence[str]) -> Path:
        """Download these and all they depend on, as for an empty machine; give the folder with the .deb files."""
        options = self._own if release == RELEASE else self._newer
        return self._folder(packages, "closure", options, release)

    def _folder(self, packages: Sequence[str], how: str, options: object, release: str = "") -> Path:
        folder = self.directory / "debs" / digest(how, release, tuple(packages))
        done = folder / "complete"
        if done.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "partial").mkdir(parents=True)
        assert callable(options)
        apt = ["apt-get", "-q", *options()]
        if how == "download":
            run(*apt, "download", *packages, cwd=folder, timeout=300)
        else:
            nothing = self.directory / "no-packages"
            nothing.write_text("")
            apt += ["-o", f"Dir::State::status={nothing}", "-o", f"Dir::Cache::archives={folder}", "-t", release]
            run(*apt, "install", "-y", "--download-only", "--no-install-recommends", *packages, timeout=300)
        done.touch()
        return folder

    def _update(self) -> None:
        """Refresh the machine's lists, once; a source that is not reachable may not matter, so only ours is asked."""
        if not self._fresh:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False, timeout=300)
            self._fresh = True

    def _own(self) -> list[str]:
        self._update()
        cache = self.directory / "own-cache"
        cache.mkdir(parents=True, exist_ok=True)
        return ["-o", "APT::Sandbox::User=root", "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1"]

    def _newer(self) -> list[str]:
        """Give the options of the private apt, its lists read once a lab."""
        root = self.directory / "newer"
        sources = root / "sources.list"
        options = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": root / "lists",
            "Dir::Cache": root / "cache",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "1",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        if not (root / "complete").exists():
            for folder in ("lists/partial", "cache/archives/partial"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            site = mirror()
            lines = [f"deb [signed-by={KEYRING}] {site} {release} main\n" for release in ("sid", "trixie")]
            sources.write_text("".join(lines))
            run("apt-get", "-q", *words, "update", timeout=300)
            (root / "complete").touch()
        return words


def mirror() -> str:
    """Give the address of the Debian archive that this machine's apt uses."""
    listed = run("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)")
    for line in listed.splitlines():
        release, component, site = line.split(" ", 2)
        if (release, component) == (RELEASE, "main"):
            return site
    raise LabError(f"this machine's apt knows no Debian archive with {RELEASE} main; see /etc/apt/sources.list.d")


@contextmanager
def _no_daemons() -> Iterator[None]:
    """Keep maintainer scripts from starting services, on machines that do not forbid it anyway."""
    if POLICY.exists() and POLICY.read_text() != POLICY_TEXT:
        yield
        return
    try:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)
