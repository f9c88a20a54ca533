"""Signatures that were read from what is installed, kept for the next process in the user's cache.

May import: the standard library only. One file an entry, a snapshot of one target with what it was read from. The
directory is the user's alone; whatever is wrong with it, or with an entry, is as if there were none. Processes write
at the same time, each entry whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from nemo_partial_hydra import __version__
from nemo_partial_hydra.atomic import replace_file
from nemo_partial_hydra.errors import SignatureError

from .origin import Origin, Origins
from .signature import Signature
from .snapshot import Snapshot, encode

FORMAT = 1
MOST = 4_000  # entries; those that were used longest ago go first
LIMIT = 8 << 20  # bytes of one entry
_FOLDER = "signatures"
_NAME = re.compile(r"[0-9a-f]{40}\.json")
_LEFT = re.compile(r"\.[0-9a-f]{40}\.json\.\d+\.[0-9a-f]+")  # by a process that was killed, see ``atomic``
_DAY = 86_400


class Learnt(NamedTuple):
    """A signature that was read in an earlier process.

    Attributes
    ----------
    signature, docs : what :mod:`.introspect` gives for the target.
    allowed : the prefixes that somebody had allowed, of those that decide about this target.
    """

    signature: Signature
    docs: Mapping[str, str]
    allowed: frozenset[str]


class Entry(NamedTuple):
    """A file of the cache, as ``nemo-hydra cache`` shows it; ``target`` is empty where it cannot be read."""

    file: str
    target: str
    size: int
    used: float


def place() -> str | None:
    """Return the directory of the cache; None where the user wants none or has no home."""
    if os.environ.get("NPH_CACHE", "1") == "0":
        return None
    named = os.environ.get("NPH_CACHE_DIR", "")
    if named:
        return os.path.join(os.path.abspath(named), _FOLDER)
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # as the XDG specification has it
        home = os.path.expanduser("~/.cache")
    return os.path.join(home, "nemo_partial_hydra", _FOLDER) if os.path.isabs(home) else None


class SignatureCache:
    """The user's cache, for one app or for the process."""

    def __init__(self) -> None:
        self.folder = place()
        self.origins = Origins()
        self._is_safe: bool | None = None

    def get(self, target: str, allowed: Iterable[str]) -> Learnt | None:
        """Return what is known of a target, if it was read from what is here now.

        Parameters
        ----------
        target : a name that has been allowed.
        allowed : the prefixes that somebody has allowed now: an entry counts if it was made with no others.
        """
        if not self._safe(make=False):
            return None
        self.origins.look()
        file = self._file(target)
        try:
            data = json.loads(_read(file))
            if data["format"] != FORMAT or data["target"] != target:
                return None
            made_with = frozenset(data["allowed"])
            if not made_with <= set(allowed) or not self.origins.holds(Origin(**data["origin"])):
                return None
            snapshot = Snapshot(data["snapshot"], file)
            signature, docs = snapshot.get(target), snapshot.doc(target)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SignatureError):
            return None  # it is not there, or damaged
        with contextlib.suppress(OSError):
            if os.stat(file).st_mtime + _DAY < time.time():
                os.utime(file)
        return None if signature is None else Learnt(signature, docs, made_with)

    def put(self, learnt: Learnt, modules: Iterable[str]) -> None:
        """Keep what has been read in this process; nothing is said if that is not possible.

        Parameters
        ----------
        learnt : what was read.
        modules : the loaded modules of the target, and where it is defined.
        """
        target = learnt.signature.target
        origin = self.origins.of(modules) if self._safe(make=True) else None
        if origin is None:
            return
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
            text = encode([learnt.signature], {target: learnt.docs}, {})
            data = {
                "format": FORMAT,
                "target": target,
                "allowed": sorted(learnt.allowed),
                "origin": origin._asdict(),
                "snapshot": json.loads(text),
            }
            replace_file(self._file(target), json.dumps(data).encode(), mode=0o600, durable=False)
            self._bound()

    def entries(self) -> Iterator[Entry]:
        """Yield what is kept, by target."""
        if not self._safe(make=False) or self.folder is None:
            return
        found = []
        for file, status in self._files():
            try:
                target = str(json.loads(_read(file))["target"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                target = ""
            found.append(Entry(file, target, status.st_size, status.st_mtime))
        yield from sorted(found, key=lambda entry: (entry.target, entry.file))

    def clear(self) -> int:
        """Remove all entries and return how many there were.

        Raises
        ------
        OSError
            If one cannot be removed.
        """
        count = 0
        if not self._safe(make=False):
            return count
        for file, _ in self._files():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file)
                count += 1
        for file, _ in self._files(_LEFT):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file)
        return count

    def _file(self, target: str) -> str:
        text = "\n".join((str(FORMAT), __version__, _own_code(), self.origins.context(), target))
        return os.path.join(str(self.folder), f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.json")

    def _files(self, names: re.Pattern[str] = _NAME) -> list[tuple[str, os.stat_result]]:
        """Return the files here that are this cache's; a directory that somebody named may have others."""
        found = []
        with contextlib.suppress(OSError), os.scandir(str(self.folder)) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if names.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        found.append((entry.path, entry.stat(follow_symlinks=False)))
        return found

    def _bound(self) -> None:
        with os.scandir(str(self.folder)) as entries:
            count = sum(1 for _ in entries)
        if count > MOST:
            files = sorted(self._files(), key=lambda found: found[1].st_mtime)
            gone = files[: MOST // 10] if len(files) > MOST else []
            old = time.time() - _DAY
            for file, _ in gone + [found for found in self._files(_LEFT) if found[1].st_mtime < old]:
                with contextlib.suppress(FileNotFoundError):  # another process has removed it
                    os.unlink(file)

    def unsafe(self) -> str:
        """Say why the directory is not used; empty if nothing speaks against it, or it is not there yet."""
        if self.folder is None:
            return ""
        try:
            above, found = os.stat(os.path.dirname(self.folder)), os.lstat(self.folder)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"it cannot be looked at ({error.strerror or error})"
        if not stat.S_ISDIR(found.st_mode):
            return "it is no directory"
        if found.st_uid != os.geteuid() or above.st_uid not in (0, os.geteuid()):
            return "it belongs to another user"
        if found.st_mode & 0o022 or (above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX):
            return "others can write there"
        return ""

    def _safe(self, *, make: bool) -> bool:
        """Whether the directory is there and nobody else has a hand in it; with ``make`` it is made."""
        if self.folder is None:
            return False
        if self._is_safe is None or (make and not self._is_safe):
            self._is_safe = False
            with contextlib.suppress(OSError):
                if make and not _is_of_another(self.folder):
                    os.makedirs(os.path.dirname(self.folder), mode=0o700, exist_ok=True)
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(self.folder, 0o700)
                self._is_safe = not self.unsafe() and os.path.isdir(self.folder)
        return self._is_safe


def _is_of_another(folder: str) -> bool:
    """Whether a new directory would stand below a home of another user, as after ``sudo``, and be in that one's way."""
    if os.environ.get("NPH_CACHE_DIR"):
        return False
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.stat(folder).st_uid != os.geteuid()


def _read(file: str) -> bytes:
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_size > LIMIT:
            raise ValueError("no entry of this cache")
        return stream.read(LIMIT)


def _own_code() -> str:
    """Return what changes when the code that reads signatures does, also where it is under development."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py")]
    return ";".join(f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in sorted(found))
