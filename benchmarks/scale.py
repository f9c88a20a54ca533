"""A sweep of many jobs under every command that looks at all of them: ours beside the least that could do it.

    python -m benchmarks.scale [JOBS...]        # by default 1,000, 3,000 and 10,000

Each row is a whole process and says what it cost: processor time with that of the programs it started, the most memory
it had, and how long it took. SLURM is programs that print what it would for these jobs and take what they are told, so
that no controller's load is in the figures. The floor of a row is a ``python -c`` that only reads or writes the same
files with ``json`` and ``os`` and starts the same programs. What a command takes a job must not grow with their number.
"""

from __future__ import annotations

import datetime
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import synthetic
from benchmarks.composing import conf
from benchmarks.freezing import freezing, opened
from benchmarks.measure import ROOT, on_path, seconds, verdict
from nemo_partial_hydra.jobs import seal
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import SweepPaths, sweep_paths
from nemo_partial_hydra.launchers import records
from nemo_partial_hydra.launchers.clusters.slurm import queue as queues

SIZES, ROUNDS = (1_000, 3_000, 10_000), 5
CPU_S, MEMORY_MB, AT = 3.0, 300, 10_000
"""What ``status`` of so many jobs may cost."""
LINEAR = 1.25  # cost of a job in the largest sweep to that in the smallest
ARRAY = 1_000  # jobs of an array
CLUSTER = "many"


@dataclass(frozen=True)
class Cost:
    """What one process cost, with all that it started: seconds of processor time and of the clock, megabytes."""

    cpu: float
    wall: float
    memory: float


def spent(*arguments: str, codes: Sequence[int] = (0,)) -> Cost:
    """Run this interpreter with the project on its path; what it prints is thrown away.

    Raises
    ------
    RuntimeError
        If its exit code is none of ``codes``; with what it wrote.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", _MEASURED, *arguments], stdout=subprocess.PIPE, stderr=said,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        printed = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            said.seek(0)
            raise RuntimeError(f"{' '.join(arguments)}: exit code {process.returncode}\n{said.read().decode()}")
    most = int(printed.rsplit(b"VmHWM:", 1)[1].split()[0])
    return Cost(used.ru_utime + used.ru_stime, wall, most / 1024)


# What ``wait4`` says is no less than what the process had before it became another program: that is this one's.
_MEASURED = """
import atexit, os, runpy, sys
def say():
    os.write(1, next(line for line in open("/proc/self/status", "rb") if line.startswith(b"VmHWM:")))
