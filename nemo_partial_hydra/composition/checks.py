"""What is checked after Hydra has composed a config and before anything is made or started.

May import: OmegaConf and Hydra's public parts. ``nph.main`` adds ``CheckRecipe`` to the app's callbacks.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import Container, DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.errors import ConfigError, RecipeError, ValidationError
from nemo_partial_hydra.messages import Problems, dotted, say
from nemo_partial_hydra.recipes.keys import EDITS, TARGET
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures import drift

from . import error_text
from .budget import Resolution
from .compat import content, forget_check, is_absent, is_missing, own_key, own_node, path_of, texts
from .decode import recipe_data, recipe_key
from .factory_arguments import settled
from .fixed_overrides import LeftToJobs
from .pipeline import check_steps, later, pipeline_of, step_data

RECIPE_SWEEPER = "hydra_plugins.nemo_partial_hydra.sweeper.RecipeSweeper"


class CheckRecipe(Callback):
    """Hydra callback: checks the recipe before a directory is made; chooses the recipe sweeper by default."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the job's recipe; end the process with one message if it is wrong."""
        forget_check(config)
        session.restore_arguments()
        try:
            check_config(config)
        except (RecipeError, OmegaConfBaseException) as error:
            _end(error)
        _say_what_is_beside(config)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Put the recipe sweeper in the place of the basic one."""
        forget_check(config)
        session.restore_arguments()
        left = session.workspace().of(LeftToJobs)
        left.put_back(config)
        left.begun = True
        _say_what_is_beside(config)
        target = str(config.hydra.sweeper.get("_target_"))
        if config.hydra.runtime.choices.get("hydra/sweeper") == "basic" and target.endswith(".BasicSweeper"):
            with read_write(config.hydra):
                config.hydra.sweeper._target_ = RECIPE_SWEEPER
                # Each job is composed with these overrides too: Hydra 1.4 wants the same sweeper in all of them.
                config.hydra.overrides.hydra.append(f"hydra.sweeper._target_={RECIPE_SWEEPER}")


def _end(error: Exception) -> None:
    """Leave the process: Hydra turns a callback's exception into a warning and runs the job all the same."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1" and not session.owns_full_error():
        import traceback

        traceback.print_exc()
    raise SystemExit(error_text.report(error)) from None


def _say_what_is_beside(config: DictConfig) -> None:
    for note in beside_recipe(config):
        say(f"Note: {note}", file=sys.stderr)


def beside_recipe(config: DictConfig) -> list[str]:
    """Say which overrides add a key beside the recipe that the recipe takes as a parameter.

    The app's function may read such a key, so it is no mistake; more often the recipe's own was meant. Where the
    config itself refers to the key, it is read.
    """
    overrides = OmegaConf.select(config, "hydra.overrides.task", default=None)
    added = [text for text in texts(overrides) if text.startswith("+")] if overrides is not None else []
    app = session.current()
    if not added:
        return []
    try:
        place = recipe_key(config, app.recipe if app is not None else None, Resolution())
    except RecipeError:
        return []
    signature = getattr(OmegaConf.get_type(config, place), "signature_", None) if place else None
    notes: list[str] = []
    for text in added:
        key, _, value = text.lstrip("+").partition("=")
        if signature is not None and key in signature.parameters and not _is_named(config, key):
            mine = f"{place}.{key}"
            notes.append(f"'{key}' is added beside the recipe, which does not get it; the recipe's is {mine}={value}")
    return notes


def _is_named(config: DictConfig, key: str) -> bool:
    """Whether some interpolation of a config names a key of its root."""
    own = OmegaConf.masked_copy(config, [str(name) for name in config if name != "hydra"])
    return re.search(rf"\$\{{\.*{re.escape(key)}[.}}\[]", OmegaConf.to_yaml(own)) is not None


