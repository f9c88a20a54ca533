"""Freezing: a composed config becomes a job, checked as for a run, with everything resolved that can be.

May import: OmegaConf; Hydra only to find the settings of the app that runs. Targets are imported as far as their
signatures are in no snapshot.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig
from omegaconf.resolvers import oc

from nemo_partial_hydra.composition.budget import Resolution
from nemo_partial_hydra.composition.compat import texts
from nemo_partial_hydra.composition.decode import as_config, recipe_tree
from nemo_partial_hydra.composition.factory_arguments import recorded, settled
from nemo_partial_hydra.composition.flags import app_of
from nemo_partial_hydra.composition.pipeline import Pipeline, opened, pipeline_of, references_of, step_tree
from nemo_partial_hydra.dialect.step_references import references
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.errors import RecipeError, ValidationError
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, frozen_digest, read_job, write_job
from nemo_partial_hydra.jobs.layout import job_paths, sweep_paths
from nemo_partial_hydra.jobs.metadata import Metadata, packages_of, read_metadata
from nemo_partial_hydra.jobs.placeholders import JOB_DIRECTORY, SWEEP_DIRECTORY, UNSET, Placeholders, is_secret
from nemo_partial_hydra.jobs.step import Step
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.data import walk as walk_data
from nemo_partial_hydra.recipes.tree import Call, Opaque, Ref, Tree, walk
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures import drift
from nemo_partial_hydra.signatures.signature import Signature

_RUN_DIRECTORY = "hydra:run.dir"


def freeze(
    cfg: Any,
    directory: str | os.PathLike[str],
    *,
    allow: Iterable[str] = (),
    image: str | os.PathLike[str] | None = None,
) -> Job:
    """Implement :func:`nemo_partial_hydra.freeze`."""
    settings = _hydra_settings()
    name = "job" if settings is None else str(settings.job.name)
    overrides = () if settings is None else tuple(texts(settings.overrides.task))
    config = as_config(cfg)
    with session.as_app(app_of(cfg)):
        metadata, pipeline = read_metadata(name, image), pipeline_of(config)
        options: dict[str, Any] = {"overrides": overrides, "hydra": settings, "allow": allow, "multirun": False}
        if pipeline is None:
            jobs = [frozen(cfg, metadata, **options)]
        else:
            jobs = frozen_steps(config, pipeline, metadata, **options)
    sweep = sweep_paths(directory)
    places = [job_paths(directory) if pipeline is None else sweep.job(job.subdir) for job in jobs]
    for paths, job in zip(places, jobs, strict=True):
        frozen_digest(paths, job)  # before anything is written
    for paths, job in zip(places, jobs, strict=True):
        write_job(paths, job)
    return read_job(places[-1])


def _hydra_settings() -> Any:
    """Return the ``hydra`` node of the app that runs, or None."""
    if "hydra" not in sys.modules:
        return None
    from hydra.core.hydra_config import HydraConfig

    return HydraConfig.get() if HydraConfig.initialized() else None


def frozen(
    cfg: Any,
    metadata: Metadata,
    *,
    num: int = 0,
    subdir: str = ".",
    overrides: Sequence[str] = (),
    hydra: Any = None,
    allow: Iterable[str] = (),
    multirun: bool = True,
    known: dict[str, Signature | None] | None = None,
    step: StepOf | None = None,
) -> Job:
    """Make the job of a composed config; nothing is written.

    Parameters
    ----------
    hydra : the ``hydra`` node that ``${hydra:...}`` reads; None where there is none.
    multirun : whether ``hydra.sweep.dir`` or ``hydra.run.dir`` is where the job's directory comes from.
    known : signatures that are kept from one job of a sweep to the next.
    step : the step of a pipeline whose job it is.

    Other parameters are those of :func:`freeze` and fields of ``Job``.
    """
    workspace = session.workspace()
    placeholders = Placeholders()
    settled(cfg)
    try:
        resolution = left_open(placeholders, hydra, multirun)
        if step is not None:
            tree, place = step.tree(resolution, allow, known), (step.name,)
        else:
            tree, place = recipe_tree(cfg, allow, resolution=resolution, known=known)
        refuse_unfreezable(tree, place)
        recipe = placeholders.restored(to_data(tree, workspace.signature_of))
    except RecipeError as error:
        raise type(error)(placeholders.restored_text(str(error))) from None
    targets = {node.target for _, node in walk(tree) if isinstance(node, (Call, Ref))}
    return Job(
        recipe_hash(recipe),
        num=num,
        subdir=subdir,
        overrides=tuple(overrides),
        packages=packages_of(targets),
        recipe=recipe,
        signatures=drift.record(tree, workspace.signature_of),
        step=None if step is None else step.of_job(tree),
        factories=recorded(cfg, place),
        **vars(metadata),
    )


@dataclass(frozen=True)
class StepOf:
    """A step of a composed config's pipeline, of which a job is made."""

    config: DictConfig
    pipeline: Pipeline
    name: str

    def tree(
        self, resolution: Resolution, allow: Iterable[str], known: dict[str, Signature | None] | None = None
    ) -> Tree:
        """Read its recipe; what other steps give stays open."""
        return step_tree(self.config, self.name, opened(resolution, self.pipeline, self.name), allow, known=known)

    def of_job(self, tree: Tree) -> Step:
        """Return what its job says of it; the jobs of its other steps are beside it, and ``wanted_by`` is not known."""
        number = self.pipeline.names.index(self.name)
        planned = self.pipeline.steps[number]
        read = dict.fromkeys(one.step for one in references_of(tree))
        needs = {name: f"../{name}" for name in planned.needs}
        reads = {name: f"../{name}" for name in read if name not in needs}
        return Step(self.name, number, needs, reads, planned.after)


