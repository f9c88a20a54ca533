"""Try again what failed, was lost, timed out or was cancelled: a new attempt, with the settings it was sent with.

May import: the standard library and PyYAML; Hydra, where settings are changed. Stored settings decide what runs on this
host (``setup`` lines, the executable), so only those are taken that this user wrote in this place (see ``jobs.seal``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.ownership import NO_TRUST, Trust
from nemo_partial_hydra.jobs.signers import Signers
from nemo_partial_hydra.jobs.signing import signed
from nemo_partial_hydra.messages import Problems, say

from . import code
from . import send as sending
from .attempts import next_attempt
from .chain import Chain, Link
from .clusters.registry import CLUSTERS, Clusters
from .eligible import chosen, with_dependents
from .kept_settings import Kept, again, check_image, kept_of
from .records import Submission
from .selection import Pick
from .settings import Settings
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

    @property
    def chain(self) -> Chain:
        """The groups as steps of pipelines."""
        links = [
            Link([(entry.paths, entry.head) for entry in group.entries], group.settings, group.secrets, group.digests,
                 group.attempts)
            for group in self.groups
        ]  # fmt: skip
        return Chain(self.sweep, links, clusters=self.clusters)


def prepare(
    directory: str,
    numbers: Sequence[Pick] = (),
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
    watch = Watch(directory, clusters=clusters)
    steps = list(dict.fromkeys(head.step.name for head in watch.heads.values() if head.step is not None))
    if numbers and not steps:
        watch.keep(numbers)
    # Before they are looked at: whoever tries them again meanwhile takes the very attempt that is chosen here.
    taken = {paths: states.last_attempt(paths) for paths in watch.jobs}
    found = watch.look()
    entries = with_dependents(chosen(found, numbers, clusters, force=force), found)
    found.refuse_problems()
    attempts = {entry.paths: next_attempt(entry.paths, entry.own.attempt, taken[entry.paths]) for entry in entries}
    refuse_foreign(watch.sweep, [entry.paths for entry in entries])
    vouched = signed([entry.paths for entry in entries], signers, directory)
    if not force:
        refuse_exchanged(entries)
    context = _Context(watch.sweep, arguments, allow, config_dir, trust, clusters, steps, force)
    groups = [context.group(kept, members, attempts, vouched) for kept, members in _sent_alike(watch.sweep, entries)]
    groups.sort(key=lambda group: max((each.head.step.number for each in group.entries if each.head.step), default=0))
    made = Retry(watch.sweep, groups, clusters)
    if steps:
        made.chain.check()
    return made


@dataclass(frozen=True)
class _Context:
    """With what jobs are sent again: the parameters of :func:`prepare`, and the sweep's steps."""

    sweep: SweepPaths
    arguments: Sequence[str]
    allow: Sequence[str]
    config_dir: str | None
    trust: Trust
    clusters: Clusters
    steps: Sequence[str]
    force: bool

    def group(
        self,
        kept: Kept,
        members: Sequence[Entry],
        attempts: Mapping[JobPaths, int],
        vouched: Mapping[JobPaths, str],
    ) -> Group:
        """Find the settings of jobs that were sent alike, and check that they may be sent so."""
        heads, jobs = [entry.head for entry in members], [entry.paths for entry in members]
        settings, secrets = again(
            self.sweep, kept, heads, self.arguments, self.allow, self.config_dir, self.clusters, self.steps
        )  # fmt: skip
        anew = any(text.startswith("hydra/launcher=") for text in self.arguments)
        settings = code.once_more(settings, jobs, heads, self.trust, anew=anew)
        if not self.force:
            check_image(kept.settings, heads, settings)
        digests = sending.verify(jobs, settings.allow, heads, vouched)
        return Group(members, settings, secrets, digests, {job: attempts[job] for job in jobs})


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
        if group.entries[0].head.step is not None:
            continue  # they are sent as they wait for each other
        sent = sending.send(
            retry.sweep, group.jobs, group.settings, group.secrets, attempts=group.attempts, digests=group.digests,
            clusters=retry.clusters,
        )  # fmt: skip
        if sending.waited_for(group.settings, retry.clusters):
            waited += group.jobs
        if sent[-1].left:
            return waited, False
    steps = [group for group in retry.groups if group.entries[0].head.step is not None]
    if steps:
        made = sending.send_steps(retry.chain, steps[0].settings)
        if sending.waited_for(steps[0].settings, retry.clusters):
            waited += [job for group in steps for job in group.jobs]
        return waited, not (made and made[-1].left)
    return waited, True


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
    return [(kept, some) for kept, members in groups for some in _by_step(members)]


def _by_step(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Part the jobs by the steps that they are."""
    found: dict[str | None, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.head.step.name if entry.head.step is not None else None, []).append(entry)
    return list(found.values())


def _last(known: SentJobs, paths: JobPaths) -> Submission | None:
    found = known.of(paths)
    return None if found is None else found[1]


def _number(submission: Submission | None) -> int:
    return submission.number if submission is not None else 0
