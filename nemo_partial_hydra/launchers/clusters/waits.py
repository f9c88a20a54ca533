"""What the jobs of an array wait for.

May import: the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nemo_partial_hydra.jobs.job_id import JobId


@dataclass(frozen=True)
class Wait:
    """What the jobs of an array wait for: each for one job, in their order.

    Attributes
    ----------
    ids : one for each; the same for all of them, or the jobs of one array by their numbers from 0.
    after : ``ok`` where it has to be done, ``any`` where it only has to end.
    """

    ids: Sequence[JobId]
    after: str

    @property
    def same(self) -> bool:
        """Whether all wait for the same job."""
        return len(set(self.ids)) == 1
