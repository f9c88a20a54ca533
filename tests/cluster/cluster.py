"""The running cluster as drills handle it: its daemons, its queue, its options, its logs.

Nothing here installs or creates anything: that is ``lab``.  Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tests.cluster import daemons
from tests.cluster.daemons import Daemon
from tests.cluster.host import LabError, run
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
FREEZER = Path("/sys/fs/cgroup/freezer")
ACTIVE = "PENDING,RUNNING,SUSPENDED,COMPLETING,CONFIGURING,STOPPED,SIGNALING,STAGE_OUT,REQUEUED,REQUEUE_HOLD"
JOB = {"job": "%i", "state": "%T", "reason": "%r", "name": "%j", "partition": "%P", "nodes": "%N", "start": "%S"}
RECORD = "JobID JobName Partition State ExitCode DerivedExitCode Start End NodeList".split()
UNFINISHED = {"PENDING", "RUNNING", "REQUEUED", "SUSPENDED", "COMPLETING", "RESIZING"}
SCHEMA = """
create database if not exists slurm_acct_db;
create user if not exists 'slurm'@'localhost' identified by 'slurm';
grant all on slurm_acct_db.* to 'slurm'@'localhost';
"""


class Cluster:
    """A cluster whose files are in ``state``.

    Daemons are named ``munged``, ``mariadbd``, ``slurmdbd``, ``slurmctld``, ``slurmd-n1`` and ``slurmd-n2``;
    ``slurmd`` means those of both nodes.
    """

    nodes = NODES

    def __init__(self, state: Path) -> None:
        self.state = state

    @cached_property
    def facts(self) -> Facts:
        # Under linuxproc every process of a step gets a signal and Apptainer passes its own on: the payload has it twice.
        cgroup = os.access(FREEZER / "cgroup.procs", os.W_OK)
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

    def saved(self) -> None:
        """Wait until the controller has written its state: up to 5 s after a change.

        A job submitted less than that before the controller crashes is lost to SLURM: its processes run, squeue does
        not know it, accounting has it RUNNING for ever.
        """
        file = self.state / "slurmctld" / "job_state"
        since = time.time()
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
            states = run("sinfo", "-h", "-n", daemon.name.partition("-")[2], "-o", "%T").split()
            return bool(states) and not any(state.endswith("*") or state.startswith(("unk", "down")) for state in states)
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
            It was not within ``seconds``; the message has the logs' last lines.
        """
        try:
            return daemons.wait(condition, seconds, what)
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

    # -- nodes and jobs

    def drain(self, node: str, reason: str = "drill") -> None:
        run("scontrol", "update", f"nodename={node}", "state=drain", f"reason={reason}")

    def resume(self, node: str) -> None:
        run("scontrol", "update", f"nodename={node}", "state=resume")

    def node_states(self) -> dict[str, str]:
        lines = run("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def squeue(self, job: str | int | None = None, states: str = "all") -> list[dict[str, str]]:
        """Give the queue, one record an array task: job, state, reason, name, partition, nodes, start."""
        some = ["-j", str(job)] if job is not None else []
        text = run("squeue", "-h", "--array", "-t", states, "-o", "\t".join(JOB.values()), *some)
        return [dict(zip(JOB, line.split("\t"), strict=True)) for line in text.splitlines()]

    def sacct(self, job: str | int, duplicates: bool = False) -> list[dict[str, str]]:
        """Give accounting's records of a job, its tasks and steps; with ``duplicates`` of its earlier runs too."""
        more = ["--duplicates"] if duplicates else []
        text = run("sacct", "-nP", "-j", str(job), "-o", ",".join(RECORD), *more)
        return [dict(zip(RECORD, line.split("|"), strict=True)) for line in text.splitlines()]

    def states(self, job: str | int) -> dict[str, str]:
        """Give accounting's state of a job, or of each task of an array, by its id; nothing while it has no record."""
        records = {record["JobID"]: record["State"] for record in self.sacct(job)}
        return {key: state.split()[0] for key, state in records.items() if "." not in key}

    def ended(self, job: str | int, tasks: int = 0, seconds: float = 60.0) -> dict[str, str]:
        """Wait until a job, or each of the ``tasks`` of an array, has ended by accounting's word; give the states by id.

        The number is needed: for a moment accounting shows an array as if it were a single job that is done.
        """

        def ended() -> dict[str, str]:
            states = self.states(job)
            complete = len([key for key in states if "_" in key]) == tasks
            return states if complete and not set(states.values()) & UNFINISHED else {}

        return self.wait(ended, seconds, f"job {job} ends")

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left, by force if need be."""
        if not self.squeue(states=ACTIVE):
            return
        run("scancel", "--user", "root")
        try:
            daemons.wait(lambda: not self.squeue(states=ACTIVE), 10, "the cancelled jobs end")
        except LabError:
            run("scancel", "--user", "root", "--signal=KILL")
            self.wait(lambda: not self.squeue(states=ACTIVE), 20, "the killed jobs end")

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
        self.wait(lambda: set(self.node_states().values()) == {"idle"}, 30, "both nodes are idle")

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
        with (self.state / "session.lock").open("w") as file:

            def taken() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            daemons.wait(taken, seconds, f"another test session is done with the cluster of {self.state}")
            yield


def sbatch(*arguments: str | Path, cwd: Path) -> str:
    """Submit with sbatch and give the job's id."""
    return run("sbatch", "--parsable", *arguments, cwd=cwd).strip().split(";")[0]


def no_slurm_environment() -> dict[str, str]:
    """Give this process's environment without SLURM's variables."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}


def processes_of(node: str) -> list[int]:
    """Give the processes of the jobs on a node, by the cgroups that slurmd made for them."""
    files = FREEZER.glob(f"slurm_{node}/**/cgroup.procs")
    return [int(word) for file in files for word in subprocess.run(["cat", file], capture_output=True, check=False).stdout.split()]
