"""What a file's settings of Hydra have Hydra call: callbacks, launchers, sweepers, handlers of ``logging``.

May import: the standard library, and from here ``scan`` and below. Nothing is decided here; see ``policy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def settings_in(
    data: Any, path: Path = (), *, composed: bool = False, inside: Sequence[str] = ()
) -> Iterator[tuple[Path, Any]]:
    """Yield what Hydra's own settings name: targets, what ``logging`` is to make, and risky environment variables.

    Parameters
    ----------
    data, path : the settings, and where they stand.
    composed : whether they are of a composed config, to which the command line belongs, and not of a file.
    inside : directories below which the logs of a composed config have to be; none for anywhere.
    """
    for here, node in walk(data, path):
        if isinstance(node, Mapping):
            for key, value in node.items():
                made = key == "class" and (_LOGGED & {*map(str, here)} or _below(here, _LOGGING))
                if (key in (TARGET, "()") or made) and value != MISSING:
                    yield (*here, key), value
                if key == "custom_search_space" and isinstance(value, str) and _below(here, _MADE):
                    yield (*here, key), value
                why = _written(value, composed, inside) if key == "filename" and _handler(node, here) else None
                if why is not None:
                    yield (*here, key), Argument("filename", ".".join(map(str, here)), why)
                if key == "." and _logged(node, here):
                    yield (*here, key), Argument(".", ".".join(map(str, here)), _ATTRIBUTES)
                if (*here, key) == _JOB_NAME and isinstance(value, str) and value.startswith("/"):
                    yield (*here, key), Argument("name", "hydra.job", _ABSOLUTE)
                risk = risk_of(str(key)) if here[-2:] == ("job", "env_set") else None
                if risk is not None:
                    yield (*here, key), Argument(str(key), "hydra.job.env_set", risk)
        elif isinstance(node, str) and node.startswith("ext://") and node not in _STREAMS:
            yield here, node.removeprefix("ext://")
        elif isinstance(node, str) and node.startswith("cfg://"):
            yield here, Argument(str(here[-1]) if here else "", ".".join(map(str, here[:-1])), _OTHER_PART)
        elif _refers(node) and here[:1] == (HYDRA,) and _written_out(here):
            yield here, Argument(str(here[-1]), ".".join(map(str, here[:-1])) or HYDRA, _WRITE_OUT)


_JOB_NAME = (HYDRA, "job", "name")
_ABSOLUTE = "is an absolute path: a log that is called like it would be written there"
_OTHER_PART = "is another part of the settings of logging in the place of this one, which has to be written out here"
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_LOGS = (".log", ".out", ".err", ".jsonl")
_WRITTEN = f"is a file that a log would be written into, and no name of a log ({', '.join(_LOGS)})"
_ELSEWHERE = "is a file outside of the job's directory: expected '${hydra.runtime.output_dir}/...', or a relative path"
_ATTRIBUTES = "sets attributes of what logging makes, its file among them"
# What is never nothing and no part of ``..``, whatever the time is: ``%Z`` and ``%p`` may be empty.
_DATE = r"now:(?:%[aAbBdfFHIjmMSTyY]|[\w :,+-])+"
# Hydra's own directories of the job, and what a relative path begins with.
_INSIDE = re.compile(
    rf"(\$\{{hydra[.:](runtime\.output_dir|run\.dir|sweep\.dir)\}}/(?=[^/])"
    rf"|(?=[\w.%+-])|(?=\$\{{hydra[.:]job\.(name|num|id)\}})|(?=\$\{{{_DATE}\}}))"
)


def _logged(node: Mapping[Any, Any], here: Path) -> bool:
    """Whether a node is something that ``logging`` makes, of which another file may have said the class."""
    return here[-2:-1] in (("handlers",), ("formatters",), ("filters",)) and TARGET not in node


def _handler(node: Mapping[Any, Any], here: Path) -> bool:
    return here[-2:-1] == ("handlers",) and _logged(node, here)


def _written(value: Any, composed: bool, below: Sequence[str]) -> str | None:
    """Say why a handler's file is refused; None if it is a log, below the job's directory.

    What is written there may be words that a shell or pip obeys, and opening it may empty or move what is there.
    """
    if not isinstance(value, str) or not value.endswith(_LOGS):
        return _WRITTEN
    inside = ".." not in value.split("/") and "://" not in value
    if not composed:  # there, its directory has become a path
        inside = inside and "../" not in value and "/.." not in value and _INSIDE.match(value) is not None
    elif below and value.startswith("/"):
        inside = inside and any(value.startswith(f"{folder}/") for folder in below)
    return None if inside else _ELSEWHERE


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
    """Whether only the composed config tells what Hydra or ``logging`` is to make: a reference stands there."""
    return any(
        (_refers(node) and here[:1] == (HYDRA,) and _below(here, _MADE))
        or (_below(here, _LOGGING) and forms(node))
        or (here == _JOB_NAME and isinstance(node, str) and ("/" in node or "${" in node))  # of its log too
        for here, node in walk(data, place)
    )


# Where the job runs, and its number: none of it makes another path or address of what stands around it.
_KNOWN = re.compile(rf"\$\{{(hydra[.:](runtime\.output_dir|run\.dir|sweep\.dir|job\.(num|id))|{_DATE})\}}")


def forms(node: Any) -> bool:
    """Whether a value of ``logging`` has a reference to what a file chooses: it may form an address or leave a path."""
    return isinstance(node, str) and "${" in _KNOWN.sub("", node).replace("${hydra.job.name}.log", "")


def logging_in(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what of :func:`settings_in` does harm in any file, since a defaults list may put it below ``hydra``."""
    for where, found in settings_in(data, path):
        what = not isinstance(found, Argument) or where[-1:] in (("filename",), (".",)) or found.why == _OTHER_PART
        if where[-1:] != (TARGET,) and what:
            yield where, found


def parted(data: Any, place: Path) -> tuple[Iterable[tuple[Path, Any]], Iterable[tuple[Path, Any]]]:
    """Return what the recipes of a file name, and what its settings of Hydra do; all is that below a ``place``."""
    if place:
        return (), settings_in(data, place)
    whole = data if isinstance(data, Mapping) else {}
    recipes = {key: value for key, value in data.items() if key not in (HYDRA, "defaults")} if whole else data
    settings = [*settings_in(whole.get(HYDRA), (HYDRA,)), *logging_in(recipes)]
    return names_in(recipes), settings
