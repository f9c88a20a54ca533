"""The launchers ``submitit_apptainer`` and ``submitit_apptainer_local``: freeze a sweep's jobs, then send them.

May import: OmegaConf and Hydra's public parts. This is what Hydra calls: ``send`` does the rest for any cluster.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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

from . import send
from .chain import Chain, first_failed
from .clusters.registry import CLUSTERS
from .container import bind
from .failure import failure
from .payload import payload_of
from .plans import Plan, look, plans, say_dry
from .records import Submission
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
    steps = payload_of(config, task_function).steps
    queued = CLUSTERS.named(cluster).run is None
    asked = plain.get("detach")
    detach = asked if asked is not None else queued and _needs_no_results(config)
    sweep = sweep_paths(str(config.hydra.sweep.dir))
    made_plans = plans(plain, steps, cluster, lambda settings: dataclasses.replace(settings, detach=detach))
    if not plain.get("dry_run"):
        look(made_plans, sweep)
    report = made_plans[0].report
    if report is not None:
        report.settings(_typed_secrets(config))
    made = _frozen(made_plans, lambda image: freeze_sweep(
        config, loader, task_function, overrides, first, image=image, write=False
    ))  # fmt: skip
    needed = _needed(made)
    for plan in made_plans:
        plan.settings = dataclasses.replace(plan.settings, **needed)
        if plan.report is not None:
            plan.report.check()
    say(made.payload.line)
    if report is None:
        if made.payload.picture:
            say(f"# steps: {made.payload.picture}")
        say_dry(sweep, made.jobs, made_plans)
        return made.returns()
    return _returned(made, _sent(made, made_plans, write_sweep(made, config)), detach=bool(detach))


def _sent(made: FrozenSweep, made_plans: Sequence[Plan], digests: Mapping[JobPaths, str]) -> list[Submission]:
    """Send the jobs, steps of pipelines one behind the other."""
    plan = made_plans[0]
    if plan.name:
        links = [each.chained(made.jobs, digests) for each in made_plans]
        return send.send_steps(Chain(made.paths, links), plan.settings)
    jobs = [paths for paths, _ in made.jobs]
    attempts = _once_more(jobs) if made.payload.function is not None else None
    return send.send(
        made.paths, jobs, plan.settings, plan.secrets, attempts=attempts, digests=digests, report=plan.report
    )


def _frozen(made_plans: Sequence[Plan], freeze: Callable[[str | None], FrozenSweep]) -> FrozenSweep:
    """Freeze the jobs, for an image that is written down if it is that of all of them; tell all errors at once."""
    report = made_plans[0].report
    images = {plan.settings.container.image for plan in made_plans}
    image = images.pop() if len(images) == 1 else None
    try:
        return freeze(image if image is not None and report is not None and os.path.exists(image) else None)
    except RecipeError as error:
        if report is None:
            raise
        report.recipe = error
        report.check()
        raise


def _returned(made: FrozenSweep, sent: Sequence[Submission], *, detach: bool) -> list[JobReturn]:
    """Return what Hydra's launchers do of each job of the sweep."""
    ids = {made.paths.job(job.subdir): job.spelled for each in sent for job in each.jobs}
    returns = made.returns(ids) if detach else _ended(made)
    left = next((each.left for each in reversed(sent) if each.left), "")
    for (paths, _), each in zip(made.ends, returns, strict=True):
        if paths not in ids and left:
            each.status = JobStatus.FAILED
            each.return_value = ClusterError(f"{paths.directory}: was not sent: {left}")
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
            sorted(
                {*session.workspace().policy.prefixes(), *made.allow, *_of_app(made, names)} - {*BUILT_IN, "__main__"}
            )
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


def _ended(made: FrozenSweep) -> list[JobReturn]:
    """Return what came of jobs that were waited for: the results of all, whichever failed."""
    returns, heads = made.returns(), dict(made.jobs)
    for (end, _), each in zip(made.ends, returns, strict=True):
        job = first_failed(end, heads)
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
