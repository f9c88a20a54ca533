"""Executors of nemo_run as settings of our launchers: ``run.SlurmExecutor(...)`` to ``hydra/launcher/NAME.yaml``.

May import: the standard library; nothing of nemo_run, whose objects are read by their attributes. Every field that is
set comes out in one of two lists: what it becomes, or why it becomes nothing.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.yaml import dump
from nemo_partial_hydra.errors import UsageError

SLURM, LOCAL = "submitit_apptainer", "submitit_apptainer_local"
_LAUNCHERS = {"SlurmExecutor": SLURM, "LocalExecutor": LOCAL}


@dataclass
class Translated:
    """What an executor became.

    Attributes
    ----------
    launcher : the launcher whose settings these are.
    settings : the settings of ``hydra.launcher``.
    notes : what is to be known about some of them, by the executor's field.
    left : the fields that became nothing: their values, and why.
    """

    launcher: str
    settings: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    left: dict[str, tuple[Any, str]] = field(default_factory=dict)

    def put(self, path: str, value: Any) -> None:
        """Set ``apptainer.image`` and the like."""
        *above, last = path.split(".")
        inner = self.settings
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = value

    @property
    def text(self) -> str:
        """The settings as the file of an option: ``conf/hydra/launcher/NAME.yaml``."""
        return dump({"defaults": [self.launcher, "_self_"], **self.settings})


def translated(executor: Any) -> Translated:
    """Read an executor.

    Raises
    ------
    UsageError
        If it is none that our launchers can stand for.
    """
    kind = type(executor).__name__
    launcher = next((_LAUNCHERS[one.__name__] for one in type(executor).__mro__ if one.__name__ in _LAUNCHERS), None)
    if launcher is None:
        raise UsageError(f"a {kind}: expected a run.SlurmExecutor or a run.LocalExecutor")
    made = Translated(launcher)
    for name, value in _set_fields(executor).items():
        row = _ROWS.get(name)
        if row is not None:
            row(made, name, value, executor)
        elif name in _SAME:
            made.put(name, value)
        elif name in _NONE:
            made.left[name] = value, _NONE[name]
        else:
            made.left[name] = value, "there is no such setting"
    return made


def _set_fields(executor: Any) -> dict[str, Any]:
    """Return the fields that are not as they are by default; those without one too."""
    found = {}
    for each in dataclasses.fields(executor):
        if not each.init or each.name.startswith("_"):
            continue
        value = getattr(executor, each.name)
        if each.default is not dataclasses.MISSING:
            default = each.default
        elif each.default_factory is not dataclasses.MISSING:
            default = each.default_factory()
        else:
            default = dataclasses.MISSING
        if value != default and not (value is None or value in ("", [], {})):
            found[each.name] = value
    return found


_SAME = frozenset(
    (
        "account partition qos comment constraint exclude gres nodes cpus_per_task cpus_per_gpu gpus_per_node "
        "gpus_per_task mem_per_gpu mem_per_cpu srun_args"
    ).split()
)
_NONE: Mapping[str, str] = {
    "array": "a sweep is the array",
    "open_mode": "each attempt has logs of its own",
    "heterogeneous": "jobs of several kinds of nodes at once are not supported",
    "het_group_indices": "jobs of several kinds of nodes at once are not supported",
    "job_details": "the sweep's directory decides where files are: hydra.sweep.dir",
    "tunnel": "jobs are sent from a host of the cluster; where there is none, freeze them (hydra/launcher=freeze)",
    "packager": "the directories of the recipes' own modules are bound into the container",
    "dependencies": "steps wait for each other (_steps_), and sweeps for sweeps (nemo-hydra submit --after)",
    "dependency_type": "after: any of a step is afterany",
    "retries": "nemo-hydra retry sends again what failed; max_num_timeout is for time limits",
    "memory_measure": "there is no such measurement",
    "wait_time_for_group_job": "tasks of one job are ended when one fails",
    "monitor_group_job": "tasks of one job are ended when one fails",
    "monitor_group_job_wait_time": "tasks of one job are ended when one fails",
    "container_env": "the host's variables are seen inside (unless apptainer.cleanenv)",
    "experiment_id": "experiments are sweeps here",
    "job_dir": "the sweep's directory: hydra.sweep.dir",
}
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)B?", re.IGNORECASE)
_GIGABYTES = {"": 1 / 1024, "K": 1 / 1024**2, "M": 1 / 1024, "G": 1.0, "T": 1024.0}
_SIGNAL = re.compile(r"(?:[BR]{1,2}:)?(?:SIG)?([A-Z0-9]+)(?:@(\d+))?")


def _time(made: Translated, name: str, value: Any, executor: Any) -> None:
    """``MM``, ``MM:SS``, ``HH:MM:SS``, ``D-HH``, ``D-HH:MM``, ``D-HH:MM:SS``."""
    match = _TIME.fullmatch(str(value).strip())
    if match is None:
        made.left[name] = value, "this is no time of SLURM's"
        return
    days, *given = match.groups()
    parts = [int(part) for part in given if part is not None]
    if days is not None:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    made.put("timeout_min", int(days or 0) * 1440 + hours * 60 + minutes + math.ceil(seconds / 60))


def _memory(made: Translated, name: str, value: Any, executor: Any) -> None:
    match = _MEMORY.fullmatch(str(value).strip())
    if match is None or float(match[1]) == 0:  # 0 is all that a node has
        made.put("additional_parameters.mem", str(value))
        return
    size = float(match[1]) * _GIGABYTES[match[2].upper()]
    made.put("mem_gb", int(size) if size == int(size) else size)


def _signal(made: Translated, name: str, value: Any, executor: Any) -> None:
    match = _SIGNAL.fullmatch(str(value).strip().upper())
    if match is None:
        made.left[name] = value, "this is no signal"
        return
    made.put("payload_signal", f"SIG{match[1]}")
    if match[2]:
        made.put("signal_delay_s", int(match[2]))


def _image(made: Translated, name: str, value: Any, executor: Any) -> None:
    text = str(value)
    known = "://" in text or text.endswith((".sif", ".img")) or text.startswith(("/", "./", "~"))
    address = text if known else f"docker://{text.replace('#', '/', 1)}"
    made.put("apptainer.image", address)
    if "://" in address:
        made.notes[name] = f"a registry is asked by each job; better once: apptainer build image.sif {address}"
    elif text.endswith(".sqsh"):
        made.notes[name] = "enroot's squashfs is no image of Apptainer: build a SIF of the same container"


def _launcher(made: Translated, name: str, value: Any, executor: Any) -> None:
    kind = value if isinstance(value, str) else type(value).__name__
    if kind.lower() != "torchrun":
        if kind != "Launcher":
            made.left[name] = kind, "the job's own processes are started by srun"
        return
    made.put("torch_env", True)
    given = getattr(executor, "torchrun_nproc_per_node", None)
    wanted = given or getattr(executor, "gpus_per_node", None) or getattr(executor, "ntasks_per_node", None)
    made.put("tasks_per_node", int(wanted or 1))
    made.notes[name] = "srun starts the processes of each node, which have torchrun's variables (RANK, WORLD_SIZE, ...)"


def _tasks(made: Translated, name: str, value: Any, executor: Any) -> None:
    made.settings.setdefault("tasks_per_node", int(value))


def _nproc(made: Translated, name: str, value: Any, executor: Any) -> None:
    launcher = getattr(executor, "launcher", None)
    kind = launcher if isinstance(launcher, str) else type(launcher).__name__
    if kind.lower() != "torchrun":
        made.left[name] = value, "counts for torchrun only"


def _option(made: Translated, name: str, value: Any, executor: Any) -> None:
    made.put(f"additional_parameters.{name}", value)


def _options(made: Translated, name: str, value: Any, executor: Any) -> None:
    for key, each in dict(value).items():
        made.settings.setdefault("additional_parameters", {})[str(key).replace("-", "_")] = each


def _setup(made: Translated, name: str, value: Any, executor: Any) -> None:
    made.put("setup", [line for line in str(value).splitlines() if line.strip()])


def _named(made: Translated, name: str, value: Any, executor: Any) -> None:
    made.put("name", f"{value}${{hydra.job.name}}")


def _at(path: str) -> Callable[[Translated, str, Any, Any], None]:
    def put(made: Translated, name: str, value: Any, executor: Any) -> None:
        made.put(path, dict(value) if isinstance(value, Mapping) else list(value))

    return put


_ROWS: Mapping[str, Callable[[Translated, str, Any, Any], None]] = {
    "time": _time,
    "mem": _memory,
    "signal": _signal,
    "container_image": _image,
    "container_mounts": _at("apptainer.binds"),
    "env_vars": _at("apptainer.env"),
    "additional_parameters": _options,
    "exclusive": _option,
    "segment": _option,
    "network": _option,
    "setup_lines": _setup,
    "job_name_prefix": _named,
    "launcher": _launcher,
    "ntasks_per_node": _tasks,
    "torchrun_nproc_per_node": _nproc,
}
