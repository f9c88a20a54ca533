"""``nemo-hydra submit DIR hydra/launcher=...``: send frozen jobs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nemo_partial_hydra.cli import signers

from . import Commands

if TYPE_CHECKING:
    from nemo_partial_hydra.errors import RecipeError
    from nemo_partial_hydra.jobs.heads import Head
    from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
    from nemo_partial_hydra.launchers.plans import Jobs, Plan
    from nemo_partial_hydra.launchers.records import Submission


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "submit",
        parents=[shared],
        help="send frozen jobs to SLURM, or run them on this machine",
        description="Sends the jobs of DIR that were never submitted. The exit code is 4 if the cluster cannot do what "
        "is asked, 2 if a setting is wrong, 3 if there is nothing to submit, 1 if a job failed that was waited for.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, or of one job")
    parser.add_argument(
        "words", nargs="*", metavar="3-7,9 | key=value",
        help="numbers of jobs, by default all; hydra/launcher=submitit_apptainer, hydra.launcher.*=...",
    )  # fmt: skip
    parser.add_argument("--after", metavar="DIR2", help="start only when all jobs of DIR2 are done")
    parser.add_argument("--dry-run", action="store_true", help="print the batch script and the commands, send nothing")
    parser.add_argument(
        "--to", metavar="MYDIR", help="submit copies, which become a sweep of your own there; DIR is only read"
    )
    parser.add_argument(
        "--follow", action="store_true",
        help="stay until all are sent, as there comes room, where the cluster takes only so many at once",
    )  # fmt: skip
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a config directory with launchers of your own")
    signers.add_option(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Submit; return the exit code."""
    from nemo_partial_hydra.errors import ExitCode, RecipeError, UsageError
    from nemo_partial_hydra.jobs import copies
    from nemo_partial_hydra.jobs.layout import sweep_paths
    from nemo_partial_hydra.jobs.ownership import Trust
    from nemo_partial_hydra.jobs.signing import signed
    from nemo_partial_hydra.launchers import adoption, code, send
    from nemo_partial_hydra.launchers.arguments import composed, split_words
    from nemo_partial_hydra.launchers.plans import plans, say_dry, steps_of

    numbers, words = split_words(options.words)
    jobs = send.chosen(options.directory, numbers)
    with signers.chosen(options, options.directory) as accepted:
        vouched = signed(jobs, accepted, options.directory)  # first: what nobody has signed is not looked into
    found = send.heads(jobs)
    sources, directory = jobs, options.directory
    if options.to is not None:
        jobs, directory = copies.planned(sources, options.directory, options.to), os.path.realpath(options.to)
    one = len(jobs) == 1 and jobs[0].directory == sweep_paths(directory).directory
    sweep = send.sweep_of(jobs[0], found[0]) if one else sweep_paths(directory)
    config, cluster = composed(words, sweep, found[0].name, options.config_dir)
    image = (config.get("apptainer") or {}).get("image") is not None
    trusted = code.of_jobs(sources, found, Trust.of(options.trust_code), image=image)
    steps = steps_of(found)
    made = plans(config, steps, cluster.name, lambda settings: settings, **trusted, allow=options.allow)
    if options.after and send.within(jobs, options.after):
        raise UsageError(f"--after {options.after}: these are the jobs that are submitted: none can wait for itself")
    needs = cluster.dependency(options.after, made[0].settings) if options.after else None
    # All of it before a copy is made: one that nobody may run would stand in the way of its successor.
    if options.to is None and not options.dry_run:
        adoption.settle_and_say(sweep)
    fresh = jobs if options.to is not None or options.dry_run else send.ready(jobs)
    known = {copy: (job, head) for copy, job, head in zip(jobs, sources, found, strict=True)}
    digests, problem = _checked({copy: known[copy] for copy in fresh}, options.allow, vouched)
    whole = list(zip(jobs, found, strict=True))
    try:
        for plan in made:
            send.verify_image([head for _, head in plan.of(whole)], plan.settings)
    except RecipeError as error:
        problem = problem or error
    if options.dry_run or config.get("dry_run"):
        if problem is not None:
            raise problem
        say_dry(sweep, whole, made, needs)
        return ExitCode.DONE
    _look(made, sweep, needs, problem, at_once=options.to is not None or bool(steps))
    if options.to is not None:
        copies.copy(sources, jobs, options.directory, [digests[job] for job in jobs])
        fresh = send.ready(jobs)
    wanted = set(fresh)
    chosen = [(paths, head) for paths, head in whole if paths in wanted]
    sent = _sent(sweep, chosen, made, digests, needs, following=options.follow)
    if sent and sent[-1].left:
        return ExitCode.CLUSTER
    return ExitCode.FAILED if send.waited_for(made[0].settings) and send.failed(fresh) else ExitCode.DONE


def _look(
    made: Sequence[Plan], sweep: SweepPaths, needs: str | None, problem: RecipeError | None, *, at_once: bool
) -> None:
    """Look for what would go wrong, and with it for what is wrong with the jobs; ``at_once`` raises it here."""
    from nemo_partial_hydra.launchers.plans import look

    look(made, sweep, needs)
    for plan in made:
        if plan.report is not None:
            plan.report.recipe = problem
            if at_once:
                plan.report.check()


def _sent(
    sweep: SweepPaths,
    jobs: Jobs,
    made: Sequence[Plan],
    digests: Mapping[JobPaths, str],
    needs: str | None,
    *,
    following: bool,
) -> list[Submission]:
    """Send jobs, steps of pipelines one behind the other."""
    from nemo_partial_hydra.launchers import send
    from nemo_partial_hydra.launchers.chain import Chain

    plan = made[0]
    if plan.name:
        links = [each.chained(jobs, digests) for each in made]
        return send.send_steps(Chain(sweep, links, needs), plan.settings, following=following)
    return send.send(
        sweep, [paths for paths, _ in jobs], plan.settings, plan.secrets, digests=digests, after=needs,
        report=plan.report, following=following,
    )  # fmt: skip


def _checked(
    jobs: Mapping[JobPaths, tuple[JobPaths, Head]], allow: Sequence[str], vouched: Mapping[JobPaths, str] | None
) -> tuple[dict[JobPaths, str], RecipeError | None]:
    """Return the digests of jobs' files, by the jobs that they are or become; or what is wrong with them."""
    from nemo_partial_hydra.errors import RecipeError
    from nemo_partial_hydra.launchers import send

    try:
        of = send.verify([job for job, _ in jobs.values()], allow, [head for _, head in jobs.values()], vouched)
    except RecipeError as error:
        return {}, error
    return {made: of[job] for made, (job, _) in jobs.items()}, None
