"""Whose word a record is: a keyed digest over what it says and where it stands, with a key that only its user has.

May import: the standard library only; it runs in images too. Sweeps are copied, moved, unpacked and written to by
others, and what is in them must not decide what this user cancels, kills or runs. So what acts takes ids, processes
and settings only from records that carry a seal of this user's key, over this very content in this very place. Others
are shown, and ``Origin`` says what is the matter with them.

The key is a file in the user's state directory. A job's process gets only the key of its own attempt, which is derived
from it: it can say how its attempt goes, and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
import os
import stat
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nemo_partial_hydra.errors import RefusedError

from . import files, folders

FIELD = "seal"
"""Where a record has its seal: ``<version> <name of the key> <digest> <place>``."""
VARIABLE = "NEMO_PARTIAL_HYDRA_SEAL"
"""The variable by which a job's process is handed the key of its attempt; it takes it out before anything else."""
SUBMISSION, SETTINGS, CLAIM, STATUS = "submission", "settings", "claim", "status"
_VERSION = "1"
_BYTES = 32
_TRIES = 5  # a file system without links shows a key while it is written


@dataclass(frozen=True)
class Origin:
    """Whether a record is known to be this user's own word; ``why`` it is not, in words for people, or nothing."""

    why: str = ""

    @property
    def mine(self) -> bool:
        """Whether it may be acted on."""
        return not self.why


MINE = Origin()
KeyAt = Callable[[str], "Key | None"]
"""Gives the key that a record in a place was sealed with."""


@dataclass(frozen=True)
class Key:
    """A key: the user's own, or one that is derived from it; ``name`` tells keys of users apart and is no secret."""

    name: str
    secret: bytes = field(repr=False)

    def digest(self, *words: Any) -> str:
        """Return the digest of JSON data."""
        return hmac.digest(self.secret, _canonical(words), "sha256").hex()

    def of_attempt(self, place: str, attempt: int) -> Key:
        """Return the key of one attempt of the job in a place."""
        words = f"attempt {attempt} {place}"  # no JSON, so that no record has this digest
        return Key(self.name, hmac.digest(self.secret, words.encode("utf-8", "surrogatepass"), "sha256"))


@dataclass(frozen=True)
class Seals:
    """What seals the records of one job.

    Attributes
    ----------
    place : the job's directory as the host that submitted it sees it; in a container it may have another real path.
    attempt, key : the only attempt that this process may speak of, and its key. Without an attempt it has the user's
        own key, which is ``key`` where that was looked up already.
    """

    place: str
    attempt: int | None = None
    key: Key | None = None

    def key_of(self, attempt: Any, place: str | None = None) -> Key | None:
        """Return the key of an attempt, also of a job in another place; None where this process has none."""
        if self.attempt is not None:
            return self.key if attempt == self.attempt else None
        mine = self.key or user_key()
        return mine.of_attempt(place or self.place, attempt) if mine is not None and type(attempt) is int else None

    def key_at(self, tail: str, attempt: Any) -> KeyAt:
        """Return what gives the key of an attempt's record, of which ``tail`` is the path below the job's directory."""
        return lambda place: self.key_of(attempt, place.removesuffix(f"/{tail}"))

    def handed_over(self, attempt: int) -> dict[str, str]:
        """Return the variable for the process that runs an attempt; none where there is no key."""
        key = self.key_of(attempt)
        return {} if key is None else {VARIABLE: json.dumps([key.name, key.secret.hex(), attempt, self.place])}


NONE = Seals("", 0)
"""Of a process that was handed no key."""


def handed(environment: MutableMapping[str, str]) -> Seals:
    """Take what ``handed_over`` returned out of an environment, so that nothing which is started later has it."""
    text = environment.pop(VARIABLE, None)
    try:
        name, secret, attempt, place = json.loads(text or "null")
        return Seals(str(place), int(attempt), Key(str(name), bytes.fromhex(secret)))
    except (ValueError, TypeError, RecursionError):
        return NONE


def content_digest(data: Mapping[str, Any]) -> str:
    """Return the digest of what a record says, without its seal: the same for everybody."""
    return f"sha256:{hashlib.sha256(_canonical(_content(data))).hexdigest()}"


def sealed(data: Mapping[str, Any], kind: str, place: str, key: Key | None) -> dict[str, Any]:
    """Return a record with its seal; without one where there is no key."""
    if key is None:
        return dict(data)
    return {**data, FIELD: f"{_VERSION} {key.name} {key.digest(kind, place, _content(data))} {place}"}


def judged(
    data: Mapping[str, Any], kind: str, place: str, key_at: KeyAt, *, root: Path, path: Path, owner: int
) -> Origin:
    """Return whether a record is this user's own word, for this place.

    Parameters
    ----------
    data : what the record says.
    kind, place : what it is, and where.
    key_at : gives what would have sealed such a record in a place; None where this process has no such key.
    root, path, owner : its file, and the number of the user whom that belongs to.
    """
    why = _seal_fault(data, kind, place, key_at)
    if owner not in (0, os.geteuid()) and (why or not files.owned(root, path, owner)):
        why = f"written by {folders.user(owner)}"
    return Origin(why) if why else MINE


