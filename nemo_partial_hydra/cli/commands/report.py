"""``nemo-hydra report DIR``: a sweep as one HTML page."""

from __future__ import annotations

import argparse
import os
import time

from nemo_partial_hydra.messages import say

from . import Commands

INTERVAL = 30


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "report",
        help="a sweep as one HTML page: its jobs, their times, values and metrics",
        description="Writes one page that needs nothing else, no network and no server: how the jobs went, each metric "
        "against each value, when jobs waited and ran, a table to sort and search, and each job with its log, its "
        "recipe and how to run it again. The cluster is asked as by nemo-hydra status.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, or of one job")
    parser.add_argument("--out", "-o", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--watch", action="store_true", help="write it anew until no job is in a queue or runs")
    parser.add_argument(
        "--interval", type=int, default=INTERVAL, metavar="SECONDS", help=f"how often --watch does ({INTERVAL})"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Write the page."""
    from nemo_partial_hydra.analysis.metrics import Choice
    from nemo_partial_hydra.analysis.records import read
    from nemo_partial_hydra.analysis.report import report
    from nemo_partial_hydra.atomic import replace_file
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.launchers.status.look import Watch

    if options.interval < 1:
        raise UsageError(f"--interval: at least 1 second, not {options.interval}")
    out = options.out or os.path.join(options.directory, "report.html")
    jobs = Watch(options.directory)
    while True:
        overview = jobs.look()
        goes_on = options.watch and not overview.over
        found = read([options.directory], Choice())
        page = "".join(report(overview, found, refresh=options.interval if goes_on else None))
        try:
            replace_file(out, page.encode())
        except OSError as error:
            raise UsageError(f"{out}: {error.strerror or error}") from None
        if not goes_on:
            break
        time.sleep(options.interval)
    for note in found.notes:
        say(note)
    number = len(overview.entries)
    say(f"{out}: {number:,} job{'' if number == 1 else 's'}, {len(page.encode()) / 1e6:.2f} MB")
    return ExitCode.DONE
