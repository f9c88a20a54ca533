"""Jobs of a sweep, made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, write_job
from nemo_partial_hydra.jobs.layout import JobPaths, sweep_paths
from nemo_partial_hydra.jobs.outcome import result_text
from nemo_partial_hydra.jobs.status import Status, write_status

Made = Callable[..., JobPaths]


def maker(folder: Path) -> Made:
    """Return what makes jobs of sweeps in a folder, each with its overrides, result, state and what its recipe sets."""

    def make(
        number: int,
        *overrides: str,
        result: Any = None,
        state: str = "done",
        sweep: str = "s",
        values: Mapping[str, Any] | None = None,
    ) -> JobPaths:
        paths = sweep_paths(folder / sweep).job(str(number))
        recipe = {"_target_": "tests.support.payloads.add", "_partial_": True, **(values or {})}
        made = Job(recipe_hash(recipe), name="app", num=number, subdir=str(number), overrides=overrides, recipe=recipe)
        write_job(paths, made)
        began, ended = "2026-11-22T10:00:00.000Z", "2026-11-22T10:00:02.500Z"
        write_status(paths, Status(state, started=began, ended=ended))
        if result is not None:
            paths.result.write_text(result_text(result))
        return paths

    return make
