"""What the launchers have in common: choose the jobs, submit or run them, say what the user can do next.

May import: the standard library; Hydra, inside ``composed``.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from nemo_partial_hydra.errors import JobError, RefusedError, UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import Head, read_head, read_job
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.messages import nearest, one_of

from . import dry_run, submit, wait
from .clusters.local import run
from .preflight.report import Report
from .records import Submission
from .settings import LOCAL, SLURM, Settings
from .status.live import Board

CLUSTERS = {"submitit_apptainer": SLURM, "submitit_apptainer_local": LOCAL}


def ready(jobs: Sequence[JobPaths]) -> list[JobPaths]:
    """Return the jobs that were never submitted; say which are left out.

    Raises
    ------
    RefusedError
        If there are none.
    """
    found = {job: states.read_status(job).state for job in jobs}
    fresh = [job for job, state in found.items() if state == states.FROZEN]
    left = [f"{job.directory.name} is {state}" for job, state in found.items() if state != states.FROZEN]
    if not fresh:
        raise RefusedError(
            f"nothing to submit: {one_of(left, 5)}; see nemo-hydra status, and nemo-hydra retry for what failed"
        )
    if left:
        print(f"Left out: {one_of(left, 5)}", file=sys.stderr)
    return fresh


def send(
    sweep: SweepPaths,
    jobs: Sequence[JobPaths],
    settings: Settings,
    secrets: Mapping[str, str],
    *,
    attempts: Mapping[JobPaths, int] | None = None,
    after: str | None = None,
    report: Report | None = None,
) -> Submission:
    """Submit or run jobs; wait for them where the settings say so. What each came to is in its status.json.

    Raises
    ------
    UsageError, ClusterError, RefusedError
        If nothing was submitted.
    KeyboardInterrupt
        After saying how to cancel.
    """
    if settings.cluster == LOCAL:
        if after:
            raise UsageError("--after: jobs on this machine are not in SLURM's queue; use submitit_apptainer")
        with Board(jobs) as board:
            return run.run(
                sweep, jobs, settings, secrets=secrets, attempts=attempts, ended=board, look=board.look, report=report
            )
    sent = submit.submit(sweep, jobs, settings, secrets=secrets, attempts=attempts, after=after, report=report)
    where = shlex.quote(str(sweep.directory))
    number = f"{len(sent.jobs)} job" + ("s" if len(sent.jobs) > 1 else "")
    print(f"Submitted {number} to SLURM as {', '.join(sent.arrays)} ({sent.name}).")
    print(f"  nemo-hydra status {where}", flush=True)
    if settings.detach is not False:
        return sent
    try:
        with Board(jobs) as board:
            wait.wait(sweep, sent, board, look=board.look)
    except KeyboardInterrupt:
        stopped_waiting(sweep, sent)
        raise
    return sent


def stopped_waiting(sweep: SweepPaths, sent: Submission) -> None:
    """Ask somebody at a terminal whether the jobs are to be cancelled; say how that is done otherwise."""
    where = shlex.quote(str(sweep.directory))
    names = ", ".join(sent.arrays)
    if sys.stdin.isatty() and sys.stderr.isatty():
        try:
            answer = input(f"\nThe jobs go on ({names}). Cancel them? [y/N] ")
        except (EOFError, KeyboardInterrupt):
            answer = ""
        if answer.strip().lower() in ("y", "yes"):
            from . import cancel

            print("\n".join(cancel.cancel(str(sweep.directory), subdirs=[job.subdir for job in sent.jobs]).lines))
            return
    print(
        f"\nThe jobs go on: {names}. To see them: nemo-hydra status {where}. To cancel them: nemo-hydra cancel {where} "
        f"(or scancel {' '.join(sent.arrays)})",
        file=sys.stderr,
        flush=True,
    )


def failed(jobs: Sequence[JobPaths]) -> list[JobPaths]:
    """Return the jobs that are not done."""
    return [job for job in jobs if states.read_status(job).state != states.DONE]


def heads(jobs: Sequence[JobPaths]) -> list[Head]:
    """Return what the jobs' files say before their recipes."""
    return [read_head(job) for job in jobs]


