"""The steps before a job that is one: how they went, and what they gave.

May import: the standard library and PyYAML (through ``job``). Of another step its own files are read, ``job.yaml``,
``status.json`` and ``result.json``, below the sweep and through no link; all are data, and bounded.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.dialect.step_references import StepReference, filled, references, whole
from nemo_partial_hydra.errors import JobError, RefusedError, ValidationError
from nemo_partial_hydra.recipes.data import Kept, KeptSeq
from nemo_partial_hydra.recipes.keys import MISSING

from . import files
from .job import read_head
from .layout import JobPaths
from .placeholders import sweep_of
from .status import DONE, FROZEN, RUNNING, SUBMITTED, read_status
from .step import ANY, Step

MAX_NODES, MAX_DEPTH, MAX_CHARACTERS = 150_000, 100, 16 * 1024 * 1024
"""How large results may be, and how deep: a recipe that takes one goes some levels deeper."""
SEEN_S = 60.0
"""So long after it was written a file of another host may not be seen: NFS keeps what it knows for a minute."""


def lets_begin(state: str, after: str) -> bool:
    """Whether a step may begin that needs one in this state: it is done, or where any end will do it has ended."""
    return state == DONE or (after == ANY and state not in (FROZEN, SUBMITTED, RUNNING))


class NotReady(RefusedError):
    """A step that cannot run: one that it waits for is not done."""


@dataclass(frozen=True)
class StepsBefore:
    """The steps before one, as they went."""

    paths: JobPaths
    subdir: str
    step: Step
    known: dict[str, Any] = field(default_factory=dict, compare=False)
    taken: list[int] = field(default_factory=list, compare=False)

    def job(self, name: str) -> JobPaths:
        """Return the files of another step's job.

        Raises
        ------
        JobError
            If the file does not say where it is.
        """
        if name not in {**self.step.needs, **self.step.reads}:
            raise JobError(f"{self.paths.job}: it names step '{name}' and does not say where that is")
        sweep = sweep_of(self.paths.directory, self.subdir)
        return JobPaths(Path(os.path.normpath(sweep / self.step.place(self.subdir, name))), sweep)

    def refuse_unready(self, seconds: float = 0.0) -> None:
        """Refuse to run where a step is not done that this one needs.

        Parameters
        ----------
        seconds : so long a step that has not ended, as far as is seen here, is waited for: a cluster has said that it
            has.

        Raises
        ------
        NotReady
            Naming the steps, and how they are.
        """
        end = time.monotonic() + seconds
        while True:
            found = {name: read_status(self.job(name)).state for name in self.step.needs}
            bad = {name: state for name, state in found.items() if not lets_begin(state, self.step.after)}
            if seconds and self.step.after == ANY:
                return  # the cluster knows better what has ended
            if not {FROZEN, SUBMITTED, RUNNING} & {*bad.values()} or time.monotonic() > end:
                break
            time.sleep(0.5)
        if bad:
            said = ", ".join(f"{name}, which is {state}" for name, state in bad.items())
            raise NotReady(f"{self.paths.directory}: step {self.step.name} needs {said}")

    def _refuse_other_sweep(self, name: str) -> None:
        """Refuse what is no job of this one's sweep by its own word: how long ``subdir`` is, this job's file says.

        Raises
        ------
        JobError
            If it is none.
        """
        paths = self.job(name)
        head = read_head(paths)
        if paths.sweep != sweep_of(paths.directory, head.subdir):
            raise JobError(f"{self.paths.job}: {name}: {paths.directory} is a job of another sweep")

    def put_in(self, text: str) -> Any:
        """Return a text of the dialect with what its references to steps stand for: plain data in the dialect.

        Raises
        ------
        JobError
            If a step has no result.
        """
        one = whole(text)
        if one is not None and not one.directory:
            return dialect_data(self.result(one.step))
        if not any(references(text)):
            return text
        return filled(text, self._directory)

    def result(self, name: str) -> Any:
        """Return what a step returned."""
        paths = self.job(name)
        if name in self.known:
            self._spend(paths, self.known[name])
            return self.known[name]
        self._refuse_other_sweep(name)
        end = time.monotonic() + SEEN_S
        while True:
            state = read_status(paths).state
            try:
                data = json.loads(files.read_text(paths.root, paths.result, MAX_CHARACTERS))
                break
            except FileNotFoundError:
                if state != DONE or time.monotonic() > end:
                    raise JobError(f"{paths.directory}: step {name} is {state} and has no result") from None
                time.sleep(0.5)
            except (OSError, ValueError, RecursionError) as error:
                raise JobError(f"{paths.result}: cannot be read: {error}") from None
        if state != DONE:
            raise JobError(f"{paths.directory}: step {name} is {state}: what is there is no result of it")
        if not isinstance(data, dict) or "result" not in data:
            raise JobError(f"{paths.result}: what step {name} returned is no JSON")
        self._spend(paths, data["result"])
        self.known[name] = data["result"]
        return data["result"]

    def _spend(self, paths: JobPaths, result: Any) -> None:
        """Refuse results that are larger or deeper than a recipe can be, all that one job takes together."""
        level = [result]
        for _ in range(MAX_DEPTH):
            texts = sum(len(each) for each in level if isinstance(each, str))
            self.taken.append(len(level) + texts // (MAX_CHARACTERS // MAX_NODES))
            if sum(self.taken) > MAX_NODES:
                raise JobError(
                    f"{paths.result}: results of more than {MAX_NODES} values, or {MAX_CHARACTERS} characters: hand "
                    "files on instead"
                )
            held = (
                each.values() if isinstance(each, dict) else each for each in level if isinstance(each, (dict, list))
            )
            level = [*itertools.islice(itertools.chain.from_iterable(held), MAX_NODES + 1)]
            if not level:
                return
        raise JobError(f"{paths.result}: nested more than {MAX_DEPTH} levels deep")

    def _directory(self, found: StepReference) -> str:
        if not found.directory:
            raise ValidationError(f"{found.text} is a result and no text: within a text only its directory may stand")
        return str(self.job(found.step).directory)


def dialect_data(value: Any) -> Any:
    """Return JSON as plain data in the dialect that means just that: no text of it names or refers to anything."""
    if isinstance(value, str):
        return Kept(value) if value == MISSING else escape_interpolation(value)
    if isinstance(value, list):
        return KeptSeq("list", [dialect_data(item) for item in value])
    if isinstance(value, dict):
        return KeptSeq("dict", {key: dialect_data(item) for key, item in value.items()})
    return value
