"""Two unix users of one group who share a directory, as two teams on a cluster do; needs root, standard library only.

What runs as one of them has that user's ids and groups and nothing of root's: it sees a file only where the modes of
the file and of all directories above let it. So what the commands need (an interpreter, the packages beside it, this
checkout) is bound where everybody may read it, since it may lie in root's home.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.host import run
from tests.support.sweeps import ROOT

GROUP = "nph-lab"
NAMES = ("nph-lab-a", "nph-lab-b")
PLACES, PLACE = Path("/tmp"), "nph-two-users-"
BOUND = ("python", "packages", "checkout")
PUBLIC = 0o755
SHARED = 0o2775  # new files get the group's id


@dataclass(frozen=True)
class User:
    """One of the two; ``home`` is readable by nobody else."""

    name: str
    home: Path
    public: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a login shell has, and where this package is found."""
        path = os.pathsep.join([str(self.public / "bin"), *filter(None, [self.more.get("PATH")]), "/usr/bin:/bin"])
        found = os.pathsep.join([str(self.public / "checkout"), str(self.public / "packages")])
        return {"HOME": str(self.home), "USER": self.name, "LANG": "C.UTF-8", "PYTHONPATH": found, "PATH": path}

    def start(self, *words: str | Path, umask: int = 0o002) -> subprocess.Popen[str]:
        """Start a command with this user's ids and groups."""
        known = pwd.getpwnam(self.name)
        return subprocess.Popen(
            list(map(str, words)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
            env=self.environment,
            umask=umask,
            user=known.pw_uid,
            group=known.pw_gid,
            extra_groups=os.getgrouplist(self.name, known.pw_gid),
        )

    def types(self, *words: str | Path, umask: int = 0o002) -> tuple[int, str]:
        """Run a command; return its exit code and what it says."""
        with self.start(*words, umask=umask) as process:
            said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def does(self, deed: Callable[[], object]) -> str:
        """Call a function with this user's ids and groups; return the error it ends with, or an empty text."""
        known = pwd.getpwnam(self.name)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            said = ""
            try:
                os.setgroups(os.getgrouplist(self.name, known.pw_gid))
                os.setresgid(known.pw_gid, known.pw_gid, known.pw_gid)
                os.setresuid(known.pw_uid, known.pw_uid, known.pw_uid)
                os.umask(0o002)
                deed()
            except BaseException as error:  # whatever it is, the test is told
                said = f"{type(error).__name__}: {error}"
            os.write(writing, said.encode()[:4000])
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as file:
            said = file.read()
        os.waitpid(child, 0)
        return said


@contextmanager
def two_users(path: str) -> Iterator[tuple[Path, User, User]]:
    """Have two users of one group for a while, and a directory that everybody can reach, with ``shared`` for both.

    Parameters
    ----------
    path : more directories of commands.
    """
    place = PLACES / f"{PLACE}{os.getpid()}"
    _tidy_up()  # what a session that was killed has left
    place.mkdir()
    try:
        place.chmod(PUBLIC)
        run("groupadd", GROUP)
        for name in NAMES:
            run("useradd", "--no-create-home", "--home-dir", place / name, "--gid", GROUP, "--shell", "/bin/sh", name)
        _commands(place / "bin", _bind_what_runs(place))
        users = []
        for name in NAMES:
            (place / name).mkdir(mode=0o700)
            shutil.chown(place / name, name, GROUP)
            users.append(User(name, place / name, place, {"PATH": path}))
        (place / "shared").mkdir()
        shutil.chown(place / "shared", NAMES[0], GROUP)
        (place / "shared").chmod(SHARED)
        yield place, users[0], users[1]
    finally:
        _tidy_up()


def _bind_what_runs(place: Path) -> Path:
    """Bind interpreter, packages and checkout below ``place``; return the interpreter there."""
    base = Path(sys.base_prefix).resolve()
    for name, source in zip(BOUND, (base, Path(sysconfig.get_path("purelib")), ROOT), strict=True):
        (place / name).mkdir()
        run("mount", "--bind", source, place / name)
    return place / BOUND[0] / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _commands(folder: Path, python: Path) -> None:
    folder.mkdir()
    for name, words in {"python": "", "nemo-hydra": " -m nemo_partial_hydra.cli"}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {python} -B{words} "$@"\n')
        (folder / name).chmod(PUBLIC)


def _end_processes() -> None:
    """End what is left of the two."""
    owners = set()
    for name in NAMES:
        with suppress(KeyError):
            owners.add(pwd.getpwnam(name).pw_uid)
    for found in Path("/proc").iterdir():
        with suppress(OSError):
            if found.name.isdigit() and found.stat().st_uid in owners:
                os.kill(int(found.name), signal.SIGKILL)


def _tidy_up() -> None:
    """Remove the users and their places; no place is removed while something is still bound there."""
    _end_processes()
    for command, names in (("userdel", NAMES), ("groupdel", (GROUP,))):
        for name in names:
            subprocess.run([command, name], capture_output=True, check=False)
    for place in PLACES.glob(f"{PLACE}*"):
        for name in BOUND:
            subprocess.run(["umount", "--lazy", place / name], capture_output=True, check=False)
            with suppress(FileNotFoundError):
                (place / name).rmdir()  # fails while something is bound there
        shutil.rmtree(place)
