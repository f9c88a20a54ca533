"""A pipeline run in this process: its steps one after the other, with what they return as objects.

May import: OmegaConf; Hydra only to find the directory of the job that runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path as FilePath
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.dialect import step_references
from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.jobs.step import OK
from nemo_partial_hydra.messages import placed, say
from nemo_partial_hydra.recipes.data import Kept
from nemo_partial_hydra.recipes.keys import MISSING
from nemo_partial_hydra.recipes.tree import SCALARS, Opaque, Path, Tree
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.construct import called

from .budget import Resolution
from .pipeline import Pipeline, Planned, allowed, check_steps, step_tree

_OUTPUT = "runtime.output_dir"


class PipelineRun:
    """One run of a pipeline in this process.

    Parameters
    ----------
    config : the composed config.
    pipeline : its steps.
    allow : dotted prefixes that the recipes may name besides what is allowed already.
    """

    def __init__(self, config: DictConfig, pipeline: Pipeline, allow: Iterable[str]) -> None:
        self.config, self.pipeline, self.allow = config, pipeline, tuple(allow)
        self.results: dict[str, Any] = {}
        self.failed: dict[str, BaseException | None] = {}  # None of one that was left out
        self.base = _output_directory()

    def run(self) -> Any:
        """Run the steps; return what the last one returned.

        A step whose need has failed is left out, unless it runs whatever became of that.

        Raises
        ------
        ValidationError, PolicyError
            If something is wrong with the recipe of any step: none has run.
        Exception
            What the first step that failed has raised, when all have run that could.
        """
        check_steps(self.config, self.pipeline, self.allow, before_run=True)
        for step in self.pipeline.steps:
            missing = [need for need in step.needs if need in self.failed]
            if missing and step.after == OK:
                self.failed[step.name] = None
                say(f"step {step.name} is left out: {missing[0]} has failed", file=sys.stderr)
                continue
            try:
                self.results[step.name] = self.result(step)
            except Exception as error:
                if hasattr(error, "add_note"):
                    error.add_note(f"in step {step.name} of {self.pipeline.picture}")
                self.failed[step.name] = error
        first = next((error for error in self.failed.values() if error is not None), None)
        if first is not None:
            raise first
        return self.results[self.pipeline.last]

    def result(self, step: Planned) -> Any:
        """Run one step."""
        return called(self.tree(step), session.workspace().policy, self.allow)

    def tree(self, step: Planned) -> Tree:
        """Read the recipe of a step, with what those before it gave."""
        resolution = Resolution()
        of_hydra: Callable[[str], Any] | None = resolution.resolvers.get("hydra")
        resolution.resolvers[step_references.RESOLVER] = step_references.mark
        resolution.steps = lambda marked, path: self.value(step.name, marked, path)
        if of_hydra is not None:
            resolution.resolvers["hydra"] = lambda path: (
                self.directory(step.name) if path == _OUTPUT else of_hydra(path)
            )
        return step_tree(self.config, step.name, resolution, self.allow)

    def value(self, name: str, marked: str, path: Path) -> Any:
        """Return what a resolved text with references to steps stands for."""
        parts = step_references.parts(marked)
        found = [allowed(self.pipeline, name, text, path) for text in parts[1::2]]
        if len(found) == 1 and not found[0].directory:
            if parts[0] or parts[2]:
                raise ValidationError(placed(path, "within a text only the directory of a step may stand"))
            return self.given(found[0].step, path)
        parts[1::2] = [self.directory(one.step) for one in found]
        return escape_interpolation("".join(parts))

    def given(self, name: str, path: Path) -> Any:
        """Return what a step has returned: a plain value for the annotation to read, or the object."""
        if name not in self.results:
            raise ValidationError(placed(path, f"step {name} has failed, so it has no result"))
        value = self.results[name]
        if isinstance(value, str) and value != MISSING:
            return escape_interpolation(value)
        return value if type(value) in SCALARS and value != MISSING else Kept(Opaque(value))

    def directory(self, name: str) -> str:
        """Return the directory of a step, made where it is not there."""
        folder = self.base / name
        folder.mkdir(parents=True, exist_ok=True)
        return os.fspath(folder)


def _output_directory() -> FilePath:
    """Return where the steps have their directories: that of Hydra's job, or the current one where there is none."""
    if "hydra.core.hydra_config" in sys.modules:
        from hydra.core.hydra_config import HydraConfig

        if HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):
            return FilePath(str(HydraConfig.get().runtime.output_dir))
    return FilePath.cwd()
