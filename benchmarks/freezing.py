"""Freezing and submitting a sweep, beside composing each job as Hydra's own launcher does.

The recipe has 534 parameters of plain-Python targets, so that no import of NeMo is in the figures; the sweep varies one
value. In one process and in turns: ours composes, checks and writes all jobs, and submits them as one array, where
``sbatch`` is a program that only says a number; the peer composes a few of the same jobs with
``load_sweep_config``, which is what the stock launcher does for a job before it does anything else (the stock sweeper
does it once more, to validate the job). Both are seconds a job. The second peer is Hydra on plain YAML with as many
leaves, in which nothing of this package takes part.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import synthetic
from benchmarks.composing import conf, plain
from benchmarks.measure import Comparison, Side, on_path, report, seconds, turns

JOBS, MANY, STOCK, ROUNDS = 1_000, 10_000, 30, 3
TARGET = 0.1  # ten times less
APP = 1.5  # seconds a job of an app to those of a recipe
RUNS, STEPS = 300, ("first", "second", "third")
PIPELINE = 1.2  # seconds a job of a pipeline's steps to those of one step
LINEAR = 1.2  # seconds a job of the large sweep to those of the small one
KEY = "recipe.optim.config.option_6"


def main() -> int:
    """Print the figures; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")  # of the key that seals the records
        synthetic.write_targets(folder)
        sys.path.insert(0, str(folder))
        conf(folder, "conf", synthetic.recipe_yaml())
        comparisons = measured(folder)
    print(f"A sweep over one value of a recipe with {synthetic.PARAMETERS} parameters, {synthetic.SET} of them set.")
    print("Ours, a job: composed, checked, written as job.yaml, and submitted. Peer, a job: composed, once.")
    return report("Freezing and submitting a sweep, seconds a job", comparisons)


def measured(folder: Path) -> list[Comparison]:
    """Time both sides."""
    size = f"{JOBS} : {STOCK} jobs"
    with opened(folder / "conf") as (config, loader):
        ours = freezing(config, loader, folder / "jobs", JOBS)
        stock = composing(config, loader)
        with sbatch(folder / "bin"):
            sent = freezing(config, loader, folder / "sent", JOBS, submitted=True)
            same = Comparison("freeze and submit", "Hydra's launcher composes", TARGET, size)
            turns(same, sent, stock, ROUNDS)
            called = freezing(config, loader, folder / "called", JOBS, submitted=True, payload="app")
            of_app = Comparison("freeze and submit, payload app", "payload recipe", APP, f"{JOBS} : {JOBS} jobs")
            turns(of_app, called, sent, ROUNDS)
        large = freezing(config, loader, folder / "many", MANY)
        linear = turns(
            Comparison(f"freeze {MANY} jobs", f"freeze {JOBS} jobs", LINEAR, f"{MANY} : {JOBS} jobs"), large, ours, 1, 0
        )
        data = composed(loader, config)
    conf(folder, "plain", data)
    with opened(folder / "plain") as (plain_config, plain_loader):
        times = composing(plain_config, plain_loader)
        by_hand = Comparison("freeze and submit", "the same, plain YAML, plain Hydra", None, size)
        for before in same.ours:
            by_hand.add(before, times())
    pipeline = _pipelines(folder)
    print(f"freeze {MANY} jobs: {seconds(linear.ours[0] * MANY)}, {JOBS} jobs: {seconds(linear.theirs[0] * JOBS)}")
    return [same, of_app, pipeline, linear, by_hand]


def _pipelines(folder: Path) -> Comparison:
    """Compare runs of three steps, three arrays, with as many runs of one step."""
    sides = []
    for steps in (STEPS, STEPS[:1]):
        directory = folder / f"conf{len(steps)}"
        directory.mkdir()
        recipes = "".join(f"{step}:\n{synthetic.recipe_yaml(indent='  ')}" for step in steps)
        (directory / "config.yaml").write_text(f"_steps_: [{', '.join(steps)}]\n{recipes}")
        sides.append((directory, steps))
    made = Comparison("freeze and submit, a job of three steps", "of one step", PIPELINE, f"{RUNS} : {RUNS} runs")
    times: list[list[float]] = [[], []]
    for round_ in range(ROUNDS):
        for index, (directory, steps) in enumerate(sides):
            with opened(directory) as (config, loader), sbatch(folder / f"bin {round_} {index}"):
                times[index].append(chaining(config, loader, folder / f"sent {round_} {index}", steps))
    for ours, theirs in zip(*times, strict=True):
        made.add(ours, theirs)
    return made


