"""``nemo-hydra cancel DIR [N...]``: end jobs that wait or run."""

from __future__ import annotations

import argparse
import sys

from nemo_partial_hydra.messages import say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "cancel",
        help="cancel jobs that wait or run",
        description="Cancels all jobs of DIR that wait or run, or those that are named: on SLURM by one scancel, on "
        "this machine by a signal. The exit code is 4 if SLURM cannot be told, 1 if a job goes on all the same.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, or of one job")
    parser.add_argument("jobs", nargs="*", metavar="3-7,9", help="numbers of jobs, or steps (3/train); all if none")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Cancel; return the exit code."""
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.launchers import cancel
    from nemo_partial_hydra.launchers.selection import picks

    done = cancel.cancel(options.directory, picks(options.jobs))
    say("\n".join(done.lines), file=sys.stderr if done.left else sys.stdout)
    return ExitCode.FAILED if done.left else ExitCode.DONE
