"""How the jobs of a sweep are to be sent: all alike, or each step of a pipeline with settings of its own.

May import: the standard library; submitit, inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.step import ANY
from nemo_partial_hydra.messages import say

from . import dry_run, submit
from .chain import Link
from .preflight.report import Report
from .settings import Settings, from_config
from .step_settings import of_steps

Jobs = Sequence[tuple[JobPaths, Head]]


@dataclass
class Plan:
    """How the jobs are sent, or those of one step: ``name`` is empty where there are no steps."""

    name: str
    settings: Settings
    secrets: Mapping[str, str]
    report: Report | None = None

    def of(self, jobs: Jobs) -> list[tuple[JobPaths, Head]]:
        """Return those of some jobs that are sent so."""
        return [(paths, head) for paths, head in jobs if not self.name or _step(head) == self.name]

    def chained(self, jobs: Jobs, digests: Mapping[JobPaths, str]) -> Link:
        """Return its jobs as a part of a chain."""
        return Link(self.of(jobs), self.settings, self.secrets, digests, report=self.report)


def _step(head: Head) -> str:
    return head.step.name if head.step is not None else ""


def steps_of(heads: Sequence[Head]) -> list[str]:
    """Return the names of the steps that jobs are, in an order in which they can run."""
    found = {head.step.name: head.step.number for head in heads if head.step is not None}
    return sorted(found, key=lambda name: found[name])


def plans(
    config: Mapping[str, Any], names: Sequence[str], cluster: str, made: Callable[[Settings], Settings], **options: Any
) -> list[Plan]:
    """Return the plans of a composed ``hydra.launcher``.

    Parameters
    ----------
    config : that, as plain data.
    names : of the steps; none where the jobs are no steps.
    cluster : the cluster's name.
    made : completes the settings of each.
    options : further arguments of ``from_config``.

    Raises
    ------
    UsageError
        For a step or a setting of one that is not there.
    """
    found = []
    for name, each in of_steps(config, names).items():
        settings, secrets = from_config(each, cluster, **options)
        found.append(Plan(name, made(settings), secrets))
    return found


def look(made: Sequence[Plan], sweep: SweepPaths, after: str | None = None) -> None:
    """Look for all that would go wrong with the settings, once where they are the same."""
    known: list[Plan] = []
    for plan in made:
        same = next((other for other in known if other.settings == plan.settings), None)
        if same is None:
            plan.report = submit.check(sweep, plan.settings, after)
            known.append(plan)
        else:
            plan.report = same.report


def say_dry(sweep: SweepPaths, jobs: Jobs, made: Sequence[Plan], after: str | None = None) -> None:
    """Say what would be sent."""
    for plan in made:
        some = plan.of(jobs)
        if plan.name:
            step = next((head.step for _, head in some if head.step is not None), None)
            needs = f", after {', '.join(step.needs)}" if step is not None and step.needs else ""
            many = f"{len(some)} job{'' if len(some) == 1 else 's'}"
            say(f"# step {plan.name}: {many}{needs}{' (however that ended)' if step and step.after == ANY else ''}")
        overrides = [head.overrides for _, head in some]
        say(dry_run.text(sweep, [paths for paths, _ in some], plan.settings, overrides=overrides, after=after))
