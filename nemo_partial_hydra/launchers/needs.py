"""What the jobs of a pipeline wait for.

May import: the standard library only.
"""

from __future__ import annotations

from nemo_partial_hydra.jobs.job import Head
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.steps_before import StepsBefore


def needs_of(paths: JobPaths, head: Head) -> list[tuple[str, JobPaths]]:
    """Return the steps that a job waits for: their names and their jobs' files; none where it is no step."""
    if head.step is None:
        return []
    before = StepsBefore(paths, head.subdir, head.step)
    return [(name, before.job(name)) for name in head.step.needs]
