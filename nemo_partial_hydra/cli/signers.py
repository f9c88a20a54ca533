"""The option ``--signers`` of the commands that run what others have signed."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nemo_partial_hydra.jobs.signers import Signers

VARIABLE = "NPH_SIGNERS"


def add_option(parser: argparse.ArgumentParser, what: str = "run only jobs") -> None:
    """Add the option to a command."""
    parser.add_argument(
        "--signers", metavar="FILE", help=f"{what} that one of these has signed: OpenSSH's allowed signers "
        f"(default: {VARIABLE} of the environment; without either nobody need sign)",
    )  # fmt: skip


@contextlib.contextmanager
def chosen(options: argparse.Namespace, *directories: str) -> Iterator[Signers | None]:
    """Read the signers that the command line names, or else the environment; None if neither does.

    Parameters
    ----------
    directories : what they are asked about. The file may not lie there: who writes there would choose the signers.

    Raises
    ------
    UsageError
        If the name is empty, as that of a variable that is not set is, or the file is no file of signers.
    """
    from nemo_partial_hydra.errors import UsageError

    file, named = options.signers, "--signers"
    if file is None:
        file, named = os.environ.get(VARIABLE), VARIABLE
    if file is None:
        yield None
        return
    if not file:
        raise UsageError(f"{named}: is empty; name a file of signers, or leave it out (unset {VARIABLE})")
    real = os.path.realpath(os.path.expanduser(file))
    for directory in map(os.path.realpath, directories):
        if os.path.commonpath([directory, real]) == directory:
            raise UsageError(
                f"{named} {file}: lies in {directory}, of which it is to say who may have signed it; keep a file of "
                "your own elsewhere"
            )
    from nemo_partial_hydra.jobs.signers import signers

    with signers(file, named) as found:
        yield found
