"""An app whose own modules import NeMo, the second time: what it asks for was learnt the first time.

The app is this project's ``import.py``; whole processes from their start to their end, with a cache of signatures of
their own. The peers are plain Hydra printing plain YAML with as many leaves, the same app without a cache for the first
call, and nemo_run's command line for the same function.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.composing import counted, make_app, plain
from benchmarks.measure import ROOT, Comparison, Side, output, process, report, turns

PROCESSES, FIRST, HELPS = 15, 15, 2
TARGET, SLOWER, FASTER = 1.5, 1.05, 15
SCRIPT = str(ROOT / "import.py")

NEMO_RUN = """
import nemo_run as run
from nemo.collections import llm
from tiny_llama.model import TinyLlamaModel

if __name__ == "__main__":
    run.cli.main(llm.import_ckpt)
"""
CHECKED = """
import runpy, sys
sys.argv = ["import.py", {argument}]
try:
    runpy.run_path({script!r}, run_name="__main__")
except SystemExit:
    pass
loaded = {{"nemo", "torch", "nemo_run", "megatron"}} & set(sys.modules)
assert not loaded, loaded
"""


def main() -> int:
    """Print the figures; return the exit code."""
    if importlib.util.find_spec("nemo") is None:
        print("NeMo is not installed here: an app whose modules import it is left out.")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        comparisons = [first_call(folder / "first")]
        with cache(folder / "cache"):
            output(SCRIPT, "--cfg-paths", cwd=ROOT)
            for argument in ("--help", "--cfg-paths", "--cfg=job"):
                words = ", ".join(map(repr, argument.split("=")))
                output("-c", CHECKED.format(argument=words, script=SCRIPT), cwd=ROOT)
            comparisons += beside_hydra(folder / "plain")
            comparisons.append(beside_nemo_run(folder))
    return report("An app whose modules import NeMo, the second time", comparisons)


@contextmanager
def cache(folder: Path | None) -> Iterator[None]:
    """Have processes keep signatures in a directory, or nowhere."""
    names = {"NPH_CACHE": "0"} if folder is None else {"NPH_CACHE": "1", "NPH_CACHE_DIR": str(folder)}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def first_call(folder: Path) -> Comparison:
    """List for the first time, beside doing without a cache: what it costs to keep what was read."""
    turn = 0

    def side(*, kept: bool) -> Side:
        def timed() -> float:
            nonlocal turn
            turn += 1
            with cache(folder / str(turn) if kept else None):
                return process(SCRIPT, "--cfg-paths", cwd=ROOT)()

        return timed

    comparison = Comparison("import.py --cfg-paths, the first time", "the same without a cache", SLOWER)
    return turns(comparison, side(kept=True), side(kept=False), FIRST)


def beside_hydra(folder: Path) -> list[Comparison]:
    """Compare the second calls with a plain Hydra app of as many leaves."""
    import yaml

    data = yaml.safe_load(output(SCRIPT, "--cfg", "job", cwd=ROOT))
    peer = make_app(folder, "import hydra\n", "hydra.main", plain(yaml.safe_dump(data)))
    size = counted(data, yaml.safe_load(output(str(peer), "--cfg", "job")))
    found = []
    for words in (("--help",), ("--cfg-paths",), ("--cfg", "job")):
        same = ("--cfg", "job") if words == ("--cfg-paths",) else words
        name = f"import.py {' '.join(words)}, the second time"
        comparison = Comparison(name, f"plain Hydra, {' '.join(same)}", TARGET, size)
        found.append(turns(comparison, process(SCRIPT, *words, cwd=ROOT), process(str(peer), *same), PROCESSES))
    return found


def beside_nemo_run(folder: Path) -> Comparison:
    """Compare the listing with nemo_run's help of the same function."""
    script = folder / "script.py"
    script.write_text(NEMO_RUN)
    comparison = Comparison("import.py --cfg-paths, the second time", "run.cli.main, --help", 1 / FASTER)

    def nemo_help() -> float:
        start = time.perf_counter()
        output(str(script), "--help", cwd=ROOT)
        return time.perf_counter() - start

    return turns(comparison, process(SCRIPT, "--cfg-paths", cwd=ROOT), nemo_help, HELPS, warm_up=0)


if __name__ == "__main__":
    sys.exit(main())
