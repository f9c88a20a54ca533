"""What is wrong with the launchers' settings by themselves.

May import: the standard library and the clusters.
"""

from __future__ import annotations

import re
import signal

from nemo_partial_hydra.jobs.placeholders import is_secret
from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS, Clusters
from nemo_partial_hydra.launchers.settings import Settings, signal_name

_ASSIGNED = re.compile(r"(?<![\w$])([A-Za-z_]\w*)=(?=\S)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FLAG = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SUBMITS_NOTHING = "sbatch would submit nothing"
_OTHERWISE = {
    "array": "the jobs are the array; hydra.launcher.array_parallelism says how many run at a time",
    "wait": "hydra.launcher.detach=false waits for the jobs",
    "signal": "hydra.launcher.signal_delay_s and payload_signal say what is sent when; jobs would miss that signal",
    "time": "hydra.launcher.timeout_min is the time limit, by which a job knows whether it was over",
    "time-min": "SLURM would lower the time limit, and a job knows by hydra.launcher.timeout_min whether it was over",
    "wrap": "the script is the launcher's; lines of your own go into hydra.launcher.setup",
    "test-only": f"{_SUBMITS_NOTHING}; hydra.launcher.dry_run=true or --dry-run shows what would be sent",
    "help": _SUBMITS_NOTHING, "usage": _SUBMITS_NOTHING, "version": _SUBMITS_NOTHING,
}  # fmt: skip
"""Options of ``sbatch`` that would make something else of a submission, and what there is instead."""


def mistakes(settings: Settings, clusters: Clusters = CLUSTERS) -> list[tuple[str, str]]:
    """Return what is wrong with the settings by themselves: ``(setting, what)`` each."""
    found: list[tuple[str, str]] = []
    if signal_name(settings.payload_signal) not in signal.Signals.__members__:
        found.append(("payload_signal", f"there is no signal {settings.payload_signal!r}; use SIGTERM, SIGUSR1, ..."))
    if settings.detach and clusters.named(settings.cluster).run is not None:
        found.append(("detach", "jobs on this machine are waited for; use submitit_apptainer to leave them to SLURM"))
    for name in ("timeout_min", "nodes", "tasks_per_node", "array_parallelism", "max_queued"):
        if settings.resource(name, 1) < 1:
            found.append((name, f"has to be at least 1, not {settings.resources[name]}"))
    for name in ("cpus_per_task", "gpus_per_node", "mem_gb", "signal_delay_s", "max_num_timeout", "gpus_per_task"):
        if settings.resource(name, 0) < 0:
            found.append((name, f"cannot be negative: {settings.resources[name]}"))
    limit, delay = settings.resource("timeout_min", 60) * 60, settings.resource("signal_delay_s", 0)
    if delay >= limit > 0:
        found.append(("signal_delay_s", f"is {delay} s, but the job has {limit} s: it would be stopped at its start"))
    if settings.resources.get("use_srun") is False:
        found.append(("use_srun", "tasks are started by srun: without it SLURM's signal before the end is lost"))
    found += _script_lines(settings)
    found += _written_secrets(settings)
    return found


def _script_lines(settings: Settings) -> list[tuple[str, str]]:
    """Return what cannot stand in a batch script: a line break would begin a line that the shell runs."""
    found = []
    extra = settings.resources.get("additional_parameters") or {}
    values = {"name": settings.name, **{k: v for k, v in settings.resources.items() if isinstance(v, str)}}
    values |= {f"additional_parameters.{key}": value for key, value in extra.items()}
    for name, value in values.items():
        if _CONTROL.search(str(value)):
            found.append((name, f"{value!r}: a line break or control character cannot stand in a batch script"))
    for name in extra:
        if not _FLAG.fullmatch(name):
            found.append(("additional_parameters", f"{name!r} is no option of sbatch"))
        elif name.replace("_", "-").lower() in _OTHERWISE:
            found.append((f"additional_parameters.{name}", _OTHERWISE[name.replace("_", "-").lower()]))
    return found


def _written_secrets(settings: Settings) -> list[tuple[str, str]]:
    """Return secrets that would be written into a script or a file."""
    found = []
    places: list[tuple[str, str]] = [("setup", line) for line in settings.setup]
    places += [("apptainer.setup", line) for line in settings.container.setup]
    places += [("apptainer.extra_args", text) for text in settings.container.extra_args]
    places += [("srun_args", str(text)) for text in settings.resources.get("srun_args") or ()]
    extra = settings.resources.get("additional_parameters") or {}
    places += [(f"additional_parameters.{key}", str(value)) for key, value in extra.items()]
    for place, text in places:
        for name in _given_secrets(text):
            found.append((place, f"the value of {name} would be written into files: export it before you submit, or "
                          f"use apptainer.env.{name}='${{oc.env:{name}}}'"))  # fmt: skip
    return found


def _given_secrets(text: str) -> list[str]:
    """Return the secret-looking variables that a text gives a value: ``HF_TOKEN=abc``, but not ``HF_TOKEN=$TOKEN``."""
    found = []
    for match in _ASSIGNED.finditer(text):
        value = text[match.end() :].lstrip("\"'")
        if is_secret(match.group(1)) and not value.startswith("$"):
            found.append(match.group(1))
    return found
