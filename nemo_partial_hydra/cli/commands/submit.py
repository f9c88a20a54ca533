"""``nemo-hydra submit DIR hydra/launcher=...``: send frozen jobs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nemo_partial_hydra.cli import signers
from nemo_partial_hydra.messages import say

from . import Commands

if TYPE_CHECKING:
    from nemo_partial_hydra.errors import RecipeError
    from nemo_partial_hydra.jobs.job import Head
    from nemo_partial_hydra.jobs.layout import JobPaths


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
    from nemo_partial_hydra.launchers import adoption, code, dry_run, send, submit
    from nemo_partial_hydra.launchers.arguments import composed, split_words
    from nemo_partial_hydra.launchers.settings import from_config

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
    settings, secrets = from_config(config, cluster.name, **trusted, allow=options.allow)
    if options.after and send.within(jobs, options.after):
        raise UsageError(f"--after {options.after}: these are the jobs that are submitted: none can wait for itself")
    needs = cluster.dependency(options.after, settings) if options.after else None
    # All of it before a copy is made: one that nobody may run would stand in the way of its successor.
    if options.to is None and not options.dry_run:
        adoption.settle_and_say(sweep)
    fresh = jobs if options.to is not None or options.dry_run else send.ready(jobs)
    known = {made: (job, head) for made, job, head in zip(jobs, sources, found, strict=True)}
    digests, problem = _checked({made: known[made] for made in fresh}, options.allow, vouched)
    try:
        send.verify_image(found, settings)
    except RecipeError as error:
        problem = problem or error
    if options.dry_run or config.get("dry_run"):
        if problem is not None:
            raise problem
        say(dry_run.text(sweep, jobs, settings, overrides=[head.overrides for head in found], after=needs))
        return ExitCode.DONE
    report = submit.check(sweep, settings, needs)
    report.recipe = problem
    if options.to is not None:
        report.check()
        copies.copy(sources, jobs, options.directory, [digests[job] for job in jobs])
        fresh = send.ready(jobs)
    sent = send.send(
        sweep, fresh, settings, secrets, digests=digests, after=needs, report=report, following=options.follow
    )
    if sent[-1].left:
        return ExitCode.CLUSTER
    return ExitCode.FAILED if send.waited_for(settings) and send.failed(fresh) else ExitCode.DONE


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
