"""Whether others could have put code into a directory: who owns it, who may write there, and on the way to it.

May import: the standard library only. Code is taken from directories that this user or root owns and nobody else may
write to, or that whoever runs it has named (``--trust-code``). A directory is looked at where it really is, and so is
every one on the way there, through links too: who may write to one of them may put another directory in the place. One
with the sticky bit, as ``/tmp`` has it, lets nobody exchange what belongs to somebody else.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import one_of

from .folders import user

_LINKS = 40


@dataclass(frozen=True)
class Trust:
    """What is trusted: the directories that whoever runs this has named, and all below them.

    Parameters
    ----------
    folders : those directories, as they really are.
    """

    folders: tuple[str, ...] = ()

    @staticmethod
    def of(named: Iterable[str]) -> Trust:
        """Return the trust that ``--trust-code`` gives.

        Raises
        ------
        UsageError
            If one of them is no directory.
        """
        found = []
        for text in named:
            if "\0" in text or not os.path.isdir(text):
                raise UsageError(f"--trust-code {shlex.quote(text)}: there is no such directory")
            found.append(text)
        return Trust.known(found)

    @staticmethod
    def known(folders: Iterable[str]) -> Trust:
        """Return the trust in directories that were named before; one that is gone is trusted in vain."""
        return Trust(tuple(map(os.path.realpath, folders)))

    def plus(self, folders: Iterable[str]) -> Trust:
        """Return this trust, and that in further directories that were named before."""
        return Trust((*self.folders, *Trust.known(folders).folders))

    def covers(self, path: str) -> bool:
        """Whether a directory was named, or lies below one that was."""
        real = os.path.realpath(path)
        return any(real == each or real.startswith(each.rstrip("/") + "/") for each in self.folders)

    def finding(self, folder: str, *, bound: bool = False) -> str | None:
        """Say why code of a directory is not used; None if it is.

        Parameters
        ----------
        folder : an absolute path.
        bound : whether it was bound into this container, so that the way to it was looked at outside.
        """
        try:
            if self.covers(folder):
                return None
            if not stat.S_ISDIR(os.stat(folder).st_mode):
                return "is no directory"
            return (None if bound else _on_the_way(folder)) or file_finding(folder, bound=bound)
        except (OSError, ValueError) as error:
            return f"cannot be looked at: {getattr(error, 'strerror', None) or error}"

    def check_of(self, *, bound: bool = False) -> Callable[[str], Callable[[str], str | None] | None]:
        """Return what gives the check of the files in a directory of code; of one that is trusted none."""

        def files(path: str) -> str | None:
            why = file_finding(path, bound=bound)
            return None if why is None else f"{why}; if you trust what is there: --trust-code"

        return lambda folder: None if self.covers(folder) else files


NO_TRUST = Trust()
"""Nothing but what belongs to this user or root."""


def file_finding(path: str, *, bound: bool = False) -> str | None:
    """Say who else decides what a file or directory holds, links followed; None if nobody does."""
    found = os.stat(path)
    if not _own(found, bound):
        return f"belongs to {user(found.st_uid)}"
    return writers(path, found)


def writers(path: str, found: os.stat_result) -> str | None:
    """Say which others may write to a file or directory; None if nobody may.

    A group that is its owner's alone, as many systems give one to each user, is nobody else. With a POSIX access
    control list the group's bits are those of all whom it names.
    """
    if found.st_mode & stat.S_IWOTH:
        return "may be written to by everybody"
    if found.st_mode & stat.S_IWGRP and (_has_list(path) or not _private(found.st_gid, found.st_uid)):
        return f"may be written to by the group {_group(found.st_gid)}"
    return None


def _on_the_way(folder: str) -> str | None:
    """Say who may put another directory in the place of this one."""
    for path, found in _steps(folder):
        if stat.S_ISLNK(found.st_mode):
            if not _own(found, False):
                return f"is reached by the link {path}, which belongs to {user(found.st_uid)}"
        elif not _own(found, True):
            return f"lies in {path}, which belongs to {user(found.st_uid)}"
        elif not found.st_mode & stat.S_ISVTX:
            others = writers(path, found)
            if others is not None:
                return f"lies in {path}, which {others}"
    return None


def _steps(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the directories and links that lead to a directory, which itself is left out."""
    left = folder.split("/")[::-1]
    here, links = "/", 0
    while left:
        name = left.pop()
        if name in ("", os.curdir):
            continue
        if name == os.pardir:
            here = os.path.dirname(here)
            continue
        yield here, os.lstat(here)
        path = os.path.join(here, name)
        found = os.lstat(path)
        if not stat.S_ISLNK(found.st_mode):
            here = path
            continue
        yield path, found
        links += 1
        if links > _LINKS:
            raise OSError(0, "too many links")
        target = os.readlink(path)
        here = "/" if target.startswith("/") else here
        left += target.split("/")[::-1]


def _own(found: os.stat_result, hidden: bool) -> bool:
    """Whether something is this user's or root's; ``hidden`` allows for root's having no owner in a user namespace."""
    if found.st_uid in (0, os.geteuid()):
        return True
    return hidden and _root_is_hidden() and found.st_uid == _nobody()


def _root_is_hidden() -> bool:
    """Whether this process is in a user namespace in which the host's root does not show."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return not any(line.split()[1] == "0" for line in file)
    except (OSError, IndexError):
        return False


def _nobody() -> int:
    """Return the user that files of users show who are not in this namespace."""
    try:
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 65534


def _private(gid: int, uid: int) -> bool:
    """Whether a group is that of one user alone, as ``useradd`` makes it."""
    import grp  # where something is writable for a group only
    import pwd

    try:
        group, owner = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return gid == uid
    return owner.pw_gid == gid and group.gr_name == owner.pw_name and {*group.gr_mem} <= {owner.pw_name}


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _has_list(path: str) -> bool:
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def way_out(folder: str, why: str, names: Iterable[str] = ()) -> str:
    """Word that the code of a directory is not used, and which modules are therefore missing."""
    missing = sorted(f"'{name}'" for name in names)
    wanted = f", and {one_of(missing, 5)} {'is' if len(missing) == 1 else 'are'} found nowhere else" if missing else ""
    where = shlex.quote(folder)
    return f"{folder}: {why}, so no code in there is run{wanted}; if you trust what is there: --trust-code {where}"


def note(folder: str, why: str) -> str:
    """Word that a directory is left out."""
    return f"Note: {folder}: {why}, so no module in there is found; to have it: --trust-code {shlex.quote(folder)}"
