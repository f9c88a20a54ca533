"""``nemo-hydra export --launcher``: the export as one job in an image, and its library brought back.

May import: the standard library; Hydra, through ``launchers.composed``. Where no NeMo is, nobody but the image can
import the modules: the job is a frozen one like any other, in a directory of its own beside ``--out``, which is removed
when the library is there and kept, with its logs, when it is not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_partial_hydra import errors
from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.errors import JobFailed, RecipeError, UsageError
from nemo_partial_hydra.export.in_job import FOLDER
from nemo_partial_hydra.export.library import Exported
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import Job, recipe_hash, write_job
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, sweep_paths
from nemo_partial_hydra.jobs.metadata import read_facts
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.messages import one_of
from nemo_partial_hydra.signatures.snapshot import NAME as SNAPSHOT

from . import send, submit, wait
from .clusters.local import run
from .clusters.slurm import commands
from .container import bind
from .settings import LOCAL, Settings, from_config
from .status import live

TARGET = "nemo_partial_hydra.export.in_job.write_library"
_ENDS = 15.0  # seconds that a cancelled job has to end
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
    }
    recipe = {"_target_": TARGET, "_partial_": True, **{k: _texts(v) for k, v in arguments.items() if v}}
    facts = read_facts("export")
    job = sweep.job("0")
    write_job(
        job,
        Job(
            recipe_hash(recipe), name=facts.name, num=0, subdir="0", created=facts.created, user=facts.user,
            app=os.getcwd(), recipe=recipe,
        ),
    )  # fmt: skip
    return job


def _texts(value: Any) -> Any:
    return [escape_interpolation(each) for each in value] if isinstance(value, list) else escape_interpolation(value)


def _run(asked: Asked, sweep: SweepPaths, job: JobPaths) -> None:
    """Send the job and wait for it."""
    if asked.launcher not in send.CLUSTERS:
        raise UsageError(f"--launcher {asked.launcher}: there is {one_of(send.CLUSTERS)}")
    config, name = send.composed([f"hydra/launcher={asked.launcher}", *asked.settings], sweep, "export", None)
    if config.get("detach"):
        raise UsageError("hydra.launcher.detach: an export is waited for, since it brings the library back")
    if asked.image is not None:
        config["apptainer"]["image"] = asked.image
    if config.get("dry_run"):
        raise UsageError("hydra.launcher.dry_run: an export has no dry run")
    # The current directory first, as `python -m` has it.
    found = bind.folders([os.getcwd()], asked.modules)
    settings, secrets = from_config(config, send.CLUSTERS[name], code=found, allow=(TARGET,))
    report = submit.check(sweep, settings)
    report.check()
    if settings.cluster == LOCAL:
        print("exporting in a job on this machine ...", file=sys.stderr, flush=True)
        run.run(sweep, [job], settings, secrets=secrets, report=report)
    else:
        _wait(sweep, job, settings, secrets, report)


def _wait(sweep: SweepPaths, job: JobPaths, settings: Settings, secrets: dict[str, str], report: Any) -> None:
    sent = submit.submit(sweep, [job], settings, secrets=secrets, report=report)
    print(f"exporting in SLURM job {sent.arrays[0]} ({sent.name}) ...", file=sys.stderr, flush=True)
    with _cancelled_with_us(sent.arrays[0]):
        wait.wait(sweep, sent, lambda paths, status: None)


@contextlib.contextmanager
def _cancelled_with_us(job: str) -> Iterator[None]:
    """Cancel the job when the user stops waiting: nobody would fetch its library."""
    try:
        yield
    except KeyboardInterrupt:
        answer = commands.ask(["scancel", job])
        text = f"SLURM job {job} is cancelled" if answer.code == 0 else f"cancel it with: scancel {job}"
        print(text, file=sys.stderr, flush=True)
        _gone(job)
        raise


def _gone(job: str) -> None:
    """Wait, for a while, until a cancelled job has written its last word: its directory is removed then."""
    end = time.monotonic() + _ENDS
    while time.monotonic() < end:
        answer = commands.ask(["squeue", "--noheader", "--jobs", job, "--format", "%T"])
        if answer.code != 0 or not answer.out.strip():
            return
        time.sleep(0.2)


def _raise(job: JobPaths, status: states.Status) -> None:
    """Raise what the export raised: the same error, with the same exit code, as if it had run here."""
    error = status.error or {}
    module, _, kind = str(error.get("type")).rpartition(".")
    own = getattr(errors, kind, None) if module == errors.__name__ else None
    if isinstance(own, type) and issubclass(own, RecipeError):
        raise own(f"{error['message']}\n(in the image; its log is {job.err(status.attempt)})")
    said = live.said(job, status)
    lines = _last_lines(job.err(status.attempt))
    raise JobFailed("\n".join([f"the export is {said}", *(f"  {line}" for line in lines)]))


def _last_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    except OSError:
        return []


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
