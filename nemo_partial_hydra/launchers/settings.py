"""The launchers' settings: as Hydra composes them, and as they are kept in a submission.

May import: the standard library only. Values of variables whose names look like secrets are never kept: the file has
their names, the values travel in the environment of the submission and of the job.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.jobs.job_id import SLURM
from nemo_partial_hydra.jobs.placeholders import is_secret

from .container.command import Container

_OWN = (
    "apptainer", "detach", "dry_run", "payload", "payload_signal", "steps", "submitit_folder", "_target_", "name",
    "setup", "torch_env",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What a submission is made with.

    Parameters
    ----------
    cluster : the name of the cluster: ``slurm``, ``local``, or what an installed package offers.
    name : the array's name.
    container : how each job is run.
    resources : hydra-submitit-launcher's fields under their usual names; what is None is left to the cluster.
    setup : shell lines that run on the host before the tasks are started.
    payload_signal : what the job is sent before its time ends.
    code : the directories of the recipes' own modules.
    trust_code : those of them that whoever submits trusts, whoever owns them.
    allow : dotted prefixes that recipes may name, besides the runner's own.
    secrets : names of variables whose values the container gets from the environment of the submission.
    detach : True returns after submission, False waits, None decides by cluster and sweeper.
    submitit_folder : where submitit keeps its files; None is in the submission's own directory.
    image_stamp : size and time of change of the image when it was submitted, see ``stamp``.
    torch_env : whether each process gets its rank as torchrun says it (``RANK``, ``WORLD_SIZE``, ...).
    folder : where the app's function is called, which is where the app was started; None for the job's directory.
    """

    cluster: str = SLURM
    name: str = "job"
    container: Container = field(default_factory=Container)
    resources: Mapping[str, Any] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    payload_signal: str = "SIGTERM"
    code: tuple[str, ...] = ()
    trust_code: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    detach: bool | None = None
    submitit_folder: str | None = None
    image_stamp: tuple[int, int] | None = None
    torch_env: bool = False
    folder: str | None = None

    def resource(self, name: str, default: int) -> int:
        """Return a resource that is a number."""
        value = self.resources.get(name)
        return default if value is None else int(value)

    @property
    def tasks(self) -> int:
        """How many tasks one job has."""
        return self.resource("nodes", 1) * self.resource("tasks_per_node", 1)

    @property
    def host_lines(self) -> tuple[str, ...]:
        """The shell lines that run on the host before the tasks are started."""
        return (*self.setup, *self.container.setup)

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that the job is sent before its time ends."""
        return signal.Signals[signal_name(self.payload_signal)]

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON data, without the value of any secret."""
        return dataclasses.asdict(self)


def from_config(
    config: Mapping[str, Any],
    cluster: str,
    code: Sequence[str] = (),
    allow: Sequence[str] = (),
    trust_code: Sequence[str] = (),
    folder: str | None = None,
) -> tuple[Settings, dict[str, str]]:
    """Read the composed ``hydra.launcher``.

    Returns
    -------
    The settings, and the values of the secrets, which are for the environment of the submission only.
    """
    container: dict[str, Any] = dict(config.get("apptainer") or {})
    given = {str(key): value for key, value in (container.pop("env", None) or {}).items()}
    env = {key: _text(value) for key, value in given.items() if value is not None}
    secrets = {key: value for key, value in env.items() if is_secret(key)}
    for key in ("image", "workdir"):
        container[key] = _absolute(container.get(key))
    if os.sep in (container.get("executable") or ""):
        container["executable"] = _absolute(container["executable"])
    listed: dict[str, Any] = {
        key: tuple(map(str, container.pop(key, None) or ())) for key in ("binds", "extra_args", "setup")
    }
    overlay = container.pop("overlay", None) or ()
    layers = tuple(str(_absolute(str(each))) for each in overlay)
    listed["binds"] = tuple(_absolute_bind(each) for each in listed["binds"])
    settings = Settings(
        cluster=cluster,
        name=str(config.get("name") or "job"),
        container=Container(
            **container, **listed, overlay=layers, env={k: v for k, v in env.items() if k not in secrets}
        ),
        resources={key: value for key, value in config.items() if key not in _OWN and value is not None},
        setup=tuple(map(str, config.get("setup") or ())),
        payload_signal=str(config.get("payload_signal") or "SIGTERM"),
        code=tuple(code),
        trust_code=tuple(trust_code),
        allow=tuple(allow),
        secrets=tuple(key for key, value in given.items() if value is None or key in secrets),
        detach=config.get("detach"),
        submitit_folder=config.get("submitit_folder"),
        torch_env=bool(config.get("torch_env")),
        folder=folder,
    )
    return settings, secrets


def _text(value: Any) -> str:
    """Spell a variable's value: true and false as YAML does, everything else as it is."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _absolute(path: str | None) -> str | None:
    """Make a path absolute here, since the job runs in another directory; an address stays."""
    if path is None or "://" in path:
        return path
    return os.path.abspath(os.path.expanduser(path))


def _absolute_bind(text: str) -> str:
    """Make the source of ``SOURCE[:DESTINATION[:OPTIONS]]`` absolute, and say where it was meant to be seen."""
    source, colon, rest = text.partition(":")
    return f"{_absolute(source)}{colon}{rest}"


def stamp(image: str | None) -> tuple[int, int] | None:
    """Return what tells that an image was replaced: its size and time of change; None for no file."""
    try:
        found = os.stat(image or "")
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def from_record(data: Mapping[str, Any]) -> Settings:
    """Read settings that ``record`` wrote; what a newer version wrote besides is left out."""
    known = {each.name for each in dataclasses.fields(Settings)}
    inner = {each.name for each in dataclasses.fields(Container)}
    container = {key: _tuples(value) for key, value in data["container"].items() if key in inner}
    rest = {key: _tuples(value) for key, value in data.items() if key in known and key != "container"}
    return Settings(container=Container(**container), **rest)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def signal_name(name: str) -> str:
    """Spell a signal as ``signal.Signals`` names it."""
    text = name.strip().upper()
    return text if text.startswith("SIG") else f"SIG{text}"
