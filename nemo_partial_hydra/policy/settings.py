"""What a file's settings of Hydra have Hydra call: callbacks, launchers, sweepers, handlers of ``logging``.

May import: the standard library, and from here ``scan`` and below. Nothing is decided here; see ``policy``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nemo_partial_hydra.recipes.data import walk
from nemo_partial_hydra.recipes.keys import MISSING, TARGET
from nemo_partial_hydra.recipes.tree import Path

from .environment import risk_of
from .scan import Argument, names_in

HYDRA = "hydra"
_MADE = frozenset({"callbacks", "launcher", "sweeper"})  # parts that Hydra instantiates, all that is in them
_LOGGING = frozenset({"job_logging", "hydra_logging"})
_LOGGED = frozenset({"handlers", "formatters", "loggers", "filters"})
_TEXTS = ("${now:", "${oc.env:")  # what these give is a text


def settings_in(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what Hydra's own settings name: targets, what ``logging`` is to make, and risky environment variables."""
    for here, node in walk(data, path):
        if isinstance(node, Mapping):
            for key, value in node.items():
                made = key == "class" and (_LOGGED & {*map(str, here)} or _below(here, _LOGGING))
                if (key in (TARGET, "()") or made) and value != MISSING:
                    yield (*here, key), value
                if key == "custom_search_space" and isinstance(value, str) and _below(here, _MADE):
                    yield (*here, key), value
                if key == "filename" and _handler(node, here) and not _log(value):
                    yield (*here, key), Argument("filename", ".".join(map(str, here)), _WRITTEN)
                risk = risk_of(str(key)) if here[-2:] == ("job", "env_set") else None
                if risk is not None:
                    yield (*here, key), Argument(str(key), "hydra.job.env_set", risk)
        elif isinstance(node, str) and node.startswith("ext://") and not node.startswith("ext://sys.std"):
            yield here, node.removeprefix("ext://")
        elif _refers(node) and here[:1] == (HYDRA,) and _written_out(here):
            yield here, Argument(str(here[-1]), ".".join(map(str, here[:-1])) or HYDRA, _WRITE_OUT)


_LOGS = (".log", ".out", ".err", ".jsonl")
_WRITTEN = f"is a file that a log would be written into, and no name of a log ({', '.join(_LOGS)})"


def _handler(node: Mapping[Any, Any], here: Path) -> bool:
    """Whether a node is a handler of ``logging``, of which another file may have said the class; none has a target."""
    return here[-2:-1] == ("handlers",) and TARGET not in node


def _log(value: Any) -> bool:
    """Whether a handler's file is a log by its name: what is written there may be words that a shell or pip obeys."""
    return isinstance(value, str) and value.endswith(_LOGS)


_WRITE_OUT = "is a reference to what is called or set, which has to be written out here"


def _written_out(here: Path) -> bool:
    """Whether a container stands at a place of Hydra's settings of which each part is looked at here."""
    return len(here) < 2 or here[1:] in (("job",), ("job", "env_set")) or (_below(here, _LOGGING) and len(here) < 5)


def _refers(node: Any) -> bool:
    """Whether a value may become a container, or anything else."""
    return isinstance(node, str) and node.startswith("${") and not node.startswith(_TEXTS)


def _below(here: Path, parts: frozenset[str]) -> bool:
    return len(here) > 1 and here[0] == HYDRA and here[1] in parts


def unsettled(data: Any, place: Path) -> bool:
    """Whether only the composed config tells what Hydra is to instantiate: a reference stands there."""
    return any(_refers(node) and here[:1] == (HYDRA,) and _below(here, _MADE) for here, node in walk(data, place))


def logging_in(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what of :func:`settings_in` does harm in any file, since a defaults list may put it below ``hydra``."""
    for where, found in settings_in(data, path):
        if where[-1] != TARGET and (not isinstance(found, Argument) or where[-1] == "filename"):
            yield where, found


def parted(data: Any, place: Path) -> tuple[Iterable[tuple[Path, Any]], Iterable[tuple[Path, Any]]]:
    """Return what the recipes of a file name, and what its settings of Hydra do; all is that below a ``place``."""
    if place:
        return (), settings_in(data, place)
    whole = data if isinstance(data, Mapping) else {}
    recipes = {key: value for key, value in data.items() if key not in (HYDRA, "defaults")} if whole else data
    settings = [*settings_in(whole.get(HYDRA), (HYDRA,)), *logging_in(recipes)]
    return names_in(recipes), settings
