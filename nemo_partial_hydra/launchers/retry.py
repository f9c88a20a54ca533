"""Try again what failed, was lost, timed out or was cancelled: a new attempt, with the settings it was sent with.

May import: the standard library and PyYAML; Hydra, where settings are changed. Stored settings decide what runs on this
host (``setup`` lines, the executable), so only those are taken that this user wrote in this place (see ``jobs.seal``).
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import RefusedError, UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import Head
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.ownership import NO_TRUST, Trust
from nemo_partial_hydra.jobs.signers import Signers
from nemo_partial_hydra.jobs.signing import signed
from nemo_partial_hydra.messages import Problems, say

from . import code
from . import send as sending
from .arguments import composed
from .attempts import next_attempt
from .clusters.registry import CLUSTERS, Clusters
from .eligible import chosen
from .records import Submission, own_settings
from .settings import Settings, from_config, stamp
from .status.entries import Entry
from .status.look import SentJobs, Watch
from .submit import refuse_foreign


@dataclass(frozen=True)
class Group:
    """Jobs that are sent together, because they were sent with the same settings."""

    entries: Sequence[Entry]
    settings: Settings
    secrets: Mapping[str, str]
    digests: Mapping[JobPaths, str]
    attempts: Mapping[JobPaths, int]
    """The number that each job's next attempt gets."""

    @property
    def jobs(self) -> list[JobPaths]:
        """The jobs' files."""
        return [entry.paths for entry in self.entries]


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
    trust: Trust = NO_TRUST,
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
    force : send also where the image or a job.yaml was replaced since, and named jobs of which nobody knows the end.
    trust : directories whose code is trusted, besides those that were trusted before.
    signers : whose signatures the jobs must have.
    clusters : where the jobs' clusters are looked up.

    Raises
    ------
    RefusedError
        If a named job is no such one, if there is none, if the image or a job.yaml was replaced, or the settings are
        not known to be this user's own and none are named.
    ClusterError
        If it cannot be known whether a job still runs.
    UsageError
        If there are no settings, or an argument is none.
    """
    watch = Watch(directory, numbers, clusters=clusters)
    # Before they are looked at: whoever tries them again meanwhile takes the very attempt that is chosen here.
    taken = {paths: states.last_attempt(paths) for paths in watch.jobs}
    found = watch.look()
    entries = chosen(found, numbers, clusters, force=force)
    found.refuse_problems()
    attempts = {entry.paths: next_attempt(entry.paths, entry.own.attempt, taken[entry.paths]) for entry in entries}
    refuse_foreign(watch.sweep, [entry.paths for entry in entries])
    vouched = signed([entry.paths for entry in entries], signers, directory)
    if not force:
        refuse_exchanged(entries)
    groups = []
    for kept, members in _sent_alike(watch.sweep, entries):
        heads = [entry.head for entry in members]
        settings, secrets = again(watch.sweep, kept, heads, arguments, allow, config_dir, clusters)
        anew = any(text.startswith("hydra/launcher=") for text in arguments)
        settings = code.once_more(settings, [entry.paths for entry in members], heads, trust, anew=anew)
        if not force:
            check_image(kept.settings, heads, settings)
        digests = sending.verify([entry.paths for entry in members], settings.allow, heads, vouched)
        numbered = {entry.paths: attempts[entry.paths] for entry in members}
        groups.append(Group(members, settings, secrets, digests, numbered))
    return Retry(watch.sweep, groups, clusters)


def refuse_exchanged(entries: Sequence[Entry]) -> None:
    """Refuse jobs whose job.yaml is another file than the one that was submitted, as far as this user's records say.

    Raises
    ------
    RefusedError
        Naming each, with both digests.
    """
    problems = Problems()
    for entry in entries:
        if entry.exchanged:
            problems.add(
                (),
                f"{entry.paths.job}: is another file than the one that was submitted: its digest is "
                f"{entry.head.digest}, that of the other {entry.exchanged}; freeze the job again, or send this one if "
                "it is meant: --force",
            )
    problems.check(RefusedError)


def send(retry: Retry) -> tuple[list[JobPaths], bool]:
    """Send the jobs, each group as one array; return those that were waited for, and whether all were sent."""
    waited: list[JobPaths] = []
    for group in retry.groups:
        names = ", ".join(entry.name for entry in group.entries[:12]) + (", ..." if len(group.entries) > 12 else "")
        say(f"Trying again: {names}", flush=True)
        sent = sending.send(
            retry.sweep, group.jobs, group.settings, group.secrets, attempts=group.attempts, digests=group.digests,
            clusters=retry.clusters,
        )  # fmt: skip
        if sending.waited_for(group.settings, retry.clusters):
            waited += group.jobs
        if sent[-1].left:
            return waited, False
    return waited, True


@dataclass(frozen=True)
class Kept:
    """The settings that jobs were sent with, if this user wrote them here; else None, and why not."""

    settings: Settings | None = None
    why: str = ""


def _sent_alike(sweep: SweepPaths, entries: Sequence[Entry]) -> list[tuple[Kept, list[Entry]]]:
    """Group jobs by the settings that they were sent with; the last such submission stands for all.

    Of an attempt that was cut off before it was sent nothing is left: the settings are those of the one before.
    """
    groups: list[tuple[Kept, list[Entry]]] = []
    place: dict[int, int] = {}
    alike: list[Kept] = []
    known = SentJobs(sweep)
    sent = {each.paths: each.submission or _last(known, each.paths) for each in entries}
    for entry in sorted(entries, key=lambda each: -_number(sent[each.paths])):
        number = _number(sent[entry.paths])
        if number not in place:
            kept = kept_of(sweep, sent[entry.paths])
            bare = kept
            if kept.settings is not None:
                bare = Kept(dataclasses.replace(kept.settings, image_stamp=None))
            if bare not in alike:
                alike.append(bare)
                groups.append((kept, []))
            place[number] = alike.index(bare)
        groups[place[number]][1].append(entry)
    for _, members in groups:
        members.sort(key=lambda each: each.head.num)
    return groups


def _last(known: SentJobs, paths: JobPaths) -> Submission | None:
    found = known.of(paths)
    return None if found is None else found[1]


def _number(submission: Submission | None) -> int:
    return submission.number if submission is not None else 0


def kept_of(sweep: SweepPaths, submission: Submission | None) -> Kept:
    """Return the settings of a submission that may be used again."""
    if submission is None:
        return Kept()
    paths = sweep.submission(submission.number)
    if not submission.origin.mine:  # it says that these settings are of this job
        return Kept(None, f"{paths.record}: {submission.origin.why}")
    return Kept(*own_settings(paths))


def again(
    sweep: SweepPaths,
    kept: Kept,
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
        return from_config(config, cluster.name, allow=allow)
    before, launchers = kept.settings, " or ".join(clusters.launchers)
    if before is None and kept.why:
        raise RefusedError(
            f"{kept.why}. Settings name what runs on this host, so they are taken from no record that is not known to "
            f"be yours: name them anew: hydra/launcher={launchers} hydra.launcher.*=..., and --allow"
        )
    if before is None:
        raise UsageError(
            f"job {heads[0].num}: was not sent by a launcher, so there are no settings to send it with "
            f"again: run it here (nemo-hydra run), or name them: hydra/launcher={launchers}"
        )
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
    return from_config(config, before.cluster, before.code, allowed, trust_code=before.trust_code, folder=before.folder)


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


def check_image(before: Settings | None, heads: Sequence[Head], settings: Settings) -> None:
    """Refuse an image that is another one than the jobs were frozen for, or were sent with ``before``.

    Raises
    ------
    RefusedError
        If it is.
    """
    image = settings.container.image
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
