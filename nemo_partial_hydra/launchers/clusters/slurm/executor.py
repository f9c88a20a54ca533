"""submitit's executors, as we use them: a batch script that can be shown, and an interpreter that finds this package.

May import: submitit. Other modules import this one inside functions. submitit's underscored methods that are called and
overridden here are those it tells the authors of executors to override; they are the same from 1.5.0 to 1.5.4.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nemo_partial_hydra.errors import ClusterError, UsageError
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.messages import nearest

# submitit configures logging when it is imported, and that closes every handler of the process: the log file of who
# uses this package as a library, or a stream that absl writes to. With this variable it does not.
_before = os.environ.get("SUBMITIT_LOG_LEVEL")
os.environ["SUBMITIT_LOG_LEVEL"] = "NOCONFIG"
try:
    import submitit
    from submitit.local.local import LocalExecutor
    from submitit.slurm.slurm import SlurmExecutor
finally:
    del os.environ["SUBMITIT_LOG_LEVEL"]
    if _before is not None:
        os.environ["SUBMITIT_LOG_LEVEL"] = _before

_GENERIC = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout")
_NOT_SENT = ("max_num_timeout", "python")


class ScriptExecutor(SlurmExecutor):  # type: ignore[misc]
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
    executor = ScriptExecutor(folder, settings.resource("max_num_timeout", 0), python=host_python(settings))
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
                f"hydra.launcher.{key}: submitit {submitit.__version__} does not know it{nearest(key, known)}"
            )
    executor.update_parameters(**parameters)
    return executor


def local(settings: Settings, folder: Path) -> LocalExecutor:
    """Return the executor that runs jobs on this machine."""
    executor = LocalExecutor(folder, settings.resource("max_num_timeout", 0), python=host_python(settings))
    names = ("timeout_min", "tasks_per_node", "gpus_per_node", "signal_delay_s", "stderr_to_stdout")
    given = {key: settings.resources[key] for key in names if settings.resources.get(key) is not None}
    if settings.host_lines:
        given["setup"] = list(settings.host_lines)
    executor.update_parameters(**given)
    return executor


def host_python(settings: Settings) -> str:
    """Return the command of the host's interpreter, quoted for a shell, with this package where it can be found."""
    python = str(settings.resources.get("python") or sys.executable)
    root = str(Path(__file__).resolve().parents[4])
    installed = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    if os.path.realpath(root) in installed:
        return shlex.quote(python)
    # A source tree: the job's process must find it too, wherever the launching one had it from.
    known = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return shlex.join(["env", f"PYTHONPATH={os.pathsep.join(dict.fromkeys([root, *known]))}", python])


@contextmanager
def refusals() -> Iterator[None]:
    """Say in one message why SLURM did not take a submission.

    Raises
    ------
    ClusterError
        For submitit's own error.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    from nemo_partial_hydra.launchers.preflight.report import refusal

    try:
        yield
    except (FailedJobError, FailedSubmissionError) as error:
        text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise ClusterError(f"SLURM did not take the jobs: {refusal(text)}") from None
    except FileNotFoundError as error:
        raise ClusterError(f"{error.filename} is not on PATH: submit from a host of the cluster") from None


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, which is how ``sbatch`` hands them to the jobs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def split_id(job_id: str) -> tuple[str, int | None]:
    """Split SLURM's spelling of an array task, ``123_4``."""
    match = re.fullmatch(r"(\d+)(?:_(\d+))?", job_id)
    if match is None:
        return job_id, None
    return match.group(1), None if match.group(2) is None else int(match.group(2))


def send_array(executor: ScriptExecutor, tasks: Sequence[Any]) -> list[str]:
    """Submit tasks as one array; return their ids."""
    return [job.job_id for job in executor.submit_array(list(tasks))]
