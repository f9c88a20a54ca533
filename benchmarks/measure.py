"""Two sides of a benchmark timed in turns, and the table that compares them.

May import: the standard library and rich. Times depend on the machine and on what else runs there, so no time is ever
asserted: the two sides take turns (A B A B), each turn gives one ratio, and the median of the ratios is the figure.
"""

from __future__ import annotations

import compileall
import functools
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder; also the place from which its package and plugins are imported."""

Side = Callable[[], float]
"""One side of a comparison: does its work once and returns the seconds that counted."""


@dataclass
class Comparison:
    """Our seconds and the peer's, turn by turn.

    Attributes
    ----------
    name : what is done.
    peer : what the other side does.
    target : the greatest ratio of ours to the peer's that is good enough; None where there is no promise.
    size : how much work each side did, as the table shows it.
    """

    name: str
    peer: str
    target: float | None
    size: str = ""
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def add(self, ours: float, theirs: float) -> None:
        """Note one turn."""
        self.ours.append(ours)
        self.theirs.append(theirs)

    @property
    def ratios(self) -> list[float]:
        """What each turn says."""
        return [a / b for a, b in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the turns' ratios."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> str:
        """Between which ratios the middle half of the turns lies; nothing where there are too few of them."""
        if len(self.ours) < 4:
            return "-"
        lower, _, upper = statistics.quantiles(self.ratios, n=4)
        return f"{lower:.2f} to {upper:.2f}"

    @property
    def met(self) -> bool:
        """Whether the ratio is good enough, as far as something was promised."""
        return self.target is None or self.ratio <= self.target

    def row(self) -> tuple[str, ...]:
        """Spell the comparison as a row of the table."""
        return (
            self.name,
            self.peer,
            self.size,
            str(len(self.ours)),
            seconds(statistics.median(self.ours)),
            seconds(statistics.median(self.theirs)),
            f"{self.ratio:.2f}x",
            self.spread,
            "none" if self.target is None else f"<= {self.target:.3g}x",
            verdict(self.met, self.target is not None),
        )


@dataclass
class Tally:
    """How many of a number of cases come out right; all of them must."""

    name: str
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, case: str, right: bool, why: str = "") -> None:
        """Note one case; the name of a wrong one is printed."""
        if right:
            self.right += 1
        else:
            self.wrong.append(f"{case}: {why}" if why else case)

    @property
    def met(self) -> bool:
        """Whether there were cases and all came out right."""
        return self.right > 0 and not self.wrong


def seconds(value: float) -> str:
    """Spell a duration."""
    return f"{value:.3f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def verdict(met: bool, promised: bool = True) -> str:
    """Spell whether a target is met, in words and in colour."""
    if not promised:
        return "-"
    return "[green]met[/]" if met else "[red]MISSED[/]"


def turns(comparison: Comparison, ours: Side, theirs: Side, n: int, warm_up: int = 1) -> Comparison:
    """Time both sides in turns; the first ``warm_up`` turns do not count."""
    for turn in range(-warm_up, n):
        pair = _settled(ours), _settled(theirs)
        if turn >= 0:
            comparison.add(*pair)
    return comparison


def _settled(side: Side) -> float:
    gc.collect()  # neither side pays for what the other left behind
    return side()


def timed(work: Callable[[], Any]) -> Side:
    """Make a side of work in this process."""

    def side() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return side


def process(*arguments: str, cwd: Path | None = None) -> Side:
    """Make a side of one whole Python process, from its start to its end.

    The project's modules are compiled first, as an installation does: the peer's are, and compiling ours anew in each
    process, as where ``PYTHONDONTWRITEBYTECODE`` is set, would be measured with it.

    Raises
    ------
    RuntimeError
        If the process fails; with what it wrote.
    """
    _compiled()

    def side() -> float:
        start = time.perf_counter()
        output(*arguments, cwd=cwd)
        return time.perf_counter() - start

    return side


@functools.cache
def _compiled() -> None:
    for name in ("nemo_partial_hydra", "hydra_plugins", "tiny_llama", "benchmarks"):
        compileall.compile_dir(ROOT / name, quiet=1)
    for file in ROOT.glob("*.py"):
        compileall.compile_file(file, quiet=1)


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """Have the programs of a folder found before all others."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def output(*arguments: str, cwd: Path | None = None) -> str:
    """Run this interpreter with the project on its path and return what it printed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def leaves(data: Any) -> int:
    """Count the leaves of plain data; an empty list or dict is one."""
    if isinstance(data, dict) and data:
        return sum(map(leaves, data.values()))
    if isinstance(data, list) and data:
        return sum(map(leaves, data))
    return 1


def report(title: str, comparisons: Sequence[Comparison], tallies: Sequence[Tally] = ()) -> int:
    """Print the figures and return the exit code: 1 if a target is missed."""
    console = Console(width=max(160, Console().width))
    for tally in tallies:
        total = tally.right + len(tally.wrong)
        console.print(f"{tally.name}: {tally.right} of {total}  {verdict(tally.met)}")
        for line in tally.wrong:
            console.print(f"  {line}", markup=False)
    table = Table(
        "ours", "peer", "size", "n", "ours, median", "peer, median", "ratio", "middle half", "target", "", title=title
    )
    for comparison in comparisons:
        table.add_row(*comparison.row())
    console.print(table)
    met = [part.met for part in comparisons] + [part.met for part in tallies]
    return 0 if all(met) else 1
