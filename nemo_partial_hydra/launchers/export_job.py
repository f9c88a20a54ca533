"""``nemo-hydra export --launcher``: the export as one job in an image, and its library brought back.

May import: the standard library; Hydra, through ``arguments``. Where no NeMo is, nobody but the image can
import the modules: the job is a frozen one like any other, in a directory of its own beside ``--out``, which is removed
when the library is there and kept, with its logs, when it is not.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_partial_hydra import errors
from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.errors import JobFailed, RecipeError, UsageError
from nemo_partial_hydra.export.in_job import FOLDER
from nemo_partial_hydra.export.library import Exported
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, write_job
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, sweep_paths
from nemo_partial_hydra.jobs.metadata import read_metadata
from nemo_partial_hydra.jobs.ownership import Trust
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.messages import one_of, say
from nemo_partial_hydra.recipes import keys
from nemo_partial_hydra.signatures.snapshot import NAME as SNAPSHOT

from . import cancel, code, submit
from .arguments import composed
from .clusters.base import Cluster
from .clusters.registry import CLUSTERS
from .container import bind
from .log_tail import tail
from .settings import from_config
from .status import live
from .status.look import overview
from .wait import attend

TARGET = "nemo_partial_hydra.export.in_job.write_library"
END_S = 15.0
"""So long a cancelled job has to end."""
LAST_LINES = 12


@dataclass(frozen=True)
class Asked:
    """What is to be exported, and how the job is sent: the arguments of the command."""

    modules: Sequence[str]
    given: Sequence[str]
    skip: Sequence[str]
    also: Sequence[str]
    name: str | None
    launcher: str
    image: str | None
    settings: Sequence[str]
    trust_code: Sequence[str] = ()
    keep_arguments: bool = False


def export_in_image(asked: Asked, out: str) -> Exported:
    """Export modules in a job, and return its library as ``exporting.export`` would.

    Raises
    ------
    UsageError, ClusterError
        If something is known to go wrong: all of it, and nothing was submitted. Also what the export itself raises.
    JobFailed
        If the job ended without a library; with the last lines of its log.
    """
    folder = os.path.dirname(os.path.abspath(out))
    sweep = sweep_paths(tempfile.mkdtemp(prefix=f".{os.path.basename(out)}.export.", dir=folder))
    keep = False
    try:
        job = _frozen(asked, sweep)
        _run(asked, sweep, job)
        status = states.read_status(job)
        keep = status.state != states.DONE
        if keep:
            _raise(job, status)
        return read(job.directory / FOLDER)
    finally:
        if not keep:
            shutil.rmtree(sweep.directory, ignore_errors=True)


def _frozen(asked: Asked, sweep: SweepPaths) -> JobPaths:
    arguments: dict[str, Any] = {
        "modules": [*asked.modules],
        "given": [*asked.given],
        "skip": [*asked.skip],
        "also": [*asked.also],
        "name": asked.name,
        "keep_arguments": asked.keep_arguments,
    }
    recipe = {keys.TARGET: TARGET, keys.PARTIAL_KEY: True, **{k: _texts(v) for k, v in arguments.items() if v}}
    metadata = read_metadata("export")
    job = sweep.job("0")
    write_job(
        job,
        Job(
            recipe_hash(recipe), name=metadata.name, num=0, subdir="0", created=metadata.created, user=metadata.user,
            app=os.getcwd(), recipe=recipe,
        ),
    )  # fmt: skip
    return job


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [escape_interpolation(each) for each in value]
    return escape_interpolation(value) if isinstance(value, str) else value


def _run(asked: Asked, sweep: SweepPaths, job: JobPaths) -> None:
    """Send the job and wait for it."""
    if asked.launcher not in CLUSTERS.launchers:
        raise UsageError(f"--launcher {asked.launcher}: there is {one_of(CLUSTERS.launchers)}")
    config, cluster = composed([f"hydra/launcher={asked.launcher}", *asked.settings], sweep, "export")
    if config.get("detach"):
        raise UsageError("hydra.launcher.detach: an export is waited for, since it brings the library back")
    if asked.image is not None:
        config["apptainer"]["image"] = asked.image
    if config.get("dry_run"):
        raise UsageError("hydra.launcher.dry_run: an export has no dry run")
    image = config["apptainer"].get("image") is not None
    own = bind.folders([], asked.modules)  # where this process finds them itself
    trust = Trust.of(asked.trust_code).plus(folder for folder in own if folder != os.getcwd())
    found = code.chosen(bind.folders([os.getcwd()], asked.modules), trust, lambda: asked.modules, image=image)
    settings, secrets = from_config(config, cluster.name, **found, allow=(TARGET,))
    sent = submit.submit(sweep, [job], settings, secrets=secrets)
    where = f"in {cluster.title} job {sent.arrays[0]} ({sent.name})" if sent.arrays else f"in a job on {cluster.title}"
    say(f"exporting {where} ...", file=sys.stderr, flush=True)
    try:
        attend(sweep, sent, lambda paths, status: None, secrets=secrets)
    except KeyboardInterrupt:
        if cluster.run is None:
            _cancel(sweep, cluster, sent.arrays[0])
        raise


def _cancel(sweep: SweepPaths, cluster: Cluster, job: str) -> None:
    """Cancel the job of a user who stops waiting: nobody would fetch its library; wait a while for its end."""
    directory = str(sweep.directory)
    try:
        cancelled = not cancel.cancel(directory).left
    except RecipeError:
        cancelled = False
    text = f"{cluster.title} job {job} is cancelled" if cancelled else f"cancel it with: {cluster.programs[1]} {job}"
    say(text, file=sys.stderr, flush=True)
    end = time.monotonic() + END_S
    while time.monotonic() < end and any(entry.merged.queued for entry in overview(directory).entries):
        time.sleep(0.5)


def _raise(job: JobPaths, status: states.Status) -> None:
    """Raise what the export raised: the same error, with the same exit code, as if it had run here."""
    error = status.error or {}
    module, _, kind = str(error.get("type")).rpartition(".")
    own = getattr(errors, kind, None) if module == errors.__name__ else None
    if isinstance(own, type) and issubclass(own, RecipeError):
        raise own(f"{error['message']}\n(in the image; its log is {job.err(status.attempt)})")
    ending = live.ending(job, status)
    lines = tail(job, job.err(status.attempt), LAST_LINES)
    raise JobFailed("\n".join([f"the export is {ending}", *(f"  {line}" for line in lines)]))


def read(folder: Path) -> Exported:
    """Read a library that was written just now.

    Raises
    ------
    JobFailed
        If it is not whole.
    """
    try:
        made = manifest.read(str(folder))
        files = {f"{name}.yaml": (folder / f"{name}.yaml").read_text(encoding="utf-8") for name in made.recipes}
        return Exported(files, made, (folder / SNAPSHOT).read_text(encoding="utf-8"))
    except (OSError, RecipeError) as error:
        raise JobFailed(f"the job is done, but its library cannot be read here: {error}") from error
