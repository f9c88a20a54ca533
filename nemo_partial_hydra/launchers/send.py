"""Send frozen jobs and stay with them: choose and verify them, say what was sent, wait, say what can be done next.

May import: the standard library and PyYAML.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence

from nemo_partial_hydra.errors import JobError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.job import read_head, read_job, refuse_other
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, find_jobs, sweep_paths
from nemo_partial_hydra.messages import one_of, say

from . import cancel, follow, submit
from .chain import Chain, refuse_following
from .clusters.registry import CLUSTERS, Clusters
from .preflight.report import Report
from .records import Submission
from .selection import Pick, picked
from .settings import Settings
from .status.live import Board
from .wait import attend


def chosen(directory: str, numbers: Sequence[Pick] = ()) -> list[JobPaths]:
    """Return the jobs of a directory, or those of some numbers.

    Raises
    ------
    JobError, UsageError
        If there is no job, or none of such a number.
    """
    jobs = find_jobs(directory)
    return picked(zip(heads(jobs), jobs, strict=True), numbers, directory) if numbers else jobs


def ready(jobs: Sequence[JobPaths]) -> list[JobPaths]:
    """Return the jobs that were never submitted; say which are left out.

    Raises
    ------
    RefusedError
        If there are none.
    """
    found = {job: states.read_status(job).state for job in jobs}
    fresh = [job for job, state in found.items() if state == states.FROZEN]
    left = [f"{job.directory.name} is {state}" for job, state in found.items() if state != states.FROZEN]
    if not fresh:
        raise RefusedError(
            f"nothing to submit: {one_of(left, 5)}; see nemo-hydra status, and nemo-hydra retry for what failed"
        )
    if left:
        say(f"Left out: {one_of(left, 5)}", file=sys.stderr)
    return fresh


def send(
    sweep: SweepPaths,
    jobs: Sequence[JobPaths],
    settings: Settings,
    secrets: Mapping[str, str],
    *,
    attempts: Mapping[JobPaths, int] | None = None,
    digests: Mapping[JobPaths, str] | None = None,
    after: str | None = None,
    report: Report | None = None,
    following: bool = False,
    clusters: Clusters = CLUSTERS,
) -> list[Submission]:
    """Submit jobs; wait for them where the settings or the cluster say so. What each came to is in its status.json.

    Where a cluster takes no more, as many are sent as it takes; the others stay as they are, which is said.

    Parameters
    ----------
    following : whether to stay until all were sent, as there comes room; so it is too where the settings have
        ``max_queued``. Others are those of :func:`submit.submit`.

    Raises
    ------
    UsageError, ClusterError, RefusedError
        If nothing was submitted.
    KeyboardInterrupt
        After saying how to cancel, or how to go on.
    """
    queued = clusters.named(settings.cluster).run is None
    most = settings.resource("max_queued", 0) if queued else 0

    def some(chosen: Sequence[JobPaths]) -> Submission:
        return submit.submit(
            sweep, chosen, settings, secrets=secrets, attempts=attempts, digests=digests, after=after, report=report,
            clusters=clusters,
        )  # fmt: skip

    count = 0

    def said(made: Submission) -> None:
        nonlocal count
        count += len(made.jobs)
        if queued:
            _say_sent(sweep, made, len(jobs) - count, clusters, following=bool(following or most))

    if queued and (following or most):
        try:
            sent = follow.follow(sweep, jobs, some, said, _say_waiting, most=most, clusters=clusters)
        except KeyboardInterrupt:
            if count < len(jobs):
                say(f"\n{len(jobs) - count} jobs were not sent; the same command goes on", file=sys.stderr, flush=True)
            raise
    else:
        sent = [some(jobs)]
        said(sent[0])
    if waited_for(settings, clusters):
        _attend(sweep, sent, jobs, secrets, clusters)
    return sent


def send_steps(chain: Chain, settings: Settings, *, following: bool = False) -> list[Submission]:
    """Submit the steps of pipelines, each behind those that it needs; wait for them where the settings say so.

    Parameters
    ----------
    settings : of any of the steps: what is the same for all of them.
    following : refused, as ``max_queued`` is.

    Raises
    ------
    UsageError, ClusterError, RefusedError
        If nothing was submitted.
    """
    refuse_following([link.settings for link in chain.links], following=following)
    chain.check()
    clusters, sweep = chain.clusters, chain.sweep
    if clusters.named(settings.cluster).run is not None:
        return chain.run(
            lambda link, jobs: send(
                sweep, jobs, link.settings, link.secrets, attempts=link.attempts, digests=link.digests,
                report=link.report, clusters=clusters,
            )
        )  # fmt: skip
    steps = {paths: head.step.name for link in chain.links for paths, head in link.jobs if head.step is not None}
    jobs = [paths for link in chain.links for paths, _ in link.jobs]

    def said(made: Submission) -> None:
        names = dict.fromkeys(steps.get(sweep.job(job.subdir), "") for job in made.jobs)
        number = f"{len(made.jobs)} job" + ("s" if len(made.jobs) > 1 else "")
        behind = f", after {made.after}" if made.after else ""
        title = clusters.named(made.cluster).title
        say(f"Submitted {number} ({', '.join(names)}) to {title} as {', '.join(made.arrays)}{behind}.", flush=True)

    sent = chain.send(said)
    say(f"  nemo-hydra status {shlex.quote(str(sweep.directory))}", flush=True)
    left = len(jobs) - sum(len(made.jobs) for made in sent)
    if left:
        why = f": {sent[-1].left}" if sent and sent[-1].left else ""
        say(f"{left} more steps were not sent{why}; send them later by the same command", file=sys.stderr, flush=True)
    if waited_for(settings, clusters):
        _attend(sweep, sent, jobs, {}, clusters)
    return sent


def _attend(
    sweep: SweepPaths,
    sent: Sequence[Submission],
    jobs: Sequence[JobPaths],
    secrets: Mapping[str, str],
    clusters: Clusters,
) -> None:
    """Wait for what was sent."""
    subdirs = {sweep.job(job.subdir).directory for made in sent for job in made.jobs}
    try:
        with Board([job for job in jobs if job.directory in subdirs]) as board:
            for made in sent:
                attend(sweep, made, board, secrets=secrets, look=board.look, clusters=clusters)
    except KeyboardInterrupt:  # the board is gone by now: somebody can be asked
        if clusters.named(sent[0].cluster).run is None:
            stopped_waiting(sweep, sent, clusters)
        raise


def _say_sent(sweep: SweepPaths, made: Submission, left: int, clusters: Clusters, *, following: bool) -> None:
    """Say what was sent, and what was not."""
    number = f"{len(made.jobs)} job" + ("s" if len(made.jobs) > 1 else "")
    say(f"Submitted {number} to {clusters.named(made.cluster).title} as {', '.join(made.arrays)} ({made.name}).")
    say(f"  nemo-hydra status {shlex.quote(str(sweep.directory))}", flush=True)
    if left and made.left:
        later = "send them later by the same command, or stay with --follow"
        later = "they are sent as there comes room (Ctrl-C stops that)" if following else later
        say(f"{left} more jobs were not sent: {made.left}; {later}", file=sys.stderr, flush=True)


def _say_waiting(why: str) -> None:
    say(f"Nothing was sent yet: {why}; waiting for room (Ctrl-C stops that)", file=sys.stderr, flush=True)


def waited_for(settings: Settings, clusters: Clusters = CLUSTERS) -> bool:
    """Whether jobs are waited for: because the settings say so, or because they run only as long as we do."""
    return settings.detach is False or clusters.named(settings.cluster).run is not None


def stopped_waiting(sweep: SweepPaths, sent: Sequence[Submission], clusters: Clusters = CLUSTERS) -> None:
    """Ask somebody at a terminal whether the jobs are to be cancelled; say how that is done otherwise."""
    where = shlex.quote(str(sweep.directory))
    arrays = [array for made in sent for array in made.arrays]
    names = ", ".join(arrays)
    if sys.stdin.isatty() and sys.stderr.isatty():
        try:
            answer = input(f"\nThe jobs go on ({names}). Cancel them? [y/N] ")
        except (EOFError, KeyboardInterrupt):
            answer = ""
        if answer.strip().lower() in ("y", "yes"):
            subdirs = [job.subdir for made in sent for job in made.jobs]
            say("\n".join(cancel.cancel(str(sweep.directory), subdirs=subdirs, clusters=clusters).lines))
            return
    by_hand = " ".join([clusters.named(sent[0].cluster).programs[1], *arrays])
    say(
        f"\nThe jobs go on: {names}. To see them: nemo-hydra status {where}. To cancel them: nemo-hydra cancel {where} "
        f"(or {by_hand})",
        file=sys.stderr,
        flush=True,
    )


def failed(jobs: Sequence[JobPaths]) -> list[JobPaths]:
    """Return the jobs that are not done."""
    return [job for job in jobs if states.read_status(job).state != states.DONE]


def heads(jobs: Sequence[JobPaths]) -> list[Head]:
    """Return what the jobs' files say before their recipes."""
    return [read_head(job) for job in jobs]


