"""Try again what failed, was lost, timed out or was cancelled: a new attempt, with the settings it was sent with.

May import: the standard library and PyYAML; Hydra, where settings are changed (see ``kept``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import ClusterError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.messages import one_of

from . import send as launchers
from . import stored_settings
from .clusters.slurm import queue
from .preflight.report import Ask
from .records import Submission
from .settings import LOCAL, Settings
from .status.entries import Entry, Overview
from .status.look import Watch


@dataclass(frozen=True)
class Group:
    """Jobs that are sent together, because they were sent with the same settings."""

    entries: Sequence[Entry]
    settings: Settings
    secrets: Mapping[str, str]

    @property
    def jobs(self) -> list[JobPaths]:
        """The jobs' files."""
        return [entry.paths for entry in self.entries]

    @property
    def attempts(self) -> dict[JobPaths, int]:
        """The number that each job's next attempt gets."""
        return {each.paths: max(each.own.attempt, states.last_attempt(each.paths)) + 1 for each in self.entries}


@dataclass(frozen=True)
class Retry:
    """What is sent again."""

    sweep: SweepPaths
    groups: Sequence[Group]


def prepare(
    directory: str,
    numbers: Sequence[int] = (),
    arguments: Sequence[str] = (),
    *,
    allow: Sequence[str] = (),
    force: bool = False,
    config_dir: str | None = None,
    ask: Ask = queue.ask_soon,
) -> Retry:
    """Choose the jobs and their settings, and check that they may be sent again.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    numbers : which of its jobs; none for all that failed, were lost, timed out or were cancelled.
    arguments : ``hydra.launcher.*=...`` on top of the kept settings; with ``hydra/launcher=...`` instead of them.
    allow : dotted names that recipes may name, besides those that were allowed before.
    force : send also where the image was replaced since.

    Raises
    ------
    RefusedError
        If a named job is no such one, if there is none, if the image was replaced, or a recipe was changed.
    ClusterError
        If it cannot be known whether a job still runs.
    UsageError
        If there are no settings, or an argument is none.
    """
    watch = Watch(directory)
    found = watch.look(ask)
    entries = _eligible(found, numbers)
    groups = []
    for submission, members in _sent_alike(watch.sweep, entries):
        heads = [entry.head for entry in members]
        settings, secrets = stored_settings.again(watch.sweep, submission, heads, arguments, allow, config_dir)
        if not force:
            stored_settings.check_image(watch.sweep, submission, heads, settings)
        groups.append(Group(members, settings, secrets))
    for group in groups:
        launchers.verify(group.jobs, group.settings.allow)
    return Retry(watch.sweep, groups)


def send(retry: Retry) -> list[JobPaths]:
    """Send the jobs, each group as one array; return those that were waited for."""
    waited: list[JobPaths] = []
    for group in retry.groups:
        names = ", ".join(entry.name for entry in group.entries[:12]) + (", ..." if len(group.entries) > 12 else "")
        print(f"Trying again: {names}", flush=True)
        launchers.send(retry.sweep, group.jobs, group.settings, group.secrets, attempts=group.attempts)
        if group.settings.detach is False or group.settings.cluster == LOCAL:
            waited += group.jobs
    return waited


def _eligible(found: Overview, numbers: Sequence[int]) -> list[Entry]:
    """Return the jobs that are tried again."""
    wanted = found.chosen(numbers)
    unsure = [
        entry.name for entry in wanted if entry.merged.unsure and (numbers or entry.merged.state in states.RETRIED)
    ]
    if unsure:
        raise ClusterError(
            f"{found.directory}: SLURM cannot be asked whether these jobs still run ({'; '.join(found.unasked)}), so "
            f"they are not tried again: {one_of(unsure)}"
        )
    told = [each for each in wanted if each.state in (states.CANCELLED, states.TIMEOUT) and each.id]
    if told and any(text.startswith("squeue") for text in found.unasked):
        raise ClusterError(
            f"{found.directory}: SLURM cannot be asked whether it has requeued {one_of(each.name for each in told)}: "
            + "; ".join(found.unasked)
        )
    chosen = [entry for entry in wanted if entry.state in states.RETRIED and not entry.merged.active]
    others = [entry for entry in wanted if entry not in chosen]
    if others and numbers:
        said = "; ".join(f"job {entry.name} {_why_not(entry)}" for entry in others)
        raise RefusedError(f"{found.directory}: nothing was submitted: {said}")
    ending = [entry for entry in others if entry.state in states.RETRIED]
    if not chosen and ending:
        said = "; ".join(f"job {entry.name} {_why_not(entry)}" for entry in ending[:5])
        raise RefusedError(f"{found.directory}: nothing was submitted: {said}")
    if not chosen:
        counts = ", ".join(f"{number} {state}" for state, number in found.counts.items())
        raise RefusedError(f"{found.directory}: there is nothing to try again: {counts}")
    return chosen


def _why_not(entry: Entry) -> str:
    as_what = f" as {entry.id}" if entry.id else ""
    if entry.state == states.DONE:
        return "is done; to run it all the same: nemo-hydra run --force"
    if entry.state == states.FROZEN:
        return "was never submitted: nemo-hydra submit"
    if entry.state in states.RETRIED:
        return f"is {entry.state} and still ends{as_what}: try again in a moment"
    return f"is {entry.state}{as_what}: nothing runs twice; nemo-hydra cancel ends it"


def _sent_alike(sweep: SweepPaths, entries: Iterable[Entry]) -> list[tuple[Submission | None, list[Entry]]]:
    """Group jobs by the settings that they were sent with; the last such submission stands for all."""
    groups: list[tuple[Submission | None, list[Entry]]] = []
    place: dict[int, int] = {}
    settings: list[Settings | None] = []
    for entry in sorted(entries, key=lambda each: -(each.submission.number if each.submission else 0)):
        number = entry.submission.number if entry.submission else 0
        if number not in place:
            mine: Settings | None = None
            if entry.submission is not None:
                mine = dataclasses.replace(stored_settings.read(sweep, entry.submission), image_stamp=None)
            if mine not in settings:
                settings.append(mine)
                groups.append((entry.submission, []))
            place[number] = settings.index(mine)
        groups[place[number]][1].append(entry)
    for _, members in groups:
        members.sort(key=lambda each: each.head.num)
    return groups
