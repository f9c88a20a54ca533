"""Runs the tests that need no NeMo under every supported pair of Python and Hydra, in two pairs only some of them.

    python -m tools.matrix                 # what this machine has interpreters for
    python -m tools.matrix --require-all   # a missing interpreter is a failure
    python -m tools.matrix --list

Each cell has an environment of its own under ``.venvs``, kept for the next time.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools.venvs import ROOT, VENVS, SetupError, Venv, ensure, find_python

HYDRA_132 = ("hydra-core==1.3.2", "omegaconf==2.3.0")  # what NeMo pins
HYDRA_13 = ("hydra-core==1.3.*",)
# Named exactly: pip takes no pre-release otherwise.
HYDRA_14 = ("hydra-core==1.4.0rc3", "omegaconf==2.4.1rc1", "hydra-submitit-launcher==1.4.0rc3")


ALL = "not nemo and not cluster"
VERSIONS = f"matrix and {ALL}"  # those that depend on versions; the rest of the pair is tested elsewhere


@dataclass(frozen=True)
class Cell:
    """One Python with one Hydra, and which tests it runs."""

    python: str
    hydra: str
    pins: tuple[str, ...]
    tests: str = ALL

    @property
    def name(self) -> str:
        return f"py{self.python}-hydra{self.hydra}"

    @property
    def venv(self) -> Venv:
        return Venv(VENVS / self.name, "run,test", self.pins)


CELLS = (
    Cell("3.10", "1.3.2", HYDRA_132),
    Cell("3.11", "1.3.2", HYDRA_132, VERSIONS),  # make test runs all of it, with NeMo
    Cell("3.12", "1.3.x", HYDRA_13),
    Cell("3.13", "1.4.0rc3", HYDRA_14),
    Cell("3.11", "1.4.0rc3", HYDRA_14, VERSIONS),
)


@dataclass(frozen=True)
class Outcome:
    """What a cell came to: a word, pytest's counts or the reason, and the time."""

    cell: Cell
    state: str
    detail: str
    seconds: float = 0.0


def run(cell: Cell, pytest_arguments: Sequence[str]) -> Outcome:
    """Set up one cell and run its tests."""
    started = time.monotonic()
    python = find_python(cell.python)
    if python is None:
        return Outcome(cell, "missing", f"no python{cell.python} that runs")
    try:
        made = ensure(cell.venv, python, quiet=True)
    except SetupError as error:
        return Outcome(cell, "broken", str(error), time.monotonic() - started)
    set_up = time.monotonic() - started
    if made:
        print(f"  {cell.name}: environment ready after {set_up:.0f} s", flush=True)
    log = VENVS / f"{cell.name}.pytest.log"
    cache = f"cache_dir={VENVS / cell.name / '.pytest_cache'}"  # cells run at the same time
    command = [str(cell.venv.python), "-m", "pytest", "-m", cell.tests, "-o", cache, *pytest_arguments]
    with log.open("w") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=ROOT, check=False)
    text = log.read_text(errors="replace")
    counts = re.findall(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s", text, re.MULTILINE)
    state = "passed" if done.returncode == 0 else "failed"
    detail = counts[-1] if counts else f"exit code {done.returncode}, no summary"
    if state == "failed":
        detail += f"; {log.relative_to(ROOT)}"
        print("\n".join([f"  {cell.name}: the end of its output", *text.splitlines()[-30:]]), flush=True)
    return Outcome(cell, state, detail, time.monotonic() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells; return 0 only if every one that could run passed."""
    parser = argparse.ArgumentParser(prog="python -m tools.matrix", description="Test every supported version pair.")
    parser.add_argument("--require-all", action="store_true", help="a missing interpreter is a failure")
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time (default 2)")
    parser.add_argument("--only", default="", help="only cells whose name contains this")
    parser.add_argument("--list", action="store_true", help="say which cells this machine can run")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args(arguments)
    cells = [cell for cell in CELLS if options.only in cell.name]
    if options.list:
        for cell in cells:
            print(f"{cell.name:<22} {find_python(cell.python) or 'left out: no such interpreter'}")
        return 0
    print(f"matrix: {len(cells)} cells, {options.jobs} at a time", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(lambda cell: run(cell, options.pytest), cells))
    for outcome in outcomes:
        print(f"{outcome.cell.name:<22} {outcome.state:<8} {outcome.seconds:4.0f} s  {outcome.detail}")
    bad = {"failed", "broken", "missing"} if options.require_all else {"failed", "broken"}
    left_out = [outcome.cell.name for outcome in outcomes if outcome.state == "missing"]
    if left_out:
        print(f"left out for want of an interpreter: {', '.join(left_out)}")
    return int(not cells or any(outcome.state in bad for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
