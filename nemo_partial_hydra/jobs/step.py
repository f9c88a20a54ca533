"""A job that is one step of a pipeline: what it waits for, and what the steps before it gave.

May import: the standard library only. Of another step its own files are read, ``status.json`` and ``result.json``,
below the sweep and through no link; both are data.
"""

from __future__ import annotations

import json
import os
import posixpath
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.dialect.step_references import NAME, StepReference, filled, references, whole
from nemo_partial_hydra.errors import JobError, RefusedError, ValidationError
from nemo_partial_hydra.recipes.data import Kept, KeptSeq
from nemo_partial_hydra.recipes.keys import MISSING

from . import files
from .layout import JobPaths
from .placeholders import sweep_of
from .status import DONE, FROZEN, RUNNING, SUBMITTED, read_status

OK, ANY = "ok", "any"
"""What a step waits for: that those before it are done, or that they have ended somehow."""
SEEN_S = 60.0
"""So long after it was written a file of another host may not be seen: NFS keeps what it knows for a minute."""


@dataclass(frozen=True)
class Step:
    """Which step of a pipeline a job is.

    Attributes
    ----------
    name : str
        The step's name.
    number : int
        Its place in an order in which the steps can run, from 0.
    needs : mapping of str to str
        The steps that it waits for, and where their jobs are, relative to its own directory. Steps that do not depend
        on what is swept are shared, so it may be in the directory of another job of the sweep.
    reads : mapping of str to str
        The same of the steps whose result or directory its recipe names.
    after : str
        ``ok`` or ``any``.
    wanted_by : list of str
        The steps that take what this one returns, which is JSON then.
    """

    name: str
    number: int = 0
    needs: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    after: str = OK
    wanted_by: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return it as it stands in job.yaml."""
        return {**vars(self), "needs": dict(self.needs), "reads": dict(self.reads), "wanted_by": list(self.wanted_by)}

    def place(self, subdir: str, name: str) -> str:
        """Return where another step's job is below the sweep, of a job at ``subdir``."""
        return posixpath.normpath(posixpath.join(subdir, {**self.reads, **self.needs}[name]))


_KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str,), "number": (int,), "needs": (dict,), "reads": (dict,), "after": (str,), "wanted_by": (list,),
}  # fmt: skip


def read_step(data: Any, subdir: str) -> Step:
    """Read what job.yaml says of a step.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    if not isinstance(data, dict):
        raise ValueError("expected a mapping")
    for name, kinds in _KINDS.items():
        if type(data.get(name)) not in kinds:
            raise ValueError(f"{name}: expected {kinds[0].__name__}, got {data.get(name)!r}")
    if data["after"] not in (OK, ANY):
        raise ValueError(f"after: expected {OK} or {ANY}, got {data['after']!r}")
    if not NAME.fullmatch(data["name"]) or not all(isinstance(each, str) for each in data["wanted_by"]):
        raise ValueError("names of steps are words")
    for other, place in (*data["needs"].items(), *data["reads"].items()):
        if not isinstance(other, str) or not NAME.fullmatch(other) or not isinstance(place, str) or "\0" in place:
            raise ValueError(f"'{other}': expected the place of a job")
        there = posixpath.normpath(posixpath.join(subdir, place))
        if there.split("/")[0] in ("", ".", "..") or there == posixpath.normpath(subdir):
            raise ValueError(f"'{other}': {place} is no other job of the sweep")
    return Step(**{**{name: data[name] for name in _KINDS}, "wanted_by": tuple(data["wanted_by"])})


class NotReady(RefusedError):
    """A step that cannot run: one that it waits for is not done."""


@dataclass(frozen=True)
class StepsBefore:
    """The steps before one, as they went."""

    paths: JobPaths
    subdir: str
    step: Step

    def job(self, name: str) -> JobPaths:
        """Return the files of another step's job."""
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
            if self.step.after == ANY:
                open_ = [name for name, state in found.items() if state in (RUNNING, SUBMITTED)]
                if not open_ or seconds:  # the cluster knows better what has ended
                    return
            waited = [name for name, state in found.items() if state in (FROZEN, RUNNING, SUBMITTED)]
            if not waited or time.monotonic() > end:
                break
            time.sleep(0.5)
        bad = {name: state for name, state in found.items() if self.step.after == ANY or state != DONE}
        if bad:
            said = ", ".join(f"{name}, which is {state}" for name, state in bad.items())
            raise NotReady(f"{self.paths.directory}: step {self.step.name} needs {said}")

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
        if name not in {**self.step.needs, **self.step.reads}:
            raise JobError(f"{self.paths.job}: it names step '{name}' and does not say where that is")
        paths = self.job(name)
        end = time.monotonic() + SEEN_S
        while True:
            state = read_status(paths).state
            try:
                data = json.loads(files.read_text(paths.root, paths.result))
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
        return data["result"]

    def _directory(self, found: StepReference) -> str:
        if found.step not in {**self.step.needs, **self.step.reads}:
            raise JobError(f"{self.paths.job}: it names step '{found.step}' and does not say where that is")
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


def handed_on(value: Any, step: Step) -> Any:
    """Return what a step returned as the steps get it that want it: JSON, a path as its text.

    Raises
    ------
    ValidationError
        If it is no JSON, and one of them wants it.
    """
    if not step.wanted_by:
        return value
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        users = " and ".join(step.wanted_by)
        raise ValidationError(
            f"step {step.name} returned a {type(value).__name__}, and ${{step:{step.name}}} in {users} is JSON "
            f"({error}): return numbers, texts, lists, dicts or a path, or hand files on by "
            f"${{step:{step.name}.dir}}"
        ) from None
    return value
