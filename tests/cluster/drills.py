"""Drills: a sweep with a ledger, and ``nemo-hydra`` as its user types it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import records
from tests.cluster.lab import Lab
from tests.support.sweeps import ROOT, Sweep

ALLOW = "tests.support.mishaps"
SETTINGS = (
    "hydra/launcher=submitit_apptainer",
    "hydra.launcher.timeout_min=2",
    "hydra.launcher.mem_gb=1",
    "hydra.launcher.signal_delay_s=10",
)
WAITED = "hydra.launcher.detach=false"


class Command:
    """One ``nemo-hydra`` command; what it has said so far can be read while it runs."""

    def __init__(self, folder: Path, arguments: tuple[str | Path, ...], path: str) -> None:
        self.files = [folder / f".{os.urandom(4).hex()}.{name}" for name in ("out", "err")]
        line = [sys.executable, "-m", "nemo_partial_hydra.cli", *map(str, arguments)]
        with self.files[0].open("w") as out, self.files[1].open("w") as err:
            self.process = subprocess.Popen(line, cwd=ROOT, stdout=out, stderr=err, env={**os.environ, "PATH": path})

    @property
    def out(self) -> str:
        return self.files[0].read_text()

    @property
    def err(self) -> str:
        return self.files[1].read_text()

    @property
    def code(self) -> int:
        """The exit code, waited for."""
        return self.process.wait(90)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)


class Drill(Sweep):
    """A sweep whose jobs note every start in a ledger."""

    payloads = ALLOW

    def __init__(self, lab: Lab, folder: Path, image: Path | None, ledger: Path | None = None) -> None:
        super().__init__(folder)
        self.lab = lab
        self.image = image
        self.beside = ledger or folder
        self.path = f"{lab.apptainer.parent}{os.pathsep}{os.environ['PATH']}"

    @property
    def ledger(self) -> Path:
        return self.beside / "ledger"

    def job(self, name: str, payload: str = "noted", **values: Any) -> JobPaths:
        """Freeze a job that is known by a name."""
        return self.add(payload, name=name, ledger=str(self.ledger), **values)

    def starts(self) -> dict[str, int]:
        """How often each job was started."""
        return dict(Counter(self.ledger.read_text().split())) if self.ledger.exists() else {}

    def open(self, gate: str = "gate") -> None:
        """Let the held jobs go on."""
        (self.beside / gate).touch()

    def submit(self, *more: str | Path, path: str | None = None) -> Command:
        """Type ``nemo-hydra submit`` for the sweep."""
        image = [f"hydra.launcher.apptainer.image={self.image}"] if self.image else []
        return self.command("submit", self.paths.directory, "--allow", ALLOW, *SETTINGS, *image, *more, path=path)

    def command(self, *arguments: str | Path, path: str | None = None) -> Command:
        """Type any ``nemo-hydra`` command."""
        return Command(self.beside, arguments, path or self.path)

    def went(self) -> list[str]:
        """How the jobs go or went, by their numbers."""
        return [states.read_status(job).state for job in self.jobs]

    def status(self, job: JobPaths) -> states.Status:
        return states.read_status(job)

    def results(self) -> list[Any]:
        """What the jobs returned."""
        return [read_result(job) for job in self.jobs]

    def arrays(self) -> list[str]:
        """SLURM's ids of the sweep."""
        return [array for sent in records.submissions(self.paths) for array in sent.arrays]

    def started(self, *names: str, seconds: float = 40.0) -> None:
        """Wait until these jobs run."""
        self.lab.wait(lambda: set(names) <= set(self.starts()), seconds, f"{', '.join(names)} to start")

    def ended(self, seconds: float = 40.0) -> list[str]:
        """Wait until no job is in a queue or runs; return their states."""
        going = {states.FROZEN, states.SUBMITTED, states.RUNNING}
        self.lab.wait(lambda: not going & set(self.went()), seconds, "all jobs to end")
        return self.went()

    def untouched(self) -> bool:
        """Whether the sweep is as it was frozen: nothing was submitted, nothing is left over."""
        allowed = {"job.yaml"} | {job.directory.name for job in self.jobs}
        found = {path.name for path in self.paths.directory.rglob("*") if not path.name.startswith(".")}
        return found <= allowed


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Give a directory on a disk of so many kilobytes."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "drill", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
