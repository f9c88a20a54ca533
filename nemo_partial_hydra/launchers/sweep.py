"""What the launchers have in common: a sweep's jobs composed, checked and frozen, all or none of them.

May import: OmegaConf and Hydra's public parts.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from shlex import quote
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from nemo_partial_hydra.composition.app_modules import own_packages
from nemo_partial_hydra.composition.budget import Resolution
from nemo_partial_hydra.composition.checks import beside_recipe, overridden_references
from nemo_partial_hydra.composition.compat import texts
from nemo_partial_hydra.composition.job_configs import Composer
from nemo_partial_hydra.composition.pipeline import pipeline_of
from nemo_partial_hydra.composition.sweep import each_job, multirun_text
from nemo_partial_hydra.errors import JobError, ValidationError
from nemo_partial_hydra.jobs import files, folders
from nemo_partial_hydra.jobs.job import Job, frozen_digest, write_job
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, sweep_paths
from nemo_partial_hydra.jobs.metadata import Metadata, read_metadata
from nemo_partial_hydra.messages import escaped
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Signature

from .freeze import frozen, frozen_steps
from .freeze_app import frozen_app
from .parallel import together
from .payload import Payload, payload_of
from .shared_steps import Placed, shared

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Submitted:
    """What a job returns that has not run yet: where it is, so that its result can be read later.

    Attributes
    ----------
    directory : the job's directory.
    num : its number in the sweep.
    hash : its recipe's hash.
    id : the cluster's id of it, or None.
    """

    directory: str
    num: int
    hash: str
    id: str | None = None


Compose = Callable[[Job], DictConfig]


class _Returned(JobReturn):
    """What Hydra's launchers return of a job; its configs are composed when somebody asks for them."""

    def __init__(self, paths: JobPaths, job: Job, compose: Compose) -> None:
        self._known: dict[str, DictConfig] = {}
        self._of = paths, job, compose
        super().__init__()

    def _config(self, name: str) -> DictConfig:
        if not self._known:
            paths, job, compose = self._of
            config = compose(job)
            with read_write(config), open_dict(config):
                config.hydra.runtime.output_dir = str(paths.directory)
                self._known["hydra_cfg"] = OmegaConf.masked_copy(config, ["hydra"])
                del config["hydra"]
            self._known["cfg"] = config
        return self._known[name]

    @property
    def cfg(self) -> DictConfig:
        """The job's config without Hydra's settings."""
        return self._config("cfg")

    @cfg.setter
    def cfg(self, value: Any) -> None:
        """Take what the class of Hydra sets it to first."""

    @property
    def hydra_cfg(self) -> DictConfig:
        """Hydra's settings of the job."""
        return self._config("hydra_cfg")

    @hydra_cfg.setter
    def hydra_cfg(self, value: Any) -> None:
        """Take what the class of Hydra sets it to first."""


def _composed(config: DictConfig, loader: Any, job: Job) -> DictConfig:
    made: DictConfig = loader.load_sweep_config(config, list(job.overrides))
    with read_write(made.hydra), open_dict(made.hydra):
        made.hydra.job.num, made.hydra.job.id = job.num, str(job.num)
    return made


@dataclass(frozen=True)
class FrozenSweep:
    """Jobs that are frozen, where, and what they run; ``compose`` gives the config of each, where somebody wants it.

    ``ends`` has for each job of the sweep the one whose result counts: of a pipeline its last step. ``allow`` is what
    the jobs may name besides what this process allows: the modules beside a plain Hydra app.
    """

    paths: SweepPaths
    jobs: Sequence[Placed]
    ends: Sequence[Placed]
    payload: Payload = field(default_factory=Payload)
    compose: Compose | None = None
    allow: Sequence[str] = ()

    def returns(self, ids: Mapping[JobPaths, str] | None = None) -> list[JobReturn]:
        """Return what a launcher gives back for jobs that have not run: completed, with a ``Submitted`` each."""
        out = []
        for paths, job in self.ends:
            made = JobReturn() if self.compose is None else _Returned(paths, job, self.compose)
            made.overrides = list(job.overrides)
            made.working_dir = str(paths.directory)
            made.task_name = job.name
            made.status = JobStatus.COMPLETED
            made.return_value = Submitted(str(paths.directory), job.num, job.hash, (ids or {}).get(paths))
            out.append(made)
        return out


