"""Freezing the job of an app: its composed config, Hydra's settings of the job, and the name of its function.

May import: OmegaConf and Hydra's public parts. Nothing is composed again where the job runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from nemo_partial_hydra.app.function_name import FunctionName
from nemo_partial_hydra.composition.compat import changes_directory, get_version_base
from nemo_partial_hydra.composition.decode import node_data
from nemo_partial_hydra.composition.factory_arguments import recorded, settled
from nemo_partial_hydra.composition.frozen_config import frozen_config
from nemo_partial_hydra.composition.pipeline import check_steps, left_to_run, pipeline_of
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.jobs.app_call import APP, AppCall
from nemo_partial_hydra.jobs.job import Job
from nemo_partial_hydra.jobs.job_names import modules_of
from nemo_partial_hydra.jobs.metadata import Metadata, packages_of
from nemo_partial_hydra.jobs.placeholders import Placeholders
from nemo_partial_hydra.recipes.tree import Path
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Signature

from .freeze import left_open, refuse_unfreezable

_LEFT_OUT = frozenset({"help", "hydra_help", "run", "sweep"})
"""Of Hydra's settings, what no job looks at, and where it runs, which the runner knows."""
_OWN = frozenset({"job", "overrides", "runtime"})
"""Of Hydra's settings, what each job has of its own; jobs that choose the same groups share the others."""


def frozen_app(
    cfg: DictConfig,
    function: FunctionName,
    metadata: Metadata,
    *,
    num: int = 0,
    subdir: str = ".",
    overrides: Sequence[str] = (),
    allow: Iterable[str] = (),
    known: dict[str, Signature | None] | None = None,
    shared: dict[str, Mapping[str, Any]] | None = None,
) -> Job:
    """Make the job of an app from its composed config, Hydra's settings in it; nothing is written.

    Parameters
    ----------
    known, shared : signatures, and settings of Hydra, that are kept from one job of a sweep to the next. The others are
        those of ``freeze.frozen``.

    Raises
    ------
    RecipeError
        If the config has what no other process can make again.
    """
    workspace = session.workspace()
    settled(cfg)
    placeholders = Placeholders()
    resolution, pipeline = left_open(placeholders, cfg.hydra, True), pipeline_of(cfg)
    if pipeline is not None:
        left_to_run(resolution)
        if session.current() is not None:  # such an app's config is checked before it runs here, too
            check_steps(cfg, pipeline, allow, before_run=True)

    def recipe(node: DictConfig, path: Path) -> Any:
        tree = workspace.read_tree(node_data(node, resolution), allow, place=path, known=known)
        refuse_unfreezable(tree, path, missing=False)
        return to_data(tree, workspace.signature_of)

    try:
        config = frozen_config(cfg, recipe, function.of, frozenset({"hydra"}))
        own = frozen_config(cfg.hydra, recipe, function.of, frozenset(cfg.hydra) - _OWN).data
        choices, kept = repr(own["runtime"]["choices"]), {} if shared is None else shared
        if choices not in kept:
            kept[choices] = frozen_config(cfg.hydra, recipe, function.of, _LEFT_OUT | _OWN).data
    except RecipeError as error:
        raise type(error)(placeholders.restored_text(str(error))) from None
    values = placeholders.restored(config.data), config.types, config.values
    call = AppCall(
        function.dotted, function.file, get_version_base(), *values, {**kept[choices], **_of_this_job(own)}
    )  # fmt: skip
    known_by_all = {**vars(metadata), "app": function.folder or metadata.app}
    job = Job(
        call.hash(), num=num, subdir=subdir, overrides=tuple(overrides), payload=APP, call=call,
        factories=recorded(cfg), **known_by_all,
    )  # fmt: skip
    return dataclasses.replace(job, packages=packages_of({*modules_of(job), "hydra.main", "omegaconf.OmegaConf"}))


def _of_this_job(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of Hydra's settings what only the runner knows."""
    made = {**settings, "runtime": {**settings["runtime"]}, "job": {**settings["job"]}}
    made["runtime"].pop("output_dir", None)
    made["runtime"].pop("cwd", None)
    made["job"].pop("id", None)
    if made["job"].get("chdir") is None:  # what that means another Hydra may see in another way
        made["job"]["chdir"] = changes_directory()
    return made
