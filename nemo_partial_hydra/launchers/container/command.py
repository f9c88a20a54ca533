"""How one frozen job is run in its container: the exact argument list and the environment, as pure functions.

May import: the standard library only. Nothing here is ever a shell text. What ``apptainer`` itself takes apart at
commas and colons (``--bind``) goes through ``--mount``, which has quotes; variables go in by ``enter``, since
``--env`` and ``APPTAINERENV_NAME`` change or even run some values.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nemo_partial_hydra.jobs import search_path
from nemo_partial_hydra.jobs.job_id import SCHEDULERS

from .enter import VARIABLE, encoded

SOURCE = "/opt/nemo_partial_hydra_source"
"""Where the package's source is in the container: beside nothing of the host, so that nothing of it is imported."""

_INSIDE = f"{SOURCE}/nemo_partial_hydra"
_PASSED = (*(prefix for each in SCHEDULERS for prefix in each.prefixes), "PMI_", "PMIX_", "SUBMITIT_")
_PASSED_NAMES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
                 "GPU_DEVICE_ORDINAL")  # fmt: skip
# What describes the host's Python: in the container it would lead the image's interpreter to the host's modules.
_HOST_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV", "CONDA_PREFIX")


@dataclass(frozen=True)
class Container:
    """The settings of ``hydra.launcher.apptainer``.

    Parameters
    ----------
    image : a SIF file, a sandbox directory or what else the executable takes; None runs the job without a container.
    nv, rocm : bind the host's NVIDIA or AMD driver libraries.
    binds : further ``SOURCE[:DESTINATION[:OPTIONS]]``, each as ``--bind`` takes it.
    env : variables set in the container, none of them a secret; the values arrive unchanged.
    cleanenv : leave the host's environment outside, but for the scheduler's variables, visible devices, and ``env``.
    contain : leave the host's home and /tmp outside.
    writable_tmpfs : let the job write into the image; what it writes is gone afterwards.
    overlay : overlay images or directories.
    workdir : the directory on the host that holds /tmp and /var/tmp where ``contain`` is set.
    python : the interpreter; by default ``python3`` in an image, the host's own without one.
    extra_args : further arguments of ``exec``, put before the image.
    executable : ``apptainer`` or ``singularity``, or a path of either.
    setup : shell lines for the host, run before the tasks are started (``module load apptainer``).
    """

    image: str | None = None
    nv: bool = False
    rocm: bool = False
    binds: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cleanenv: bool = False
    contain: bool = False
    writable_tmpfs: bool = False
    overlay: tuple[str, ...] = ()
    workdir: str | None = None
    python: str | None = None
    extra_args: tuple[str, ...] = ()
    executable: str = "apptainer"
    setup: tuple[str, ...] = ()

    @property
    def interpreter(self) -> str:
        """The interpreter that runs the job."""
        return self.python or ("python3" if self.image is not None else sys.executable)


def source_folder() -> str:
    """Return the directory of this package's source on the host."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def start_script(container: Container) -> str:
    """Return the path of the file that starts a job, as the job's side sees it."""
    return f"{_INSIDE if container.image is not None else source_folder()}/jobs/start.py"


def command(
    container: Container,
    arguments: Sequence[str],
    *,
    directory: str,
    binds: Iterable[str] = (),
    source: str | None = None,
) -> list[str]:
    """Return the argument list that runs one job.

    Parameters
    ----------
    container : how to run it.
    arguments : what the start script is given.
    directory : the working directory, the same path on both sides.
    binds : directories that are bound under their own path.
    source : the package's source on the host, bound read-only.
    """
    payload = [container.interpreter, start_script(container), *arguments]
    if container.image is None:
        return payload
    options = [container.executable, "exec"]
    switches = {
        "--nv": container.nv,
        "--rocm": container.rocm,
        "--cleanenv": container.cleanenv,
        "--contain": container.contain,
        "--writable-tmpfs": container.writable_tmpfs,
    }
    options += [name for name, on in switches.items() if on]
    for layer in container.overlay:
        options += ["--overlay", layer]
    if container.workdir is not None:
        options += ["--workdir", container.workdir]
    options += bind(source or source_folder(), _INSIDE, read_only=True)
    for path in outermost(binds):
        options += bind(path, path)
    for text in container.binds:
        options += ["--bind", text]
    enter = [container.interpreter, "-I", "-S", f"{_INSIDE}/launchers/container/enter.py"]
    return [*options, "--pwd", directory, *container.extra_args, container.image, *enter, *payload]


def bind(source: str, destination: str, *, read_only: bool = False) -> list[str]:
    """Return the option that binds one path, whatever characters it has."""
    if not any(mark in f"{source}{destination}" for mark in ',:"\\\n'):
        same = source == destination and not read_only
        return ["--bind", source if same else f"{source}:{destination}" + (":ro" if read_only else "")]
    fields = ["type=bind", f"source={source}", f"destination={destination}", *(["ro"] if read_only else [])]
    return ["--mount", ",".join('"' + item.replace('"', '""') + '"' for item in fields)]


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths without those that lie below another of them, in their order."""
    given = list(dict.fromkeys(os.path.normpath(path) for path in paths))
    return [one for one in given if not any(one != other and _below(one, other) for other in given)]


def _below(path: str, other: str) -> bool:
    return path.startswith(other.rstrip("/") + "/")


def environment(
    container: Container, host: Mapping[str, str], *, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment in which the argument list of ``command`` is run.

    Parameters
    ----------
    container : how the job is run.
    host : the environment of the host's process.
    extra : variables that are set besides ``container.env``, and give way to it.
    """
    own = variables(container, host, extra=extra)
    if container.image is None:
        return {**host, **own}
    outside = {key: value for key, value in host.items() if key not in _HOST_PYTHON}
    return {**outside, variable_prefix(container.executable) + VARIABLE: encoded(own)}


def variables(
    container: Container, host: Mapping[str, str], *, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables that a job gets besides those its surroundings give it; see ``environment``."""
    own = {**(extra or {}), **container.env}
    if container.image is None:
        if "PYTHONPATH" in host:
            own.setdefault("PYTHONPATH", host["PYTHONPATH"])
        if "PYTHONPATH" in own:  # in the job's directory an empty or relative entry would be that one
            own["PYTHONPATH"] = search_path.absolute(own["PYTHONPATH"])
        return own
    # The home directory is mounted by default, and with it what the user installed there for the host's Python.
    own.setdefault("PYTHONNOUSERSITE", "1")
    if container.cleanenv:
        passed = {key: value for key, value in host.items() if key.startswith(_PASSED) or key in _PASSED_NAMES}
        own = {**passed, **own}
    return own


def variable_prefix(executable: str) -> str:
    """Return what the executable puts before the names of variables that it hands into the container."""
    return "SINGULARITYENV_" if os.path.basename(executable).startswith("singularity") else "APPTAINERENV_"
