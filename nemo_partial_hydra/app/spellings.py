"""Overrides that Hydra gets spelled otherwise: those that it takes in a config without types, and not in a typed one.

``+path=value`` for a parameter that no file sets: in the file it is not there. In the composed config it is, with its
type and its default, and Hydra refuses to add what is there. It gets ``++path=value``.

``path={...}`` or ``path=[...]`` where a file has a reference: before 2.4 OmegaConf takes the reference for a container
to merge into (see ``nodes.Reference``), and ends with an AssertionError. It gets ``path=null`` before it.

``~path`` and ``~path=value`` for a parameter that is set: from a config without types a key can be deleted, from a
typed one it cannot. The recipe's node gets ``_delete_``, the edit that unsets it.

``-m group=a,b group.key=1`` where the sweep's own config, without the choices of its jobs, has no such key: it gets the
rest of the line, and the jobs get it all (see ``fixed_overrides``).

A value by a resolver that nobody has registered, while targets are known from the cache alone: the same line once more,
after these have been imported, since one of them may register it.

All only when Hydra has refused the line. May import: Hydra and OmegaConf, when there was such an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from nemo_partial_hydra.composition.error_text import find, marked, merged_into_reference, undeletable
from nemo_partial_hydra.recipes.keys import DELETE, RESERVED
from nemo_partial_hydra.runtime import session

from .command_line import CommandLine

_THERE = re.compile(r"An item is already at '([^']+)'")
Compose = Callable[[CommandLine], AbstractContextManager[Any]]


def retried(line: CommandLine, compose: Compose, act: Callable[[CommandLine], None]) -> None:
    """Do something with a command line; where Hydra refuses it for no reason that the user would see, once more."""
    try:
        act(line)
    except Exception as error:
        again = None if marked(error) else _spelled_otherwise(line, compose, error)
        if again is None:
            raise
    else:
        return
    retried(again, compose, act)


def _spelled_otherwise(line: CommandLine, compose: Compose, error: Exception) -> CommandLine | None:
    """Return the line with other spellings of what Hydra refused; None if there are none."""
    if _lacks_resolver(error):
        from nemo_partial_hydra.composition.late_imports import import_all

        return line if import_all() else None
    there = {*_THERE.findall(str(error))}
    if there:
        return _respelled(line, compose, lambda text: _added(text) in there, _unset, lambda text: [f"+{text}"])
    if merged_into_reference(error):
        return _respelled(line, compose, _puts_container, _refers, lambda text: [f"{_path(text)}=null", text])
    if undeletable(error):
        return _edited(line, compose)
    return _left_to_jobs(line) if line.multirun else None


def _lacks_resolver(error: Exception) -> bool:
    from omegaconf.errors import UnsupportedInterpolationType

    return find(error, UnsupportedInterpolationType) is not None


def _edited(line: CommandLine, compose: Compose) -> CommandLine | None:
    """Return the line with edits for its deletions of parameters; None if nothing sets those."""
    deletions = {text: _path(text[1:]) for text in line.overrides if re.match(r"~[^~+=/@]+(=|$)", text)}
    edits: dict[str, list[str]] = {}
    rest = line.only(lambda text: text not in deletions)

    def look(rest: CommandLine) -> None:
        with compose(rest) as config:
            for text, path in list(deletions.items()):
                node, name = _owner(config, path)
                if node is None or not _is_set(node, name) or not _has(node, name, text):
                    del deletions[text]  # Hydra says what is wrong with it
                    continue
                key = f"{path[: -len(name)]}{DELETE}"
                edits.setdefault(key, [*map(str, node.get(DELETE) or ())]).append(name)

    if deletions:
        retried(rest, compose, look)
    if not edits:
        return None
    from nemo_partial_hydra.listing.override_text import value_text

    kept = line.only(lambda text: text not in deletions)
    return kept.replaced([*kept.overrides, *(f"++{key}={value_text(names)}" for key, names in edits.items())])


def _is_set(node: Any, name: str) -> bool:
    """Whether a dict is a recipe of which somebody has set this parameter."""
    from omegaconf import OmegaConf

    from nemo_partial_hydra.composition.unset import keys_set

    is_recipe = getattr(OmegaConf.get_type(node), "signature_", None) is not None
    return is_recipe and name not in RESERVED and name in keys_set(node)


def _has(node: Any, name: str, deletion: str) -> bool:
    """Whether a dict has the value of which alone ``~path=value`` speaks."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    value = OverridesParser.create().parse_override(deletion).value()
    return value is None or bool(value == node[name])


def _left_to_jobs(line: CommandLine) -> CommandLine | None:
    """Return the line without what only the jobs of its sweep can take; None if there is no such override."""
    from nemo_partial_hydra.composition.fixed_overrides import LeftToJobs

    kept = session.workspace().of(LeftToJobs).leave(line.overrides)
    return line.only(lambda text: text in kept) if len(kept) < len(line.overrides) else None


def _respelled(
    line: CommandLine,
    compose: Compose,
    suspect: Callable[[str], bool],
    innocent: Callable[[Any, str], bool],
    respell: Callable[[str], list[str]],
) -> CommandLine | None:
    """Return the line with some overrides in other words, if the config without them tells that this is right."""
    suspects = [text for text in line.overrides if suspect(text)]
    right: list[str] = []

    def look(rest: CommandLine) -> None:
        with compose(rest) as config:
            right.extend(text for text in suspects if innocent(config, _path(text)))

    if suspects:  # of what is left of the line Hydra may refuse something as well
        retried(line.only(lambda text: text not in suspects), compose, look)
    if not right:
        return None
    return line.replaced([word for text in line.overrides for word in (respell(text) if text in right else [text])])


def _path(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _added(override: str) -> str:
    """Return the path that an override adds; empty if it adds none."""
    return _path(override) if re.match(r"\+[^+=][^=]*=", override) else ""


def _puts_container(override: str) -> bool:
    """Whether an override has a dict or a list for its value, or is a sweep of such."""
    return re.match(r"\+{0,2}[^~+=][^=]*=\s*[\[{]", override) is not None


def _unset(config: Any, path: str) -> bool:
    """Whether a config has a parameter that nobody set."""
    from nemo_partial_hydra.composition.decode import set_data

    node, name = _owner(config, path)
    return node is not None and name in node and name not in set_data(node)


def _refers(config: Any, path: str) -> bool:
    """Whether a place is a reference that counts as a container."""
    from nemo_partial_hydra.composition.compat import own_node
    from nemo_partial_hydra.composition.nodes import Reference

    node, name = _owner(config, path)
    return node is not None and isinstance(own_node(node, name), Reference)


def _owner(config: Any, path: str) -> tuple[Any, str]:
    """Return the dict that has a path's last name, if it is one."""
    from omegaconf import OmegaConf

    above, _, name = path.rpartition(".")
    node = OmegaConf.select(config, above) if above else config
    return (node if OmegaConf.is_dict(node) else None), name
