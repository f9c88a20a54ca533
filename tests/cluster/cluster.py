"""The running cluster as drills handle it: its daemons, its options, its logs; its jobs are in ``queueing``.

Nothing here installs or creates anything: that is ``lab``.  Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tests.cluster import daemons
from tests.cluster.daemons import Daemon
from tests.cluster.host import LabError, run
from tests.cluster.queueing import Queue
from tests.cluster.slurmconf import (
    CLUSTER,
    CONTROLLER_PORT,
    DATABASE_PORT,
    NODE_PORTS,
    NODES,
    Facts,
    cgroup_conf,
    slurm_conf,
    slurmdbd_conf,
)

T = TypeVar("T")
CGROUPS = Path("/sys/fs/cgroup")  # of version 1, as Debian 12's Slurm uses them without systemd
SCHEMA = """
create database if not exists slurm_acct_db;
create user if not exists 'slurm'@'localhost' identified by 'slurm';
grant all on slurm_acct_db.* to 'slurm'@'localhost';
"""
PATIENCE = 3.0  # other tests of the session run at the same time


class Cluster(Queue):
    """A cluster whose files are in ``state``.

    Daemons are named ``munged``, ``mariadbd``, ``slurmdbd``, ``slurmctld``, and ``slurmd-n1``, ``-n2`` and ``-n3``;
    ``slurmd`` means those of all nodes.
    """

    nodes = NODES

    def __init__(self, state: Path) -> None:
        self.state = state

    @cached_property
    def facts(self) -> Facts:
        # Under linuxproc every process of a step gets a signal, and Apptainer passes its own on: twice to the payload.
        cgroup = all(os.access(CGROUPS / kind / "cgroup.procs", os.W_OK) for kind in ("freezer", "memory"))
        return Facts(socket.gethostname().split(".")[0], self.state, "cgroup" if cgroup else "linuxproc")

    # -- daemons

    @cached_property
    def daemons(self) -> Mapping[str, Daemon]:
        """The daemons by name, in the order in which they are started."""
        state, conf = self.state, self.state / "etc" / "slurm.conf"
        munge, mysql = state / "munge", state / "mysql"
        env = {"SLURM_CONF": str(conf)}
        all_of = [
            Daemon(
                "munged",
                "munged",
                (
                    *("munged", "--foreground", "--force", f"--key-file={munge}/munge.key"),
                    *(f"--socket={self.facts.munge_socket}", f"--pid-file={munge}/munged.pid"),
                    *(f"--log-file={state}/log/munged.log", f"--seed-file={munge}/munged.seed"),
                ),
                state,
            ),
            Daemon(
                "mariadbd",
                "mariadbd",
                (
                    *("mariadbd", "--no-defaults", "--user=root", f"--datadir={mysql}", f"--socket={state}/mysql.sock"),
                    *(f"--pid-file={state}/run/mariadbd.pid", "--skip-networking", "--innodb-buffer-pool-size=64M"),
                    *("--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
                ),
                state,
            ),
            Daemon(
                *("slurmdbd", "slurmdbd", ("slurmdbd", "-D"), state, (DATABASE_PORT,)),
                {**env, "MYSQL_UNIX_PORT": f"{state}/mysql.sock"},
            ),
            Daemon("slurmctld", "slurmctld", ("slurmctld", "-D", "-f", str(conf)), state, (CONTROLLER_PORT,), env),
        ]
        for node in NODES:
            command = ("slurmd", "-D", "-N", node, "-f", str(conf))
            all_of.append(Daemon(f"slurmd-{node}", "slurmd", command, state, (NODE_PORTS[node],), env))
        return {daemon.name: daemon for daemon in all_of}

    def _named(self, name: str) -> list[Daemon]:
        found = [daemon for daemon in self.daemons.values() if name in {daemon.name, daemon.comm}]
        if not found:
            raise LabError(f"no daemon is called {name!r}; there are: slurmd, {', '.join(self.daemons)}")
        return found

    def alive(self, name: str) -> bool:
        return all(daemon.pid is not None for daemon in self._named(name))

    def start(self, name: str) -> None:
        """Start a daemon that does not run and wait until it answers."""
        for daemon in self._named(name):
            daemon.start()
        for daemon in self._named(name):
            self._wait_for(daemon)
            if daemon.name == "mariadbd":
                run("mariadb", "--no-defaults", f"--socket={self.state}/mysql.sock", "-e", SCHEMA)
            if daemon.name == "slurmdbd" and CLUSTER not in run("sacctmgr", "-nP", "list", "cluster", "format=cluster"):
                run("sacctmgr", "-i", "add", "cluster", CLUSTER)

    def stop(self, name: str) -> None:
        """End a daemon in order; running jobs stay."""
        for daemon in self._named(name):
            daemon.stop()

    def saved(self, job: str | int) -> None:
        """Wait until the controller has written its state with a job that has not ended: up to 5 s after a change.

        A job submitted less than that before the controller crashes is lost to SLURM: its processes run, squeue does
        not know it, accounting has it RUNNING for ever.
        """
        file = self.state / "slurmctld" / "job_state"
        since = time.time()
        run("scontrol", "update", f"jobid={job}", "comment=saved")  # a change, lest it was written just before
        self.wait(lambda: file.exists() and file.stat().st_mtime > since, 20, "the controller saves its state")

    def kill(self, name: str) -> None:
        """End a daemon as a crash would; see ``saved`` for what the controller forgets."""
        for daemon in self._named(name):
            daemon.kill()

    def _wait_for(self, daemon: Daemon) -> None:
        refusal = ""

        def answers() -> bool:
            nonlocal refusal
            if daemon.pid is None:
                raise LabError(f"{daemon.name} ended by itself:\n{self.logs(daemon.name)}")
            try:
                return self._answers(daemon)
            except LabError as error:
                refusal = str(error)
                return False

        try:
            daemons.wait(answers, 40, f"{daemon.name} answers")
        except LabError as error:
            raise LabError(f"{error}\n{refusal}\n{self.logs(daemon.name)}") from error

    def _answers(self, daemon: Daemon) -> bool:
        if daemon.comm == "slurmd":
            state = self.node_states().get(daemon.name.partition("-")[2], "unknown")
            return not state.endswith("*") and not state.startswith(("unknown", "down"))
        questions = {
            "munged": ("munge", "-n", "-S", str(self.facts.munge_socket)),
            "mariadbd": ("mariadb", "--no-defaults", f"--socket={self.state}/mysql.sock", "-e", "select 1"),
            "slurmdbd": ("sacctmgr", "-nP", "list", "qos", "format=name"),
            "slurmctld": ("scontrol", "ping"),
        }
        return bool(run(*questions[daemon.name], timeout=15).strip())

    def wait(self, condition: Callable[[], T], seconds: float, what: str = "the condition") -> T:
        """Ask until the answer is true and give it.

        Raises
        ------
        LabError
            It was not, although a machine that does nothing else needs less than ``seconds``; the message has the
            logs' last lines.
        """
        try:
            return daemons.wait(condition, seconds * PATIENCE, what)
        except LabError as error:
            raise LabError(f"{error}\n{self.logs()}") from error

    # -- configuration

    def configure(self, **changes: str) -> bool:
        """Write the configuration, with some options of slurm.conf otherwise; say whether that changed it."""
        etc = self.state / "etc"
        texts = {
            "slurm.conf": slurm_conf(self.facts, changes),
            "slurmdbd.conf": slurmdbd_conf(self.facts),
            "cgroup.conf": cgroup_conf() if self.facts.proctrack == "cgroup" else "",
        }
        changed = False
        for name, text in texts.items():
            file = etc / name
            if not file.exists() or file.read_text() != text:
                new = file.with_suffix(".new")
                new.write_text(text)
                new.chmod(0o600 if name == "slurmdbd.conf" else 0o644)
                os.replace(new, file)
                changed = True
        return changed

    def _reload(self) -> None:
        """Have the running daemons take a new configuration; some options need a new controller."""
        self.stop("slurmctld")
        self.start("slurmctld")
        run("scontrol", "reconfigure")

    @contextmanager
    def configured(self, **changes: str) -> Iterator[None]:
        """Have options of slurm.conf otherwise for a while, for example ``configured(MaxArraySize="5")``."""
        if self.configure(**changes):
            self._reload()
        try:
            yield
        finally:
            if self.configure():
                self._reload()

    def clean(self) -> None:
        """Bring everything back to what a test may expect: daemons up, options as they were, no jobs, nodes in use."""
        for name in self.daemons:
            if not self.alive(name):
                self.start(name)
        if self.configure():
            self._reload()
        self.cancel_all()
        for node, state in self.node_states().items():
            if state.startswith(("drain", "down", "fail")):
                self.resume(node)
        self.wait(lambda: set(self.node_states().values()) == {"idle"}, 30, "all nodes are idle")

    # -- when something fails

    def logs(self, name: str | None = None, lines: int = 12) -> str:
        """Give the last lines of each of Slurm's logs, or of one daemon's."""
        parts = []
        for daemon in self._named(name) if name else self.daemons.values():
            if name is None and not daemon.name.startswith("slurm"):
                continue
            file = daemon.output.with_suffix(".log")  # Slurm's own: what it says with times
            last = (file if file.exists() else daemon.output).read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {file.name}", *last]))
        return "\n".join(parts)

    @contextmanager
    def alone(self, seconds: float = 1800.0) -> Iterator[None]:
        """Have the cluster for this process alone: two test sessions would cancel each other's jobs."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "session.lock").open("w") as file:

            def taken() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            daemons.wait(taken, seconds, f"another test session is done with the cluster of {self.state}")
            yield


def processes_of(node: str) -> list[int]:
    """Give the processes of the jobs on a node, by the cgroups that slurmd made for them."""
    found = []
    for file in (CGROUPS / "freezer").glob(f"slurm_{node}/**/cgroup.procs"):
        with suppress(OSError):  # it may go while we look
            found += [int(word) for word in file.read_text().split()]
    return found
