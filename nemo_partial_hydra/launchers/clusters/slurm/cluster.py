"""SLURM as a cluster of the launchers: its preflight, its arrays by submitit, its queue and accounting, ``scancel``.

May import: the standard library; submitit, inside functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs.job_id import SLURM, JobId, folded
from nemo_partial_hydra.launchers.clusters.base import Array, Refusal, Subject
from nemo_partial_hydra.launchers.preflight.report import Report
from nemo_partial_hydra.launchers.settings import Settings

from . import commands, queue
from .commands import Ask

if TYPE_CHECKING:
    from .executor import ScriptExecutor

_ABOUT = re.compile(r"job id (\d+(?:_\S+)?):? *(.*)")


@dataclass(frozen=True)
class Slurm:
    """SLURM.

    Attributes
    ----------
    ask : runs one of SLURM's commands.
    ask_soon : the same for somebody who wants to see something now.
    """

    ask: Ask = commands.ask
    ask_soon: Ask = queue.ask_soon

    name = SLURM
    launcher = "submitit_apptainer"
    title = queue.TITLE
    programs = ("sbatch", "scancel")
    run = None

    def preflight(self, settings: Settings, directory: str, script: Callable[[], str], report: Report) -> None:
        """Ask for partitions and nodes, and let ``sbatch --test-only`` read the script."""
        from . import preflight

        preflight.preflight(settings, directory, script, report, self.ask)

    def dependency(self, directory: str) -> str | None:
        """Return ``afterok`` on all that is not done in a sweep."""
        from . import dependency

        return dependency.dependency(directory)

    def script(self, array: Array) -> str:
        """Return the batch script that submitit writes."""
        return self._executor(array).script(array.count)

    def submit(self, array: Array) -> list[JobId]:
        """Send an array by submitit."""
        from nemo_partial_hydra.launchers.clusters.executor import variables

        from . import executor

        with executor.refusals(), variables(array.secrets):
            return executor.send_array(self._executor(array), array.tasks)

    def _executor(self, array: Array) -> ScriptExecutor:
        from . import executor

        behind = f"afterany:{array.behind.job}" if array.behind is not None else None
        after = ",".join(filter(None, [array.after, behind]))
        # A dependency that can never be met ends the jobs instead of hanging.
        more = {"dependency": after, "kill-on-invalid-dep": "yes"} if after else {}
        return executor.slurm(array.settings, array.folder, more)

    def query(self, ids: Sequence[JobId], *, brief: bool = False) -> queue.SlurmAnswers:
        """Ask ``squeue``, and ``sacct`` unless it is to be brief."""
        if not ids:
            return queue.SlurmAnswers()
        arrays = list(dict.fromkeys(each.job for each in ids))
        return queue.ask_queue(arrays, self.ask_soon) if brief else queue.ask_all(arrays, self.ask_soon)

    def cancel(self, subjects: Sequence[Subject]) -> list[Refusal | None]:
        """Cancel jobs by one call of ``scancel``."""
        ids = [str(each.id) for each in subjects]
        names = folded(ids)
        answer = self.ask(["scancel", *names])
        if answer.code == 127 or answer.no_controller:
            raise ClusterError(
                f"the jobs go on, SLURM could not be told: {answer.complaint}; try again: scancel {' '.join(names)}"
            )
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
