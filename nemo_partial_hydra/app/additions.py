"""``+path=value`` for a parameter that no file sets.

In the file it is not there, and under ``hydra.main`` it takes the ``+``. In the composed config it is: it has its type
and its default, and Hydra refuses to add what is there. So Hydra gets ``++path=value``, when it has refused the other.

May import: Hydra and OmegaConf, when there was such an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from nemo_partial_hydra.composition.error_text import marked

from .command_line import CommandLine

_THERE = re.compile(r"An item is already at '([^']+)'")
Compose = Callable[[CommandLine], AbstractContextManager[Any]]


def retried(line: CommandLine, compose: Compose, act: Callable[[CommandLine], None]) -> None:
    """Do something with a command line, and once more where all that Hydra refused is parameters that no file sets."""
    try:
        act(line)
    except Exception as error:
        forced = None if marked(error) else _forced(line, compose, {*_THERE.findall(str(error))})
        if forced is None:
            raise
    else:
        return
    retried(forced, compose, act)


def _forced(line: CommandLine, compose: Compose, refused: set[str]) -> CommandLine | None:
    """Return the line with ``++`` before parameters that no file sets; None if something else is refused."""
    added = [text for text in line.overrides if _added(text) in refused]
    if not added:
        return None
    set_ones: list[str] = []

    def look(rest: CommandLine) -> None:
        with compose(rest) as config:
            set_ones.extend(text for text in added if not _unset(config, _added(text)))

    retried(line.only(lambda text: text not in added), compose, look)  # there may be other additions, refused as well
    return None if set_ones else line.replaced([f"+{text}" if text in added else text for text in line.overrides])


def _added(override: str) -> str:
    """Return the path that an override adds; empty if it adds none."""
    path, equals, _ = override.partition("=")
    return path[1:] if equals and path.startswith("+") and not path.startswith("++") else ""


def _unset(config: Any, path: str) -> bool:
    """Whether a config has a parameter that nobody set."""
    from omegaconf import OmegaConf

    from nemo_partial_hydra.composition.decode import set_data

    above, _, name = path.rpartition(".")
    node = OmegaConf.select(config, above) if above else config
    return OmegaConf.is_dict(node) and name in node and name not in set_data(node)
