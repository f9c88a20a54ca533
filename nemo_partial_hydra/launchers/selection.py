"""Which jobs of a sweep are meant on a command line: ``3``, ``3-7,9``, and of a pipeline ``3/train``.

May import: the standard library only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from nemo_partial_hydra.dialect.step_references import NAME
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.messages import nearest, one_of

T = TypeVar("T")
Pick = int | str
"""The number of a job, with all steps that it has, or ``3/train`` for one of them."""
_PART = rf"\d{{1,6}}(?:-\d{{1,6}})?(?:/{NAME.pattern})?"
_WORD = re.compile(rf"{_PART}(?:,{_PART})*", re.ASCII)


def picks_of(word: str) -> list[Pick] | None:
    """Return the jobs that a word names; None where it names none.

    Raises
    ------
    UsageError
        For a range without a number.
    """
    if not _WORD.fullmatch(word):
        return None
    picks: list[Pick] = []
    for part in word.split(","):
        span, slash, step = part.partition("/")
        first, _, last = span.partition("-")
        found = range(int(first), int(last or first) + 1)
        if not found:
            raise UsageError(f"{part} has no number; write {last}-{first}{slash}{step}")
        picks += [f"{number}/{step}" for number in found] if step else list(found)
    return picks


def picks(words: Sequence[str]) -> list[Pick]:
    """Return the jobs that some words name.

    Raises
    ------
    UsageError
        For a word that names none.
    """
    found: list[Pick] = []
    for word in words:
        one = picks_of(word)
        if one is None:
            raise UsageError(f"{word}: expected numbers of jobs (3-7,9), or a step of one (3/train)")
        found += one
    return found


def picked(jobs: Iterable[tuple[Head, T]], wanted: Sequence[Pick], directory: str) -> list[T]:
    """Return the jobs that are wanted, each once and in the order in which they are named.

    Parameters
    ----------
    jobs : what is returned of each, with what its file says.

    Raises
    ------
    UsageError
        If there is no such job.
    """
    by_number: dict[int, list[tuple[Head, T]]] = defaultdict(list)
    for head, job in jobs:
        by_number[head.num].append((head, job))
    found: list[T] = []
    taken: set[int] = set()
    for pick in dict.fromkeys(wanted):
        text, _, step = str(pick).partition("/")
        number = int(text)
        if number not in by_number:
            raise UsageError(f"{directory}: there is no job {number}; there are {one_of(by_number)}")
        steps = {head.step.name: job for head, job in by_number[number] if head.step is not None}
        if step and step not in steps:
            there = nearest(step, steps) or f"; it has {one_of(steps)} of its own" if steps else ", it is no pipeline"
            raise UsageError(f"{directory}: job {number} has no step '{step}'{there}")
        for job in [steps[step]] if step else [job for _, job in by_number[number]]:
            if id(job) not in taken:
                taken.add(id(job))
                found.append(job)
    return found
