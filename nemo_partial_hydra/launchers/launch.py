"""The launchers ``submitit_apptainer`` and ``submitit_apptainer_local``: freeze a sweep's jobs, then send them.

May import: OmegaConf and Hydra's public parts. This is what Hydra calls: ``send`` does the rest for any cluster.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.errors import ClusterError, JobFailed, RecipeError, UsageError
from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_names import modules_of
from nemo_partial_hydra.jobs.layout import JobPaths, sweep_paths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.placeholders import is_secret
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.policy.rules import BUILT_IN
from nemo_partial_hydra.runtime import session

from . import dry_run, send, submit
from .clusters.registry import CLUSTERS
from .container import bind
from .failure import failure
from .settings import from_config
from .status.live import ending
from .sweep import FrozenSweep, freeze_sweep, write_sweep

RESULT_S = 60.0
"""So long after a job's status its result may be seen: NFS keeps for a minute that a name was not there."""
_GRID = (".BasicSweeper", ".RecipeSweeper")
"""Sweepers that do not look at results, by the ends of their targets."""


def require(*, installed: bool) -> None:
    """Say what to install where hydra-submitit-launcher is missing.

    Raises
    ------
    UsageError
        If it is.
    """
    if not installed:
        raise UsageError(
            "hydra/launcher: this launcher takes its settings from hydra-submitit-launcher, which is not installed: "
            "pip install hydra-submitit-launcher"
        )


def launch(
    config: DictConfig,
    loader: Any,
    task_function: Callable[..., Any],
    overrides: Sequence[Sequence[str]],
    first: int,
    cluster: str,
) -> Sequence[JobReturn]:
    """Freeze the jobs of a sweep and send them, or say what would be sent.

    Parameters
    ----------
    config : the sweep's own config, as Hydra hands it to launchers.
    loader : Hydra's config loader.
    task_function : the app's function.
    overrides : those of each job.
    first : the number of the first job.
    cluster : the cluster's name.

    Raises
    ------
    RecipeError
        For all that is wrong with the recipes, the settings and the cluster; nothing was written or submitted.
    """
    plain: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    settings, secrets = from_config(plain, cluster)
    queued = CLUSTERS.named(cluster).run is None
    detach = settings.detach if settings.detach is not None else queued and _needs_no_results(config)
    settings = dataclasses.replace(settings, detach=detach)
    sweep = sweep_paths(str(config.hydra.sweep.dir))
    report = None if plain.get("dry_run") else submit.check(sweep, settings)
    if report is not None:
        report.settings(_typed_secrets(config))
    try:
        image = settings.container.image
        recorded = image if image is not None and report is not None and os.path.exists(image) else None
        made = freeze_sweep(config, loader, task_function, overrides, first, image=recorded, write=False)
    except RecipeError as error:
        if report is None:
            raise
        report.recipe = error
        report.check()
        raise
    settings = dataclasses.replace(settings, **_needed(made))
    jobs = [paths for paths, _ in made.jobs]
    if report is not None:
        report.check()
    say(made.payload.line)
    if report is None:
        say(dry_run.text(sweep, jobs, settings, overrides=[job.overrides for _, job in made.jobs]))
        return made.returns()
    digests = write_sweep(made, config)
    attempts = _once_more(jobs) if made.payload.function is not None else None
    sent = send.send(sweep, jobs, settings, secrets, attempts=attempts, digests=digests, report=report)
    ids = [job.spelled for each in sent for job in each.jobs]
    returns = made.returns(ids) if detach else _ended(made, jobs)
    for job, each in list(zip(jobs, returns, strict=True))[len(ids) :]:
        each.status = JobStatus.FAILED
        each.return_value = ClusterError(f"{job.directory}: was not sent: {sent[-1].left}")
    return returns


def _once_more(jobs: Sequence[JobPaths]) -> dict[JobPaths, int]:
    """Return the next attempts of jobs that have ended: an app that is started again in one directory is run again.

    What it does is not in job.yaml, as it is for a recipe: the app's code may be another one by now.
    """
    known = {job: states.read_status(job) for job in jobs}
    ended = {states.DONE, *states.RETRIED}
    return {job: status.attempt + 1 for job, status in known.items() if status.state in ended}


def _needed(made: FrozenSweep) -> dict[str, Any]:
    """Return the settings that the jobs themselves make: where their modules are, and what they may name."""
    names = dict.fromkeys(name for _, job in made.jobs for name in modules_of(job))
    code = bind.folders((job.app for _, job in made.jobs), names)
    needed = {
        "code": code,
        "trust_code": code,  # whoever runs this app runs that code already
        "allow": tuple(
            sorted({*session.workspace().policy.prefixes(), *_of_app(made, names)} - {*BUILT_IN, "__main__"})
        ),
    }
    return needed if made.payload.function is None else {**needed, "folder": os.getcwd()}


def _of_app(made: FrozenSweep, names: Iterable[str]) -> set[str]:
    """Return what the jobs of an app may name: its own module; a plain Hydra app has no policy, so all it names."""
    function = made.payload.function
    if function is None:
        return set()
    return {function.module, *(names if session.current() is None else ())}


def _typed_secrets(config: DictConfig) -> list[tuple[str, str]]:
    """Return secrets whose values stand in the config itself, which the sweeper writes into a file."""
    return [
        (f"apptainer.env.{name}", f"the value would be in files and histories; use '${{oc.env:{name}}}' or null")
        for name in config.hydra.launcher.apptainer.env
        if is_secret(name)
        and not OmegaConf.is_interpolation(config.hydra.launcher.apptainer.env, name)
        and config.hydra.launcher.apptainer.env[name] is not None
    ]


def _needs_no_results(config: DictConfig) -> bool:
    return str(config.hydra.sweeper._target_).endswith(_GRID)


def _ended(made: FrozenSweep, jobs: Sequence[JobPaths]) -> list[JobReturn]:
    """Return what came of jobs that were waited for: the results of all, whichever failed."""
    returns = made.returns()
    for job, each in zip(jobs, returns, strict=True):
        status = states.read_status(job)
        if status.state == states.DONE and (status.reason or _arrived(job)):  # a reason says where else the result is
            each.return_value = read_result(job)
        elif status.state == states.DONE:
            each.status = JobStatus.FAILED
            each.return_value = JobFailed(f"{job.directory}: the job is done, and {job.result.name} is not there")
        else:
            each.status = JobStatus.FAILED
            each.return_value = failure(f"{job.directory}: {ending(job, status)}", status.error)
    return returns


def _arrived(job: JobPaths) -> bool:
    """Wait until the result of a job that is done is seen here: it was written before the status, maybe elsewhere."""
    end = time.monotonic() + RESULT_S
    while not files.exists(job.root, job.result):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True
