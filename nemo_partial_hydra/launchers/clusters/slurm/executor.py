"""submitit's SLURM executor, as we use it: a batch script that can be shown, and an array that needs nobody once it is
sent.

May import: submitit. Other modules import this one inside functions. submitit's underscored methods that are called and
overridden here are those it tells the authors of executors to override; they are the same from 1.5.0 to 1.5.4.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.launchers.clusters import executor as executors
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.messages import nearest

_GENERIC = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout")
_NOT_SENT = ("max_num_timeout", "max_queued", "python")
_MINUTES = 5  # submitit's own default


class ScriptExecutor(executors.SlurmExecutor):  # type: ignore[misc]
    """submitit's SLURM executor, which can also say what it would send; usable where there is no SLURM."""

    @classmethod
    def name(cls) -> str:
        return "slurm"

    @classmethod
    def affinity(cls) -> int:
        return 2

    def script(self, count: int, token: str) -> str:
        """Return the batch script of an array of so many jobs.

        Its first line gives each task its pickle by the name that submitit looks for, which has SLURM's number in it:
        so an array needs nothing more of the process that sent it, which may be killed before it hears that number.
        """
        before: dict[str, Any] = dict(self.parameters)  # type: ignore[has-type]
        setup = [_link(Path(self.folder), count, token), *(before.get("setup") or ())]
        self.parameters = {**before, "setup": setup, **({"map_count": count} if count > 1 else {})}
        try:
            return str(self._make_submission_file_text(self._submitit_command_str, "script"))
        finally:
            self.parameters = before

    def write(self, tasks: Sequence[Any], token: str) -> Path:
        """Write what an array is made of; return its script."""
        place = self._fixed()
        place.mkdir(parents=True, exist_ok=True)
        for number, task in enumerate(tasks):
            delayed = executors.DelayedSubmission(task)
            delayed.set_timeout(int(self.parameters.get("time", _MINUTES)), self.max_num_timeout)
            delayed.dump(place / f"{token}_{number}.pkl")
        script = place / f".submission_file_{token}.sh"
        script.write_text(self.script(len(tasks), token), encoding="utf-8")
        return script

    def named(self, script: Path, job: str) -> None:
        """Name a script by the number of its array too, for people who look for it."""
        with contextlib.suppress(OSError):
            (self._fixed() / f"{job}_submission.sh").symlink_to(script.name)

    def _fixed(self) -> Path:
        """Return the part of the folder that has no number in it."""
        return Path(executors.JobPaths.get_first_id_independent_folder(self.folder))


def _link(folder: Path, count: int, token: str) -> str:
    """Return the line that names a task's pickle by the numbers that SLURM has given it."""
    array, task = '"$SLURM_ARRAY_JOB_ID"', '"$SLURM_ARRAY_TASK_ID"'
    marks = {"%j": f"{array}_{task}" if count > 1 else '"$SLURM_JOB_ID"', "%A": array, "%a": task, "%t": "0"}

    def spelled(path: Path) -> str:
        parts = filter(None, re.split("(%[jAat])", str(path)))
        return "".join(marks[part] if part in marks else shlex.quote(part) for part in parts)

    source = executors.JobPaths.get_first_id_independent_folder(folder) / f"{token}_"
    where = executors.JobPaths(folder).submitted_pickle
    line = f"ln -s {shlex.quote(str(source))}{task if count > 1 else 0}.pkl {spelled(where)} 2>/dev/null || :"
    return line if source.parent == where.parent else f"mkdir -p {spelled(where.parent)}; {line}"


def slurm(
    settings: Settings, folder: Path, token: str, more: Mapping[str, Any] | None = None, *, plain: bool = False
) -> ScriptExecutor:
    """Return the executor of an array.

    Parameters
    ----------
    settings : the launcher's settings.
    folder : where submitit keeps its files.
    token : what the array is known by: in its comment, unless that is somebody's own.
    more : further options of ``sbatch``, like a dependency.
    plain : whether comments are forbidden: the token is then at the end of the name.

    Raises
    ------
    UsageError
        If submitit does not know a setting.
    """
    executor = ScriptExecutor(folder, settings.resource("max_num_timeout", 0), python=executors.host_python(settings))
    given = {key: value for key, value in settings.resources.items() if key not in _NOT_SENT and value is not None}
    extra = {**(given.pop("additional_parameters", None) or {}), **(more or {})}
    generic = {key: given.pop(key) for key in _GENERIC if key in given}
    name = f"{settings.name}.{token}" if plain else settings.name
    if not plain and "comment" not in {*given, *extra}:
        given["comment"] = token
    if "export" not in {*given, *extra}:
        extra["export"] = "ALL"  # secrets travel so, whatever SBATCH_EXPORT says
    if settings.resource("max_num_timeout", 0) and not {"requeue", "no_requeue", "no-requeue"} & {*extra}:
        extra["requeue"] = True  # else a site with JobRequeue=0 does not take the job back
    if settings.host_lines:
        given["setup"] = list(settings.host_lines)
    if settings.tasks > 1:
        # One task that dies would leave the others waiting for it until the time limit.
        given["srun_args"] = ["--kill-on-bad-exit=1", *(given.get("srun_args") or ())]
    parameters = {**executor._convert_parameters({"name": name, **generic}), **given}
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
