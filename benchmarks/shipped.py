"""The shipped library: listing, sweeping, completing and checking NeMo's recipes where NeMo is not imported.

Whole processes from their start to their end. The peers of our apps are plain Hydra apps on plain YAML with as many
leaves; with NeMo here, the quickest way to see a recipe with NeMo-Run is one too, and each recipe of the library is
compared with what NeMo's factory returns.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.composing import counted, plain
from benchmarks.measure import ROOT, Comparison, Side, Tally, output, process, report, turns

PROCESSES, SEES, COMPLETIONS = 15, 2, 15
TARGET, FASTER, COMPLETING, CHECK_SECONDS = 1.5, 15, 1.3, 60
RECIPES = ("llama3_8b", "llama3_70b")

APP = """
{imports}

@{decorator}(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    pass

if __name__ == "__main__":
    main()
"""
OURS, PEER = ("import nemo_partial_hydra as nph", "nph.main"), ("import hydra", "hydra.main")

SEE = """
from fiddle import printing
from nemo.collections.llm.recipes import llama3_70b
print(printing.as_str_flattened(llama3_70b.pretrain_recipe()))
"""


def main() -> int:
    """Print the figures; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = app(folder / "ours", OURS, {"config": f"defaults: [{{pretrain: {RECIPES[1]}}}]\n"})
        peer = plain_app(folder / "peer", ours)
        comparisons = [listing(ours, peer), sweep(ours, peer), *completion(folder)]
        if importlib.util.find_spec("nemo") is not None:
            comparisons.append(beside_nemo_run(ours))
            tallies = [equal(folder)]
        else:
            print("NeMo is not installed here: what needs it is left out.")
            tallies = []
    return report("The shipped library", comparisons, [*tallies, check()])


def app(folder: Path, kind: tuple[str, str], conf: dict[str, str]) -> Path:
    """Write an app with its config directory; return its file."""
    for path, text in conf.items():
        file = folder / "conf" / f"{path}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    script = folder / "app.py"
    script.write_text(APP.format(imports=kind[0], decorator=kind[1]))
    return script


def plain_app(folder: Path, ours: Path) -> Path:
    """Write a plain Hydra app whose options are plain YAML with the leaves of the recipes."""
    import yaml

    conf = {"config": f"defaults: [{{pretrain: {RECIPES[1]}}}]\n"}
    for recipe in RECIPES:
        data = yaml.safe_load(output(str(ours), "--cfg", "job", f"pretrain={recipe}"))
        conf[f"pretrain/{recipe}"] = plain(yaml.safe_dump(data["pretrain"]))
    return app(folder, PEER, conf)


def listing(ours: Path, peer: Path) -> Comparison:
    """List a shipped recipe beside plain Hydra printing as many leaves."""
    import yaml

    size = counted(*(yaml.safe_load(output(str(it), "--cfg", "job")) for it in (ours, peer)))
    paths = len(json.loads(output(str(ours), "--cfg-paths=json")))
    size = f"{paths} paths; {size}"
    comparison = Comparison("--cfg-paths, pretrain/llama3_70b", "plain Hydra, --cfg job", TARGET, size)
    return turns(comparison, process(str(ours), "--cfg-paths"), process(str(peer), "--cfg", "job"), PROCESSES)


def sweep(ours: Path, peer: Path) -> Comparison:
    """Sweep over two shipped recipes whose jobs do nothing, beside plain Hydra on as many leaves."""
    line = ["-m", f"pretrain={','.join(RECIPES)}", "hydra.sweep.dir=sweep"]
    comparison = Comparison("-m pretrain=llama3_8b,llama3_70b, jobs that do nothing", "plain Hydra, the same", TARGET)
    sides = [process(str(it), *line, cwd=it.parent) for it in (ours, peer)]
    return turns(comparison, sides[0], sides[1], PROCESSES)


def completion(folder: Path) -> list[Comparison]:
    """Complete ``model=`` with the whole library beside apps that have three options."""
    option = "_target_: builtins.dict\n"
    whole = app(folder / "whole", OURS, {"config": "defaults: [{model: a}]\n", "model/a": option})
    few = {"config": "defaults: [{kind: a}]\n", **{f"kind/{name}": option for name in "abc"}}
    found = []
    for name, kind, target in (("nph.main", OURS, COMPLETING), ("plain Hydra", PEER, None)):
        other = app(folder / f"few-{kind[1]}", kind, few)
        comparison = Comparison("complete model=, the whole library", f"three options, {name}", target)
        found.append(turns(comparison, completing(whole, "model="), completing(other, "kind="), COMPLETIONS))
    return found


def completing(script: Path, word: str) -> Side:
    """Make a side of one completion."""

    def side() -> float:
        line = f"python {script.name} {word}"
        env = {**os.environ, "COMP_LINE": line, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, script.name, "-sc", "query=bash"]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=script.parent, env=env, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        if word not in done.stdout:
            raise RuntimeError(f"nothing completes {word}: {done.stdout}{done.stderr}")
        return seconds

    return side


def beside_nemo_run(ours: Path) -> Comparison:
    """List a shipped recipe beside the quickest way to see it with NeMo-Run: import it and have fiddle print it."""
    comparison = Comparison("--cfg-paths, pretrain/llama3_70b", "import the recipe, fiddle prints it", 1 / FASTER)
    return turns(comparison, process(str(ours), "--cfg-paths"), process("-c", SEE), SEES, warm_up=0)


def equal(folder: Path) -> Tally:
    """Compose every shipped recipe without NeMo, build it with NeMo, compare it with NeMo's factory."""
    from nemo_partial_hydra.libraries import library, manifest

    tally = Tally("shipped recipes composed without NeMo and built with it, equal to what NeMo's factory returns")
    file = str(folder / "composed.json")
    output("-m", "tests.support.shipped", "compose", file, cwd=ROOT)
    command = [sys.executable, "-m", "tests.support.shipped", "compare", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    _, found, rest = done.stdout.partition("RESULT\n")
    if not found:
        raise RuntimeError(done.stderr[-2000:])
    wrong = dict(line.partition(": ")[::2] for line in rest.splitlines())
    for option in manifest.read(library.SHIPPED).recipes:
        tally.add(option, option not in wrong, wrong.get(option, ""))
    return tally


def check() -> Tally:
    """Check the whole library."""
    tally = Tally(f"nemo-hydra check over the whole library in less than {CHECK_SECONDS} s")
    start = time.perf_counter()
    text = output("-m", "nemo_partial_hydra.cli", "check")
    seconds = time.perf_counter() - start
    print(f"nemo-hydra check: {text.splitlines()[0]} in {seconds:.1f} s")
    tally.add("all", seconds < CHECK_SECONDS, f"{seconds:.1f} s")
    return tally


if __name__ == "__main__":
    sys.exit(main())
