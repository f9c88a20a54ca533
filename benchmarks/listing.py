"""``--cfg-paths``: beside plain Hydra printing as many leaves, beside nemo_run's help, and how it grows.

Whole processes from their start to their end. Signatures come from a snapshot and the targets cannot be imported, as on
a login node: neither NeMo nor nemo_run nor torch is in our figures. With NeMo here the recipe is its own
``llm.llama3_70b.pretrain_recipe`` and nemo_run's help for it the peer; without, that is left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import synthetic
from benchmarks.composing import counted, make_app, plain
from benchmarks.measure import Comparison, Tally, output, process, report, turns

PROCESSES, HELPS = 15, 2
TARGET, OF_NEMO, FASTER, LIMIT_MB, GROWTH = 1.2, 1.5, 15, 512, 2.0
OURS = "import nemo_partial_hydra as nph\n"

LIGHT = """
import runpy, sys
sys.argv = ["app.py", "--cfg-paths"]
runpy.run_path("{app}", run_name="__main__")
loaded = {{"nemo", "nemo_run", "torch", "fiddle"}} & set(sys.modules)
assert not loaded, loaded
"""

GROW = """
import functools, json, resource, sys, time
sys.path.insert(0, "{root}")
import nemo_partial_hydra as nph
from benchmarks.listing import Leaf, many

config = nph.to_config(functools.partial(many, parts=[Leaf() for _ in range({count} // 10)]))
start = time.perf_counter()
found = nph.paths(config)
seconds = time.perf_counter() - start
print(json.dumps([len(found), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@dataclass
class Leaf:
    """Nine parameters; with the node itself ten paths."""

    a: int = 1
    b: int = 2
    c: float = 0.5
    d: bool = True
    e: str = "e"
    f: int | None = None
    g: str = "g"
    h: float = 1.0
    i: int = 3


def many(parts: list[object]) -> None:
    """Take a long list."""


def main() -> int:
    """Print the figures; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        comparisons = [synthetic_recipe(Path(folder, "synthetic"))]
        if importlib.util.find_spec("nemo") is not None:
            comparisons += nemo_recipe(Path(folder, "nemo"))
        else:
            print("NeMo is not installed here: its recipe and nemo_run's help are left out.")
    return report("Listing every path", comparisons, [growth()])


def snapshot(app: Path) -> None:
    """Keep the signatures of an app's recipe beside it."""
    files = [str(app.parent / "conf" / "recipe" / "pretrain.yaml"), "-o", str(app.parent / "conf" / "signatures.json")]
    output("-m", "nemo_partial_hydra.cli", "snapshot", *files, "--allow", synthetic.TARGETS)


def beside_hydra(app: Path, folder: Path, label: str, target: float) -> Comparison:
    """Compare the listing with plain Hydra printing plain YAML of as many leaves."""
    import yaml

    text = output(str(app), "--cfg", "job")
    data = yaml.safe_load(text)
    peer = make_app(folder / "data", "import hydra\n", "hydra.main", plain(yaml.safe_dump(data["recipe"])))
    size = counted(data, yaml.safe_load(output(str(peer), "--cfg", "job")))
    records = len(json.loads(output(str(app), "--cfg-paths=json")))
    comparison = Comparison(f"--cfg-paths, {label}", "plain Hydra app, --cfg job", target, f"{records} paths; {size}")
    return turns(comparison, process(str(app), "--cfg-paths"), process(str(peer), "--cfg", "job"), PROCESSES)


def synthetic_recipe(folder: Path) -> Comparison:
    """List a recipe of plain-Python targets that are gone when it is listed."""
    app = make_app(folder / "file", OURS, "nph.main", synthetic.recipe_yaml())
    app.write_text(app.read_text().replace("version_base=None", f"version_base=None, allow=['{synthetic.TARGETS}']"))
    snapshot(app)
    for name in (f"{synthetic.TARGETS}.py", "__pycache__"):
        path = app.parent / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return beside_hydra(app, folder, f"{synthetic.PARAMETERS} parameters", TARGET)


def nemo_recipe(folder: Path) -> list[Comparison]:
    """List NeMo's own recipe by its snapshot."""
    code = "import nemo_partial_hydra as nph; from nemo.collections import llm; "
    text = output("-c", code + "print(nph.to_yaml(llm.llama3_70b.pretrain_recipe()))").partition("_target_:")
    app = make_app(folder / "file", OURS, "nph.main", "".join(text[1:]))
    snapshot(app)
    checked = (
        f"import sys, runpy; sys.argv = ['app.py', '--cfg-paths']; runpy.run_path({str(app)!r}, run_name='__main__')"
    )
    output("-c", f"{checked}; bad = {{'nemo', 'nemo_run', 'torch', 'fiddle'}} & set(sys.modules); assert not bad, bad")
    beside = beside_hydra(app, folder, "llama3_70b pretrain", OF_NEMO)
    help_ = Comparison(
        "the same", "nemo llm pretrain --factory llama3_70b --help", 1 / FASTER, "all paths : 6 arguments"
    )
    return [beside, turns(help_, process(str(app), "--cfg-paths"), nemo_help, HELPS, warm_up=0)]


def nemo_help() -> float:
    """Time nemo_run's help for the recipe."""
    command = [str(Path(sys.executable).parent / "nemo"), "llm", "pretrain", "--factory", "llama3_70b", "--help"]
    start = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, "COLUMNS": "100"}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def growth() -> Tally:
    """List 1,000, 10,000 and 100,000 paths."""
    root = Path(__file__).resolve().parent.parent
    tally = Tally(f"time a path grows less than {GROWTH:.0f}x from 1,000 paths on, all within {LIMIT_MB} MB")
    first = 0.0
    for count in (1_000, 10_000, 100_000):
        paths, seconds, memory = json.loads(output("-c", GROW.format(root=root, count=count)))
        each = seconds / paths
        first = first or each
        print(f"{paths:>7} paths: {seconds:7.3f} s, {each * 1e6:5.0f} us a path, {memory:4.0f} MB at most")
        tally.add(
            f"{paths} paths", each < GROWTH * first and memory < LIMIT_MB, f"{each / first:.1f}x, {memory:.0f} MB"
        )
    return tally


if __name__ == "__main__":
    sys.exit(main())
