"""What this package costs inside a job: from the start of the container to the first line of the recipe's function.

The peer is ``apptainer exec IMAGE python3 -c "import TARGETS"``, from its start to the first line after the import; the
difference is everything that the runner does: entering the container, finding the package, reading and checking the job
(hash, policy, drift, every value of 534 parameters), the claim, ``status.json``, making the objects. Turns are taken in
one run, and the median of the differences is the figure. The job of an app is measured beside
``apptainer exec IMAGE python3 app.py``, from its start to the first line of the app's function: both read Hydra, which
is bound into the image, so what is left is the runner's.

Needs Apptainer and an image with Python and PyYAML. Those of the test cluster are used where it has been up
(``python -m tests.cluster.lab up``, and ``image python``), or ``apptainer`` on PATH and the image that is given:
``python -m benchmarks.overhead IMAGE``. SLURM is not needed. Where they are missing that
is said, and nothing is measured.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks import synthetic
from benchmarks.measure import ROOT, seconds, verdict

ROUNDS = 9
TARGET_S = 0.3
STARTED = "started"
BODY = f"    import time\n    open({STARTED!r}, 'w').write(repr(time.time()))\n"
SMALL = "small"
APP = f"""
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store("config", {{"size": 1}})


@hydra.main(version_base="1.3", config_name="config")
def main(cfg):
{BODY}

if __name__ == "__main__":
    main()
"""


def main(arguments: Sequence[str] = ()) -> int:
    """Print the figures; return the exit code."""
    executable, image = found(arguments)
    if executable is None or image is None:
        what = "apptainer" if executable is None else "an image with Python and PyYAML"
        print(f"overhead: NOT MEASURED: there is no {what} here; see the top of benchmarks/overhead.py")
        return 0
    table = Table(
        "from container start to the recipe's first line", "n", "ours, median", "peer, median", "difference", "target",
        "", title="Overhead inside a job",
    )  # fmt: skip
    met = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, job in [*jobs(folder).items(), *app_job(folder).items()]:
            ours, theirs = measured(executable, image, folder, job)
            difference = statistics.median(a - b for a, b in zip(ours, theirs, strict=True))
            met = met and difference <= TARGET_S
            table.add_row(
                title, str(len(ours)), seconds(statistics.median(ours)), seconds(statistics.median(theirs)),
                seconds(difference), f"<= {TARGET_S} s", verdict(difference <= TARGET_S),
            )  # fmt: skip
    Console(width=max(140, Console().width)).print(table)
    return 0 if met else 1


def found(arguments: Sequence[str]) -> tuple[str | None, Path | None]:
    """Find the executable and the image."""
    from tests.cluster import lab

    place = lab.found()
    own = place / "apptainer" / "bin" / "apptainer"
    executable = shutil.which("apptainer") or (str(own) if own.exists() else None)
    image = Path(arguments[0]) if arguments else place / "images" / "python.sif"
    return executable, image if image.exists() else None


@dataclass(frozen=True)
class Timed:
    """A frozen job, what its peer's Python is given, and what both find bound into the image."""

    directory: Path
    plain: Sequence[str]
    allow: str = synthetic.TARGETS
    packages: Path | None = None


def jobs(folder: Path) -> dict[str, Timed]:
    """Freeze a recipe of 534 parameters and one of two; return them by titles."""
    import nemo_partial_hydra as nph
    from nemo_partial_hydra.dialect.yaml import load

    synthetic.write_targets(folder)
    module = folder / f"{synthetic.TARGETS}.py"
    small = f"\n\ndef {SMALL}(size: int, name: str = 'x'):\n{BODY}"
    module.write_text(module.read_text().replace("    pass\n", BODY) + small)
    sys.path.insert(0, str(folder))
    recipes = {
        f"a recipe with {synthetic.PARAMETERS} parameters": load(synthetic.recipe_yaml()),
        "a recipe with 2 parameters": {"_target_": f"{synthetic.TARGETS}.{SMALL}", "_partial_": True, "size": 4},
    }
    code = f"import {synthetic.TARGETS}, time; open({STARTED!r}, 'w').write(repr(time.time()))"
    out = {}
    for number, (title, recipe) in enumerate(recipes.items()):
        out[title] = Timed(folder / "jobs" / str(number), ["-c", code])
        nph.freeze(recipe, out[title].directory, allow=[synthetic.TARGETS])
    return out


def app_job(folder: Path) -> dict[str, Timed]:
    """Freeze an app of Hydra, for an image into which the Hydra of this environment is bound."""
    (folder / "app.py").write_text(APP)
    words = [sys.executable, "app.py", "-m", "size=4", "hydra/launcher=freeze", "hydra.sweep.dir=app_jobs"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    packages = folder / "packages"
    needed = [f"{name}=={version(name)}" for name in ("hydra-core", "omegaconf", "antlr4-python3-runtime", "packaging")]
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), *needed]
    subprocess.run(words, check=True)
    return {"an app of Hydra": Timed(folder / "app_jobs" / "0", [str(folder / "app.py"), "size=4"], "app", packages)}


def measured(executable: str, image: Path, folder: Path, job: Timed) -> tuple[list[float], list[float]]:
    """Time a job and its peer in turns; the first turn does not count."""
    from nemo_partial_hydra.jobs.layout import job_paths
    from nemo_partial_hydra.launchers.container import command as apptainer
    from nemo_partial_hydra.launchers.container.command import Container
    from nemo_partial_hydra.launchers.settings import Settings
    from nemo_partial_hydra.launchers.worker.payload import command_of

    binds = () if job.packages is None else (f"{job.packages}:/packages",)
    env = {} if job.packages is None else {"PYTHONPATH": "/packages"}
    container = Container(image=str(image), executable=executable, binds=binds, env=env)
    settings = Settings(container=container, code=(str(folder),), allow=(job.allow,), folder=str(job.directory))
    paths = job_paths(job.directory)
    host = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment = apptainer.environment(container, host)
    plain = [executable, "exec", "--bind", str(folder), *(word for bind in binds for word in ("--bind", bind))]
    plain += ["--pwd", str(job.directory), str(image), "python3", *job.plain]
    found = os.pathsep.join([str(folder), *env.values()])
    around = {**environment, f"{apptainer.variable_prefix(executable)}PYTHONPATH": found}
    ours, theirs = [], []
    for turn in range(ROUNDS + 1):
        command = command_of(settings, paths, turn + 1, job.directory.parent)
        pair = (
            _until_started([*command, "--force"], job.directory, environment),
            _until_started(plain, job.directory, around),
        )
        if turn:
            ours.append(pair[0])
            theirs.append(pair[1])
    return ours, theirs


def _until_started(command: Sequence[str], directory: Path, environment: dict[str, str]) -> float:
    (directory / STARTED).unlink(missing_ok=True)
    start = time.time()
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr}")
    return float((directory / STARTED).read_text()) - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