def _seal_fault(data: Mapping[str, Any], kind: str, place: str, key_at: KeyAt) -> str:
    given = data.get(FIELD)
    if not isinstance(given, str):
        return "written without a key: by an older version, or where yours could not be read"
    key = key_at(place)
    if key is None:
        return f"your key ({key_file() or 'you have no home directory'}) cannot be read here"
    version, name, digest, written_at = [*given.split(" ", 3), "", "", ""][:4]
    if version != _VERSION:
        return "its seal is of another version"
    if name != key.name:
        return "sealed with another key than yours"

    def holds(where: str, there: Key | None) -> bool:
        expected = "" if there is None else there.digest(kind, where, _content(data))
        return hmac.compare_digest(digest.encode(errors="replace"), expected.encode()) and expected != ""

    if holds(place, key):
        return ""
    moved = written_at != place and holds(written_at, key_at(written_at))
    return f"copied or moved from {written_at}" if moved else "it was changed"


def _content(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != FIELD}


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def _canonical(data: Any) -> bytes:
    return _CANONICAL.encode(data).encode()


def place_of(root: Path, path: Path) -> str:
    """Return where a file or directory below ``root`` really is: from there on no link is followed."""
    top = os.fspath(root)
    return _real(top, folders.identity(root)) + os.fspath(path)[len(top) :]


@functools.lru_cache(maxsize=64)
def _real(root: str, identity: tuple[int, int] | None) -> str:
    """Return the real path of a directory, found once as long as it is the same one."""
    del identity
    return os.path.realpath(root)


# ---------------------------------------------------------------- the user's key


def key_file() -> Path | None:
    """Return where the user's key is, or would be; None for a user without a home directory."""
    place = _key_file()
    return None if place is None else Path(place)


def _key_file() -> str | None:
    home = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):  # as the XDG specification has it
        home = os.path.expanduser("~/.local/state")
    return f"{home}/nemo_partial_hydra/key" if os.path.isabs(home) else None


def user_key() -> Key | None:
    """Return the user's key; None where there is none, or none that is safe (which ``require_key`` says)."""
    place = _key_file()  # asked for each record: no more than a look at the file, once it was read
    try:
        if place is None:
            return None
        found = os.lstat(place)
        return _loaded(place, (found.st_ino, found.st_ctime_ns, os.geteuid()))
    except (OSError, RefusedError):
        return None


@functools.lru_cache(maxsize=8)
def _loaded(place: str, stamp: tuple[int, ...]) -> Key:
    """Read a key, once as long as its file is the same one."""
    del stamp
    return _load(Path(place))


def _load(path: Path) -> Key:
    home, why = path.parent.parent, ""
    try:
        with folders.folder(home, path.parent) as handle:
            why = _fault(os.fstat(handle), 0o022, "written to")
        with files.open_read(home, path) as file:
            why = why or _fault(os.fstat(file.fileno()), 0o077, "read")
            secret = file.read(_BYTES + 1)
    except folders.UnsafeFile as error:
        why, secret = error.strerror or str(error), b""
    if not why and len(secret) != _BYTES:
        why = f"it is damaged: it has not {_BYTES} bytes"
    if why:
        raise RefusedError(
            f"{path}: this is the key that tells your records of jobs from those of others, and it is not safe: {why}. "
            "Remove it: a new one is made, and what was submitted with this one is no longer known to be yours; or "
            "name another directory by XDG_STATE_HOME"
        )
    return Key(hashlib.sha256(b"name" + secret).hexdigest()[:8], secret)


def _fault(found: os.stat_result, others: int, what: str) -> str:
    """Return what makes a file or directory one that others have a hand in."""
    if found.st_uid != os.geteuid():
        return f"it belongs to {folders.user(found.st_uid)}"
    return (
        f"it can be {what} by others (permissions {stat.S_IMODE(found.st_mode):04o})" if found.st_mode & others else ""
    )


def require_key() -> str:
    """Make the user's key where there is none; return why that cannot be, or an empty text.

    Raises
    ------
    RefusedError
        If what is there is not safe.
    """
    path = key_file()
    if path is None:
        return "you have no home directory"
    try:
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(path)
                if found.st_size == _BYTES or not stat.S_ISREG(found.st_mode):
                    break
            _make(path)
        _load(path)
    except folders.UnsafeFile as error:
        raise RefusedError(f"{error.strerror or error}; your key belongs there") from None
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return ""


def _make(path: Path) -> None:
    """Make a key, unless another process makes one at this moment: then that one counts."""
    home = path.parent.parent
    os.makedirs(home, mode=0o700, exist_ok=True)
    folders.make(home, path.parent, mode=0o700)
    files.write_once(home, path, os.urandom(_BYTES), mode=0o600)


def note(why: str) -> str:
    """Say once, where jobs are submitted, what it means that there is no key."""
    return (
        f"Note: what is submitted now cannot be sealed ({why}), so it will not be known to be yours: nemo-hydra cancel "
        "and retry will not take ids and settings from it"
    )
