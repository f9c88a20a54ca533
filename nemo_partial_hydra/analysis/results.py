"""``nph.results``: the results of sweeps as records.

May import: what ``records`` does.
"""

from __future__ import annotations

import os
from typing import Any

from .formats import html_table
from .metrics import Choice
from .records import read

StrPath = str | os.PathLike[str]


class Records(list[dict[str, Any]]):
    """The results of jobs, a mapping a job; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        return html_table(self)


def results(*directories: StrPath, best: str | None = None, largest: bool = False) -> Records:
    """Read what came of the jobs of sweeps: a record a job, which ``pandas.DataFrame`` takes as they are.

    Parameters
    ----------
    directories : str or path
        Of sweeps or of single jobs, also of those that Hydra itself ran.
    best : str
        Of what was logged step by step, the step that is best by this metric counts, and the best jobs come first; by
        default the last step of each metric.
    largest : bool
        Whether the largest value of it is the best.

    Returns
    -------
    list of dict
        ``sweep`` (the directory), ``job`` (its number, or ``3/train`` for a step), ``state``, ``seconds`` (None until
        it has ended), the values that differ between the jobs by their shortest distinct names, then the metrics:
        what the job returned (nested mappings by dotted names), Lightning's ``metrics.csv``, and TensorBoard's event
        files where tensorboard is installed. A job without a value has None.

    Raises
    ------
    JobError
        If a directory has no job.
    UsageError
        If no directory is given, or no job has the metric.
    """
    return Records(read(directories, Choice(best, largest)).records)
