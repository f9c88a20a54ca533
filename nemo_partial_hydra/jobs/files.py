"""Files in directories that others may write too: no link is followed, nothing but a regular file is opened.

May import: the standard library only. What is opened in a job's, a sweep's or a submission's directory is opened here
and nowhere else (``tests/jobs/test_opened_safely.py``), after ``folders`` has entered the directory: relative to that,
without waiting for a pipe's other end, as what it is by ``fstat``, and no more of it than belongs there. Functions take
``root``, the directory that the user named, and the full ``path`` of the file below it, and raise ``OSError`` as those
of ``os`` do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from nemo_partial_hydra.errors import JobError

from .folders import NEW, UnsafeFile, folder, same_owner, unsafe, user

MAX_BYTES = 64 << 20
"""No file that is read as a whole is larger: the record of a submission of 200,000 jobs is not."""

_PART = 1 << 16
# Opening a pipe does not wait for its other end, a terminal does not become ours; of a regular file both mean nothing.
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def _plain(handle: int, name: str, path: Path, flags: int) -> int:
    """Open a regular file in an open directory."""
    return _looked_at(handle, name, path, flags)[0]


def _looked_at(handle: int, name: str, path: Path, flags: int) -> tuple[int, os.stat_result]:
    """Open a regular file in an open directory; return what it is, too."""
    try:
        file = os.open(name, flags | _PLAIN, dir_fd=handle)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV, errno.EMLINK):
            raise unsafe(handle, name, os.fspath(path)) from None
        error.filename = os.fspath(path)
        raise
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        os.close(file)
        raise unsafe(handle, name, os.fspath(path))
    return file, found


def read(root: Path, path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return what a file holds.

    Raises
    ------
    OSError
        Also if it has more than ``limit`` bytes.
    """
    return read_owned(root, path, limit)[0]


def read_owned(root: Path, path: Path, limit: int = MAX_BYTES) -> tuple[bytes, int]:
    """Return what a file holds, and the number of the user whom it belongs to; raises what ``read`` does."""
    with folder(root, os.path.dirname(path)) as handle:
        file, found = _looked_at(handle, path.name, path, os.O_RDONLY)
    try:
        length = found.st_size
        data = os.read(file, length + 1) if length <= limit else b""
        while 0 < len(data) <= limit and (more := os.read(file, _PART)):  # it grows, or came in pieces
            data += more
    finally:
        os.close(file)
    if max(length, len(data)) > limit:
        raise UnsafeFile(errno.EFBIG, f"{path} has more than {limit:,} bytes, which no such file has", str(path))
    return data, found.st_uid


def read_text(root: Path, path: Path, limit: int = MAX_BYTES) -> str:
    """Return the text of a file in UTF-8; raises ``UnicodeDecodeError`` besides what ``read`` does."""
    return read(root, path, limit).decode("utf-8")


def open_read(root: Path, path: Path) -> BinaryIO:
    """Open a file for reading, of any size."""
    with folder(root, os.path.dirname(path)) as handle:
        return open(_plain(handle, path.name, path, os.O_RDONLY), "rb")


def open_log(root: Path, path: Path) -> BinaryIO:
    """Open a log to be appended to. It is made, or was made by this user under no other name."""
    with folder(root, os.path.dirname(path)) as handle:
        try:
            file = os.open(path.name, NEW | os.O_APPEND, 0o666, dir_fd=handle)
        except FileExistsError:
            file = _own(handle, path, os.O_WRONLY | os.O_APPEND)
            os.set_blocking(file, True)  # a job inherits it, and may mind
    return open(file, "ab")


