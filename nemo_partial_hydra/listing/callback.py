"""``--cfg-paths``: prints every path of the config that Hydra composed, and ends the process before anything is made.

May import: Hydra's public parts and OmegaConf. ``nph.main`` calls ``show`` for the flag; in any other Hydra app
the class is the callback ``hydra/callbacks=cfg_paths``.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.composition import error_text
from nemo_partial_hydra.composition.checks import drift_of
from nemo_partial_hydra.composition.compat import texts
from nemo_partial_hydra.composition.pipeline import pipeline_of
from nemo_partial_hydra.errors import ExitCode, RecipeError, UsageError
from nemo_partial_hydra.messages import nearest, say
from nemo_partial_hydra.runtime import session

from .columns import JobListing
from .formats import check_format, print_jobs
from .groups import group_records
from .provenance import claims
from .record import PathInfo
from .walk import describe


class CfgPaths(Callback):
    """Hydra callback that lists all paths instead of running the app.

    Parameters
    ----------
    format : ``table``, ``tree``, ``json`` or ``yaml``.
    package : the node below which paths are listed; all but Hydra's own by default.
    filter : a glob that the paths have to match.
    set_only : whether to leave out what nobody set.
    """

    def __init__(
        self, format: str = "table", package: str | None = None, filter: str | None = None, set_only: bool = False
    ) -> None:
        self.format = format
        self.package = package
        self.filter = filter
        self.set_only = set_only
        self.drift: dict[str, None] = {}

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """List the paths of the config; never returns."""
        self._end(config, multirun=False)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """List the paths of each distinct job of the sweep; never returns."""
        self._end(config, multirun=True)

    def show(self, config: DictConfig, *, multirun: bool) -> None:
        """Print the listing.

        Raises
        ------
        RecipeError
            If the format or the package does not exist, or a job of a sweep does not compose.
        """
        check_format(self.format)
        jobs = list(self.jobs(config)) if multirun else [JobListing(0, [], self.listed(config))]
        self._show_steps(config)
        print_jobs(jobs, self.format, many=multirun)
        app = session.current()
        for target, why in app.unreadable.items() if app is not None else ():
            say(f"the parameters of {target} are not listed: {why}", file=sys.stderr)
        for text in self.drift:
            say(f"A run would be refused: {text}", file=sys.stderr)

    def _show_steps(self, config: DictConfig) -> None:
        """Print which steps a pipeline has, and what waits for what."""
        try:
            pipeline = pipeline_of(config)
        except RecipeError as error:  # a listing shows what a run would refuse
            say(f"A run would be refused: {error}", file=sys.stderr)
            return
        if pipeline is not None:
            say(f"Steps: {pipeline.picture}\n", file=sys.stdout if self.format in ("table", "tree") else sys.stderr)

    def _end(self, config: DictConfig, *, multirun: bool) -> None:
        """Leave the process: Hydra would turn an exception into a warning and run the job."""
        from hydra.errors import HydraException

        try:
            self.show(config, multirun=multirun)
        except (RecipeError, OmegaConfBaseException, HydraException) as error:
            raise SystemExit(error_text.report(error)) from None
        raise SystemExit(ExitCode.DONE)

    def jobs(self, config: DictConfig) -> Iterator[JobListing]:
        """Yield the listing of every job whose tree no job before it has."""
        from hydra.core.global_hydra import GlobalHydra

        from nemo_partial_hydra.composition.sweep import jobs_of

        loader = GlobalHydra.instance().config_loader()
        params = OmegaConf.select(config, "hydra.sweeper.params") or {}
        arguments = [*(f"{key}={value}" for key, value in params.items()), *texts(config.hydra.overrides.task)]
        seen = set()
        for number, job in enumerate(jobs_of(arguments, loader)):
            extra = [f"hydra.job.num={number}", f"hydra.job.id=job_id_for_{number}"]
            records = self.listed(loader.load_sweep_config(config, [*job, *extra]))
            tree = tuple((info.path, repr(info.value), info.set) for info in records)
            if tree not in seen:
                seen.add(tree)
                yield JobListing(number, job, records)

    def listed(self, config: DictConfig) -> list[PathInfo]:
        """Return the wanted records of one config.

        Raises
        ------
        UsageError
            If the package that is asked for does not exist.
        """
        self.drift |= dict.fromkeys(filter(None, [drift_of(config)]))
        own = self.package is not None and (self.package == "hydra" or self.package.startswith("hydra."))
        history = claims(config, hydra=own)
        place = ("hydra",) if own else ()
        groups = group_records(config, history, hydra=own)
        names = {info.path for info in groups}
        docs = self.format != "table"
        found = [*groups, *(i for i in describe(config, history, place=place, docs=docs) if i.path not in names)]
        if self.package is not None:
            found = below(found, self.package)
        if self.filter is not None:
            found = [info for info in found if fnmatch.fnmatchcase(info.path, self.filter)]
        return [info for info in found if info.set] if self.set_only else found


def below(records: Sequence[PathInfo], package: str) -> list[PathInfo]:
    """Return the records of a node and below it.

    Raises
    ------
    UsageError
        If there is no such node.
    """
    node = package.strip(".")
    if node in ("", "_global_", "hydra"):
        return list(records)
    found = [info for info in records if info.path == node or info.path.startswith((f"{node}.", f"{node}/"))]
    if not found:
        hint = nearest(node, [info.path for info in records])
        raise UsageError(f"--package {package}: there is no node '{node}' in the config{hint}")
    return found
