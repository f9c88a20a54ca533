"""Composed config -> objects: what ``nph.build`` and ``nph.run`` make, by the permissions of the app that composed it.

May import: OmegaConf; neither Hydra nor fiddle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nemo_partial_hydra.errors import ConfigError, ValidationError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.keys import STEPS
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.construct import buildables, called

from .decode import as_config, config_to_tree, recipe_tree
from .factory_arguments import settled
from .flags import app_of
from .pipeline import pipeline_of
from .run_pipeline import PipelineRun


def build(cfg: Any, allow: Iterable[str]) -> Any:
    """Implement :func:`nemo_partial_hydra.build`."""
    with session.as_app(app_of(cfg)):
        settled(cfg)
        found = pipeline_of(as_config(cfg))
        if found is not None:
            raise ConfigError(f"{STEPS}: nph.build makes one recipe; build that of a step: nph.build(cfg.{found.last})")
        return buildables(config_to_tree(cfg, allow), session.workspace().policy, allow)


def run(cfg: Any, allow: Iterable[str]) -> Any:
    """Implement :func:`nemo_partial_hydra.run`."""
    with session.as_app(app_of(cfg)):
        workspace = session.workspace()
        settled(cfg)
        pipeline = pipeline_of(as_config(cfg))
        if pipeline is not None:
            return PipelineRun(as_config(cfg), pipeline, allow).run()
        tree, place = recipe_tree(cfg, allow)
        problems = Problems()
        problems.messages += workspace.missing(tree, place)
        problems.check(ValidationError)
        return called(tree, workspace.policy, allow)
