"""A sweep of many jobs against a real SLURM, from freezing to trying again, with what each command cost.

    python -m tests.cluster.scale [JOBS]          # by default 10,000: some minutes

The jobs are submitted held, since SLURM starts some ten a second on one machine: the controller has all of them in its
queue and accounting, a few are released and run in containers, the others are cancelled before they start and tried
again. What is left out is what thousands of running jobs do to the nodes and to the file system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.drills import ALLOW, SETTINGS, Drill
from tests.cluster.host import run
from tests.cluster.lab import Lab
from tests.support.sweeps import ROOT

ARRAY, RELEASED = "1001", 8
HELD = "+hydra.launcher.additional_parameters.hold=true"


@dataclass
class Cost:
    """What one command cost: seconds of its own processor time, of the clock, and megabytes; what it said."""

    label: str
    cpu: float
    wall: float
    memory: float
    out: str = field(repr=False, default="")
    err: str = field(repr=False, default="")

    def __str__(self) -> str:
        return f"{self.label:44} cpu {self.cpu:7.2f} s   wall {self.wall:7.2f} s   {self.memory:6.1f} MB"


class Many(Drill):
    """A sweep of many jobs."""

    def __init__(self, lab: Lab, folder: Path, image: Path | None, count: int) -> None:
        super().__init__(lab, folder / "many", image, folder)
        self.count = count
        self.costs: list[Cost] = []

    def frozen(self) -> None:
        """Freeze the jobs."""
        for number in range(self.count):
            self.job(f"j{number}")

    def timed(self, label: str, *words: str | Path, codes: Sequence[int] = (0,)) -> Cost:
        """Type a ``nemo-hydra`` command and wait for it."""
        line = [sys.executable, "-c", _MEASURED, *map(str, words)]
        start = time.monotonic()
        done = subprocess.run(
            line, cwd=ROOT, env={**os.environ, "PATH": self.path}, capture_output=True, text=True, check=False
        )
        wall = time.monotonic() - start
        out, _, used = done.stdout.rpartition("\n@")
        assert done.returncode in codes, f"{words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        cpu, memory = map(float, used.split())
        self.costs.append(Cost(label, cpu, wall, memory / 1024, out, done.stderr))
        return self.costs[-1]

    def counts(self, label: str, *, codes: Sequence[int] = (0, 1)) -> dict[str, int]:
        """Ask how the jobs go; return how many are in each state."""
        found = json.loads(self.timed(label, "status", self.paths.directory, "--json", codes=codes).out)
        assert not found["unasked"]
        return dict(found["counts"])


# The memory that ``wait4`` gives is no less than what the parent had; the processor time is that of the process alone.
_MEASURED = """
import atexit, resource, sys
from nemo_partial_hydra.cli.main import main
def say():
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]
    sys.stdout.flush()
    print(f"\\n@{used.ru_utime + used.ru_stime} {most}", flush=True)
atexit.register(say)
sys.exit(main(sys.argv[1:]))
"""


def played(many: Many, released: int) -> None:
    """Play all of it: freeze, submit, watch, release a few, cancel half, try them again, cancel all.

    Raises
    ------
    AssertionError
        If a job is in another state than it should be, or ran twice.
    """
    count, where = many.count, many.paths.directory
    start = time.monotonic()
    many.frozen()
    many.costs.append(Cost("write the frozen jobs (no recipe composed)", 0, time.monotonic() - start, 0))
    image = [f"hydra.launcher.apptainer.image={many.image}"] if many.image else []
    many.timed("submit", "submit", where, "--allow", ALLOW, *SETTINGS, *image, HELD)
    assert many.counts("status --json, all in the queue") == {"submitted": count}
    few = many.arrays()[0]
    run("scontrol", "release", f"{few}_[0-{released - 1}]")
    many.lab.wait(lambda: len(many.starts()) == released, 120, "the released jobs to run")
    many.lab.wait(lambda: many.went()[:released] == ["done"] * released, 60, "the released jobs to end")
    assert many.counts("status --json, some are done") == {"submitted": count - released, "done": released}
    many.timed("status", "status", where)
    one = many.timed("status of one job", "status", where, str(count - 1))
    assert "1 job: 1 submitted" in one.out
    half = count // 2
    numbers = [str(number) for number in range(half, count)]
    many.timed("cancel of half of them", "cancel", where, *numbers)
    left = {"submitted": half - released, "done": released, "cancelled": count - half}
    assert many.counts("status --json, half are cancelled") == left
    many.timed("retry of what was cancelled", "retry", where)
    assert many.counts("status --json, tried again") == {"submitted": count - released, "done": released}
    many.timed("cancel", "cancel", where)
    over = {"cancelled": count - released, "done": released}
    assert many.counts("status --json, all are over") == over
    assert many.starts() == {f"j{number}": 1 for number in range(released)}
    ids = {status.slurm["job"] for status in map(many.status, many.jobs) if status.slurm}
    assert len(ids) == len(set(many.arrays()) & ids)


def main(count: int) -> int:
    """Play it by hand and print the figures."""
    lab = Lab()
    ran = lab.runs()
    with lab.alone(), tempfile.TemporaryDirectory(prefix="nph-scale-") as name:
        lab.up()
        lab.clean()
        many = Many(lab, Path(name), lab.image(), count)
        try:
            with lab.configured(MaxArraySize=ARRAY):
                played(many, RELEASED)
        finally:
            lab.clean()
            if not ran:
                lab.down()
            print(f"{count} jobs", *many.costs, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
