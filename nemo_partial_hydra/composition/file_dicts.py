"""The dicts of files, as Hydra merges them: no default hides what a file sets, and its keys stand in Hydra's order.

May import: OmegaConf.
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from .compat import child_nodes, drop_child, is_absent, move_last, own_node, put_child
from .keywords_node import KeywordsNode
from .unset import shows_default

PLAIN_NODES = (DictConfig, KeywordsNode)


class FileDict(KeywordsNode):
    """A dict of a file: what it sets stays where a group option comes later that merely has a default there.

    ``Leaf`` keeps a value in the same way; a dict or a list it cannot keep.
    """

    def _merge_with(self, *others: Any, **kwargs: Any) -> None:
        for other in others:
            kept = self._keeps(other)
            for key in kept:
                drop_child(other, key)
            try:
                KeywordsNode._merge_with(self, other, **kwargs)
            finally:
                for key, child in kept.items():
                    put_child(other, key, child)

    def _keeps(self, other: Any) -> dict[Any, Any]:
        """Return the nodes of another config that only show defaults where this one has a dict or list that is set.

        A dict over an object changes that object, wherever it stands.
        """
        if not isinstance(other, DictConfig) or is_absent(other) or is_absent(self):
            return {}
        found = {}
        for key, child in child_nodes(other):
            held = own_node(self, key)
            if not isinstance(held, (DictConfig, ListConfig)) or is_absent(held) or not shows_default(child):
                continue
            if isinstance(child, DictConfig) and getattr(OmegaConf.get_type(child), "signature_", None) is not None:
                continue
            if not shows_default(held):
                found[key] = child
        return found


class Unplaced(FileDict):
    """A dict of a skeleton into which nothing has been merged yet.

    Hydra merges the skeleton first; without it, a key would stand where the first file or group option that has it puts
    it. So at the first merge the dict goes to the end of its parent, and is an ordinary one from then on.
    """

    def _merge_with(self, *others: Any, **kwargs: Any) -> None:
        if not isinstance(others[0], Unplaced):  # of another skeleton
            object.__setattr__(self, "__class__", FileDict)
            move_last(self)
        FileDict._merge_with(self, *others, **kwargs)


def of_file(config: Any) -> None:
    """Make the dicts below a file's config ones that keep what they set."""
    for _, child in child_nodes(config):
        if type(child) in PLAIN_NODES:
            object.__setattr__(child, "__class__", FileDict)
        if isinstance(child, (DictConfig, ListConfig)) and not is_absent(child):
            of_file(child)


def of_package(config: Any) -> None:
    """Make the dicts ones that keep what they set in which Hydra places an option: ``- arch@model.arch: small``.

    The option that makes ``model`` may come later, and have a default for ``arch``.
    """
    for _, child in child_nodes(config):
        if type(child) is DictConfig and OmegaConf.get_type(child) is dict and not is_absent(child):
            object.__setattr__(child, "__class__", FileDict)
            of_package(child)
