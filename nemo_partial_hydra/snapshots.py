"""The snapshots in use: those in the directories that recipes are served from, then those of the recipe libraries.

May import: the standard library. A snapshot is read when a target is first asked for. It counts where the target's
package is absent or is of the version that was read; otherwise the live signature does, and that is said once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from . import libraries
from .errors import ConfigError, SignatureError
from .names import resolve
from .signatures import Signature
from .snapshot import NAME, Snapshot, load

_folders: dict[str, Snapshot | None] = {}
_said: set[str] = set()


def use(folder: str) -> None:
    """Use the snapshot in a directory, if there is one."""
    if folder not in _folders and _file(folder) is not None:
        _folders[folder] = None


def _file(folder: str) -> str | None:
    names = (os.path.join(folder, name) for name in (NAME, f"{NAME}.gz"))
    return next((name for name in names if os.path.isfile(name)), None)


def _all(target: str) -> Iterator[Snapshot]:
    for folder in list(_folders):
        snapshot = _opened(folder)
        if snapshot is not None:
            yield snapshot
    for library in libraries.in_use():  # a file of the app's own may name what only a library knows
        if library.folder not in _folders and library.covers(target):
            use(library.folder)
            snapshot = _opened(library.folder)
            if snapshot is not None:
                yield snapshot


def _opened(folder: str) -> Snapshot | None:
    known = _folders.get(folder)
    file = _file(folder)
    if known is None and file is not None:
        try:
            _folders[folder] = known = load(file)
        except SignatureError as error:  # no target is to blame
            raise ConfigError(str(error)) from None
    return known


def signature(target: str) -> Signature | None:
    """Return the signature of a target from the first snapshot that covers it."""
    found = _covering(target)
    return found.get(target) if found is not None else None


def doc(target: str) -> Mapping[str, str] | None:
    """Return what is said about a target's parameters; None if no snapshot covers it."""
    found = _covering(target)
    return found.doc(target) if found is not None else None


def covers(target: str) -> bool:
    """Whether a target's signature is known without importing it."""
    return _covering(target) is not None


def fall_back(target: str, why: str) -> bool:
    """Use what a snapshot says of a target whose package is here in another version and cannot be imported.

    Returns False where no snapshot has the target, or its package can be imported: then the target itself is wrong.
    """
    found = next((snapshot for snapshot in _all(target) if target in snapshot.targets), None)
    top = target.partition(".")[0]
    if found is None:
        return False
    try:
        resolve(top)
    except SignatureError:
        found.rely(target)
        print(f"'{top}' cannot be imported here ({why}): its snapshot counts", file=sys.stderr)
        return True
    return False


def _covering(target: str) -> Snapshot | None:
    for snapshot in _all(target):
        if target in snapshot.targets:
            if snapshot.usable(target):
                return snapshot
            text = snapshot.difference(target)
            if text is not None and text not in _said:
                _said.add(text)
                print(f"{text}: what is installed counts", file=sys.stderr)
    return None


def forget() -> None:
    """Use no snapshot any more."""
    _folders.clear()
    _said.clear()
