"""The lab: SLURM (three nodes, accounting) and Apptainer on this machine, brought up and down.

    python -m tests.cluster.lab up | down [--purge] | status | image NAME     [--state DIR]

Everything that changes is in one directory, except /etc/slurm/slurm.conf (a link into it), a line in /etc/hosts and
the Debian packages, which stay.  Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster import container, host, images
from tests.cluster.cluster import CGROUPS, Cluster, processes_of
from tests.cluster.host import LabError, run
from tests.cluster.slurmconf import NODES

PACKAGES = (
    "munge slurmctld slurmd slurmdbd slurm-client slurm-wlm-basic-plugins slurm-wlm-mysql-plugin mariadb-server-core"
    " mariadb-client-core patchelf squashfs-tools"
).split()
LINK = Path("/etc/slurm/slurm.conf")
HOSTS = Path("/etc/hosts")
HOSTS_LINE = f"127.0.0.1 {' '.join(NODES)} # the nodes of a test cluster\n"


class Lab(Cluster):
    """A test cluster on this machine; ``up`` and ``down`` may be said at any time and any number of times."""

    def __init__(self, state: Path | None = None) -> None:
        super().__init__((state or found()).absolute())
        self.apt = host.Apt(self.state / "apt")
        self._began = time.monotonic()

    def why_not(self) -> str | None:
        """Say why there can be no lab here, or None."""
        return host.why_not() or self._foreign()

    def _foreign(self) -> str | None:
        if not os.path.lexists(LINK) or self._linked():
            return None
        if LINK.is_symlink() and not LINK.exists():
            return None  # of a lab whose directory is gone
        what = f"a link to {os.readlink(LINK)}" if LINK.is_symlink() else "a file"
        return f"{LINK} is {what}, of another cluster: the test cluster does not replace it"

    def _linked(self) -> bool:
        return LINK.is_symlink() and os.readlink(LINK) == str(self.state / "etc" / LINK.name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time brings this lab up, down, or makes an image."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{self.state}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def runs(self) -> bool:
        """Say whether any of it runs."""
        return any(daemon.pid is not None for daemon in self.daemons.values())

    def is_up(self) -> bool:
        """Say whether all of it runs and is this machine's cluster."""
        return self._linked() and all(daemon.pid is not None for daemon in self.daemons.values())

    def up(self) -> None:
        """Bring the cluster up, or what is missing of it.

        Raises
        ------
        LabError
            This machine cannot host it, or a part does not start; the message has the last lines of its log.
        """
        self._began = time.monotonic()
        with self._locked():
            reason = self.why_not()
            if reason:
                raise LabError(reason)
            for name in ("etc", "log", "munge", "mysql", "run", "pid", "slurmctld", "images"):
                (self.state / name).mkdir(parents=True, exist_ok=True)
            (self.state / "munge").chmod(0o755)
            with ThreadPoolExecutor(1) as pool:
                fetched = pool.submit(self.apt.download, *container.PACKAGES)
                self.apt.install(PACKAGES)
                self._say("packages are there")
                self._claim()
                self._start_all()
                fetched.result()
            container.install(self.state / "apptainer", self.apt)
            self._say(f"apptainer {run(self.apptainer, 'version').strip()} is up")

    def _claim(self) -> None:
        """Make this cluster the machine's: its configuration where SLURM's commands look, its nodes' names known."""
        LINK.parent.mkdir(exist_ok=True)
        if not self._linked():
            if LINK.is_symlink() and not LINK.exists():
                LINK.unlink()
            try:
                LINK.symlink_to(self.state / "etc" / LINK.name)
            except FileExistsError as error:  # another lab was quicker
                raise LabError(str(self._foreign())) from error
        hosts = HOSTS.read_text()
        if HOSTS_LINE not in hosts:
            HOSTS.write_text(hosts.rstrip("\n") + "\n" + HOSTS_LINE)

    def _start_all(self) -> None:
        changed = self.configure()
        key = self.state / "munge" / "munge.key"
        if not key.exists():
            new = key.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_bytes(secrets.token_bytes(128))
            new.rename(key)  # never half of one
        if not (self.state / "mysql" / "mysql" / "db.frm").exists():
            self._create_database()
        for name in self.daemons:
            if changed and name.startswith(("slurmctld", "slurmd-")):
                self.stop(name)
            self.start(name)  # also one that runs: an interrupted start may have left it half set up
            self._say(f"{name} is up")

    def _create_database(self) -> None:
        folder = self.state / "mysql"
        shutil.rmtree(folder)
        options = ("--no-defaults", "--user=root", "--skip-test-db", "--auth-root-authentication-method=normal")
        new = Path(tempfile.mkdtemp(dir=self.state))
        run("mariadb-install-db", *options, f"--datadir={new}", timeout=120)
        new.rename(folder)  # a half-made one is never taken for a database
        self._say("the database is created")

    def down(self, purge: bool = False) -> None:
        """Cancel all jobs and stop what ``up`` started; with ``purge`` also remove the lab's directory."""
        with self._locked():
            if self._linked() and self.alive("slurmctld"):
                with suppress(LabError):  # whatever is left of them is killed below
                    self.cancel_all()
            for name in reversed(list(self.daemons)):
                if self.alive(name):
                    self.stop(name)
                    self._say(f"{name} is stopped")
            if self._linked() or purge:
                self._leave()
            if purge:
                shutil.rmtree(self.state, ignore_errors=True)

    def _leave(self) -> None:
        if self._linked():
            for node in NODES:
                for pid in processes_of(node):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                for cgroup in sorted(CGROUPS.glob(f"*/slurm_{node}/**/"), reverse=True):
                    with suppress(OSError):
                        cgroup.rmdir()
            LINK.unlink()
            hosts = HOSTS.read_text()
            if HOSTS_LINE in hosts:
                HOSTS.write_text(hosts.replace(HOSTS_LINE, ""))

    def _say(self, what: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {what}", file=sys.stderr, flush=True)

    # -- Apptainer and images

    @property
    def apptainer(self) -> Path:
        """The executable; its folder has to be on PATH for what calls ``apptainer`` by name."""
        return self.state / "apptainer" / "bin" / "apptainer"

    def image(self, recipe: images.Recipe = images.PYTHON) -> Path:
        """Give an image, made if it is not there or its recipe changed: 5 to 10 s."""
        with self._locked():
            return images.build(recipe, self.state / "images", self.apptainer, self.apt)

    def nemo(self, venv: Path) -> images.Bound:
        """Give an image and binds in which the Python of ``venv``, an environment on this machine, runs."""
        return images.bound(self.image(images.SYSTEM), venv.absolute())


def found() -> Path:
    """Give the directory of the lab: NPH_LAB_STATE, else that of the lab which is up, else the user's own."""
    named = os.environ.get("NPH_LAB_STATE")
    if named:
        return Path(named)
    if LINK.is_symlink():
        state = Path(os.readlink(LINK)).parent.parent
        if (state / "apptainer").is_dir() and state.stat().st_uid == os.geteuid():
            return state
    return Path(tempfile.gettempdir()) / f"nph-lab-{os.geteuid()}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.lab", description="The test cluster.")
    parser.add_argument("--state", type=Path, help="its directory")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it, or what is missing of it")
    down = commands.add_parser("down", help="stop it")
    down.add_argument("--purge", action="store_true", help="and remove its files")
    commands.add_parser("status", help="what runs")
    image = commands.add_parser("image", help="make an image, print its path")
    image.add_argument("name", choices=list(images.RECIPES))
    options = parser.parse_args(arguments)
    lab = Lab(options.state)
    try:
        if options.command == "up":
            lab.up()
            print(lab.state)
        elif options.command == "down":
            lab.down(options.purge)
        elif options.command == "image":
            print(lab.image(images.RECIPES[options.name]))
        else:
            for name, daemon in lab.daemons.items():
                print(f"{name:10} {daemon.pid or '-'}")
            return 0 if lab.is_up() else 1
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