def verify(
    jobs: Sequence[JobPaths], allow: Sequence[str], heads: Sequence[Head], signed: Mapping[JobPaths, str] | None = None
) -> dict[JobPaths, str]:
    """Check that every recipe is the one that was frozen and names only what is allowed, before anything is sent.

    Parameters
    ----------
    heads : what the settings were made for: a file that was exchanged since is refused.
    signed : the digests of the files whose signatures were checked: likewise.

    Returns
    -------
    The digests of the files: what was checked, and nothing else, may run.

    Raises
    ------
    RefusedError, PolicyError
        Naming the jobs; nothing was submitted.
    """
    from nemo_partial_hydra.jobs.job_names import refused
    from nemo_partial_hydra.policy.policy import report
    from nemo_partial_hydra.runtime import session

    policy = session.workspace().policy
    digests = {}
    found: list[str] = []
    for paths, head in zip(jobs, heads, strict=True):
        job = read_job(paths, digest=head.digest or None)
        refuse_other(paths, job.digest, (signed or {}).get(paths))
        found += refused(job, policy, allow, file=paths.job)
        digests[paths] = job.digest
    report(found)
    return digests


def verify_image(found: Sequence[Head], settings: Settings) -> None:
    """Check that the image is the one that the jobs were frozen for, where they were frozen for that file.

    Raises
    ------
    RefusedError
        If its content is another one.
    """
    from nemo_partial_hydra.jobs.metadata import image_of

    image = settings.container.image
    frozen = {str(head.image["sha256"]) for head in found if head.image and head.image.get("path") == image}
    frozen.discard("None")
    if image is None or not frozen or not os.path.isfile(image):
        return
    if {image_of(image)["sha256"]} != frozen:
        raise RefusedError(
            f"{image}: the image was replaced after the jobs were frozen for it; freeze them again, or name it by "
            "another path if that is meant"
        )


def sweep_of(job: JobPaths, head: Head) -> SweepPaths:
    """Return the sweep of one job."""
    from nemo_partial_hydra.jobs.placeholders import sweep_of as directory_of

    if not isinstance(head.subdir, str):
        raise JobError(f"{job.job}: subdir is no text")
    return SweepPaths(directory_of(job.directory, head.subdir))


def within(jobs: Sequence[JobPaths], directory: str) -> bool:
    """Whether one of the jobs lies in a directory: a sweep cannot wait for itself."""
    root = sweep_paths(directory).directory
    return any(job.directory == root or root in job.directory.parents for job in jobs)
