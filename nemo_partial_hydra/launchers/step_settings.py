"""The launcher's settings of each step of a pipeline: ``hydra.launcher.steps.train: {nodes: 2, image: train.sif}``.

May import: the standard library only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import Problems, nearest, one_of
from nemo_partial_hydra.recipes.keys import TARGET

from .container.command import Container

STEPS = "steps"
_CONTAINER = tuple(field.name for field in dataclasses.fields(Container))
_OF_ALL = (STEPS, TARGET, "detach", "dry_run", "payload", "max_queued", "submitit_folder", "name")
"""What a submission has once, and no step of its own."""


def of_steps(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return the composed ``hydra.launcher`` of each step.

    A setting of a step stands in the place of the common one; those of ``apptainer`` one by one, and they may be
    written without that word (``image: ...``). With no steps, that of the jobs is returned under an empty name.

    Raises
    ------
    UsageError
        For a step or a setting that is not there: all of them.
    """
    given = config.get(STEPS) or {}
    problems = Problems()
    known = [name for name in config if name not in _OF_ALL]
    made: dict[str, Mapping[str, Any]] = {}
    for name in given:
        if str(name) not in names:
            why = (
                nearest(str(name), names) or f"; there are {one_of(names)}"
                if names
                else f": the config has no _{STEPS}_"
            )
            problems.add(("hydra.launcher", STEPS, str(name)), f"there is no such step{why}")
    for name in names or ("",):
        own = given.get(name) or {}
        if not isinstance(own, Mapping):
            problems.add(("hydra.launcher", STEPS, name), f"expected settings, got {own!r}")
            continue
        container = dict(config.get("apptainer") or {})
        merged: dict[str, Any] = {key: value for key, value in config.items() if key != STEPS}
        for key, value in own.items():
            place = ("hydra.launcher", STEPS, name, str(key))
            if key == "apptainer" and isinstance(value, Mapping):
                unknown = [word for word in value if word not in _CONTAINER]
                for word in unknown:
                    problems.add((*place, str(word)), f"there is no such setting{nearest(str(word), _CONTAINER)}")
                container.update({word: each for word, each in value.items() if word not in unknown})
            elif key in known and (key not in _CONTAINER or key == "setup"):
                merged[key] = value
            elif key in _CONTAINER:
                container[key] = value
            elif key in _OF_ALL:
                problems.add(place, "is one for all steps: hydra.launcher." + str(key))
            else:
                problems.add(place, f"there is no such setting{nearest(str(key), [*known, *_CONTAINER])}")
        made[name] = {**merged, "apptainer": container}
    problems.check(UsageError)
    return made
