"""``nemo-hydra status DIR``: how the jobs of a sweep go."""

from __future__ import annotations

import argparse
import os
import sys

from nemo_partial_hydra.messages import json_text, say

from . import Commands

INTERVAL = 5.0


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "status",
        help="how the jobs of a sweep go",
        description="Shows each job's state from what it wrote itself and from one squeue and one sacct call for all. "
        "The exit code is 1 if a job failed, was lost, timed out or was cancelled, and 4 if the cluster could not be "
        "asked and a state depends on it.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, or of one job")
    parser.add_argument("jobs", nargs="*", metavar="3-7,9", help="numbers of jobs, or steps (3/train); all if none")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--watch", action="store_true", help="show it until no job is in a queue or runs")
    parser.add_argument(
        "--interval", type=float, default=INTERVAL, metavar="SECONDS", help=f"how often --watch looks ({INTERVAL:g})"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Show how the jobs go; return the exit code."""
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.jobs import status as states
    from nemo_partial_hydra.launchers.selection import picks
    from nemo_partial_hydra.launchers.status import entries, live, look, pipelines, table

    if options.watch and options.json:
        raise UsageError("--watch and --json: choose one; a script may call status --json as often as it likes")
    if options.interval < 1:
        raise UsageError(f"--interval: at least 1 second, not {options.interval:g}: SLURM is asked each time")
    jobs = look.Watch(options.directory, picks(options.jobs))
    if options.watch:
        try:
            found = live.watch(jobs, options.interval)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED  # the jobs go on as they did
    else:
        found = jobs.look()
    if options.json:
        runs = pipelines.records(pipelines.runs_of(found))
        say(json_text({**entries.records(found), **({"pipelines": runs} if runs else {})}, 1))
    elif not options.watch:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(table.lines(found, colour=colour)))  # all in it is escaped, and the colours are ours
    else:
        say(table.summary(found))
    if found.unsure or any(entry.state == states.UNKNOWN for entry in found.entries):
        return ExitCode.CLUSTER
    return ExitCode.FAILED if entries.failures(found.entries) else ExitCode.DONE