def chaining(config: Any, loader: Any, where: Path, steps: Sequence[str]) -> float:
    """Freeze and submit the steps of pipelines; return seconds a job."""
    from omegaconf import open_dict, read_write

    from nemo_partial_hydra.launchers.chain import Chain, Link
    from nemo_partial_hydra.launchers.preflight import report as preflight
    from nemo_partial_hydra.launchers.settings import Settings
    from nemo_partial_hydra.launchers.sweep import freeze_sweep

    jobs = [[f"{step}.optim.config.option_6={number / 10_000}" for step in steps] for number in range(RUNS)]
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(where)
        config.hydra.launcher.payload = "recipe"
    start = time.perf_counter()
    made = freeze_sweep(config, loader, main, jobs)
    links = [
        Link([(paths, job) for paths, job in made.jobs if job.step and job.step.name == step], Settings(),
             report=preflight.Report())
        for step in steps
    ]  # fmt: skip
    sent = Chain(made.paths, links).send(lambda one: None)
    spent = time.perf_counter() - start
    if len(made.jobs) != RUNS * len(steps) or len(sent) != len(steps):
        raise RuntimeError(f"not {RUNS} runs as {len(steps)} arrays, but {len(made.jobs)} jobs as {len(sent)}")
    return spent / len(made.jobs)


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[tuple[Any, Any]]:
    """Give a sweep's own config and Hydra's loader, as a launcher has them."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from nemo_partial_hydra.composition.compat import initialize_arguments
    from nemo_partial_hydra.runtime import session

    arguments = initialize_arguments(None)
    with (
        session.running(session.Session((synthetic.TARGETS,))),  # first: it makes the config files typed ones
        hydra.initialize_config_dir(str(directory), job_name="app", **arguments),
    ):
        loader = GlobalHydra.instance().config_loader()
        yield loader.load_configuration("config", ["hydra/launcher=freeze"], RunMode.MULTIRUN), loader


def lines(count: int) -> list[list[str]]:
    """Return the overrides of a sweep's jobs."""
    return [[f"{KEY}={number / 10_000}"] for number in range(count)]


@contextlib.contextmanager
def sbatch(folder: Path) -> Iterator[None]:
    """Put a ``sbatch`` on the path that takes everything, and answers at once."""
    folder.mkdir()
    program = folder / "sbatch"
    program.write_text("#!/bin/sh\necho Submitted batch job 77\n")
    program.chmod(0o755)
    with on_path(folder):
        yield


def freezing(
    config: Any, loader: Any, where: Path, count: int, *, submitted: bool = False, payload: str = "recipe"
) -> Side:
    """Make the side that freezes a sweep, and submits it as one array; it returns seconds a job."""
    from omegaconf import open_dict, read_write

    from nemo_partial_hydra.launchers import submit
    from nemo_partial_hydra.launchers.preflight import report as preflight
    from nemo_partial_hydra.launchers.settings import Settings
    from nemo_partial_hydra.launchers.sweep import freeze_sweep

    jobs = lines(count)
    rounds = itertools.count()

    def side() -> float:
        # A new directory each time: where thousands of files were deleted just now, ext4 is slow to make others.
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(where / str(next(rounds)))
            config.hydra.launcher.payload = payload
        start = time.perf_counter()
        made = freeze_sweep(config, loader, main, jobs)
        if submitted:
            frozen = [paths for paths, _ in made.jobs]
            sent = submit.submit(made.paths, frozen, Settings(), report=preflight.Report())
        spent = time.perf_counter() - start
        if len(made.jobs) != count or not all(paths.job.exists() for paths, _ in made.jobs):
            raise RuntimeError(f"not all of {count} jobs were frozen")
        if submitted and [job.spelled for job in sent.jobs] != [f"77_{number}" for number in range(count)]:
            raise RuntimeError(f"not all of {count} jobs were submitted as one array")
        return spent / count

    return side


def composing(config: Any, loader: Any) -> Side:
    """Make the side that composes jobs as Hydra does; it returns seconds a job."""
    jobs: Sequence[list[str]] = lines(STOCK)

    def side() -> float:
        start = time.perf_counter()
        for job in jobs:
            loader.load_sweep_config(config, job)
        return (time.perf_counter() - start) / len(jobs)

    return side


def composed(loader: Any, config: Any) -> str:
    """Return the composed recipe as plain YAML: the same leaves, its reserved keys renamed."""
    from omegaconf import OmegaConf

    return plain(OmegaConf.to_yaml(loader.load_sweep_config(config, []).recipe))


if __name__ == "__main__":
    sys.exit(main())
