"""submitit's SLURM executor, as we use it: a batch script that can be shown, and SLURM's refusals in our words.

May import: submitit. Other modules import this one inside functions. submitit's underscored methods that are called and
overridden here are those it tells the authors of executors to override; they are the same from 1.5.0 to 1.5.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nemo_partial_hydra.errors import ClusterError, UsageError
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers.clusters import executor as executors
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.messages import nearest

from .commands import refusal

_GENERIC = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout")
_NOT_SENT = ("max_num_timeout", "python")


class ScriptExecutor(executors.SlurmExecutor):  # type: ignore[misc]
    """submitit's SLURM executor, which can also say what it would send; usable where there is no SLURM."""

    @classmethod
    def name(cls) -> str:
        return "slurm"

    @classmethod
    def affinity(cls) -> int:
        return 2

    def script(self, count: int) -> str:
        """Return the batch script of an array of so many jobs."""
        before: dict[str, Any] = dict(self.parameters)  # type: ignore[has-type]
        self.parameters = {**before, "map_count": count} if count > 1 else before
        try:
            return str(self._make_submission_file_text(self._submitit_command_str, "script"))
        finally:
            self.parameters = before


def slurm(settings: Settings, folder: Path, more: Mapping[str, Any] | None = None) -> ScriptExecutor:
    """Return the executor of an array.

    Parameters
    ----------
    settings : the launcher's settings.
    folder : where submitit keeps its files.
    more : further options of ``sbatch``, like a dependency.

    Raises
    ------
    UsageError
        If submitit does not know a setting.
    """
    executor = ScriptExecutor(folder, settings.resource("max_num_timeout", 0), python=executors.host_python(settings))
    given = {key: value for key, value in settings.resources.items() if key not in _NOT_SENT and value is not None}
    extra = {**(given.pop("additional_parameters", None) or {}), **(more or {})}
    generic = {key: given.pop(key) for key in _GENERIC if key in given}
    if settings.host_lines:
        given["setup"] = list(settings.host_lines)
    if settings.tasks > 1:
        # One task that dies would leave the others waiting for it until the time limit.
        given["srun_args"] = ["--kill-on-bad-exit=1", *(given.get("srun_args") or ())]
    parameters = {**executor._convert_parameters({"name": settings.name, **generic}), **given}
    if extra:
        parameters["additional_parameters"] = extra
    known = executor._valid_parameters()
    for key in parameters:
        if key not in known:
            raise UsageError(
                f"hydra.launcher.{key}: submitit {executors.VERSION} does not know it{nearest(key, known)}"
            )
    executor.update_parameters(**parameters)
    return executor


@contextmanager
def refusals() -> Iterator[None]:
    """Say in one message why SLURM did not take a submission.

    Raises
    ------
    ClusterError
        For submitit's own error.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        yield
    except (FailedJobError, FailedSubmissionError) as error:
        text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise ClusterError(f"SLURM did not take the jobs: {refusal(text)}") from None
    except FileNotFoundError as error:
        raise ClusterError(f"{error.filename} is not on PATH: submit from a host of the cluster") from None


def read_id(text: str) -> JobId:
    """Read submitit's spelling of an id: ``123``, and ``123_4`` for a task of an array."""
    match = re.fullmatch(r"(\d+)(?:_(\d+))?", text)
    if match is None:
        return JobId(text)
    return JobId(match.group(1), None if match.group(2) is None else int(match.group(2)))


def send_array(executor: ScriptExecutor, tasks: Sequence[Any]) -> list[JobId]:
    """Submit tasks as one array; return their ids."""
    return [read_id(job.job_id) for job in executor.submit_array(list(tasks))]
