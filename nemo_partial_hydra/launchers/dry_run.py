"""What a submission would do, as text: the exact batch script, and the command of each task.

May import: the standard library; submitit, inside functions. Nothing is written, and the cluster need not be there.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths

from .claims import next_number
from .clusters.base import Surroundings
from .clusters.registry import CLUSTERS, Clusters
from .container import command
from .preflight.values import mistakes
from .settings import Settings
from .submit import parts, script
from .worker.payload import command_of


def text(
    sweep: SweepPaths,
    jobs: Sequence[JobPaths],
    settings: Settings,
    *,
    overrides: Sequence[Sequence[str]] = (),
    attempts: Mapping[JobPaths, int] | None = None,
    after: str | None = None,
    max_array: int = 1001,
    clusters: Clusters = CLUSTERS,
) -> str:
    """Return what would be submitted.

    Raises
    ------
    UsageError
        If the settings by themselves are wrong.
    """
    wrong = [f"hydra.launcher.{name}: {what}" for name, what in mistakes(settings, clusters)]
    if wrong:
        raise UsageError("\n".join(wrong))
    lines: list[str] = []
    cluster = clusters.named(settings.cluster)
    number, program, shown = next_number(sweep), cluster.programs[0], ""
    for part in parts(len(jobs), max_array):
        shown = script(sweep, settings, len(part), number=number, after=after, clusters=clusters)
        if shown:
            of = f" of jobs {part.start} to {part.stop - 1}" if len(part) > 1 else ""
            lines += [f"# {program} script{of}", shown]
    if shown and cluster.surroundings is not None:
        lines += _surroundings(cluster.surroundings(shown), program)
    lines += ["# variables of each task, besides those of the host and of SLURM", *_variables(settings), ""]
    for index, job in enumerate(jobs):
        said = shlex.join(overrides[index]) if index < len(overrides) else ""
        attempt = (attempts or {}).get(job, 1)
        lines += _comment(f"job {index}{': ' if said else ''}{said}")
        lines += [shlex.join(command_of(settings, job, attempt, sweep.directory)), ""]
    return "\n".join(lines)


def _surroundings(found: Surroundings, program: str) -> list[str]:
    """Return what the variables of this shell add, and which of them the program does not get."""
    lines = [f"# from this shell's environment: {name} adds {option}" for name, option in found.added.items()]
    lines += [
        f"# not given to {program}: {name} ({option}), against the settings" for name, option in found.against.items()
    ]
    return [*lines, ""] if lines else []


def _variables(settings: Settings) -> list[str]:
    """Return what is set for the payload; of secrets only the names."""
    given = command.variables(settings.container, {})
    lines = [f"{name}={shlex.quote(value)}" for name, value in given.items()]
    lines += [f"{name}=(as it is at submission; not written into any file)" for name in settings.secrets]
    return [line for entry in lines for line in _comment(f"  {entry}")]


def _comment(text: str) -> list[str]:
    """Return the lines of a comment: a line break in an override or value does not end it."""
    return [f"# {line}" for line in text.splitlines()]