def verify(jobs: Sequence[JobPaths], allow: Sequence[str] = ()) -> None:
    """Check that every recipe is the one that was frozen and names only what is allowed, before anything is sent.

    Raises
    ------
    RefusedError, PolicyError
        Naming the jobs; nothing was submitted.
    """
    from nemo_partial_hydra.policy.scan import names_in
    from nemo_partial_hydra.runtime import session

    policy = session.workspace().policy
    for job in jobs:
        policy.check_names(names_in(read_job(job).recipe), allow)


def verify_image(found: Sequence[Head], settings: Settings) -> None:
    """Check that the image is the one that the jobs were frozen for, where they were frozen for that file.

    Raises
    ------
    RefusedError
        If its content is another one.
    """
    from nemo_partial_hydra.jobs.metadata import image_of

    image = settings.container.image
    frozen = {str(head.image["sha256"]) for head in found if head.image and head.image.get("path") == image}
    frozen.discard("None")
    if image is None or not frozen or not os.path.isfile(image):
        return
    if {image_of(image)["sha256"]} != frozen:
        raise RefusedError(
            f"{image}: the image was replaced after the jobs were frozen for it; freeze them again, or name it by "
            "another path if that is meant"
        )


def show(
    sweep: SweepPaths, jobs: Sequence[JobPaths], settings: Settings, found: Sequence[Head], after: str | None = None
) -> str:
    """Return what would be submitted."""
    return dry_run.text(sweep, jobs, settings, overrides=[head.overrides for head in found], after=after)


def composed(arguments: Sequence[str], sweep: SweepPaths, name: str, config_dir: str | None) -> tuple[Any, str]:
    """Compose ``hydra.launcher`` for jobs that are frozen already.

    Returns
    -------
    The settings as plain data, and the launcher's name.

    Raises
    ------
    UsageError
        For an argument that is no setting of a launcher, or no launcher of this package.
    """
    for text in arguments:
        key = text.lstrip("+~").partition("=")[0]
        if key not in ("hydra/launcher", "hydra.job.name") and not key.startswith("hydra.launcher."):
            raise UsageError(
                f"{text}: the jobs are frozen: only hydra/launcher=... and hydra.launcher.*=... can be set"
            )
    launcher = next((text.partition("=")[2] for text in arguments if text.startswith("hydra/launcher=")), None)
    if launcher is None and config_dir is None:
        raise UsageError(f"name the launcher: hydra/launcher={' or hydra/launcher='.join(CLUSTERS)}")
    from hydra import compose, initialize, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf, read_write
    from omegaconf.errors import OmegaConfBaseException

    from nemo_partial_hydra.composition.compat import initialize_arguments
    from nemo_partial_hydra.composition.error_text import explain
    from nemo_partial_hydra.dialect.scalars import escape_interpolation

    GlobalHydra.instance().clear()
    base = initialize_arguments(None)
    opened: Any = (
        initialize(config_path=None, **base)
        if config_dir is None
        else initialize_config_dir(os.path.abspath(config_dir), **base)
    )
    try:
        with opened:
            config = compose(overrides=list(arguments), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error) or str(error)) from None
    named = any(text.lstrip("+").startswith("hydra.job.name=") for text in arguments)
    with read_write(config), read_write(config.hydra):
        config.hydra.sweep.dir = escape_interpolation(str(sweep.directory))
        if not named:
            config.hydra.job.name = escape_interpolation(name)
    chosen = str(config.hydra.runtime.choices["hydra/launcher"])
    if chosen not in CLUSTERS:
        raise UsageError(
            f"hydra/launcher={chosen}: frozen jobs are sent by {one_of(CLUSTERS)}{nearest(chosen, CLUSTERS)}"
        )
    return OmegaConf.to_container(config.hydra.launcher, resolve=True), chosen


def sweep_of(job: JobPaths, head: Head) -> SweepPaths:
    """Return the sweep of one job."""
    from nemo_partial_hydra.jobs.placeholders import sweep_of as directory_of

    if not isinstance(head.subdir, str):
        raise JobError(f"{job.job}: subdir is no text")
    return SweepPaths(directory_of(job.directory, head.subdir))
