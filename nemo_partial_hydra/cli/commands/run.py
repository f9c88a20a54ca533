"""``nemo-hydra run DIR``: run a frozen job, or all jobs of a sweep that are not done, on this machine."""

from __future__ import annotations

import argparse

from nemo_partial_hydra.cli import signers

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "run",
        parents=[shared],
        help="run frozen jobs on this machine",
        description="Runs the job of a job's directory, or one after the other those of a sweep's that are not done. "
        "Exit code 1 if one failed, 3 if one was refused.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a job or of a sweep")
    parser.add_argument("--force", action="store_true", help="run jobs that are done once more")
    signers.add_option(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the jobs; return the exit code."""
    from nemo_partial_hydra.jobs.ownership import Trust
    from nemo_partial_hydra.jobs.run_here import run_here

    trust = Trust.of(options.trust_code)
    with signers.chosen(options, options.directory) as found:
        return run_here(options.directory, allow=options.allow, force=options.force, trust=trust, signers=found)
