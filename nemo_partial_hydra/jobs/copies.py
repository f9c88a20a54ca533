"""Copies of frozen jobs: what somebody else has frozen, as a sweep of one's own.

May import: the standard library only (``job`` reads YAML). A copy has what describes a job and nothing of how it went:
job.yaml, its signatures, and the sweep's multirun.yaml. Each is read once, without following a link, and what was read
is what is written, so that nobody can exchange it between a check and the copy. A job that is there already is left
as it is, if it is the same, so that a copy that was cut off is made whole by the same command.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nemo_partial_hydra.dialect.yaml import MAX_BYTES
from nemo_partial_hydra.errors import JobError, UsageError

from . import files, folders
from .job import READ_ONLY, digest_of, read_head
from .layout import JobPaths, SweepPaths, sweep_paths


def planned(jobs: Sequence[JobPaths], directory: str, target: str) -> list[JobPaths]:
    """Return where copies of the jobs of a directory belong; nothing is made.

    Parameters
    ----------
    jobs : the job of the directory, or all of a sweep's.
    directory : of a sweep, or of one job.
    target : the directory of the copy, which need not exist; each job gets the place that it has in its sweep.

    Raises
    ------
    UsageError
        If one of the two directories is in the other, or both are one.
    """
    source, here = os.path.realpath(directory), os.path.realpath(target)
    if os.path.commonpath([source, here]) in (source, here):
        raise UsageError(f"--to {target}: lies in {directory}, or holds it; name a directory of your own elsewhere")
    return [sweep_paths(here).job(place) for place in _places(jobs, directory)]


def copy(jobs: Sequence[JobPaths], copies: Sequence[JobPaths], directory: str, digests: Sequence[str]) -> None:
    """Copy jobs to where :func:`planned` says.

    Parameters
    ----------
    directory : that of the jobs, whose multirun.yaml is copied too.
    digests : those of the jobs' files as they were checked; no other file is copied.

    Raises
    ------
    JobError, RefusedError
        If a job cannot be read, it is another one than was checked, or another job is in its place already: nothing
        was copied. If a file cannot be written: the same again goes on there.
    """
    contents = [_read(job, digest) for job, digest in zip(jobs, digests, strict=True)]
    for made, content in zip(copies, contents, strict=True):
        _refuse_another(made, content)
    sweep = SweepPaths(copies[0].root)
    try:
        folders.make(sweep.directory, sweep.directory)
        folders.refuse_foreign(sweep.directory, sweep.directory)
        for job, made, content in zip(jobs, copies, contents, strict=True):
            folders.make(made.root, made.directory)
            if not files.exists(made.root, made.job):
                files.write(made.root, made.job, content, mode=READ_ONLY)
            _copy_signature(job, made)
        _copy_multirun(Path(os.path.abspath(directory)), sweep)
    except OSError as error:
        raise JobError(f"{error.filename or sweep.directory}: {error.strerror or error}") from error


def _places(jobs: Sequence[JobPaths], directory: str) -> list[str]:
    """Return each job's place below its sweep's directory."""
    root = Path(os.path.abspath(directory))
    if len(jobs) > 1 or jobs[0].directory != root:
        return [str(job.directory.relative_to(root)) for job in jobs]
    parts = tuple(part for part in Path(read_head(jobs[0]).subdir).parts if part not in (".", "/"))
    # What the file says of its place counts only as far as it lies there.
    return [str(Path(*parts)) if parts and root.parts[-len(parts) :] == parts else root.name]


def _read(job: JobPaths, digest: str) -> bytes:
    """Return the bytes of a job as it was checked."""
    try:
        content = files.read(job.root, job.job, MAX_BYTES)
    except OSError as error:
        raise JobError(f"{job.job}: cannot be read: {error.strerror or error}") from None
    if digest_of(content) != digest:
        raise JobError(f"{job.job}: was exchanged while it was read; look at it again")
    return content


def _refuse_another(made: JobPaths, content: bytes) -> None:
    try:
        found = files.read(made.root, made.job, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise JobError(f"{made.job}: cannot be read: {error.strerror or error}") from None
    if found != content:
        raise JobError(f"{made.directory}: another job is there; a frozen job never changes: name another directory")


def _copy_signature(job: JobPaths, made: JobPaths) -> None:
    """Copy who has signed a job, as that is now."""
    try:
        content = files.read(job.root, job.signature, MAX_BYTES)
    except FileNotFoundError:
        return
    files.write(made.root, made.signature, content)


def _copy_multirun(source: Path, sweep: SweepPaths) -> None:
    """Copy the sweep's own config, which only describes; one that cannot be read is left out."""
    try:
        content = files.read(source, sweep_paths(source).multirun, MAX_BYTES)
    except OSError:
        return
    if not files.exists(sweep.directory, sweep.multirun):
        files.write(sweep.directory, sweep.multirun, content)
