"""How the explorer starts and ends: where there is a terminal and textual, with what is on it before left as it was.

May import: textual, when it starts. It is drawn on standard error, as far as the terminal is concerned: standard output
has the command line and nothing else, so that ``$(...)`` takes it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.listing.formats import BROWSE
from nemo_partial_hydra.listing.selection import Selection
from nemo_partial_hydra.messages import installs, say

from .model import CommandLine, Composed, Model

_OTHERS = "use --cfg-paths, or --cfg-paths=tree, whose lines are plain"


def refuse_elsewhere() -> None:
    """Refuse to start where it cannot.

    Raises
    ------
    UsageError
        Without textual, or where no terminal is, or one that can only print.
    """
    if importlib.util.find_spec("textual") is None:
        raise UsageError(f"--cfg-paths={BROWSE}: textual is not installed{installs('textual')}")
    if not all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stderr__)):
        raise UsageError(f"--cfg-paths={BROWSE}: there is no terminal, it takes keys and draws on one; {_OTHERS}")
    kind = os.environ.get("TERM", "")
    if kind in ("", "dumb"):
        raise UsageError(f"--cfg-paths={BROWSE}: this terminal can only print (TERM={kind}); {_OTHERS}")


def plain(environment: Mapping[str, str]) -> bool:
    """Whether nothing but text is to be drawn, as ``NO_COLOR`` asks for: no colours, no lines, no mouse."""
    return bool(environment.get("NO_COLOR"))


def explore(line: CommandLine, composed: Composed, wanted: Selection) -> None:
    """Run the explorer until it is left, and print the command line that it leaves.

    Parameters
    ----------
    line : the command line, how it is composed and spelled.
    composed : what came of composing it as it is.
    wanted : what is shown at first: filter, search, what is set, how many levels.

    Raises
    ------
    SystemExit
        If it was left in another way: interrupted, or by an error of its own.
    """
    try:
        from .screen import Explorer
    except ImportError as error:
        raise UsageError(f"--cfg-paths={BROWSE}: textual cannot be used: {error}{installs('textual')}") from error
    quiet = plain(os.environ)
    app = Explorer(Model(line, composed, wanted), plain=quiet, levels=wanted.levels)
    with _on_terminal(), _collected():
        command = app.run(mouse=not quiet)
    if app.return_code:
        raise SystemExit(app.return_code)
    if command is not None:
        say(command)


@contextlib.contextmanager
def _on_terminal() -> Iterator[None]:
    """Have what asks standard output for its size, or writes there, find the terminal: a pipe gets nothing of it."""
    sys.stdout.flush()
    environment = dict(os.environ)
    for name in ("COLUMNS", "LINES"):  # of a shell: they are not told when the terminal changes
        os.environ.pop(name, None)
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)
        os.environ.update(environment)


@contextlib.contextmanager
def _collected() -> Iterator[None]:
    """Collect garbage again, which an app that only answers once need not: each composition leaves some."""
    collects = gc.isenabled()
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        if not collects:
            gc.disable()
