"""Limits on how many jobs SLURM takes: which one it was by SLURM's own reason, its number, and how many still fit.

May import: the standard library only. ``sbatch`` says the reason in a line of its own; the sentence after it is the
same for all limits, and names a time limit that has nothing to do with most of them.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nemo_partial_hydra.launchers.clusters.base import Full
from nemo_partial_hydra.launchers.settings import Settings

from .commands import AGAIN, Answer, Ask, other_limit


@dataclass(frozen=True)
class _Limit:
    """A limit: what it is of, its name in ``sacctmgr``, and the format by which that shows it."""

    of: str
    name: str
    column: str


_LIMITS = {
    "QOSMaxSubmitJobPerUserLimit": _Limit("qos", "MaxSubmitJobsPerUser", "MaxSubmitJobsPU"),
    "QOSMaxSubmitJobPerAccountLimit": _Limit("qos", "MaxSubmitJobsPerAccount", "MaxSubmitJobsPA"),
    "MaxSubmitJobsPerAccount": _Limit("qos", "MaxSubmitJobsPerAccount", "MaxSubmitJobsPA"),
    "QOSGrpSubmitJobsLimit": _Limit("qos", "GrpSubmitJobs", "GrpSubmitJobs"),
    "AssocMaxSubmitJobLimit": _Limit("association", "MaxSubmitJobs", "MaxSubmitJobs"),
    "AssocGrpSubmitJobsLimit": _Limit("association", "GrpSubmitJobs", "GrpSubmitJobs"),
}
_TITLES = {"qos": "the QOS", "association": "your association"}
_REASON = re.compile(rf"\b({'|'.join(_LIMITS)})\b")
_POLICY = "Job violates accounting/QOS policy"
_UNAVAILABLE = "Resource temporarily unavailable"
_JOB_COUNT = re.compile(r"^MaxJobCount\s*=\s*(\d+)", re.MULTILINE)


def about(answer: Answer) -> bool:
    """Whether an answer of ``sbatch`` says that there are too many jobs now: that of ``--test-only`` too."""
    text = answer.err + answer.out
    return AGAIN in text or _UNAVAILABLE in text or _REASON.search(text) is not None


def full(answer: Answer, settings: Settings, ask: Ask) -> Full | None:
    """Return the limit that an answer of ``sbatch`` is about; None where it is about something else.

    Parameters
    ----------
    settings : of the jobs: their QOS and account tell which limits are theirs.
    ask : runs SLURM's commands.
    """
    if AGAIN in answer.err + answer.out or _UNAVAILABLE in answer.err + answer.out:
        found = _JOB_COUNT.search(ask(["scontrol", "show", "config"]).out)
        number = f"={found.group(1)}" if found else ""
        return Full(f"SLURM has as many jobs as it takes of all users (MaxJobCount{number})")
    match = _REASON.search(answer.err + answer.out)
    if match is None:
        return _unnamed(answer)
    limit = _LIMITS[match.group(1)]
    numbers = _numbers(limit, settings, ask)
    shown = ", ".join(f"{limit.name}={number} of {name}" for name, number in numbers)
    text = f"{_TITLES[limit.of]} takes no more jobs ({match.group(1)}{': ' if shown else ''}{shown})"
    return Full(text, _room([number for _, number in numbers], ask) if numbers else None)


def _unnamed(answer: Answer) -> Full | None:
    """Return a limit of which nothing is said but that there is one, as by older versions: fewer jobs may fit."""
    text = answer.err + answer.out
    if _POLICY not in text or other_limit(text):
        return None
    return Full(f"SLURM takes no more jobs ({_POLICY}; it does not say which limit that is)")


def _numbers(limit: _Limit, settings: Settings, ask: Ask) -> list[tuple[str, int]]:
    """Return whose limits of a kind there are, and their numbers."""
    given = settings.resources.get("qos" if limit.of == "qos" else "account")
    if limit.of == "qos":
        rows = _rows(ask, ["qos", f"format=Name,{limit.column}"])
    else:
        accounts = {row[0] for row in _rows(ask, ["association", f"user={getpass.getuser()}", "format=Account"]) if row}
        listed = _rows(ask, ["association", f"format=Account,User,{limit.column}"])
        mine = ("", getpass.getuser())
        rows = [[row[0], *row[2:]] for row in listed if row[0] in accounts and row[1:2] and row[1] in mine]
    wanted = [row for row in rows if len(row) == 2 and row[1].isdigit() and (given is None or row[0] == str(given))]
    return [(name, int(number)) for name, number in wanted]


def _rows(ask: Ask, what: Sequence[str]) -> list[list[str]]:
    answer = ask(["sacctmgr", "-n", "-P", "show", *what])
    return [line.split("|") for line in answer.out.splitlines()] if answer.code == 0 else []


def _room(numbers: Sequence[int], ask: Ask) -> int | None:
    """Return how many jobs may fit, by what this user has in the queue; None where that is not known."""
    queued = ask(["squeue", "-h", "-r", "-u", getpass.getuser(), "-o", "%i"])
    return max(0, max(numbers) - len(queued.out.splitlines())) if queued.code == 0 else None
