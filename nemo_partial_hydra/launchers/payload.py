"""What the jobs of a sweep run: the recipe alone, or the app's function with the composed config.

May import: OmegaConf. What ran locally is what runs on the cluster, so an app whose function may do more than call the
recipe is sent with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.app.function_name import FunctionName, name_of
from nemo_partial_hydra.composition.budget import Resolution
from nemo_partial_hydra.composition.decode import recipe_key
from nemo_partial_hydra.composition.pipeline import pipeline_of
from nemo_partial_hydra.errors import RecipeError, UsageError
from nemo_partial_hydra.jobs.app_call import APP, AUTO, PAYLOADS, RECIPE
from nemo_partial_hydra.messages import nearest, one_of
from nemo_partial_hydra.runtime import session

SETTING = "hydra.launcher.payload"


@dataclass(frozen=True)
class Payload:
    """What the jobs of a sweep run; ``function`` is the app's, None where it is the recipe alone, or its ``steps``."""

    function: FunctionName | None = None
    steps: tuple[str, ...] = ()
    picture: str = ""

    @property
    def said(self) -> str:
        """What is said of it in one line, within a sentence."""
        if self.steps:
            return f"each job runs the recipes of its steps: {', '.join(self.steps)}"
        if self.function is None:
            return "each job runs its recipe"
        return f"each job calls {self.function.dotted} with its config"

    @property
    def line(self) -> str:
        """What a submission says of it."""
        return f"{self.said[0].upper()}{self.said[1:]} ({SETTING})."


def payload_of(config: DictConfig, function: Callable[..., Any]) -> Payload:
    """Return what the jobs of a sweep run.

    Parameters
    ----------
    config : the sweep's own config, as Hydra hands it to launchers.
    function : the app's function.

    Raises
    ------
    UsageError
        If the setting is none, or the function cannot be found by a name.
    """
    asked = str(OmegaConf.select(config, SETTING, default=AUTO))
    if asked not in PAYLOADS:
        raise UsageError(f"{SETTING}={asked}: expected {one_of(PAYLOADS)}{nearest(asked, PAYLOADS)}")
    pipeline = pipeline_of(config) if asked != APP else None
    if pipeline is not None:
        return Payload(steps=pipeline.names, picture=pipeline.picture)
    if asked == RECIPE or (asked == AUTO and _says(function) == RECIPE and _has_recipe(config)):
        return Payload()
    return Payload(name_of(function))


def _says(function: Any) -> str:
    """Return what an app's function says that its jobs run."""
    return next((each.payload for each in _wrapped(function) if getattr(each, "payload", None) in PAYLOADS), APP)


def _wrapped(function: Any) -> Iterator[Any]:
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def _has_recipe(config: DictConfig) -> bool:
    app = session.current()
    try:
        recipe_key(config, app.recipe if app is not None else None, Resolution())
    except RecipeError:
        return app is not None and app.recipe is not None
    return True
