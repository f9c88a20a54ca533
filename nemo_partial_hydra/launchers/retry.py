"""Try again what failed, was lost, timed out or was cancelled: a new attempt, with the settings it was sent with.

May import: the standard library and PyYAML; Hydra, where settings are changed. Stored settings decide what runs on this
host (``setup`` lines, the executable), so only those are taken that whoever sends the jobs again has written.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import ClusterError, JobError, RefusedError, UsageError
from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import Head
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.signers import Signers
from nemo_partial_hydra.jobs.signing import signed
from nemo_partial_hydra.messages import one_of, say

from . import send as sending
from .arguments import composed
from .clusters.registry import CLUSTERS, Clusters
from .container import bind
from .records import Submission, read_settings
from .settings import Settings, from_config, stamp
from .status.entries import Entry, Overview
from .status.look import Watch
from .submit import refuse_foreign


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
    clusters: Clusters


def prepare(
    directory: str,
    numbers: Sequence[int] = (),
    arguments: Sequence[str] = (),
    *,
    allow: Sequence[str] = (),
    force: bool = False,
    config_dir: str | None = None,
    signers: Signers | None = None,
    clusters: Clusters = CLUSTERS,
) -> Retry:
    """Choose the jobs and their settings, and check that they may be sent again.

    Parameters
    ----------
    directory : of a sweep, or of one job.
    numbers : which of its jobs; none for all that failed, were lost, timed out or were cancelled.
    arguments : ``hydra.launcher.*=...`` on top of the kept settings; with ``hydra/launcher=...`` instead of them.
    allow : dotted names that recipes may name, besides those that were allowed before.
    force : send also where the image was replaced since.
    signers : whose signatures the jobs must have.
    clusters : where the jobs' clusters are looked up.

    Raises
    ------
    RefusedError
        If a named job is no such one, if there is none, if the image was replaced, or a recipe was changed.
    ClusterError
        If it cannot be known whether a job still runs.
    UsageError
        If there are no settings, or an argument is none.
    """
    watch = Watch(directory, clusters=clusters)
    found = watch.look()
    entries = _eligible(found, numbers, clusters)
    found.refuse_problems()
    refuse_foreign(watch.sweep, [entry.paths for entry in entries])
    signed([entry.paths for entry in entries], signers, directory)
    groups = []
    for submission, members in _sent_alike(watch.sweep, entries):
        heads = [entry.head for entry in members]
        settings, secrets = again(watch.sweep, submission, heads, arguments, allow, config_dir, clusters)
        if not force:
            check_image(watch.sweep, submission, heads, settings)
        groups.append(Group(members, settings, secrets))
    for group in groups:
        sending.verify(group.jobs, group.settings.allow)
    return Retry(watch.sweep, groups, clusters)


def send(retry: Retry) -> list[JobPaths]:
    """Send the jobs, each group as one array; return those that were waited for."""
    waited: list[JobPaths] = []
    for group in retry.groups:
        names = ", ".join(entry.name for entry in group.entries[:12]) + (", ..." if len(group.entries) > 12 else "")
        say(f"Trying again: {names}", flush=True)
        sending.send(
            retry.sweep, group.jobs, group.settings, group.secrets, attempts=group.attempts, clusters=retry.clusters
        )
        if sending.waited_for(group.settings, retry.clusters):
            waited += group.jobs
    return waited


def _eligible(found: Overview, numbers: Sequence[int], clusters: Clusters) -> list[Entry]:
    """Return the jobs that are tried again."""

    def asked(entries: Sequence[Entry]) -> str:
        return f"{found.directory}: {' and '.join(dict.fromkeys(clusters.named(e.cluster).title for e in entries))}"

    wanted = found.chosen(numbers)
    unsure = [each for each in wanted if each.merged.unsure and (numbers or each.merged.state in states.RETRIED)]
    if unsure:
        raise ClusterError(
            f"{asked(unsure)} cannot be asked whether these jobs still run ({'; '.join(found.unasked)}), so "
            f"they are not tried again: {one_of(each.name for each in unsure)}"
        )
    told = [e for e in wanted if e.state in (states.CANCELLED, states.TIMEOUT) and e.id and e.queue_failed]
    if told:
        raise ClusterError(
            f"{asked(told)} cannot be asked whether it has requeued {one_of(each.name for each in told)}: "
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
                mine = dataclasses.replace(kept(sweep, entry.submission), image_stamp=None)
            if mine not in settings:
                settings.append(mine)
                groups.append((entry.submission, []))
            place[number] = settings.index(mine)
        groups[place[number]][1].append(entry)
    for _, members in groups:
        members.sort(key=lambda each: each.head.num)
    return groups


def kept(sweep: SweepPaths, submission: Submission) -> Settings:
    """Read the settings of a submission, with the paths of a sweep that was moved as they are now."""
    settings = read_settings(sweep.submission(submission.number))
    before, now = submission.directory, str(sweep.directory)
    if before is None or before == now:
        return settings
    found: Settings = moved(settings, lambda text: _moved_text(text, before, now))
    return found


def moved(data: Any, change: Callable[[str], str]) -> Any:
    """Return settings with every text changed."""
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {key: moved(value, change) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(moved(value, change) for value in data)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        changed = {each.name: moved(getattr(data, each.name), change) for each in dataclasses.fields(data)}
        return dataclasses.replace(data, **changed)
    return data


def _moved_text(text: str, before: str, now: str) -> str:
    """Change a path in a directory that was moved; also ``SOURCE:DESTINATION``, of which the source is on this host."""
    if text == before or text.startswith((f"{before}/", f"{before}:")):
        return now + text[len(before) :]
    return text


def again(
    sweep: SweepPaths,
    submission: Submission | None,
    heads: Sequence[Head],
    arguments: Sequence[str],
    allow: Sequence[str],
    config_dir: str | None,
    clusters: Clusters,
) -> tuple[Settings, dict[str, str]]:
    """Return the settings with which jobs are sent again, and the values of secrets."""
    name = heads[0].name
    if any(text.startswith("hydra/launcher=") for text in arguments):
        config, cluster = composed(arguments, sweep, name, config_dir, clusters)
        return from_config(config, cluster.name, code=bind.folders(head.app for head in heads), allow=allow)
    if submission is None:
        raise UsageError(
            f"job {heads[0].num}: was not sent by a launcher, so there are no settings to send it with "
            f"again: run it here (nemo-hydra run), or name them: hydra/launcher={' or '.join(clusters.launchers)}"
        )
    _trust(sweep, submission)
    before = kept(sweep, submission)
    allowed = tuple(dict.fromkeys((*before.allow, *allow)))
    missing = [each for each in before.secrets if each not in os.environ]
    if missing:
        say(f"Note: not set here, so the jobs will not have it: {', '.join(missing)}", file=sys.stderr)
    if not arguments:
        secrets = {each: os.environ[each] for each in before.secrets if each in os.environ}
        return dataclasses.replace(before, allow=allowed), secrets
    line = [f"hydra/launcher={clusters.named(before.cluster).launcher}", *arguments]
    defaults, _ = composed(line, sweep, name, config_dir, clusters)
    config = changed(config_of(before), defaults, arguments)
    return from_config(config, before.cluster, code=before.code, allow=allowed)


def _trust(sweep: SweepPaths, submission: Submission) -> None:
    paths = sweep.submission(submission.number)
    file = paths.settings
    try:
        owner = files.owner(paths.root, file)
    except OSError as error:
        raise JobError(f"{file}: {error.strerror}; name the settings: hydra/launcher=...") from None
    if owner != os.geteuid():
        raise RefusedError(
            f"{file}: was written by another user, and settings name what runs on this host: name your own, "
            "hydra/launcher=..."
        )


def config_of(settings: Settings) -> dict[str, Any]:
    """Return kept settings as the composed ``hydra.launcher`` that they came from."""
    container = dataclasses.asdict(settings.container)
    container["env"] = {**settings.container.env, **dict.fromkeys(settings.secrets)}
    return {
        **settings.resources,
        "name": settings.name,
        "setup": list(settings.setup),
        "payload_signal": settings.payload_signal,
        "detach": settings.detach,
        "submitit_folder": settings.submitit_folder,
        "apptainer": container,
    }


def changed(before: Mapping[str, Any], defaults: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Put what a command line names into kept settings, as Hydra has composed it from the launcher's defaults."""
    made = {**before, "apptainer": dict(before["apptainer"])}
    for text in arguments:
        key = text.lstrip("+~").partition("=")[0]
        path = ["name"] if key == "hydra.job.name" else key.removeprefix("hydra.launcher.").split(".")
        if path[0] == "apptainer" and len(path) > 1:
            value = (defaults.get("apptainer") or {}).get(path[1])
            if path[1] == "env" and len(path) > 2:
                value = {**(made["apptainer"].get("env") or {}), path[2]: (value or {}).get(path[2])}
            made["apptainer"][path[1]] = value
        elif path == ["apptainer"]:
            made["apptainer"].update(defaults.get("apptainer") or {})
        else:
            made[path[0]] = defaults.get(path[0])
    return made


def check_image(sweep: SweepPaths, submission: Submission | None, heads: Sequence[Head], settings: Settings) -> None:
    """Refuse an image that is another one than the jobs were frozen for, or were sent with before.

    Raises
    ------
    RefusedError
        If it is.
    """
    image = settings.container.image
    before = kept(sweep, submission) if submission is not None else None
    known = before.image_stamp if before is not None and before.container.image == image else None
    now = stamp(image)
    if image is None or now is None or now == known:
        return  # a missing one is said with all else that is missing; what was sent before was checked then
    way_out = "if that is meant: --force"
    if any(head.image and head.image.get("path") == image for head in heads):
        try:
            sending.verify_image(heads, settings)
        except RefusedError:
            raise RefusedError(
                f"{image}: the image was replaced after these jobs were frozen for it; {way_out}"
            ) from None
    elif known is not None:
        raise RefusedError(f"{image}: the image was replaced after these jobs were submitted; {way_out}")
