"""Sweeps of frozen jobs that run the functions of ``payloads``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, write_job
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, sweep_paths

ROOT = Path(__file__).resolve().parents[2]
ALLOW = ("tests.support.payloads",)
STRANGE = "a 'b' \"c\" $HOME `x` ü;&|"
"""The name of a directory that any careless quoting breaks; SLURM itself takes it."""


def found_by_jobs(environment: Mapping[str, str]) -> str:
    """Return the PYTHONPATH with which jobs find this package of tests.

    NeMo installs another ``tests``, and the code of an app comes after what is installed.
    """
    return os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))


class Sweep:
    """The directory of a sweep, to which jobs are added."""

    payloads = "tests.support.payloads"
    """The module whose functions the jobs call."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.paths: SweepPaths = sweep_paths(folder)
        self.jobs: list[JobPaths] = []

    def add(self, payload: str, **values: Any) -> JobPaths:
        """Freeze a job that calls a function of the payloads' module."""
        number = len(self.jobs)
        given = {key: escape_interpolation(value) if isinstance(value, str) else value for key, value in values.items()}
        recipe = {"_target_": f"{self.payloads}.{payload}", "_partial_": True, **given}
        job = self.paths.job(str(number))
        overrides = tuple(f"{key}={value}" for key, value in values.items())
        write_job(
            job,
            Job(
                hash=recipe_hash(recipe),
                name="app",
                num=number,
                subdir=str(number),
                overrides=overrides,
                app=str(ROOT),
                recipe=recipe,
            ),
        )
        self.jobs.append(job)
        return job


def filled(folder: Path, count: int = 3) -> Sweep:
    """Freeze some jobs that report where they run."""
    sweep = Sweep(folder)
    for number in range(count):
        sweep.add("report", number=number)
    return sweep
