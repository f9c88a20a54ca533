"""The launchers ``submitit_apptainer`` and ``submitit_apptainer_local``: hydra-submitit-launcher's settings and ours.

Hydra imports this module in every app of the environment: it imports neither submitit nor our package. No postponed
annotations here: see ``sweeper``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

try:
    from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf
except ImportError:  # it is not installed: the launchers say so when they are chosen
    SlurmQueueConf = LocalQueueConf = None

_HERE = "hydra_plugins.nemo_partial_hydra.slurm"


@dataclass
class ApptainerConf:
    """How each job is run in its container; see ``docs/launcher.md``."""

    # a SIF file or a sandbox directory; null runs the jobs without a container
    image: str | None = None
    # bind the host's NVIDIA or AMD driver libraries
    nv: bool = False
    rocm: bool = False
    # further binds, SOURCE[:DESTINATION[:OPTIONS]]; the sweep's and the code's directories are bound anyway
    binds: list[str] = field(default_factory=list)
    # variables inside; those whose names look like secrets are not written into any file
    env: dict[str, Any] = field(default_factory=dict)
    # leave the host's environment outside, but for SLURM's variables
    cleanenv: bool = False
    # leave the host's home and /tmp outside
    contain: bool = False
    writable_tmpfs: bool = False
    overlay: list[str] = field(default_factory=list)
    # with contain: the host's directory that holds /tmp and /var/tmp
    workdir: str | None = None
    # the interpreter inside; null: python3, without an image the host's
    python: str | None = None
    # further arguments of exec
    extra_args: list[str] = field(default_factory=list)
    # apptainer or singularity, or a path of either
    executable: str = "apptainer"
    # shell lines on the host before the tasks start (module load apptainer)
    setup: list[str] = field(default_factory=list)


@dataclass
class SubmititApptainerConf(SlurmQueueConf or object):  # type: ignore[misc]
    """The settings of ``hydra/launcher=submitit_apptainer``: those of submitit_slurm, and ours."""

    _target_: str = f"{_HERE}.SubmititApptainer"
    # where submitit keeps its files; null: submissions/<n>/submitit in the sweep's directory
    submitit_folder: str | None = None
    apptainer: ApptainerConf = field(default_factory=ApptainerConf)
    # settings of single steps of a pipeline, by their names: {train: {nodes: 2, image: train.sif}}
    steps: dict[str, Any] = field(default_factory=dict)
    # so many jobs are in the queue at once: the launcher stays until all were sent; null: all at once
    max_queued: int | None = None
    # true: return after submission, false: wait; null: true unless the sweeper needs the results
    detach: bool | None = None
    # print what would be submitted, and submit nothing
    dry_run: bool = False
    # recipe: the recipe alone; app: the app's function with the config; auto: what the app says
    payload: str = "auto"
    # set RANK, WORLD_SIZE, LOCAL_RANK, ... in each process, as torchrun does
    torch_env: bool = False
    # what the job is sent signal_delay_s before its time ends, and when it is preempted
    payload_signal: str = "SIGTERM"


@dataclass
class SubmititApptainerLocalConf(LocalQueueConf or object):  # type: ignore[misc]
    """The settings of ``hydra/launcher=submitit_apptainer_local``: those of submitit_local, and ours."""

    _target_: str = f"{_HERE}.SubmititApptainerLocal"
    submitit_folder: str | None = None
    # how many jobs run at a time
    array_parallelism: int = 1
    # how long before its time ends a job is told
    signal_delay_s: int = 30
    # how often a job is started again after its time has ended
    max_num_timeout: int = 0
    setup: list[str] | None = None
    apptainer: ApptainerConf = field(default_factory=ApptainerConf)
    steps: dict[str, Any] = field(default_factory=dict)
    # null or false: jobs on this machine are always waited for
    detach: bool | None = None
    dry_run: bool = False
    payload: str = "auto"
    # the same for one process a job; several get their ranks in any case
    torch_env: bool = False
    payload_signal: str = "SIGTERM"


class _Launches:
    """What makes a launcher whose logic is ``nemo_partial_hydra.launchers.launch``; no plugin by itself."""

    cluster = ""
    checks_jobs = True

    def __init__(self, **params: Any) -> None:
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.task = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from nemo_partial_hydra.launchers.launch import launch, require

        require(installed=SlurmQueueConf is not None)
        return launch(self.config, self.context.config_loader, self.task, job_overrides, initial_job_idx, self.cluster)


class SubmititApptainer(_Launches, Launcher):
    """Freezes the jobs and submits them to SLURM as one array."""

    cluster = "slurm"


class SubmititApptainerLocal(_Launches, Launcher):
    """Freezes the jobs and runs them on this machine, each as SLURM would."""

    cluster = "local"


def _stored(conf: Any) -> Any:
    """Return what is stored: without those settings the launcher takes any, to say itself what is missing."""
    if SlurmQueueConf is None:
        return OmegaConf.create({"_target_": conf._target_}, flags={"struct": False})
    made = OmegaConf.structured(conf)
    OmegaConf.set_struct(made.steps, False)  # steps have their own names: hydra.launcher.steps.train.nodes=2
    return made


for _name, _conf in (
    ("submitit_apptainer", SubmititApptainerConf),
    ("submitit_apptainer_local", SubmititApptainerLocalConf),
):
    ConfigStore.instance().store(group="hydra/launcher", name=_name, node=_stored(_conf), provider="nemo_partial_hydra")
