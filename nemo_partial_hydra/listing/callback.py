"""``--cfg-paths``: prints every path of the config that Hydra composed, and ends the process before anything is made.

May import: Hydra's public parts and OmegaConf. ``nph.main`` calls ``show`` for the flag; in any other Hydra app
the class is the callback ``hydra/callbacks=cfg_paths``.
"""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.composition import error_text
from nemo_partial_hydra.composition.checks import drift_of
from nemo_partial_hydra.composition.compat import texts
from nemo_partial_hydra.composition.pipeline import pipeline_of
from nemo_partial_hydra.errors import ExitCode, RecipeError, UsageError
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.runtime import session

from .columns import JobListing
from .formats import BROWSE, check_format, print_jobs
from .groups import group_records
from .provenance import claims
from .selection import SET_ONLY, Selected, Selection
from .walk import describe


class CfgPaths(Callback):
    """Hydra callback that lists all paths instead of running the app.

    Parameters
    ----------
    format : ``table``, ``tree``, ``json``, ``yaml`` or ``html``.
    package : the node below which paths are listed; all but Hydra's own by default.
    filter : a glob that the paths have to match.
    set_only : whether to leave out what nobody set.
    depth : how many levels below the package are shown, with the numbers of paths below the last one.
    search : a text that stands in the path, the type or the doc.
    """

    def __init__(
        self,
        format: str = "table",
        package: str | None = None,
        filter: str | None = None,
        set_only: bool = False,
        depth: int | str | None = None,
        search: str | None = None,
    ) -> None:
        self.format = format
        self.selection = Selection(package, filter, search, set_only, depth)
        self.drift: dict[str, None] = {}
        self.names: dict[str, None] = {}  # the paths of all jobs, whether they are shown or not

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
            If the format or the package does not exist, nothing is found, or a job of a sweep does not compose.
        """
        if check_format(self.format) == BROWSE:
            given = self.selection.spelled("format", BROWSE)
            raise UsageError(f"{given}: only an nph.main app can compose what is edited, by --cfg-paths={BROWSE}")
        self.selection.check()
        found = list(self.jobs(config)) if multirun else [(0, [], self.listed(config))]
        searched = sum(selected.searched for _, _, selected in found)
        nothing = not any(selected.found for _, _, selected in found)
        if nothing and self.selection.search is not None:
            raise UsageError(self.selection.nothing(searched, list(self.names)))
        self._show_steps(config)
        jobs = [JobListing(number, job, selected.records) for number, job, selected in found]
        print_jobs(jobs, self.format, many=multirun)
        if self.selection.search is not None:
            shown = sum(len(selected.found) for _, _, selected in found)
            self._beside(self.selection.last_line(shown, searched, len(jobs)))
        elif nothing and self.selection.filter is not None:
            say(self.selection.nothing(searched, list(self.names)), file=sys.stderr)
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
            self._beside(f"Steps: {pipeline.picture}\n")

    def _beside(self, text: str) -> None:
        """Print what is no record: with those where people read them, elsewhere than data."""
        say(text, file=sys.stdout if self.format in ("table", "tree") else sys.stderr)

    def _end(self, config: DictConfig, *, multirun: bool) -> None:
        """Leave the process: Hydra would turn an exception into a warning and run the job."""
        from hydra.errors import HydraException

        self.selection = dataclasses.replace(self.selection, spelled=_as_setting)
        try:
            self.show(config, multirun=multirun)
        except (RecipeError, OmegaConfBaseException, HydraException) as error:
            raise SystemExit(error_text.report(error)) from None
        raise SystemExit(ExitCode.DONE)

    def jobs(self, config: DictConfig) -> Iterator[tuple[int, list[str], Selected]]:
        """Yield number, overrides and paths of every job whose tree no job before it has."""
        seen = set()
        for number, job in enumerate(self.job_lines(config)):
            selected = self.listed(self.job_config(config, number, job))
            tree = tuple((info.path, repr(info.value), info.set) for info in selected.found)
            if tree not in seen:
                seen.add(tree)
                yield number, list(job), selected

    def job_lines(self, config: DictConfig) -> list[list[str]]:
        """Return the overrides of every job of a sweep's config."""
        from hydra.core.global_hydra import GlobalHydra

        from nemo_partial_hydra.composition.sweep import jobs_of

        params = OmegaConf.select(config, "hydra.sweeper.params") or {}
        arguments = [*(f"{key}={value}" for key, value in params.items()), *texts(config.hydra.overrides.task)]
        return jobs_of(arguments, GlobalHydra.instance().config_loader())

    def job_config(self, config: DictConfig, number: int, job: Sequence[str]) -> DictConfig:
        """Compose the config of one job."""
        from hydra.core.global_hydra import GlobalHydra

        from nemo_partial_hydra.composition.compose import LastDefaults

        loader, last = GlobalHydra.instance().config_loader(), session.workspace().of(LastDefaults)
        extra = [f"hydra.job.num={number}", f"hydra.job.id=job_id_for_{number}"]
        return last.noted(loader, partial(loader.load_sweep_config, config, [*job, *extra]))

    def listed(self, config: DictConfig) -> Selected:
        """Return the wanted records of one config.

        Raises
        ------
        UsageError
            If the package that is asked for does not exist.
        """
        self.drift |= dict.fromkeys(filter(None, [drift_of(config)]))
        own = self.selection.of_hydra
        history = claims(config, hydra=own)
        place = ("hydra",) if own else ()
        groups = group_records(config, history, hydra=own)
        names = {info.path for info in groups}
        docs = self.format != "table" or self.selection.search is not None
        rows = [*groups, *(i for i in describe(config, history, place=place, docs=docs) if i.path not in names)]
        self.names |= dict.fromkeys(info.path for info in rows)
        return self.selection.of(rows)


def _as_setting(name: str, value: str) -> str:
    """Spell a setting of the callback as an override."""
    text = "true" if name == SET_ONLY else shlex.quote(value)
    return f"hydra.callbacks.cfg_paths.{name.replace('-', '_')}={text}"
