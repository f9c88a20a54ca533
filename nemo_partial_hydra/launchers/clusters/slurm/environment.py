"""The environment that ``sbatch`` gets: variables of the shell that would change what is asked for are left out.

May import: the standard library only. To ``sbatch`` a variable counts more than a line of the script, and whatever is
in its environment is in that of the job: a profile's ``SBATCH_PARTITION`` would win over a setting, and a job that is
submitted from another one would take that one's numbers for its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.launchers.clusters import allocation
from nemo_partial_hydra.launchers.clusters.base import Surroundings

_LINE = re.compile(r"#SBATCH +(--[A-Za-z].*)")
_VARIABLE = re.compile(r"SBATCH_[A-Z0-9_]+")
# Those whose name is not that of the option.
_OPTIONS = {
    "ARRAY_INX": "array", "BURST_BUFFER": "bb", "CPU_FREQ_REQ": "cpu-freq", "DEBUG": "verbose", "MEM_PER_NODE": "mem",
    "REQ_SWITCH": "switches", "TIMELIMIT": "time",
}  # fmt: skip
# Of these one is asked for in the place of the others.
_INSTEAD = (
    {"mem", "mem-per-cpu", "mem-per-gpu"},
    {"gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres"},
    {"cpus-per-task", "cpus-per-gpu"},
    {"core-spec", "thread-spec"},
    {"requeue", "no-requeue"},
)
# They make something else of a submission: one that waits for its end, an array, another directory of its files.
_NEVER = frozenset({"wait", "array", "output", "error", "input", "ignore-pbs", "container"})


def options(script: str) -> list[str]:
    """Return what a batch script asks for, as options of a command line: there they win over every variable.

    Raises
    ------
    UsageError
        If a path in it has a line break.
    """
    found = []
    for line in script.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            try:
                found += shlex.split(match.group(1), comments=True)
            except ValueError:
                raise UsageError(
                    f"SLURM cannot read '{line}': a path with a line break cannot stand in a batch script: choose "
                    "another hydra.sweep.dir"
                ) from None
    return found


def surroundings(script: str, environment: Mapping[str, str]) -> Surroundings:
    """Return what an environment would add to a batch script, and what it must not."""
    asked = {option.partition("=")[0].lstrip("-") for option in options(script)}
    taken = asked.union(*(group for group in _INSTEAD if group & asked))
    added: dict[str, str] = {}
    against: dict[str, str] = {}
    for name, option in _given(environment):
        word = option.partition("=")[0].lstrip("-")
        (against if word in taken or word in _NEVER else added)[name] = option
    return Surroundings(added, against, allocation.outer(environment))


def _given(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that stand for options of ``sbatch``, and these options."""
    for name, value in sorted(environment.items()):
        if _VARIABLE.fullmatch(name):
            word = name.removeprefix("SBATCH_")
            option = _OPTIONS.get(word) or word.lower().replace("_", "-")
            yield name, f"--{option}={shlex.quote(value)}" if value else f"--{option}"
