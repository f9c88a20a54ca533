"""Signatures of jobs: ``job.yaml.sig`` beside each ``job.yaml``, of one or several signers.

May import: the standard library only (``job`` reads YAML). What is signed are the bytes of job.yaml, and nothing else:
not where the job lies, so that a sweep may be copied; not its status or logs, which only describe. So a signature says
that somebody froze this job, or stands by it; whether it is to be run, here and now, the runner decides.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nemo_partial_hydra.dialect.yaml import MAX_BYTES
from nemo_partial_hydra.errors import JobError, RecipeError, RefusedError
from nemo_partial_hydra.messages import Problems, one_of, say

from . import files, folders, openssh
from .job import read_job
from .layout import JobPaths, find_jobs
from .signers import Signer, Signers


def sign(directory: str, key: str) -> tuple[int, openssh.Signature]:
    """Sign the job of a directory, or all of a sweep's; a signature by the same key is replaced, others stay.

    Returns
    -------
    How many they are, and one of the signatures.

    Parameters
    ----------
    key : see :func:`openssh.sign`.

    Raises
    ------
    JobError, RefusedError
        Naming every job that is damaged or changed, or lies in somebody else's directory; nothing was signed.
    UsageError
        If the key cannot be used.
    """
    jobs = find_jobs(directory)
    problems = Problems()
    contents = []
    kind: type[RecipeError] = RefusedError
    for job in jobs:
        try:
            folders.refuse_foreign(job.root, job.directory)
            contents.append(_content(job))
            read_job(job)
        except RecipeError as error:
            problems.messages.append(str(error))
            kind = type(error)
    problems.check(kind)
    made = openssh.sign(contents, key)
    for job, signature in zip(jobs, made, strict=True):
        add(job.root, job.signature, signature)
    return len(jobs), made[0]


def add(root: Path, path: Path, signature: openssh.Signature) -> None:
    """Write a signature into a file of signatures, in the place of an older one by the same key.

    Raises
    ------
    RefusedError
        If there are too many others.
    JobError
        If it cannot be written.
    """
    try:
        others = openssh.signatures(files.read(root, path, openssh.MAX_BYTES))
    except (OSError, openssh.BadSignature):
        others = []  # what is no such file counts for nobody, and is replaced
    kept = [each for each in others if each.key != signature.key]
    if len(kept) >= openssh.MOST:
        raise RefusedError(f"{path}: has {len(kept)} signatures by others, and at most {openssh.MOST}; remove the file")
    files.write(root, path, b"".join(each.text for each in [*kept, signature]), durable=False)


def signed(jobs: Sequence[JobPaths], signers: Signers | None, directory: str) -> Mapping[JobPaths, str]:
    """Refuse jobs that none of the runner's signers has signed; say who has signed the others.

    What is returned are the digests of the very bytes that were checked (:func:`digest`): whoever reads a job.yaml
    later compares, so that what was signed is what runs.

    Parameters
    ----------
    signers : None asks for no signatures, and gives no digests.
    directory : which the user named, for messages.

    Raises
    ------
    RefusedError
        Naming all such jobs; nothing else of any job was read.
    """
    if signers is None:
        return {}
    from concurrent.futures import ThreadPoolExecutor  # only where somebody must have signed

    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)) * 2)) as pool:
        found = list(pool.map(lambda job: _checked(job, signers), jobs))
    names = {job: _name(job) for job in jobs}
    refused: dict[str, list[str]] = {}
    by: dict[Signer, list[str]] = {}
    digests = {}
    for job, (who, text) in zip(jobs, found, strict=True):
        if who is None:
            refused.setdefault(text, []).append(names[job])
        else:
            by.setdefault(who, []).append(names[job])
            digests[job] = text
    if refused:
        count = sum(map(len, refused.values()))
        lines = [f"  - {one_of(which)}: {why}" for why, which in refused.items()]
        raise RefusedError(
            f"{directory}: {count} of {len(jobs)} not signed by one of {signers.file}:\n" + "\n".join(lines) + "\n"
            f"Nothing was run. Whoever stands by a job signs it: nemo-hydra sign {shlex.quote(directory)} --key KEY"
        )
    for signer, which in by.items():
        all_of = "" if len(by) == 1 else f": {one_of(which)}"
        number = f"{len(which)} job" + ("s" if len(which) > 1 else "")
        say(f"Signed by {signer}: {number}{all_of}", file=sys.stderr, flush=True)
    return digests


def _name(job: JobPaths) -> str:
    """Return how a job is called in a report: its place below what the user named."""
    return job.job.name if job.root == job.directory else os.path.relpath(job.directory, job.root)


def _checked(job: JobPaths, signers: Signers) -> tuple[Signer | None, str]:
    """Return who has signed a job, and its digest; or None, and why it is refused."""
    try:
        content = _content(job)
        data = files.read(job.root, job.signature, openssh.MAX_BYTES)
        return signers.accept(content, data), digest(content)
    except FileNotFoundError:
        return None, f"there is no {job.signature.name}: nobody has signed it"
    except OSError as error:
        return None, f"{job.signature.name} cannot be read: {error.strerror or error}"
    except (openssh.BadSignature, JobError) as error:
        return None, str(error)


def _content(job: JobPaths) -> bytes:
    try:
        return files.read(job.root, job.job, MAX_BYTES)
    except FileNotFoundError:
        raise JobError(f"{job.directory}: no job is frozen there: it has no {job.job.name}") from None
    except OSError as error:
        raise JobError(f"{job.job}: cannot be read: {error.strerror or error}") from None


def digest(content: bytes) -> str:
    """Return the digest of a file that was checked: ``sha256:...``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
