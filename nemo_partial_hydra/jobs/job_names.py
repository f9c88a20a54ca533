"""What a job names: the targets of its recipe, or an app's function, its config's classes and what Hydra makes for it.

May import: the standard library. Nothing is decided here; see ``policy``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.policy.names import refusal
from nemo_partial_hydra.policy.policy import Policy
from nemo_partial_hydra.policy.scan import names_in
from nemo_partial_hydra.policy.settings import HYDRA, settings_in
from nemo_partial_hydra.recipes.tree import Path

from .job import Job

NOT_MADE = frozenset({"launcher", "sweeper", "hydra_logging"})
"""Of Hydra's settings, what is made where a sweep is started, and not in its jobs."""


def names_of(job: Job) -> Iterator[tuple[Path, Any]]:
    """Yield what a job names, with the path in its recipe or config, but for Hydra's own settings."""
    yield from names_in(job.named)
    if job.call is not None:
        yield ("function",), job.call.function
        for pointer, kind in job.call.types.items():
            _, _, name = kind.partition(" ")
            if name:
                yield ("types", pointer), name


def modules_of(job: Job) -> Iterator[str]:
    """Yield the dotted names whose modules a job imports."""
    yield from (str(name) for _, name in names_of(job))
    if job.call is not None:
        yield from (str(name) for _, name in settings_in(_made(job.call.hydra), (HYDRA,)) if isinstance(name, str))


def refused(job: Job, policy: Policy, allow: Iterable[str] = (), *, file: object = None) -> list[str]:
    """Return why what a job names is refused, for ``policy.report``; with ``file``, where that is."""
    lines = policy.refused(names_of(job), allow, file=file)
    if job.call is not None:
        where = "" if file is None else f"{file}: "
        # What a function of the stack would do with a config of others, nobody has looked at: an app's is named.
        unnamed = refusal(job.call.function, policy.given(allow)) if not lines else None
        lines += [f"{where}{placed(('function',), unnamed)}"] if unnamed else []
        found = policy.settings(settings_in(_made(job.call.hydra), (HYDRA,)), allow, calls=False)
        lines += [where + line for line in found]
    return lines


def _made(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in NOT_MADE}
