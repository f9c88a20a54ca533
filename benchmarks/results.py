"""``nemo-hydra results`` and ``report`` of a sweep of 2,000 jobs, whole processes, beside the least that could do it.

Each job has a recipe of 534 parameters, three overrides, a result of three metrics and a ``metrics.csv`` of 50 steps.
The peer is ``python -c`` that reads the same four files of each job and parses those that are JSON or CSV.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import synthetic
from benchmarks.measure import Comparison, process, report, seconds, turns, verdict
from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, job_text
from nemo_partial_hydra.jobs.layout import sweep_paths
from nemo_partial_hydra.jobs.outcome import result_text

JOBS, ROUNDS, STEPS = 2_000, 7, 50
LIMITS = {"results": 3.0, "report": 10.0}  # seconds, of the whole process
LARGEST = 5_000_000  # bytes of a report
FLOOR = """
import csv, json, sys
from pathlib import Path
rows = []
for number in range(int(sys.argv[2])):
    job = Path(sys.argv[1], str(number))
    head = (job / "job.yaml").read_text().partition("recipe:")[0]
    steps = list(csv.reader((job / "logs" / "version_0" / "metrics.csv").open()))
    rows.append([head, steps, *(json.loads((job / name).read_text()) for name in ("status.json", "result.json"))])
print(len(rows))
"""


def main() -> int:
    """Print the figures; return the exit code."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        sweep, page = Path(name) / "sweep", Path(name) / "report.html"
        swept(sweep)
        floor = process("-c", FLOOR, str(sweep), str(JOBS))
        commands = {"results": [str(sweep)], "report": [str(sweep), "--out", str(page)]}
        made = []
        for command, words in commands.items():
            ours = process("-m", "nemo_partial_hydra.cli", command, *words)
            made.append(turns(Comparison(command, "reading the files", None, f"{JOBS} jobs"), ours, floor, ROUNDS))
        size = page.stat().st_size
    report("Results of a sweep, whole processes", made)
    met = size < LARGEST
    console.print(f"a report of {JOBS} jobs: {size:,} bytes, to be under {LARGEST:,}  {verdict(met)}")
    for one in made:
        spent, limit = statistics.median(one.ours), LIMITS[one.name]
        console.print(f"{one.name} of {JOBS} jobs: {seconds(spent)}, to be under {limit:g} s  {verdict(spent < limit)}")
        met = met and spent < limit
    return int(not met)


def swept(folder: Path) -> None:
    """Write a sweep whose jobs are done."""
    recipe = load(synthetic.recipe_yaml())
    recipe = recipe.get("recipe", recipe)
    sweep, hashed = sweep_paths(folder), recipe_hash(recipe)
    for number in range(JOBS):
        job, now = sweep.job(str(number)), states.now()
        logs = job.directory / "logs" / "version_0"
        logs.mkdir(parents=True)
        overrides = (f"optim.lr={1 / (number + 7)}", f"model={'abc'[number % 3]}", f"seed={number}")
        job.job.write_text(job_text(Job(hashed, "train", number, str(number), overrides, now, recipe=recipe)))
        job.status.write_text(states.encode(states.Status(states.DONE, 1, now, now, now), job))
        job.result.write_text(result_text({"loss": 1 / (number + 1), "acc": {"top1": 0.5, "top5": 0.75}}))
        rows = "".join(f"{step},{step},{1 / (step + number + 1)}\n" for step in range(STEPS))
        (logs / "metrics.csv").write_text(f"epoch,step,val_loss\n{rows}")


if __name__ == "__main__":
    sys.exit(main())