def _misplaced_edits(config: DictConfig, places: Sequence[str]) -> Iterator[str]:
    """Word overrides that edit something which is no recipe: nobody would apply them."""
    overrides = OmegaConf.select(config, "hydra.overrides.task", default=None)
    for text in texts(overrides) if overrides is not None else []:
        key = text.lstrip("+").partition("=")[0]
        names = key.split(".")
        at = next((index for index, name in enumerate(names) if name in EDITS), None)
        if at is None or any(f"{key}.".startswith(f"{place}." if place else "") for place in places):
            continue
        node = OmegaConf.select(config, ".".join(names[:at])) if at else config
        if not (OmegaConf.is_dict(node) and TARGET in node):
            place = places[0]
            right = f"for the one at '{place}' write +{place}.{names[at]}..., with paths below it"
            yield f"{key}: there is no recipe to edit; {right}"


def check_config(config: DictConfig) -> None:
    """Check the recipe of a composed config; an app without a recipe has nothing to check.

    Raises
    ------
    RecipeError
        For everything that ``build`` or ``run`` would refuse, all at once.
    """
    app = session.current()
    name = app.recipe if app is not None else None
    settled(config)
    overridden_references(config)
    pipeline = pipeline_of(config)
    if pipeline is not None:
        problems = Problems()
        problems.messages += _misplaced_edits(config, pipeline.names)
        problems.check(ValidationError)
        check_steps(config, pipeline, before_run=True)
        return
    try:
        data, place = recipe_data(config, name, before_run=True)
    except ConfigError:
        if name is not None:
            raise
        return
    problems = Problems()
    problems.messages += _misplaced_edits(config, (".".join(map(str, place)),))
    problems.check(ValidationError)
    workspace = session.workspace()
    tree = workspace.read_tree(data, place=place)
    problems.messages += workspace.missing(tree, place)
    problems.check(ValidationError)
    if app is not None:
        app.checked = data, place, tree


def drift_of(config: DictConfig) -> str:
    """Say what changed under the recipe of a composed config since its snapshot; empty if nothing did."""
    app = session.current()
    if not session.workspace().signatures.differ():
        return ""
    try:
        pipeline = pipeline_of(config)
        if pipeline is not None:
            recipes = [(step_data(config, name, later(pipeline, name)), (name,)) for name in pipeline.names]
        else:
            recipes = [recipe_data(config, app.recipe if app is not None else None, before_run=True)]
    except RecipeError:
        return ""  # a listing shows what a run would refuse for other reasons
    found = [each for data, place in recipes for each in session.workspace().drifted(data, place=place)]
    return drift.report(found, drift.RE_EXPORT) if found else ""


def overridden_references(config: DictConfig) -> None:
    """Refuse overrides below a reference: they would silently change the object that it names."""
    overrides = OmegaConf.select(config, "hydra.overrides.task", default=None)
    problems, resolution = Problems(), Resolution()
    for text in texts(overrides) if overrides is not None else []:
        keys = text.partition("=")[0].lstrip("+~").partition("@")[0].split(".")
        node: Any = config
        for depth, key in enumerate(keys[:-1]):
            node, target = _below(node, key, resolution)
            if target is not None:
                here = dotted(keys[: depth + 1])
                rest = dotted(keys[depth + 1 :])
                problems.add(tuple(keys), f"'{here}' is a reference to '{target}'; override {target}.{rest}= instead")
                break
            if node is None:
                break
    problems.check(ValidationError)


def _below(parent: Any, key: str, resolution: Resolution) -> tuple[Any, str | None]:
    """Return the child container of a node, or None and the name of what a reference there names."""
    node = own_node(parent, key)
    if node is None or is_missing(node):
        return None, None
    if isinstance(node, Container) and not is_absent(node):
        return node, None
    held = content(node)
    if not isinstance(held, str) or "${" not in held:
        return None, None
    try:
        found = resolution.get(parent, own_key(parent, key))
    except OmegaConfBaseException:
        return None, None  # an interpolation that leads nowhere is reported where the value is read
    return None, dotted(path_of(found)) if isinstance(found, Container) else None
