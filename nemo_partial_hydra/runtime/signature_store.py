"""The snapshots in use: those in the directories that recipes are served from, then those of the recipe libraries.

May import: the standard library. A snapshot is read when a target is first asked for. It counts where the target's
package is absent or is of the version that was read; otherwise the live signature does, and that is said once. Then
``recorded`` still tells what recipes beside the snapshot were written for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from nemo_partial_hydra.errors import ConfigError, SignatureError
from nemo_partial_hydra.libraries import library as libraries
from nemo_partial_hydra.recipes.names import resolve
from nemo_partial_hydra.signatures.distributions import Package
from nemo_partial_hydra.signatures.distributions import versions as said_versions
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.snapshot import NAME, Snapshot, load

_folders: dict[str, Snapshot | None] = {}
_known: dict[str, Snapshot | None] = {}  # what libraries know of the targets of other files
_said: dict[str, bool] = {}  # what is to be said once, and whether it was


def use(folder: str) -> None:
    """Use the snapshot in a directory that recipes are served from, if there is one."""
    if folder not in _folders and _file(folder) is not None:
        _folders[folder] = None


def _file(folder: str) -> str | None:
    names = (os.path.join(folder, name) for name in (NAME, f"{NAME}.gz"))
    return next((name for name in names if os.path.isfile(name)), None)


def _beside() -> Iterator[Snapshot]:
    """Yield the snapshots beside the recipes that are in use: those that the recipes were written for."""
    for folder in list(_folders):
        snapshot = _opened(folder, _folders)
        if snapshot is not None:
            yield snapshot


def _all(target: str) -> Iterator[Snapshot]:
    """Yield them, then those of libraries that may know a target of another file."""
    yield from _beside()
    for library in libraries.in_use():
        if library.folder not in _folders and library.covers(target):
            snapshot = _opened(library.folder, _known)
            if snapshot is not None:
                yield snapshot


def _opened(folder: str, shelf: dict[str, Snapshot | None]) -> Snapshot | None:
    known = shelf.get(folder) or _known.get(folder)
    file = _file(folder)
    if known is None and file is not None:
        try:
            known = load(file)
        except SignatureError as error:  # no target is to blame
            raise ConfigError(str(error)) from None
    shelf[folder] = known
    return known


def signature(target: str) -> Signature | None:
    """Return the signature of a target from the first snapshot that covers it."""
    found = _covering(target)
    return found.get(target) if found is not None else None


def doc(target: str) -> Mapping[str, str] | None:
    """Return what is said about a target's parameters; None if no snapshot covers it."""
    found = _covering(target)
    return found.doc(target) if found is not None else None


def package(target: str) -> Package | None:
    """Return the distribution that a covered target was read from; None if no snapshot covers it or knows it."""
    found = _covering(target)
    return found.package(target) if found is not None else None


def covers(target: str) -> bool:
    """Whether a target's signature is known without importing it."""
    return _covering(target) is not None


def loaded(target: str) -> None:
    """Say, once, that what is installed counts: a target that a snapshot has was imported instead."""
    text = next((s.difference(target) for s in _beside() if target in s.targets), None)
    if text is not None and not _said.get(text):
        _said[text] = True
        print(f"{text}: what is installed counts", file=sys.stderr)


def fall_back(target: str) -> bool:
    """Use what a snapshot says of a target that is here and cannot be imported, for no fault of its own.

    Its package cannot be imported at all, or is an app's own and lacks another one that is not installed here, as on a
    login node without torch. Returns False where no snapshot has the target, or where the target itself is wrong.
    """
    found = next((snapshot for snapshot in _all(target) if target in snapshot.targets), None)
    top = target.partition(".")[0]
    if found is None:
        return False
    try:
        resolve(top)
    except SignatureError:
        found.rely(target)
        print(f"'{top}' is here, but cannot be imported: its snapshot counts", file=sys.stderr)
        return True
    if found.package(target) is not None or not _lacks_another(target, top):
        return False
    found.rely(target)  # silently: that is what the snapshot was made for
    return True


def _lacks_another(target: str, top: str) -> bool:
    """Whether a target's module cannot be imported because another package is not installed."""
    try:
        resolve(target)
    except SignatureError as error:
        cause = error.__cause__
        return isinstance(cause, ModuleNotFoundError) and str(cause.name).partition(".")[0] != top
    return False


def recorded(target: str) -> Signature | None:
    """Return what a target accepted in the version that a snapshot was read from, if another one is installed here."""
    found = _differing(target)
    return found.get(target) if found is not None else None


def versions(target: str) -> str:
    """Say which version of a target's package was read and which is here; empty where they do not differ."""
    found = _differing(target)
    package = found.package(target) if found is not None else None
    return said_versions(package) if package is not None else ""


def differ() -> bool:
    """Whether a target has been asked for that is installed in another version than its snapshot is of."""
    return bool(_said)


def _differing(target: str) -> Snapshot | None:
    """Return the snapshot that was read from another version; a package without versions changes as it likes."""
    if covers(target):
        return None
    return next((s for s in _beside() if target in s.targets and s.difference(target) is not None), None)


def _covering(target: str) -> Snapshot | None:
    for snapshot in _all(target):
        if target in snapshot.targets:
            if snapshot.usable(target):
                return snapshot
            text = snapshot.difference(target)
            if text is not None:
                _said.setdefault(text, False)
    return None


def forget() -> None:
    """Use no snapshot any more."""
    _folders.clear()
    _known.clear()
    _said.clear()
