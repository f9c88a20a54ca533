"""``nemo-hydra retry DIR [N...]``: try again what failed, was lost, timed out or was cancelled."""

from __future__ import annotations

import argparse

from nemo_partial_hydra.cli import signers
from nemo_partial_hydra.messages import say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "retry",
        parents=[shared],
        help="try again jobs that failed, were lost, timed out or were cancelled",
        description="Sends such jobs of DIR again, each as its next attempt, with the settings they were sent with; "
        "the logs of earlier attempts stay. The exit code is 3 if a job may not be tried again, 4 if the cluster "
        "cannot do it, 2 if a setting is wrong, 1 if a job failed that was waited for.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, or of one job")
    parser.add_argument(
        "words", nargs="*", metavar="3-7,9 | key=value", help="numbers of jobs; hydra.launcher.*=... to change settings"
    )
    parser.add_argument(
        "--force", action="store_true",
        help="also where the image or job.yaml was replaced since; with N, also where nobody knows how the job ended",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print the batch script and the commands, send nothing")
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a config directory with launchers of your own")
    signers.add_option(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Send the jobs again; return the exit code."""
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.jobs.ownership import Trust
    from nemo_partial_hydra.launchers import arguments, dry_run, retry, send

    numbers, settings = arguments.split_words(options.words)
    with signers.chosen(options, options.directory) as accepted:
        found = retry.prepare(
            options.directory, numbers, settings, allow=options.allow, force=options.force,
            config_dir=options.config_dir, trust=Trust.of(options.trust_code), signers=accepted,
        )  # fmt: skip
    if options.dry_run:
        for group in found.groups:
            lines = [entry.head.overrides for entry in group.entries]
            shown = dry_run.text(found.sweep, group.jobs, group.settings, overrides=lines, attempts=group.attempts)
            say(shown)
        return ExitCode.DONE
    waited, whole = retry.send(found)
    if not whole:
        return ExitCode.CLUSTER
    return ExitCode.FAILED if send.failed(waited) else ExitCode.DONE
