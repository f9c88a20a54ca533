"""Directories that others may write too: entered without following a link, from the one that the user named.

May import: the standard library only. A store of jobs is often a directory of a whole team, so whatever lies there may
have been put there by somebody else, and exchanged at any moment. So every directory is opened relative to the one
before it, which is held open; that which the user named may itself be reached through links. All functions take it as
``root``, and the full ``path`` of what is wanted below it. ``files`` opens what is in them.

They raise ``OSError`` as those of ``os`` do; ``UnsafeFile`` is one, for what is there and is not what belongs there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from nemo_partial_hydra.errors import JobError, RefusedError

_PATH = getattr(os, "O_PATH", os.O_RDONLY)  # a directory that may be searched need not be readable
_STEP = _PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a file is opened that must not be there yet, under whatever kind of name."""
_KINDS = {
    stat.S_IFLNK: "a link", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device", stat.S_IFDIR: "a directory", stat.S_IFREG: "a file",
}  # fmt: skip


class UnsafeFile(OSError):
    """What is at a path is not what belongs there: a link, a pipe, a device, too large, or somebody else's."""


class Entry(NamedTuple):
    """One name in a directory; ``kind`` is one of ``stat.S_IFMT``, of a link that of the link."""

    name: str
    kind: int


@contextlib.contextmanager
def folder(root: Path, path: str | Path) -> Iterator[int]:
    """Hold a directory open, reached without a link from ``root``; the number is for ``dir_fd``."""
    handle = _root(root)
    try:
        here = os.fspath(root).rstrip("/")
        for name in _steps(root, path):
            here = f"{here}/{name}"
            below = _step(handle, name, here)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _root(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return os.open(root, _PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _steps(root: Path, path: str | Path) -> list[str]:
    """Return the names that lead from ``root`` to ``path``."""
    top, full = os.fspath(root), os.fspath(path)
    if full == top:
        return []
    start = top if top[-1:] == "/" else f"{top}/"
    names = full[len(start) :].split("/")
    if not full.startswith(start) or os.pardir in names:
        raise UnsafeFile(errno.EXDEV, f"it is outside of {top}", full)
    return names


def _step(handle: int, name: str, here: str) -> int:
    try:
        return os.open(name, _STEP, dir_fd=handle)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise unsafe(handle, name, here, "a directory") from None
        error.filename = here
        raise


def unsafe(handle: int, name: str, path: str, wanted: str = "a file") -> OSError:
    """Say what is there instead of what is wanted."""
    try:
        kind = stat.S_IFMT(os.lstat(name, dir_fd=handle).st_mode)
    except OSError as error:
        return error
    what = _KINDS.get(kind, "something else")
    why = "which is never followed here" if kind == stat.S_IFLNK else f"where {wanted} belongs"
    return UnsafeFile(errno.ELOOP, f"{path} is {what}, {why}", path)


def identity(path: Path) -> tuple[int, int] | None:
    """Return what two names of one file or directory have in common, links followed; None where that is not known.

    It is for comparing names only: what it speaks of may be another one a moment later.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def entries(root: Path, path: Path) -> list[Entry]:
    """Return what a directory holds, by name."""
    with folder(root, path) as handle, _listed(handle) as found:
        return sorted(Entry(each.name, _kind(each)) for each in found)


def having(root: Path, path: Path, names: Iterable[str], inside: str) -> set[str]:
    """Return those directories in a directory that have something of a name in them, or of which that is not known.

    Nothing is opened there: whoever opens it looks again, and follows no link that took the place meanwhile.
    """
    found = set()
    with folder(root, path) as handle:
        for name in names:
            try:
                os.lstat(f"{name}/{inside}", dir_fd=handle)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                pass
            found.add(name)
    return found


@contextlib.contextmanager
def _listed(handle: int) -> Iterator[Iterator[os.DirEntry[str]]]:
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    try:
        with os.scandir(readable) as found:
            yield found
    finally:
        os.close(readable)


def _kind(entry: os.DirEntry[str]) -> int:
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else stat.S_IFIFO


def names(root: Path, path: Path) -> list[str]:
    """Return the names in a directory; none if it is not there."""
    try:
        return [each.name for each in entries(root, path)]
    except FileNotFoundError:
        return []


def make(root: Path, path: Path, *, new: bool = False, mode: int = 0o777) -> None:
    """Make a directory and those that lead to it, with these permissions as far as the umask leaves them.

    With ``new`` it must not be there yet (``FileExistsError``).
    """
    try:
        handle = _root(root)
    except FileNotFoundError:
        os.makedirs(root, exist_ok=True)  # as the user named it
        handle = _root(root)
    try:
        here, missing = os.fspath(root), _steps(root, path)
        for number, name in enumerate(missing):
            here = os.path.join(here, name)
            try:
                os.mkdir(name, mode, dir_fd=handle)
            except FileExistsError:
                if new and number == len(missing) - 1:
                    raise
            below = _step(handle, name, here)
            os.close(handle)
            handle = below
    finally:
        os.close(handle)


def remove(root: Path, path: Path, *, whole: bool = False) -> None:
    """Remove a directory that is empty; with ``whole`` also what is in it, links and not what they lead to."""
    with folder(root, path.parent) as handle:
        if whole:
            with folder(root, path) as below, _listed(below) as found:
                for each in found:
                    if _kind(each) == stat.S_IFDIR:
                        remove(root, path / each.name, whole=True)
                    else:
                        os.unlink(each.name, dir_fd=below)
        os.rmdir(path.name, dir_fd=handle)


def refuse_foreign(root: Path, path: Path) -> None:
    """Refuse to act in a directory that somebody else owns: what is in there may be another thing a moment later.

    Of the directories below ``root`` each that leads to it must be this user's or root's; ``root`` itself only where
    it is the one. Root is a user like others here: to act in somebody's directory is to do as that user wants.

    Raises
    ------
    RefusedError
        Naming the directory and its owner.
    JobError
        If one of them is a link, or cannot be opened.
    """
    try:
        if path == root and stat.S_ISLNK(os.lstat(root).st_mode):
            _refuse(os.lstat(root).st_uid, root)  # a link that this user made is as good as the name
        while True:
            with folder(root, path) as handle:
                uid = os.fstat(handle).st_uid
                if not same_owner(handle, uid):
                    _refuse(uid, path)
            if root in (path, path.parent):
                return
            path = path.parent
    except OSError as error:
        raise JobError(f"{path}: cannot be used: {error.strerror or error}") from None


def _refuse(uid: int, path: Path) -> None:
    if uid not in (0, os.geteuid()):
        raise RefusedError(
            f"{path}: belongs to {user(uid)}, who can put something else there at any moment; copy it and name the "
            f"copy: cp -r {shlex.quote(str(path))} COPY"
        )


def user(uid: int) -> str:
    """Spell the name of a user; of one without a name the number."""
    import pwd  # only where there is an error

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def same_owner(handle: int, uid: int) -> bool:
    """Whether a file or directory, in or of an open directory, is this user's own or root's.

    Some file systems show other owners than there are, of all files one (CIFS, NFS for root): what is made there shows.
    """
    if uid in (0, os.geteuid()):
        return True
    name = f".owner.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        os.close(os.open(name, NEW, 0o600, dir_fd=handle))
        try:
            return os.lstat(name, dir_fd=handle).st_uid == uid
        finally:
            os.unlink(name, dir_fd=handle)
    except OSError:
        return False
