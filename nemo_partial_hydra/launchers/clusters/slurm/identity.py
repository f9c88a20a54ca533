"""Which cluster is asked: by its own name, so that the queue of another one is never taken for an answer.

May import: the standard library only. A login node belongs to one cluster, and users have several: numbers of jobs mean
something else on each. With accounting in common ``-M NAME`` reaches the others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from nemo_partial_hydra.launchers.settings import Settings

from . import commands
from .commands import Ask

ASKED = ("SBATCH_CLUSTERS", "SLURM_CLUSTERS")
"""The variables that send jobs to another cluster, as ``sbatch`` reads them."""
_CONFIGURATIONS = ("/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf", "/etc/slurm-llnl/slurm.conf")
_NAME = re.compile(r"^\s*ClusterName\s*=\s*([\w.-]+)", re.MULTILINE | re.IGNORECASE)
_GIVEN = re.compile(r"\w[\w.-]*(?:,\w[\w.-]*)*", re.ASCII)
_MAX_BYTES = 1 << 20


def read_name(text: str) -> str | None:
    """Read a cluster's name from slurm.conf, or from what ``scontrol show config`` prints."""
    match = _NAME.search(text)
    return match.group(1) if match and match.group(1) != "(null)" else None


def configuration() -> str:
    """Return the text of slurm.conf; empty where it cannot be read: a host may have none, and get it from SLURM."""
    named = os.environ.get("SLURM_CONF")
    for path in (named,) if named else _CONFIGURATIONS:
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                return file.read(_MAX_BYTES)
        except OSError:
            continue
    return ""


def here(ask: Ask, read: Callable[[], str] = configuration) -> str | None:
    """Return the name of the cluster that answers on this host; None where that cannot be found out.

    The file says which controller is asked, and costs nothing; ``scontrol`` is asked where there is none.
    """
    named = os.environ.get("SLURM_CLUSTERS", "")
    if _GIVEN.fullmatch(named):
        return named
    found = read_name(read())
    if found is not None:
        return found
    answer = ask(["scontrol", "show", "config"])
    return read_name(answer.out) if answer.code == 0 else None


def given(settings: Settings) -> str | None:
    """Return the cluster, or clusters, that settings or the environment send to; None for the one of this host."""
    extra = settings.resources.get("additional_parameters") or {}
    for name in ("clusters", "cluster", "M"):
        if _GIVEN.fullmatch(str(extra.get(name) or "")):
            return str(extra[name])
    found = (os.environ.get(name, "") for name in ASKED)
    return next((name for name in found if _GIVEN.fullmatch(name)), None)


def reach(name: str | None, own: str | None) -> list[str]:
    """Return the options with which SLURM's commands ask a cluster; none for the one of this host.

    A record of older versions has no name: it is taken to be of this host's cluster.
    """
    return [] if name is None or name == own else ["-M", name]


def another(name: str, own: str | None) -> str:
    """Say that what was asked is not the cluster that has the jobs."""
    return f"asked from another cluster ({own or 'whose name is not known'}; the jobs were sent to {name})"


def unreached(answer: commands.Answer) -> bool:
    """Whether ``-M`` did not lead to a cluster: there is none of that name, or nobody here knows where it is."""
    text = answer.err + answer.out
    return answer.code != 0 and any(
        each in text for each in ("can't be reached now", "invalid entry for --cluster", "No cluster", "--cluster")
    )