def overwrite(root: Path, path: Path, data: bytes) -> None:
    """Write over the first bytes of a file of this user, in place: that takes no new space on the disk."""
    with folder(root, os.path.dirname(path)) as handle, open(_own(handle, path, os.O_RDWR), "r+b", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def _own(handle: int, path: Path, flags: int) -> int:
    """Open a file that is written in place: of another user, or another file's second name, it would be a trap."""
    file = _plain(handle, path.name, path, flags)
    found = os.fstat(file)
    why = ""
    if found.st_nlink > 1:
        why = "has a second name (a hard link)"
    elif not same_owner(handle, found.st_uid):
        why = f"is {user(found.st_uid)}'s"
    if why:
        os.close(file)
        raise UnsafeFile(errno.EPERM, f"{path} {why}, so nothing is written there; remove it", str(path))
    return file


def write(root: Path, path: Path, data: str | bytes, *, mode: int | None = None, durable: bool = True) -> None:
    """Write a file so that it is the old or the new one, never half; what else has its name is replaced, not followed.

    Parameters
    ----------
    mode : its permissions, as far as the umask leaves them; by default those of any new file.
    durable : whether it is on the disk when this returns, and so there after a power cut too.

    Raises
    ------
    JobError
        If it cannot be written; the old file stays whole.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        with folder(root, os.path.dirname(path)) as handle:
            try:
                _create(handle, temporary, content, mode=mode, durable=durable)
                os.replace(temporary, path.name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=handle)
                raise
    except OSError as error:
        raise JobError(f"{path}: cannot be written: {error.strerror or error}") from error


def _create(handle: int, name: str, data: bytes, *, mode: int | None = None, durable: bool = True) -> None:
    with open(os.open(name, NEW, 0o666 if mode is None else mode, dir_fd=handle), "wb") as stream:
        stream.write(data)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())


def write_once(root: Path, path: Path, data: bytes, *, mode: int | None = None) -> bool:
    """Make a file that nobody else makes; return whether it was this process that made it.

    ``link(2)`` is atomic on NFS too (the manual page of ``open(2)`` says how); where a file system has no links, for
    none of its clients, it is made exclusively.
    """
    unique = f".{path.name}.{os.uname().nodename}.{os.getpid()}.{os.urandom(4).hex()}"
    with folder(root, os.path.dirname(path)) as handle:
        try:
            _create(handle, unique, data, mode=mode)
            try:
                os.link(unique, path.name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
            except FileExistsError:
                pass  # over NFS the answer may be a repeated one: the number of links tells
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _made(handle, path.name, data, mode)
            return os.lstat(unique, dir_fd=handle).st_nlink == 2
        finally:
            with contextlib.suppress(OSError):
                os.unlink(unique, dir_fd=handle)


def _made(handle: int, name: str, data: bytes, mode: int | None) -> bool:
    try:
        _create(handle, name, data, mode=mode, durable=False)
    except FileExistsError:
        return False
    return True


def exists(root: Path, path: Path) -> bool:
    """Whether there is a regular file."""
    try:
        return stat.S_ISREG(_stat(root, path).st_mode)
    except OSError:
        return False


def owner(root: Path, path: Path) -> int:
    """Return the number of the user whom a file belongs to."""
    return _stat(root, path).st_uid


def owned(root: Path, path: Path, uid: int) -> bool:
    """Whether a file that shows this owner is this user's or root's: see ``same_owner``."""
    try:
        with folder(root, os.path.dirname(path)) as handle:
            return same_owner(handle, uid)
    except OSError:
        return False


def size(root: Path, path: Path) -> int:
    """Return how many bytes a file has."""
    return _stat(root, path).st_size


def _stat(root: Path, path: Path) -> os.stat_result:
    with folder(root, os.path.dirname(path)) as handle:
        return os.lstat(path.name, dir_fd=handle)


def has(root: Path, path: Path) -> bool:
    """Whether anything has this name, of whatever kind; raises ``OSError`` where that cannot be known."""
    try:
        _stat(root, path)
    except FileNotFoundError:
        return False
    return True


def remove(root: Path, path: Path) -> None:
    """Remove a file, or the link that has its name."""
    with folder(root, os.path.dirname(path)) as handle:
        os.unlink(path.name, dir_fd=handle)
