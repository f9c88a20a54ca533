"""``nemo-hydra logs DIR [N] [-f]``: the output of a job."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from nemo_partial_hydra.messages import Shown

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "logs",
        help="the output of a job",
        description="Prints what a job has written, of its last attempt that has begun. The exit code is 2 if there is "
        "nothing, with the reason; with --follow that of the job: 0 if it is done, 1 if not.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, or of one job")
    parser.add_argument(
        "job", nargs="?", metavar="N", help="the number of the job, or a step of it (3/train); not needed if it is one"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job ends, also in further attempts"
    )
    parser.add_argument("--attempt", type=int, metavar="A", help="the output of an earlier attempt, from 1")
    parser.add_argument("--task", type=int, default=0, metavar="K", help="that of a further task of the job, from 1")
    parser.add_argument("--raw", action="store_true", help="the bytes as they are, control characters too")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--out", action="store_const", const=("out",), dest="kinds", help="standard output only")
    kinds.add_argument("--err", action="store_const", const=("err",), dest="kinds", help="standard error only")
    parser.set_defaults(command=run, kinds=("out", "err"))


def run(options: argparse.Namespace) -> int:
    """Print a job's output; return the exit code."""
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.jobs import status as states
    from nemo_partial_hydra.launchers import logs
    from nemo_partial_hydra.launchers.selection import picks
    from nemo_partial_hydra.launchers.status.look import Watch
    from nemo_partial_hydra.messages import one_of

    if options.follow and options.attempt is not None:
        raise UsageError("--follow goes on with the newest attempt; --attempt shows one that is named: choose one")
    watch = Watch(options.directory)
    if options.job is not None:
        watch.keep(picks([options.job]))
    if len(watch.jobs) > 1:
        names = [watch.heads[paths].title for paths in watch.jobs]
        raise UsageError(f"{options.directory}: there are {len(names)} jobs; name one: {one_of(names)}")
    number, kinds = watch.heads[watch.jobs[0]].title, options.kinds
    with _shown(raw=options.raw) as out:
        if options.follow:
            try:
                state = logs.Follower(watch, number, out, kinds, options.task).follow()
            except KeyboardInterrupt:
                return ExitCode.INTERRUPTED  # the job goes on as it did
            return ExitCode.DONE if state == states.DONE else ExitCode.FAILED
        (entry,) = watch.look().chosen([number])
        attempt = logs.attempt_of(entry, options.attempt, options.task)
        logs.show(entry.paths, attempt, out, kinds, options.task)
        return ExitCode.DONE


@contextlib.contextmanager
def _shown(*, raw: bool) -> Iterator[Any]:
    """Return where output is written as bytes: escaped, with its colours on a terminal, or as it is."""
    if raw:
        yield sys.stdout.buffer
        return
    out = Shown(sys.stdout, colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    try:
        yield out
    finally:
        out.end()