atexit.register(say)
del sys.argv[0]
if sys.argv[0] == "-m":
    sys.argv[:2] = sys.argv[1:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    code, sys.argv[:2] = sys.argv[1], ["-c"]
    exec(compile(code, "-c", "exec"), {"__name__": "__main__"})
"""


def command(*words: str, codes: Sequence[int] = (0,)) -> Cost:
    """Run a ``nemo-hydra`` command."""
    return spent("-m", "nemo_partial_hydra.cli", *words, codes=codes)


class Cluster:
    """Programs that stand for SLURM: ``sbatch`` gives numbers, ``scancel`` takes all, the others print files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = folder / "bin"
        tools.mkdir(parents=True)
        self.say("partitions", _PARTITION)
        self.say("nodes", _NODE)
        self.say("config", f"ClusterName = {CLUSTER}\nMaxArraySize = {ARRAY + 1}\n")
        (folder / "slurm.conf").write_text(f"ClusterName={CLUSTER}\n")
        for name in ("squeue", "sacct"):
            self.say(name, "")
            self._program(name, f'exec cat "{folder}/{name}"')
        self._program("scancel", "exit 0")
        self._program("scontrol", f'case "$*" in *partition*) f=partitions;; *node*) f=nodes;; *) f=config;; esac\n'
                                  f'exec cat "{folder}/$f"')  # fmt: skip
        self._program("sbatch", f'case "$*" in *test-only*) exit 0;; esac\necho x >> "{folder}/taken"\n'
                                f'echo "Submitted batch job $(wc -l < "{folder}/taken")"')  # fmt: skip

    def say(self, name: str, text: str) -> None:
        """Have a program print something."""
        (self.folder / name).write_text(text)

    def _program(self, name: str, body: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\necho {name} >> "{self.folder}/calls"\n{body}\n')
        path.chmod(0o755)

    @contextmanager
    def calls(self, **wanted: int) -> Iterator[None]:
        """Check how often programs are started meanwhile.

        Raises
        ------
        RuntimeError
            If it is another number.
        """
        (self.folder / "calls").write_text("")
        yield
        found = (self.folder / "calls").read_text().split()
        made = {name: found.count(name) for name in wanted}
        if made != wanted:
            raise RuntimeError(f"the cluster was asked {made}, not {wanted}")


_PARTITION = "PartitionName=debug Default=YES MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 State=UP Nodes=n1\n"
_NODE = f"NodeName=n1 CPUTot=64 RealMemory=256000 NodeHostName={os.uname().nodename} State=IDLE Partitions=debug\n"


class Sweep:
    """A sweep of so many jobs, and what its cluster says of it."""

    def __init__(self, folder: Path, cluster: Cluster, count: int) -> None:
        self.paths: SweepPaths = sweep_paths(folder)
        self.cluster, self.count = cluster, count

    def state_of(self, number: int) -> str:
        """Return how a job went: four of ten are done, one failed, five run."""
        return {0: states.FAILED}.get(number % 10, states.DONE if number % 10 < 5 else states.RUNNING)

    def begun(self) -> None:
        """Have most of it run: each job has written how it goes, and the cluster says so."""
        now = datetime.datetime.now().isoformat(timespec="seconds")
        queue, accounts = [], []
        for sent in records.submissions(self.paths):
            script = f"{sent.folder}/submission_file_x.sh"
            for each in sent.jobs:
                paths = self.paths.job(each.subdir)
                state = self.state_of(int(each.subdir))
                failed, runs = state == states.FAILED, state == states.RUNNING
                error = {"type": "ValueError", "message": "no", "where": []} if failed else None
                status = states.Status(
                    state, 1, states.now(), states.now(), None if runs else states.now(), "n1", 7,
                    each.id.record() if each.id else None, int(failed), error,
                )  # fmt: skip
                paths.status.write_text(states.encode(status, paths))
                paths.err(1).write_text("a line of a log\n" * 200)
                if runs:
                    queue.append([each.spelled, "RUNNING", now, now, now, "None", "n1", sent.name, script, ""])
                word = "RUNNING" if runs else "COMPLETED"
                accounts.append([each.spelled, word, now, now, now, "0:0", "n1", sent.name, f"sbatch {script}", ""])
        self._print("squeue", queue)
        self._print("sacct", accounts)

    def ended(self) -> None:
        """Have the cluster know of no job any more but from its accounting."""
        self._print("squeue", [])

    def _print(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        self.cluster.say(name, "".join(queues.SEPARATOR.join(row) + "\n" for row in rows))


READ = """
import json, subprocess, sys
for number in range(int(sys.argv[2])):
    open(f"{sys.argv[1]}/{number}/job.yaml", "rb").read()
    json.load(open(f"{sys.argv[1]}/{number}/status.json"))
for command in sys.argv[3:]:
    subprocess.run([command], capture_output=True, text=True, check=True)
"""
WRITE = """
import json, os, pickle, sys
def put(path, data):
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)
for number in range(int(sys.argv[2])):
    place = f"{sys.argv[1]}/{number}"
    open(f"{place}/job.yaml", "rb").read()
    os.makedirs(f"{place}/floor")
    put(f"{place}/floor/pickle", pickle.dumps({"job": place}))
    for state in ("claimed", "sent"):
        put(f"{place}/floor/status", json.dumps({"state": state}).encode())
"""
LOOKS = """
import sys, time
from nemo_partial_hydra.jobs.layout import find_jobs
from nemo_partial_hydra.launchers.status.look import Watch
watch = Watch(sys.argv[1], jobs=find_jobs(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    watch.look(brief=True)
"""
POLLS = 3


@dataclass(frozen=True)
class Row:
    """What was done with a sweep, what it cost, and the least that it could cost (None where nothing stands for it)."""

    size: int
    name: str
    ours: Cost
    floor: Cost | None = None

    @property
    def each(self) -> float:
        """Microseconds of processor time a job."""
        return self.ours.cpu / self.size * 1e6

    def cells(self) -> tuple[str, ...]:
        """Spell it as a row of the table."""
        floor = self.floor
        return (
            f"{self.size:,}", self.name, seconds(self.ours.cpu), f"{self.each:.0f} us", seconds(self.ours.wall),
            f"{self.ours.memory:.0f} MB", "-" if floor is None else seconds(floor.cpu),
            "-" if floor is None else f"{self.ours.cpu / floor.cpu:.1f}x",
        )  # fmt: skip


def main(sizes: Sequence[int]) -> int:
    """Print the figures; return the exit code: 1 if one of the promises is not kept."""
    from rich.console import Console
    from rich.table import Table

    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")  # of the key that seals the records
        seal.require_key()
        synthetic.write_targets(folder)
        sys.path.insert(0, str(folder))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
        conf(folder, "conf", synthetic.recipe_yaml())
        for size in sizes:
            for row in measured(folder, size):
                rows.append(row)
                print(*row.cells(), sep="  ", flush=True)
    console = Console(width=max(140, Console().width))
    heads = ("jobs", "command", "CPU", "a job", "wall", "memory", "floor, CPU", "ratio")
    table = Table(*heads, title="Sweeps of many jobs")
    for row in sorted(rows, key=lambda row: [each.name for each in rows].index(row.name)):
        table.add_row(*row.cells())
    console.print(table)
    kept = True
    for text, right in promises(rows):
        console.print(f"{text}  {verdict(right)}")
        kept = kept and right
    return int(not kept)


def promises(rows: Sequence[Row]) -> Iterator[tuple[str, bool]]:
    """Yield what was promised, and whether it is kept: the cost of ``status``, and that of a job whatever the size."""
    for row in rows:
        if row.name == "status" and row.size == AT:
            used = row.ours
            text = f"status of {AT:,} jobs: {seconds(used.cpu)} of processor time, to be under {CPU_S:g} s"
            yield f"{text}; {used.memory:.0f} MB, under {MEMORY_MB}", used.cpu < CPU_S and used.memory < MEMORY_MB
    for name in dict.fromkeys(row.name for row in rows):
        of = sorted((row for row in rows if row.name == name), key=lambda row: row.size)
        if len(of) > 1:
            # What a command costs with no jobs at all makes a job of a small sweep dearer, so this is no tight bound.
            yield f"{name}: a job of {of[-1].size:,} costs {of[-1].each / of[0].each:.2f} times what one of " \
                  f"{of[0].size:,} does, to be at most {LINEAR:g}", of[-1].each <= LINEAR * of[0].each  # fmt: skip


def measured(folder: Path, size: int) -> Iterator[Row]:
    """Freeze a sweep, and have every command at it."""
    where = folder / str(size)
    cluster = Cluster(where / "slurm")
    os.environ["SLURM_CONF"] = str(where / "slurm" / "slurm.conf")
    with opened(folder / "conf") as (config, loader):
        freeze = freezing(config, loader, where / "jobs", size)
        cpu, wall = time.process_time(), time.perf_counter()
        freeze()
        yield Row(size, "freeze", Cost(time.process_time() - cpu, time.perf_counter() - wall, _memory()))
    sweep = Sweep(where / "jobs" / "0", cluster, size)
    directory, count = str(sweep.paths.directory), str(size)
    with on_path(where / "slurm" / "bin"):
        yield Row(size, "status, nothing sent", command("status", directory))
        sending = command("submit", directory, "hydra/launcher=submitit_apptainer", "--allow", synthetic.TARGETS)
        yield Row(size, "submit", sending, spent("-c", WRITE, directory, count))
        sweep.begun()
        read = median(lambda: spent("-c", READ, directory, count, "squeue", "sacct"))

        def status(*words: str, code: int = 1) -> Cost:
            with cluster.calls(squeue=1, sacct=1):
                return command("status", directory, *words, codes=(code,))

        yield Row(size, "status", median(status), read)
        yield Row(size, "status --json", median(lambda: status("--json")), read)
        yield Row(size, "status of one job", median(lambda: status("7", code=0)), None)
        yield Row(size, f"wait, {POLLS} looks", spent("-c", LOOKS, directory, str(POLLS)), None)
        yield Row(size, "cancel", command("cancel", directory), read)
        sweep.ended()
        yield Row(size, "retry of six tenths", command("retry", directory))
    shutil.rmtree(where)


def median(work: Callable[[], Cost]) -> Cost:
    """Do something some times; return the median of each figure."""
    found = [work() for _ in range(ROUNDS)]
    return Cost(*(statistics.median(values) for values in zip(*map(astuple, found), strict=True)))


def _memory() -> float:
    """Return the most megabytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]] or SIZES))