def frozen_steps(
    cfg: DictConfig, pipeline: Pipeline, metadata: Metadata, *, subdir: str = ".", **options: Any
) -> list[Job]:
    """Make the jobs of a pipeline's steps, in an order in which they can run; nothing is written.

    Parameters
    ----------
    subdir : the directory below the sweep's in which each step has one of its own.

    Other parameters are those of :func:`frozen`.

    Raises
    ------
    ValidationError
        For what is wrong with any of them.
    """
    problems = Problems()
    jobs = []
    for name in pipeline.names:
        place = name if subdir == "." else f"{subdir}/{name}"
        try:
            jobs.append(frozen(cfg, metadata, subdir=place, step=StepOf(cfg, pipeline, name), **options))
        except ValidationError as error:
            problems.messages.append(str(error))
    problems.check(ValidationError)
    wanted = {name: [job.step.name for job in jobs if job.step and name in _results(job)] for name in pipeline.names}
    return [dataclasses.replace(job, step=_wanted(job, wanted)) for job in jobs]


def _results(job: Job) -> set[str]:
    """Return the steps whose results the recipe of a job takes."""
    texts_in = (leaf for _, leaf in walk_data(job.recipe) if isinstance(leaf, str) and "${" in leaf)
    return {one.step for text in texts_in for one in references(text) if not one.directory}


def _wanted(job: Job, wanted: Mapping[str, Sequence[str]]) -> Step | None:
    return None if job.step is None else dataclasses.replace(job.step, wanted_by=tuple(wanted[job.step.name]))


def refuse_unfreezable(tree: Tree, place: Sequence[Any] = (), *, missing: bool = True) -> None:
    """Refuse what is required and not set, and what another process cannot make again; all at once.

    Parameters
    ----------
    missing : whether what is required and not set counts: an app's function may set it.

    Raises
    ------
    ValidationError
        With the path of each.
    """
    problems = Problems()
    problems.messages += session.workspace().missing(tree, tuple(place)) if missing else []
    for path, node in walk(tree):
        where = (*place, *path)
        if isinstance(node, Opaque):
            problems.add(
                where,
                f"raw({type(node.value).__name__}) lives in this process only and cannot be frozen; "
                "make it a run.Config, or name a function that makes it",
            )
        elif isinstance(node, (Call, Ref)) and node.target.partition(".")[0] == "__main__":
            problems.add(
                where,
                f"'{node.target}' exists only in the script that runs now and cannot be frozen; "
                "move it into a module beside the script and import it from there",
            )
    problems.check(ValidationError)


def left_open(placeholders: Placeholders, hydra: Any, multirun: bool) -> Resolution:
    """Return a resolution whose resolvers give placeholders for what a frozen job leaves open."""
    names = {JOB_DIRECTORY: JOB_DIRECTORY, SWEEP_DIRECTORY: SWEEP_DIRECTORY}
    if not multirun:
        names[_RUN_DIRECTORY] = JOB_DIRECTORY

    def of_hydra(path: str) -> Any:
        name = names.get(f"hydra:{path}")
        if name is not None:
            return placeholders.directory(name)
        if hydra is None:
            raise ValueError(f"no Hydra app runs, so there is no ${{hydra:{path}}}")
        return resolution.select(hydra, path)

    def of_environment(name: str, default: Any = UNSET) -> Any:
        if is_secret(name):
            return placeholders.variable(name, default)
        return oc.env(name) if default is UNSET else oc.env(name, default)

    resolution = Resolution({"hydra": of_hydra, "oc.env": of_environment})
    return resolution
