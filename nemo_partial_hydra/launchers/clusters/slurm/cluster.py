"""SLURM as a cluster of the launchers: its preflight, its arrays by submitit, its queue and accounting, ``scancel``.

May import: the standard library; submitit, inside functions.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import SLURM, JobId, folded
from nemo_partial_hydra.launchers.clusters.base import Array, Found, Refusal, Subject, Surroundings
from nemo_partial_hydra.launchers.clusters.variables import variables
from nemo_partial_hydra.launchers.clusters.waits import Wait
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.messages import say

from . import answers, commands, environment, identity, limits, queue, sending, tokens
from .commands import Ask

if TYPE_CHECKING:
    from .executor import ScriptExecutor

_AT_ONCE = 8_000
"""So many jobs a ``scancel`` is told where their ids are too long for one: see ``answers.WORD``."""
_ABOUT = re.compile(r"job id (\d+(?:_\S+)?):? *(.*)")


@dataclass(frozen=True)
class Slurm:
    """SLURM.

    Attributes
    ----------
    ask : runs one of SLURM's commands.
    ask_soon : the same for somebody who wants to see something now.
    sbatch : runs ``sbatch``, in the environment that the jobs get.
    configuration : reads slurm.conf.
    sleep, waits : how it is waited, and how long, before an array is sent once more.
    """

    ask: Ask = commands.ask
    ask_soon: Ask = answers.ask_soon
    sbatch: Ask = commands.call
    configuration: Callable[[], str] = identity.configuration
    sleep: Callable[[float], None] = time.sleep
    waits: Sequence[float] = sending.WAITS_S

    name = SLURM
    launcher = "submitit_apptainer"
    title = queue.TITLE
    programs = ("sbatch", "scancel")
    run = None

    def preflight(self, settings: Settings, directory: str, script: Callable[[], str], report: Report) -> None:
        """Ask for partitions and nodes, and let ``sbatch --test-only`` read the script."""
        from . import preflight

        preflight.preflight(settings, directory, script, report, self.ask)

    def dependency(self, directory: str, settings: Settings) -> str | None:
        """Return ``afterok`` on all that is not done in a sweep."""
        from . import dependency

        return dependency.dependency(directory, lambda: identity.given(settings) or self._here(), self.ask_soon)

    def behind(self, waits: Sequence[Wait]) -> str:
        """Return ``afterok`` on one job, ``aftercorr`` on the jobs of an array."""
        from . import dependency

        return dependency.behind(waits)

    def script(self, array: Array) -> str:
        """Return the batch script that submitit writes."""
        return self._executor(array).script(array.count, array.token or tokens.PLACEHOLDER)

    def surroundings(self, script: str) -> Surroundings:
        """Tell the ``SBATCH_*`` of this shell that count from those that do not."""
        return environment.surroundings(script, os.environ)

    def submit(self, array: Array) -> list[JobId]:
        """Send an array by submitit's script."""
        executor = self._executor(array)
        script = executor.write(array.tasks, array.token)
        sent = states.now()

        def find() -> Found:
            return self.find([array.token], array.cluster_name, sent)

        text = executor.script(array.count, array.token)
        with variables({**dict.fromkeys(self.surroundings(text).left_out), **array.secrets}):
            call = sending.Call(self.sbatch, find, self.sleep, self.waits)
            line = ["sbatch", *environment.options(text), str(script)]
            try:
                made = sending.send(line, call, lambda text: say(text, file=sys.stderr))
            except sending.Refused as error:
                raise limits.full(error.answer, array.settings, self.ask) or ClusterError(str(error)) from None
        executor.named(script, made.job)
        name = made.cluster_name or array.cluster_name
        numbers = range(array.count) if array.count > 1 else [None]
        return [JobId(made.job, number, cluster_name=name) for number in numbers]

    def find(self, wanted: Sequence[str], cluster_name: str | None, since: str) -> Found:
        """Ask the queue and the accounting for arrays by their tokens."""
        own = self._here() if cluster_name is not None else None
        return tokens.find(wanted, cluster_name, since, self.ask, own)

    def _here(self) -> str | None:
        return identity.here(self.ask_soon, self.configuration)

    def _executor(self, array: Array) -> ScriptExecutor:
        from . import dependency, executor

        more = dependency.options(array)
        token = array.token or tokens.PLACEHOLDER
        return executor.slurm(array.settings, array.folder, token, more, plain=array.plain)

    def query(self, ids: Sequence[JobId], *, brief: bool = False) -> answers.Answers:
        """Ask ``squeue``, and ``sacct`` unless it is to be brief, of each cluster that has some of the jobs."""
        if not ids:
            return answers.SlurmAnswers()
        arrays: Mapping[str | None, dict[str, None]] = defaultdict(dict)
        for each in ids:
            arrays[each.cluster_name][each.job] = None
        own = self._here() if set(arrays) - {None} else None
        found = {}
        for name, jobs in arrays.items():
            at = answers.At(name, own)
            found[name] = (answers.ask_queue if brief else answers.ask_all)(list(jobs), self.ask_soon, at)
        return next(iter(found.values())) if len(found) == 1 else answers.ManyAnswers(found)

    def cancel(self, subjects: Sequence[Subject]) -> list[Refusal | None]:
        """Cancel jobs by one call of ``scancel`` for each cluster that has some of them."""
        names = {each.id.cluster_name if each.id else None for each in subjects}
        own = self._here() if names - {None} else None
        found: dict[int, Refusal | None] = {}
        for name in names:
            some = [each for each in subjects if (each.id.cluster_name if each.id else None) == name]
            try:
                refusals = self._cancel(some, name, own)
            except ClusterError as error:
                if len(names) == 1:
                    raise
                refusals = [Refusal(str(error)) for _ in some]  # those of other clusters may have been told
            found.update({id(each): refusal for each, refusal in zip(some, refusals, strict=True)})
        return [found[id(each)] for each in subjects]

    def _cancel(self, subjects: Sequence[Subject], name: str | None, own: str | None) -> list[Refusal | None]:
        ids = [str(each.id) for each in subjects]
        most = len(ids) if sum(map(len, folded(ids))) < answers.WORD else _AT_ONCE
        found: list[Refusal | None] = []
        for start in range(0, len(ids), most):
            some = ids[start : start + most]
            try:
                found += self._told(some, name, own)
            except ClusterError as error:
                if not found:
                    raise
                found += [Refusal(str(error)) for _ in some]
        return found

    def _told(self, ids: Sequence[str], name: str | None, own: str | None) -> list[Refusal | None]:
        names = folded(ids)
        reach = identity.reach(name, own)
        answer = self.ask(["scancel", *reach, *names])
        by_hand = f"scancel {' '.join(names)}"
        if reach and identity.unreached(answer):
            raise ClusterError(
                f"the jobs go on: {identity.another(str(name), own)}; cancel them from a host of {name}: {by_hand}"
            )
        if answer.code == 127 or answer.no_controller:
            raise ClusterError(f"the jobs go on, SLURM could not be told: {answer.complaint}; try again: {by_hand}")
        refused = _refused(answer.err)
        return [_refusal(refused.get(each) or refused.get(each.partition("_")[0])) for each in ids]


def _refused(text: str) -> dict[str, str]:
    """Read why ``scancel`` did not cancel: ``Kill job error on job id 7_1: Access/permission denied``."""
    found: dict[str, str] = {}
    for match in map(_ABOUT.search, text.splitlines()):
        if match is not None:
            for job in queue.tasks(match.group(1).rstrip(":")):
                found[job] = match.group(2)
    return found


def _refusal(why: str | None) -> Refusal | None:
    if why is None:
        return None
    if "completed" in why or "Invalid job id" in why:
        return Refusal(f"it has ended meanwhile ({why})", over=True)
    return Refusal(why)
