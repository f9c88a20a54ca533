"""A grid sweep: all jobs are composed and checked first, then launched; one that fails does not hide the others.

May import: Hydra's public parts.
"""

from __future__ import annotations

import copy
import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.errors import RecipeError, ValidationError
from nemo_partial_hydra.jobs import files, folders
from nemo_partial_hydra.jobs.layout import sweep_paths
from nemo_partial_hydra.jobs.placeholders import is_secret
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.runtime import session

from . import refusals
from .checks import check_config
from .compat import texts
from .error_text import explain
from .fixed_overrides import factories_first
from .hydra_settings import HydraSettings
from .job_configs import Composer
from .other_sources import own_options

T = TypeVar("T")


def jobs_of(arguments: list[str], loader: Any) -> list[list[str]]:
    """Return the overrides of every job: the product of all sweeps.

    Raises
    ------
    ValidationError
        For a sweep that no grid can express (``interval(0,1)``).
    """
    grid: dict[str, list[str]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(arguments):
        key = override.get_key_element()
        if not override.is_sweep_override():
            grid[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values = list(override.sweep_string_iterator())
            if isinstance(override.value(), Glob):
                values = own_options(str(override.key_or_group), values, loader)
            grid[key] = [f"{key}={value}" for value in values]
        else:
            raise ValidationError(f"{override.input_line}: a grid sweep needs discrete values, like {key}=1,2,3")
    return [factories_first(job) for job in itertools.product(*grid.values())]


def sweep(
    arguments: list[str], *, config: DictConfig, loader: Any, launcher: Any, max_batch_size: int | None
) -> list[Sequence[JobReturn]]:
    """Check and launch all jobs; raise the first failed job's error only after all have run.

    A launcher that says ``checks_jobs`` checks all that it is given before it starts the first one.
    """
    jobs = jobs_of(arguments, loader)
    size = max_batch_size or len(jobs) or 1
    checks = getattr(launcher, "checks_jobs", False)
    if size < len(jobs) or not checks:
        check_jobs(jobs, config, loader)
    if not checks:  # those that do write it themselves, after their checks
        paths = sweep_paths(str(config.hydra.sweep.dir))
        folders.make(paths.directory, paths.directory)
        files.write(paths.directory, paths.multirun, multirun_text(config))
    results: list[Sequence[JobReturn]] = []
    for start in range(0, len(jobs) or 1, size):  # a glob that matches nothing makes a sweep of no jobs, as in Hydra
        results.append(launcher.launch(jobs[start : start + size], initial_job_idx=start))
    for result in itertools.chain.from_iterable(results):
        if result.status == JobStatus.FAILED:
            _ = result.return_value  # raises the job's own error
    return results


def multirun_text(config: DictConfig) -> str:
    """Return the sweep's own config as text; the values of secrets that jobs get from the environment are left out."""
    copied = config.hydra.job.env_copy
    secret = [name for name in copied if is_secret(name) and name in config.hydra.job.env_set]
    typed = _typed_secrets(config)
    if secret or typed:
        config = copy.deepcopy(config)
        with read_write(config.hydra), open_dict(config.hydra):
            for name in secret:
                config.hydra.job.env_set[name] = f"${{oc.env:{name}}}"
            for name, value in typed.items():
                config.hydra.launcher.apptainer.env[name] = f"${{oc.env:{name}}}"
                shown = [text.replace(value, "...") for text in texts(config.hydra.overrides.hydra)]
                config.hydra.overrides.hydra = shown
    return OmegaConf.to_yaml(config)


def _typed_secrets(config: DictConfig) -> dict[str, str]:
    """Return the secrets whose values stand in the launcher's settings themselves (which the launcher refuses)."""
    env = OmegaConf.select(config, "hydra.launcher.apptainer.env") or {}
    plain = (name for name in env if is_secret(str(name)) and not OmegaConf.is_interpolation(env, name))
    return {str(name): str(env[name]) for name in plain if env[name] is not None and str(env[name])}


def check_jobs(jobs: Sequence[Sequence[str]], config: DictConfig, loader: Any) -> None:
    """Compose and check every job.

    Raises
    ------
    RecipeError
        Naming each job that is wrong by its overrides.
    """
    each_job(jobs, Composer(config, loader, jobs), 0, lambda config, number: check_config(config))


def each_job(
    jobs: Sequence[Sequence[str]], composer: Composer, first: int, work: Callable[[DictConfig, int], T]
) -> list[T]:
    """Do something with the config of every job and return what it gave; no job hides the mistakes of another.

    Parameters
    ----------
    jobs : the overrides of each job.
    composer : makes their configs.
    first : the number of the first job.
    work : what to do with a config and the job's number; the config is the job's only while it lasts.

    Raises
    ------
    RecipeError
        Naming each job that is wrong by its overrides.
    """
    made: list[T] = []
    unused: dict[str, Sequence[str]] = {}
    lines: dict[str, list[str]] = {}
    hydras = session.workspace().of(HydraSettings)
    worst: RecipeError | None = None
    for number, job in enumerate(jobs, first):
        try:
            with composer.job(number, job) as config:
                for choice in composer.unused(config):
                    unused.setdefault(choice, job)
                if hydras.open:
                    hydras.check(config)
                made.append(work(config, number))
            continue
        except RecipeError as error:
            found = refusals.whole(error, functools.partial(composer.anew, job))
            text = str(found)
        except (HydraException, OmegaConfBaseException) as error:
            text = explain(error) or str(error)
            found = ValidationError(text)
        worst = worst or found
        lines.setdefault(text, []).append(" ".join(job))
    if worst is not None:
        raise type(worst)(_report(lines, len(jobs)))
    for choice, job in unused.items():
        own = composer.chosen(choice.partition("=")[0])
        say(f"Note: {choice} of the job {' '.join(job)} is not used: a sweep has one, chosen before its jobs: {own}; "
              "choose it on the command line or in the primary config", file=sys.stderr)  # fmt: skip
    return made


def _report(lines: dict[str, list[str]], jobs: int) -> str:
    """Word what is wrong with some of a sweep's jobs."""
    if jobs == 1 or (len(lines) == 1 and len(next(iter(lines.values()))) == jobs):
        return next(iter(lines))
    return "\n".join(f"{text}\n  in {_some(wrong)}" for text, wrong in lines.items())


def _some(jobs: list[str]) -> str:
    shown = "; ".join(jobs[:3])
    return f"{shown}; and {len(jobs) - 3} more jobs" if len(jobs) > 3 else shown
