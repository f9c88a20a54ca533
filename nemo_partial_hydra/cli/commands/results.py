"""``nemo-hydra results DIR...``: what came of the jobs of sweeps, a row a job."""

from __future__ import annotations

import argparse
import sys

from nemo_partial_hydra.messages import json_text, say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "results",
        help="what came of the jobs of sweeps: their values and metrics, a row a job",
        description="Shows a row a job: how it ended, the values that differ between the jobs, by their shortest "
        "names, and its metrics: what it returned, Lightning's metrics.csv, and TensorBoard's event files where "
        "tensorboard is installed. States are what the jobs wrote themselves; nemo-hydra status asks the cluster too.",
    )
    parser.add_argument("directories", nargs="+", metavar="DIR", help="the directory of a sweep, or of one job")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="print CSV")
    shape.add_argument("--json", action="store_true", help="print JSON, a list of records")
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--best", metavar="METRIC", help="of what was logged step by step, the step that is best by this "
                      "metric (default: the last step of each); the best jobs come first")  # fmt: skip
    step.add_argument("--last", action="store_true", help="the last step of each metric, as without it")
    best = parser.add_mutually_exclusive_group()
    best.add_argument("--min", action="store_true", help="best is the smallest, as without it")
    best.add_argument("--max", action="store_true", help="best is the largest")
    parser.add_argument("--sort", metavar="COLUMN", help="in the order of a column, the smallest first")
    parser.add_argument("--reverse", action="store_true", help="with --sort: the largest first")
    parser.add_argument("--columns", metavar="A,B", help="only these columns, in this order")
    parser.add_argument("--top", type=int, metavar="N", help="only the first N jobs")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print the results; exit code 0 also where jobs failed, which ``status`` tells."""
    from nemo_partial_hydra.analysis import formats
    from nemo_partial_hydra.analysis.metrics import Choice
    from nemo_partial_hydra.analysis.records import known_columns, ordered, read, top
    from nemo_partial_hydra.errors import ExitCode, UsageError

    if (options.min or options.max) and options.best is None:
        raise UsageError("--min and --max say what is best: with --best METRIC")
    if options.reverse and options.sort is None:
        raise UsageError("--reverse: with --sort COLUMN")
    if options.top is not None and options.top < 1:
        raise UsageError(f"--top: at least 1, not {options.top}")
    found = read(options.directories, Choice(options.best, options.max))
    if options.sort is not None:
        found = ordered(found, options.sort, largest=options.reverse)
    columns = known_columns(found, options.columns.split(",")) if options.columns else found.columns
    found = top(found, options.top)
    for note in found.notes:
        say(note, file=sys.stderr)
    if options.json:
        say(json_text(formats.records(found, columns), 1))
    elif options.csv:
        say(formats.csv_text(found, columns), end="")
    else:
        say("\n".join([*formats.table(found, columns), "", formats.summary(found)]))
    return ExitCode.DONE
