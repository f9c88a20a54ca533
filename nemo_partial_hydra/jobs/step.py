"""A job that is one step of a pipeline: what job.yaml says of what it waits for.

May import: the standard library only. What the steps before it gave is read by ``steps_before``.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.step_references import NAME
from nemo_partial_hydra.errors import ValidationError

from .app_call import refuse_kinds

OK, ANY = "ok", "any"
"""What a step waits for: that those before it are done, or that they have ended somehow."""


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
    refuse_kinds(data, _KINDS)
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
