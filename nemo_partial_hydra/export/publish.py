"""An exported library written into its directory, whole or not at all; what people put there themselves stays.

May import: the standard library only. The new library is made beside the old one and takes its place by renaming, so an
export that is interrupted, or runs out of disk, leaves the old library as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator

from nemo_partial_hydra.errors import LibraryError, UsageError
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.libraries.manifest import Manifest
from nemo_partial_hydra.signatures.snapshot import NAME as SNAPSHOT

from .library import Exported


def check(out: str) -> None:
    """Check that a library can be written to a directory, before work is spent on it.

    Raises
    ------
    UsageError
        If it cannot, or something else is there already.
    """
    parent = _parent(out)
    if not os.path.isdir(parent):
        raise UsageError(f"--out {out}: there is no directory '{parent}'")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"--out {out}: no permission to write in '{parent}'")
    restore(out)
    if os.path.lexists(out) and not os.path.isdir(out):
        raise UsageError(f"--out {out}: a file is in the way")
    try:  # permissions are not all: the file system may refuse too
        os.rmdir(_staging(out))
    except OSError as error:
        raise UsageError(f"--out {out}: nothing can be made in '{parent}': {error.strerror}") from None
    if os.path.isdir(out) and os.listdir(out) and not manifest.is_library(out):
        raise UsageError(f"--out {out}: the directory has other files and is no library; choose another or empty it")


def restore(out: str) -> None:
    """Put back the old library if a process died in the instant between taking it away and putting the new one."""
    backup = _backup(out)
    if os.path.isdir(backup) and not os.path.lexists(out):
        os.rename(backup, out)


def edited(out: str) -> list[str]:
    """Return the exported recipe files of a library that somebody has changed since."""
    if not manifest.is_library(out):
        return []
    changed = []
    for name, entry in manifest.read(out).recipes.items():
        try:
            with open(os.path.join(out, f"{name}.yaml"), "rb") as file:
                if manifest.digest(file.read()) != entry.digest:
                    changed.append(f"{name}.yaml")
        except FileNotFoundError:
            continue
    return changed


def write(exported: Exported, out: str, *, force: bool = False) -> Manifest:
    """Write a library to a directory; recipes that people added to it are kept.

    Parameters
    ----------
    exported : what to write.
    out : the directory, which need not exist.
    force : whether recipe files that were edited by hand may be overwritten.

    Raises
    ------
    LibraryError
        If recipes were edited by hand, or a kept one has the place of a new one.
    UsageError
        If the disk or a permission is against it.
    """
    out = os.path.abspath(out)
    check(out)
    changed = [] if force else edited(out)
    if changed:
        raise LibraryError(
            f"{out}: edited since it was exported: {', '.join(changed[:5])}{' ...' if len(changed) > 5 else ''}; "
            "--force overwrites them; to keep one, copy it to another name"
        )
    kept = _kept(exported, out)
    staged = _staging(out)
    try:
        for name in kept:
            _copy(staged, name, os.path.join(out, name))
        files = {**exported.files, SNAPSHOT: exported.snapshot, manifest.NAME: manifest.encode(exported.manifest)}
        for name, text in files.items():
            _write(os.path.join(staged, name), text)
        with _locked(_parent(out)):
            _swap(staged, out)
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror or error}; what was there is as it was") from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return exported.manifest


def _staging(out: str) -> str:
    """Make the directory beside ``out`` in which a new library is written."""
    staged = os.path.join(_parent(out), f".{os.path.basename(out)}.{os.getpid()}.{os.urandom(4).hex()}")
    os.mkdir(staged)
    return staged


def _kept(exported: Exported, out: str) -> list[str]:
    """Return the files of an old library that were not exported."""
    if not manifest.is_library(out):
        return []
    old = {f"{name}.yaml" for name in manifest.read(out).recipes} | {manifest.NAME, SNAPSHOT, f"{SNAPSHOT}.gz"}
    found = [os.path.relpath(os.path.join(folder, name), out) for folder, _, names in os.walk(out) for name in names]
    kept = sorted(name for name in found if name not in old)
    clash = next((name for name in kept if name in exported.files), None)
    if clash is not None:
        raise LibraryError(f"{os.path.join(out, clash)}: it was added by hand, and now a factory has the same name")
    return kept


def _copy(staged: str, name: str, source: str) -> None:
    target = os.path.join(staged, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _swap(staged: str, out: str) -> None:
    backup = _backup(out)
    shutil.rmtree(backup, ignore_errors=True)
    if os.path.isdir(out):
        os.rename(out, backup)
    os.rename(staged, out)
    shutil.rmtree(backup, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Let one process at a time change what is in a directory."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _parent(out: str) -> str:
    return os.path.dirname(os.path.abspath(out))


def _backup(out: str) -> str:
    return os.path.join(_parent(out), f".{os.path.basename(os.path.abspath(out))}.before")
