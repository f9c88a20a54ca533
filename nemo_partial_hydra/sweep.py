"""A grid sweep: all jobs are composed and checked first, then launched; one that fails does not hide the others.

May import: Hydra's public parts.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .checks import check_config
from .errors import RecipeError, ValidationError
from .report import explain


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
            grid[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise ValidationError(f"{override.input_line}: a grid sweep needs discrete values, like {key}=1,2,3")
    return [list(job) for job in itertools.product(*grid.values())]


def sweep(
    arguments: list[str], *, config: DictConfig, loader: Any, launcher: Any, max_batch_size: int | None
) -> list[Sequence[JobReturn]]:
    """Check and launch all jobs; raise the first failed job's error only after all have run."""
    jobs = jobs_of(arguments, loader)
    check_jobs(jobs, config, loader)
    directory = str(config.hydra.sweep.dir)
    os.makedirs(directory, exist_ok=True)
    OmegaConf.save(config, os.path.join(directory, "multirun.yaml"))
    size = max_batch_size or len(jobs)
    results: list[Sequence[JobReturn]] = []
    for start in range(0, len(jobs), size):
        results.append(launcher.launch(jobs[start : start + size], initial_job_idx=start))
    for result in itertools.chain.from_iterable(results):
        if result.status == JobStatus.FAILED:
            _ = result.return_value  # raises the job's own error
    return results


def check_jobs(jobs: list[list[str]], config: DictConfig, loader: Any) -> None:
    """Compose and check every job.

    Raises
    ------
    ValidationError
        Naming each job that is wrong by its overrides.
    """
    lines: dict[str, list[str]] = {}
    first: RecipeError | None = None
    for number, job in enumerate(jobs):
        try:
            extra = [f"hydra.job.num={number}", f"hydra.job.id=job_id_for_{number}"]
            check_config(loader.load_sweep_config(config, [*job, *extra]))
        except RecipeError as error:
            first = first or error
            lines.setdefault(str(error), []).append(" ".join(job))
        except (HydraException, OmegaConfBaseException) as error:
            text = explain(error) or str(error)
            first = first or ValidationError(text)
            lines.setdefault(text, []).append(" ".join(job))
    if first is None:
        return
    if len(jobs) == 1 or (len(lines) == 1 and len(next(iter(lines.values()))) == len(jobs)):
        raise type(first)(next(iter(lines)))
    parts = [f"{text}\n  in {_some(wrong)}" for text, wrong in lines.items()]
    raise type(first)("\n".join(parts))


def _some(jobs: list[str]) -> str:
    shown = "; ".join(jobs[:3])
    return f"{shown}; and {len(jobs) - 3} more jobs" if len(jobs) > 3 else shown
