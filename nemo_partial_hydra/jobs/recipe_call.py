"""A frozen job that is a recipe: what is checked where it runs, and how it is called.

May import: the standard library and PyYAML (through ``dialect.yaml``); of the recipe's targets what policy allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.errors import PolicyError, ValidationError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.tree import Tree
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.construct import called
from nemo_partial_hydra.signatures import drift
from nemo_partial_hydra.signatures.signature import Signature

from .job import Job
from .layout import JobPaths
from .metadata import versions_of
from .placeholders import expand
from .step import Step, handed_on
from .steps_before import StepsBefore

WAY_OUT = "Freeze it again with what is installed here, or run it with what it was frozen for."


def checked_recipe(paths: JobPaths, job: Job, allow: Sequence[str], environment: Mapping[str, str]) -> Tree:
    """Read the recipe of a job whose names have passed the policy, and check it against what is here: drift, values."""
    workspace = session.workspace()
    steps = None if job.step is None else StepsBefore(paths, job.subdir, job.step).put_in
    data = expand(job.recipe, paths.directory, job.subdir, environment, steps)
    refuse_drift(job, data, allow)
    tree = workspace.read_tree(data, allow)
    problems = Problems()
    problems.messages += workspace.missing(tree)
    problems.check(ValidationError)
    return tree


def refuse_drift(job: Job, data: Any, allow: Sequence[str]) -> None:
    """Refuse a job whose targets no longer accept what they did when it was frozen; its names have passed the policy.

    Raises
    ------
    DriftError
        With every parameter that vanished, is required now, or changed its type.
    """
    if not job.signatures:
        return

    def here(target: str) -> Signature | None:
        try:
            return session.workspace().approved(target, allow)
        except PolicyError:
            return None  # which is said of the whole recipe at once

    tree = from_data(data, lambda target: None, Problems())
    drift.refuse(drift.compare(tree, job.signatures, here, versions=partial(versions_of, job.packages)), WAY_OUT)


def call_recipe(tree: Tree, allow: Sequence[str], step: Step | None = None) -> Any:
    """Make the objects of a recipe and call it, as ``nph.run`` does; a step returns what the others can take."""
    returned = called(tree, session.workspace().policy, allow)
    return returned if step is None else handed_on(returned, step)
