"""A controller of SLURM's in memory, with the ``sbatch`` of all kinds of sites in front of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nemo_partial_hydra.launchers.clusters.local.cluster import Local
from nemo_partial_hydra.launchers.clusters.registry import Clusters
from nemo_partial_hydra.launchers.clusters.slurm.cluster import Slurm
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.clusters.slurm.queue import SEPARATOR

LATE = Answer(1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n")
HUNG = Answer(124, "", "sbatch: Socket timed out: no answer in 300 s")
DISABLED = Answer(1, "", "Slurm accounting storage is disabled\n")
DOWN = Answer(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
TIME = "2030-01-01T00:00:00"
Site = Callable[["Controller", str], Answer]
"""What a site's ``sbatch`` does with a script, and says."""


@dataclass
class Taken:
    """An array that the controller has."""

    number: int
    script: str
    tasks: int
    state: str = "PENDING"

    @property
    def text(self) -> str:
        return Path(self.script).read_text()

    def option(self, name: str) -> str:
        """Return what the script gives an option of ``sbatch``; empty where it does not."""
        lines = (line.partition("=") for line in self.text.splitlines() if line.startswith(f"#SBATCH --{name}="))
        return next((value for _, _, value in lines), "")


@dataclass
class Controller:
    """The controller; ``calls`` are all commands that were run, ``slept`` how long was waited."""

    site: Site = field(default=lambda controller, script: said(f"Submitted batch job {controller.take(script)}"))
    name: str = "here"
    taken: list[Taken] = field(default_factory=list)
    calls: list[Sequence[str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    first: int = 100
    queue: Answer | None = None
    accounts: Answer | None = None
    keeps_comments: bool = True
    awake: Callable[[Controller], None] = field(default=lambda controller: None)
    shown: Callable[[Controller], None] = field(default=lambda controller: None)

    def take(self, script: str) -> int:
        """Take an array; return its number."""
        found = Taken(self.first + len(self.taken), script, 1)
        span = found.option("array").partition("%")[0]
        found.tasks = int(span.rpartition("-")[2] or 0) + 1 if span else 0
        self.taken.append(found)
        return found.number

    @property
    def clusters(self) -> Clusters:
        """The clusters that there are, with this SLURM."""
        slurm = Slurm(self.ask, self.ask, self.sbatch, lambda: f"ClusterName={self.name}\n", self._sleep)
        return Clusters({"slurm": slurm, "local": Local()})

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.awake(self)

    def sbatch(self, command: Sequence[str], text: str | None = None) -> Answer:
        self.calls.append(command)
        return self.site(self, command[-1])

    def ask(self, command: Sequence[str], text: str | None = None) -> Answer:
        self.calls.append(command)
        if command[0] == "scancel":
            for each in self.taken:
                if str(each.number) in command:
                    each.state = "CANCELLED"
            return Answer(0, "", "")
        fixed = self.queue if command[0] == "squeue" else self.accounts
        if fixed is not None:
            return fixed
        by_token = "-u" in command
        self.shown(self)
        rows = [self._token(each) if by_token else row for each in self.taken for row in self._rows(each)]
        gone = command[0] == "sacct" and not by_token
        return Answer(0, "" if gone else "".join(SEPARATOR.join(row) + "\n" for row in rows), "")

    def _token(self, each: Taken) -> list[str]:
        comment = each.option("comment") if self.keeps_comments else ""
        return [str(each.number), each.state, comment, each.option("job-name"), each.script]

    def _rows(self, each: Taken) -> list[list[str]]:
        ids = [f"{each.number}_{task}" for task in range(each.tasks)] or [str(each.number)]
        more = [each.state, TIME, TIME, TIME, "Resources", "n1", each.option("job-name"), each.script]
        return [[one, *more, each.option("comment")] for one in ids]

    def asked(self, program: str) -> int:
        """How often a program was run."""
        return sum(command[0] == program for command in self.calls)


def said(out: str, code: int = 0, err: str = "") -> Answer:
    return Answer(code, out + "\n", err)