def freeze_sweep(
    config: DictConfig,
    loader: Any,
    task_function: Callable[..., Any],
    overrides: Sequence[Sequence[str]],
    first: int = 0,
    *,
    image: str | None = None,
    write: bool = True,
) -> FrozenSweep:
    """Freeze the jobs of a sweep below ``hydra.sweep.dir``; nothing is written if one of them is wrong.

    Parameters
    ----------
    config : the sweep's own config, as Hydra hands it to launchers.
    loader : Hydra's config loader.
    task_function : the app's function; the modules beside it may be named, as under ``nph.main``.
    overrides : those of each job.
    first : the number of the first job.
    image : the container image that the jobs are for, to be recorded.
    write : False leaves it to ``write_sweep``.

    Raises
    ------
    RecipeError
        Naming every job that is wrong; or if a file cannot be written.
    """
    setup_globals()
    metadata = read_metadata(str(config.hydra.job.name), image)
    allow = () if session.current() is not None else own_packages(inspect.unwrap(task_function))
    sweep = sweep_paths(str(config.hydra.sweep.dir))
    places: dict[str, int] = {}
    payload = payload_of(config, task_function)
    known, settings = dict[str, "Signature | None"](), dict[str, Mapping[str, Any]]()

    def work(job: DictConfig, number: int) -> list[Placed]:
        overridden_references(job)
        beside = beside_recipe(job) if payload.function is None else []
        if beside:
            raise ValidationError("; ".join([*beside, "a frozen job runs nothing but the recipe"]))
        subdir = _place(job, number, places)
        options: dict[str, Any] = {
            "num": number, "subdir": subdir, "overrides": texts(job.hydra.overrides.task), "allow": allow,
            "known": known,
        }  # fmt: skip
        if payload.function is not None:
            made = [frozen_app(job, payload.function, metadata, **options, shared=settings)]
        else:
            made = _frozen_recipes(job, metadata, options)
        return [(sweep.job(each.subdir), each) for each in made]

    jobs, ends = shared(each_job(overrides, Composer(config, loader, overrides), first, work))
    if config.hydra.job.env_set and payload.function is None:
        log.warning("hydra.job.env_set is not part of frozen jobs: set these variables where they run")
    made = FrozenSweep(sweep, jobs, ends, payload, partial(_composed, config, loader), tuple(allow))
    if write:
        write_sweep(made, config)
    return made


def _frozen_recipes(job: DictConfig, metadata: Metadata, options: Mapping[str, Any]) -> list[Job]:
    """Freeze the recipe of a job, or those of a pipeline's steps."""
    pipeline = pipeline_of(job)
    if pipeline is not None:
        return frozen_steps(job, pipeline, metadata, **options, hydra=job.hydra)
    return [frozen(job, metadata, **options, hydra=job.hydra)]


def _place(job: DictConfig, number: int, places: dict[str, int]) -> str:
    """Return a job's place below the sweep's directory, which no other job has."""
    subdir = os.path.normpath(_subdir(job))
    if os.path.isabs(subdir) or subdir.split(os.sep)[0] == os.pardir:
        raise JobError(f"hydra.sweep.subdir={subdir}: a frozen job's directory is below hydra.sweep.dir")
    if places.setdefault(subdir, number) != number:
        raise JobError(
            f"hydra.sweep.subdir={subdir}: job {places[subdir]} of this sweep has that directory already; "
            "let it contain ${hydra.job.num}"
        )
    return subdir


def _subdir(job: DictConfig) -> str:
    """Return ``hydra.sweep.subdir`` of a job, in which ``${hydra:...}`` reads that job's own settings."""
    held: Any = OmegaConf.to_container(job.hydra.sweep, resolve=False)
    if str(held["subdir"]) == "${hydra.job.num}":
        return str(job.hydra.job.num)
    resolution = Resolution({"hydra": lambda path: resolution.select(job.hydra, path)})
    return str(resolution.get(job.hydra.sweep, "subdir"))


def write_sweep(made: FrozenSweep, config: DictConfig) -> dict[JobPaths, str]:
    """Write the jobs of a sweep, and its own config where no sweeper has; return the digests of the jobs' files.

    Raises
    ------
    JobError
        If a file cannot be written, or another job is frozen there.
    """
    known = {paths: frozen_digest(paths, job) for paths, job in made.jobs}  # before anything is written
    new = [(paths, job) for paths, job in made.jobs if known[paths] is None]
    digests = {paths: digest for paths, digest in known.items() if digest is not None}
    try:
        folders.make(made.paths.directory, made.paths.directory)
    except OSError as error:
        raise JobError(f"{made.paths.directory}: cannot be made: {error.strerror}") from None
    first = any(job.num == 0 for _, job in made.jobs)  # of a sweep's batches; where more jobs join, it is of the newest
    if first or not files.exists(made.paths.directory, made.paths.multirun):
        files.write(made.paths.directory, made.paths.multirun, multirun_text(config))
    together(lambda one: digests.update({one[0]: write_job(*one)}), new)
    return digests


def launch_frozen(
    config: DictConfig,
    loader: Any,
    task_function: Callable[..., Any],
    overrides: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Freeze the jobs of a sweep and say how they are run: ``hydra/launcher=freeze``."""
    made = freeze_sweep(config, loader, task_function, overrides, first)
    where = os.path.relpath(made.paths.directory)
    many = f"{len(made.jobs)} jobs are" if len(made.jobs) != 1 else "1 job is"
    log.info(escaped(f"{many} frozen in {where}: nemo-hydra run {quote(where)} ({made.payload.said})"))
    return made.returns()
