"""Every NeMo recipe there and back: whether it is the same, and what it costs beside fiddle's own JSON.

Needs an environment with NeMo. Fiddle's JSON knows the values of a buildable and the names of its targets; YAML is
held against it. The structured config also holds every parameter that the recipe did not set, with type and default.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Comparison, Tally, leaves, report

ROUNDS = 5

Trip = Callable[[Any], Any]


def main() -> int:
    """Print how many recipes survive and what the trips cost; return the exit code."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from tests.support import nemo_recipes

    found = [(recipe.name, partial) for recipe, partial in nemo_recipes.constructible()]
    print(f"{len(nemo_recipes.recipes())} recipe factories of NeMo, {len(found)} constructible here")
    tallies = [survivors(name, trip, found) for name, trip in (("to_config", by_config()), ("to_yaml", by_yaml()))]
    partials = [partial for _, partial in found]
    set_leaves, all_leaves = count(partials)
    print(f"{set_leaves} leaves are set, {all_leaves} leaves are in the structured configs")
    sizes = f"{len(partials)} recipes, {set_leaves} leaves"
    peer = "fiddle load_json(dump_json(p))"
    yaml = Comparison("from_yaml(to_yaml(p))", peer, 2.0, sizes)
    config = Comparison("build(to_config(p))", peer, 6.0, f"{len(partials)} recipes, {all_leaves} leaves")
    for turn in range(-1, ROUNDS):
        gc.collect()
        ours, structured, theirs = one_round(partials, by_yaml(), by_config(), by_fiddle())
        if turn >= 0:
            yaml.add(ours, theirs)
            config.add(structured, theirs)
    return report("Round trip of every NeMo recipe", [yaml, config], tallies)


def by_yaml() -> Trip:
    """Return our trip through YAML."""
    from nemo_partial_hydra import from_yaml, to_yaml

    return lambda partial: from_yaml(to_yaml(partial))


def by_config() -> Trip:
    """Return our trip through a structured config."""
    from nemo_partial_hydra import build, to_config

    return lambda partial: build(to_config(partial))


def by_fiddle() -> Trip:
    """Return fiddle's own trip through JSON."""
    from fiddle.experimental import serialization

    return lambda partial: serialization.load_json(serialization.dump_json(partial))


def survivors(name: str, trip: Trip, found: list[tuple[str, Any]]) -> Tally:
    """Count the recipes that come back equal for fiddle, and with the same set fields, types and sharing."""
    from nemo_partial_hydra.runtime.workspace import WORKSPACE
    from nemo_partial_hydra.signatures.convert import same

    tally = Tally(f"equal after {name} and back (fiddle's ==; set fields, exact types and sharing)")
    for case, partial in found:
        try:
            back = trip(partial)
        except Exception as error:  # whatever it is, this recipe did not survive
            tally.add(case, False, f"{type(error).__name__}: {error}")
            continue
        if not (type(back) is type(partial) and back == partial):
            tally.add(case, False, "not equal")
        else:
            tally.add(
                case,
                same(WORKSPACE.captured(back), WORKSPACE.captured(partial)),
                "equal, but not in set fields, types or sharing",
            )
    return tally


def count(partials: list[Any]) -> tuple[int, int]:
    """Count the leaves that recipes set, and those of their structured configs."""
    from omegaconf import OmegaConf

    from nemo_partial_hydra import to_config
    from nemo_partial_hydra.recipes.tree import Call, Map, Seq, walk
    from nemo_partial_hydra.runtime.workspace import WORKSPACE

    set_leaves = all_leaves = 0
    for partial in partials:
        set_leaves += sum(not isinstance(node, (Call, Map, Seq)) for _, node in walk(WORKSPACE.captured(partial)))
        all_leaves += leaves(without_heads(OmegaConf.to_container(to_config(partial))))
    return set_leaves, all_leaves


def without_heads(data: Any) -> Any:
    """Leave out ``_target_`` and the other reserved keys, which are no parameters."""
    if isinstance(data, dict):
        reserved = ("_target_", "_partial_", "_call_", "_convert_", "_recursive_")
        return {key: without_heads(value) for key, value in data.items() if key not in reserved}
    return [without_heads(value) for value in data] if isinstance(data, list) else data


def one_round(partials: list[Any], *trips: Trip) -> list[float]:
    """Time each trip over all recipes, the trips in turns for every recipe."""
    totals = [0.0] * len(trips)
    for partial in partials:
        for index, trip in enumerate(trips):
            start = time.perf_counter()
            trip(partial)
            totals[index] += time.perf_counter() - start
    return totals


if __name__ == "__main__":
    sys.exit(main())
