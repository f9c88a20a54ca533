"""``--cfg-paths=browse``: how the explorer composes an app's command line anew, and how a user would type it.

May import: Hydra, when something is composed. It is the way of ``--cfg-paths``: the same words, with other overrides.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.explorer.edits import is_sweep
from nemo_partial_hydra.explorer.model import Composed
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.runtime.session import Session

from .command_line import CommandLine, Flag
from .hydra_arguments import for_hydra
from .known_flags import (
    CONFIG_DIR,
    DEPTH,
    END,
    FILTER,
    LIBRARY,
    LISTING,
    MULTIRUN,
    PACKAGE,
    RUN,
    SEARCH,
    SET_ONLY,
    named,
)
from .spellings import Compose, retried

_NOT_TYPED = frozenset((LISTING, PACKAGE, FILTER, SEARCH, SET_ONLY, DEPTH, END))


class Browsed:
    """An app's command line with other overrides than those it was given.

    Parameters
    ----------
    given : the command line as it was typed.
    app : the running app, which has its libraries and config directories already.
    composed : composes a command line as the app does.
    refusals : has what the policy refuses told as a whole, around a composition.
    package : the node that is asked for.
    """

    def __init__(
        self,
        given: CommandLine,
        app: Session,
        composed: Compose,
        refusals: Callable[[Callable[[], Any]], AbstractContextManager[None]],
        package: str | None,
    ) -> None:
        self.given, self.app, self.composed = given, app, composed
        self.refusals, self.package = refusals, package

    def line(self, overrides: Sequence[str]) -> CommandLine:
        """Return the command line with these overrides; a sweep if one of them has several values."""
        flags = [flag for flag in self.given.flags if flag.name not in _NOT_TYPED]
        line = CommandLine((*flags, *overrides))
        if line.multirun or not any(map(is_sweep, overrides)):
            return line
        flags = [flag for flag in flags if flag.name != RUN]
        return CommandLine((*flags, Flag(MULTIRUN, None, ("-m",)), *overrides))

    def words(self, overrides: Sequence[str]) -> list[str]:
        """Return the command that a user types for these overrides: without what asks for the explorer."""
        line = self.line(overrides)
        words = [word for flag in line.flags for word in flag.words]
        ends = [END] if any(named(text) for text in overrides) else []
        return [*program(sys.argv, sys.orig_argv), *words, *ends, *overrides]

    def compose(self, overrides: Sequence[str]) -> Composed:
        """Compose the command line with these overrides.

        Raises
        ------
        Exception
            What ``--cfg-paths`` with them would end with.
        """
        found: list[Composed] = []

        def look(line: CommandLine) -> None:
            from nemo_partial_hydra.composition.compose import sweeps

            with self.composed(line) as config:
                found.append(self._looked_at(config, multirun=line.multirun or sweeps(config)))

        from nemo_partial_hydra.composition.fixed_overrides import LeftToJobs

        self.app.workspace.of(LeftToJobs).forget()
        # The directories that flags name are the app's since it started.
        line = for_hydra(self.line(overrides).without(LIBRARY, CONFIG_DIR), self.app)
        with self.refusals(lambda: self.composed(line)):
            retried(line, self.composed, look)
        return found[-1]

    def _looked_at(self, config: Any, *, multirun: bool) -> Composed:
        from nemo_partial_hydra.listing.callback import CfgPaths
        from nemo_partial_hydra.listing.formats import BROWSE

        listing = CfgPaths(BROWSE, self.package)
        lines = listing.job_lines(config) if multirun else []
        if multirun and not lines:  # it would run nothing, and say so nowhere
            raise UsageError("a sweep without a job: a glob that no option matches, or a range without a number")
        jobs = list(with_each_value(lines))
        # Who set what is known of the config that was composed last, so the first is listed before there is another.
        records = listing.listed(listing.job_config(config, *jobs[0]) if jobs else config).found
        for job in jobs[1:]:
            listing.job_config(config, *job)
        unreadable = (
            f"the parameters of {target} are not listed: {why}" for target, why in self.app.unreadable.items()
        )
        refused = (f"a run would be refused: {text}" for text in listing.drift)
        return Composed(records, len(lines), (*refused, *unreadable), recipe=TARGET in config)


def with_each_value(jobs: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield jobs of a sweep, with their numbers, until each of its values was in one: the first, and few others.

    A sweep may have more jobs than anybody waits for; a value that is wrong is so in each job that has it.
    """
    seen: set[str] = set()
    for number, job in enumerate(jobs):
        if not number or not seen.issuperset(job):
            seen.update(job)
            yield number, job


def program(arguments: Sequence[str], typed: Sequence[str]) -> list[str]:
    """Return how this app was called, without its arguments.

    Parameters
    ----------
    arguments : of the app, itself first: ``sys.argv``.
    typed : those of the interpreter: ``sys.orig_argv``.
    """
    own = list(arguments[1:])
    before = list(typed[: len(typed) - len(own)])
    if list(typed[len(before) :]) != own or not before:
        return ["python", arguments[0]]
    script = before[-1]
    if len(before) == 2 and not script.endswith(".py"):  # a command that was installed: its first line names Python
        name = os.path.basename(script)
        return [name if shutil.which(name) == script else script]
    return before
