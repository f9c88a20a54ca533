"""Freezing: a composed config becomes a job, checked as for a run, with everything resolved that can be.

May import: OmegaConf; Hydra only to find the settings of the app that runs. Targets are imported as far as their
signatures are in no snapshot.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from omegaconf.resolvers import oc

from nemo_partial_hydra.composition.budget import Resolution
from nemo_partial_hydra.composition.compat import texts
from nemo_partial_hydra.composition.decode import recipe_tree
from nemo_partial_hydra.composition.flags import app_of
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.errors import RecipeError, ValidationError
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, read_job, write_job
from nemo_partial_hydra.jobs.layout import job_paths
from nemo_partial_hydra.jobs.metadata import Metadata, packages_of, read_metadata
from nemo_partial_hydra.jobs.placeholders import JOB_DIRECTORY, SWEEP_DIRECTORY, UNSET, Placeholders, is_secret
from nemo_partial_hydra.messages import Problems
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
    with session.as_app(app_of(cfg)):
        job = frozen(cfg, read_metadata(name, image), overrides=overrides, hydra=settings, allow=allow, multirun=False)
    paths = job_paths(directory)
    write_job(paths, job)
    return read_job(paths)


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
) -> Job:
    """Make the job of a composed config; nothing is written.

    Parameters
    ----------
    hydra : the ``hydra`` node that ``${hydra:...}`` reads; None where there is none.
    multirun : whether ``hydra.sweep.dir`` or ``hydra.run.dir`` is where the job's directory comes from.
    known : signatures that are kept from one job of a sweep to the next.

    Other parameters are those of :func:`freeze` and fields of ``Job``.
    """
    workspace = session.workspace()
    placeholders = Placeholders()
    try:
        resolution = left_open(placeholders, hydra, multirun)
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
        **vars(metadata),
    )


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
