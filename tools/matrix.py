"""Runs the tests that need no NeMo under every supported pair of Python and Hydra, in each of them a part.

    python -m tools.matrix                 # what this machine has interpreters for
    python -m tools.matrix --require-all   # a missing interpreter is a failure
    python -m tools.matrix --list

Each cell has an environment of its own under ``.venvs``, kept for the next time. Laws are tried with a tenth of their
examples, and of the files in which nothing depends on versions those tests are left out that start a process, which
takes longer than all others: ``make test`` runs all of it in full.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools import hydra_tests
from tools.venvs import ROOT, VENVS, SetupError, Venv, ensure, find_python

HYDRA_132 = ("hydra-core==1.3.2", "omegaconf==2.3.0")  # what NeMo pins
HYDRA_13 = ("hydra-core==1.3.*",)
# Named exactly: pip takes no pre-release otherwise.
PLUGINS_14 = tuple(f"hydra-{name}==1.4.0rc3" for name in ("submitit-launcher", "joblib-launcher", "optuna-sweeper"))
HYDRA_14 = ("hydra-core==1.4.0rc3", "omegaconf==2.4.1rc1", *PLUGINS_14)


ALL = "not nemo and not nemo3 and not bridge and not cluster and not browser"
MARKER = "matrix"
VERSIONS = f"{MARKER} and {ALL}"  # those that depend on versions; the rest of the pair is tested elsewhere


@dataclass(frozen=True)
class Cell:
    """One Python with one Hydra, and which tests it runs."""

    python: str
    hydra: str
    pins: tuple[str, ...]
    tests: str = ALL
    half: int | None = None  # of the files without a test that depends on versions: every second, or none
    hydras_tests: bool = False  # whether Hydra's own tests run there too, see tools.hydra_tests

    @property
    def name(self) -> str:
        return f"py{self.python}-hydra{self.hydra}"

    @property
    def venv(self) -> Venv:
        return Venv(VENVS / self.name, "run,test,plugins,browse", self.pins)


# make test runs everything with NeMo's pair, 3.11 and 1.3.2. What depends on versions runs under each other Python and
# each other Hydra too. Of the rest the oldest and the newest Python run a half each.
CELLS = (
    Cell("3.10", "1.3.x", HYDRA_13, half=0, hydras_tests=True),
    Cell("3.12", "1.3.2", HYDRA_132, VERSIONS),
    Cell("3.13", "1.4.0rc3", HYDRA_14, half=1, hydras_tests=True),
)


@dataclass(frozen=True)
class Outcome:
    """What a cell came to: a word, pytest's counts or the reason, and the time."""

    cell: Cell
    state: str
    detail: str
    seconds: float = 0.0


def files_with(marker: str) -> list[str]:
    """Return the files of tests in which a marker stands: to collect all takes as long as to run those that have it."""
    return [file for file in all_files() if f"mark.{marker}" in (ROOT / file).read_text(encoding="utf-8")]


def all_files() -> list[str]:
    """Return the files of all tests, by name."""
    return [str(file.relative_to(ROOT)) for file in sorted((ROOT / "tests").rglob("test_*.py"))]


def files_of(cell: Cell) -> list[list[str]]:
    """Return the files of tests that a cell runs in full, and those of which it runs the light ones."""
    marked = files_with(MARKER)
    others = [file for file in all_files() if file not in marked and not file.startswith("tests/cluster/")]
    return [marked, [] if cell.half is None else others[cell.half :: 2]]


def default_jobs() -> int:
    """Return three for two of the processors that this process may use, at most eight: tests wait for processes too."""
    processors = len(os.sched_getaffinity(0))
    return min(8, processors + processors // 2)


def prepare(cell: Cell) -> Outcome | None:
    """Make a cell's environment; return why it cannot be had, or None."""
    started = time.monotonic()
    python = find_python(cell.python)
    if python is None:
        return Outcome(cell, "missing", f"no python{cell.python} that runs")
    try:
        made = ensure(cell.venv, python, quiet=True)
    except SetupError as error:
        return Outcome(cell, "broken", str(error), time.monotonic() - started)
    lacking = hydra_tests.fetch(cell.venv.python) if cell.hydras_tests else None
    if lacking is not None:
        return Outcome(cell, "broken", lacking, time.monotonic() - started)
    if made:
        print(f"  {cell.name}: environment ready after {time.monotonic() - started:.0f} s", flush=True)
    return None


def test(cell: Cell, jobs: int, pytest_arguments: Sequence[str]) -> Outcome:
    """Run a cell's tests in that many processes."""
    started = time.monotonic()
    log = VENVS / f"{cell.name}.pytest.log"
    cache = f"cache_dir={VENVS / cell.name / '.pytest_cache'}"
    spread = ["-n", str(jobs), "--dist", "loadgroup", "--hypothesis-profile=few"]
    command = [str(cell.venv.python), "-m", "pytest", "-m", cell.tests, "-o", cache, *spread]
    whole, light = files_of(cell)
    if pytest_arguments:  # these may name files of their own
        runs = [[*command, *pytest_arguments]]
    else:
        runs = [[*command, *whole], *([[*command, "--quick", *light]] if light else [])]
    code = 0
    with log.open("w") as file:
        for run in runs:
            if code == 0:
                done = subprocess.run(run, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=ROOT, check=False)
                code = done.returncode
    text = log.read_text(errors="replace")
    counts = re.findall(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s", text, re.MULTILINE)
    state = "failed" if code else "passed"
    detail = ", and ".join(counts) or f"exit code {code}, no summary"
    if state == "failed":
        detail += f"; {log.relative_to(ROOT)}"
        print("\n".join([f"  {cell.name}: the end of its output", *text.splitlines()[-30:]]), flush=True)
    return Outcome(cell, state, detail, time.monotonic() - started)


def outcomes_of(cells: Sequence[Cell], jobs: int, pytest_arguments: Sequence[str]) -> Iterator[Outcome]:
    """Test one cell after the other on all processors, while the environment of the next one is made."""
    with ThreadPoolExecutor(1) as pool:
        ready = [pool.submit(prepare, cell) for cell in cells]
        for cell, waiting in zip(cells, ready, strict=True):
            yield waiting.result() or test(cell, jobs, pytest_arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells; return 0 only if every one that could run passed."""
    parser = argparse.ArgumentParser(prog="python -m tools.matrix", description="Test every supported version pair.")
    parser.add_argument("--require-all", action="store_true", help="a missing interpreter is a failure")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes that a cell's tests run in")
    parser.add_argument("--only", default="", help="only cells whose name contains this")
    parser.add_argument("--list", action="store_true", help="say which cells this machine can run")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args(arguments)
    cells = [cell for cell in CELLS if options.only in cell.name]
    if options.list:
        for cell in cells:
            print(f"{cell.name:<22} {find_python(cell.python) or 'left out: no such interpreter'}")
        return 0
    print(f"matrix: {len(cells)} cells, one after the other in {options.jobs} processes", flush=True)
    outcomes = []
    for outcome in outcomes_of(cells, options.jobs, options.pytest):
        outcomes.append(outcome)
        print(f"{outcome.cell.name:<22} {outcome.state:<8} {outcome.seconds:4.0f} s  {outcome.detail}", flush=True)
    bad = {"failed", "broken", "missing"} if options.require_all else {"failed", "broken"}
    left_out = [outcome.cell.name for outcome in outcomes if outcome.state == "missing"]
    if left_out:
        print(f"left out for want of an interpreter: {', '.join(left_out)}")
    return int(not cells or any(outcome.state in bad for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
