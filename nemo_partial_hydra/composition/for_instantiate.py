"""The config that an app's function gets: ``hydra.utils.instantiate`` makes of it what it makes in any Hydra app.

A recipe's node has a field for every parameter, set or not, and shows a default as text where it has no form in YAML. A
target that is called with that text gets another value than its own default. So a node shows to ``instantiate`` only
what somebody has set, as ``nph.build`` does; to everything else it shows all.
"""

from __future__ import annotations

import sys
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from nemo_partial_hydra.recipes.keys import DELETE, FACTORY

from .compat import child_nodes, is_absent
from .keywords_node import KeywordsNode
from .nodes import DefaultNode
from .unset import keys_set


class AppNode(DefaultNode):
    """A recipe's node in the config of an app's function."""

    def keys(self) -> Any:
        """Return the node's keys, to ``instantiate`` without those that nobody set."""
        names = super().keys()
        if is_absent(self) or not of_instantiate(sys._getframe(1)):
            return names
        kept = keys_set(self) - {FACTORY}
        edit = super().get(DELETE) if DELETE in kept else None
        if isinstance(edit, ListConfig) and {*edit} <= {*names}:  # other edits are for ``nph.build``
            kept -= {DELETE, *edit}
        return {name: None for name in names if name in kept}.keys()


def for_instantiate(config: Any) -> Any:
    """Make a config's nodes ones that show to ``instantiate`` only what somebody has set, and return the config."""
    if isinstance(config, (DictConfig, ListConfig)) and not is_absent(config):
        ours = type(config) is DictConfig or (isinstance(config, KeywordsNode) and not isinstance(config, AppNode))
        if ours and getattr(OmegaConf.get_type(config), "signature_", None):
            object.__setattr__(config, "__class__", AppNode)  # a plain assignment would be one of a key
        for _, child in child_nodes(config):
            for_instantiate(child)
    return config


def of_instantiate(frame: Any) -> bool:
    """Whether a frame runs a function of the package that ``hydra.utils.instantiate`` comes from."""
    from hydra.utils import instantiate

    package = instantiate.__module__.rpartition(".")[0]
    return str(frame.f_globals.get("__name__", "")).startswith(f"{package}.")
