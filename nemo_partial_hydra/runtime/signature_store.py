"""What targets accept, as far as it is known: from the snapshots in use first, from what is installed otherwise.

May import: the standard library, and from here ``libraries`` and below. The snapshots are those in the directories that
recipes are served from, then those of the recipe libraries; one is read when a target is first asked for. A snapshot
counts where the target's package is absent or is of the version that was read; otherwise the live signature does, and
that is said once. Then ``recorded`` still tells what recipes beside the snapshot were written for. What had to be
imported is kept in the user's cache for the next process, which imports nothing as long as it was read from the same.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nemo_partial_hydra.errors import ConfigError, SignatureError
from nemo_partial_hydra.libraries.library import Library
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.recipes.names import resolve
from nemo_partial_hydra.signatures.distributions import Package
from nemo_partial_hydra.signatures.distributions import versions as said_versions
from nemo_partial_hydra.signatures.introspect import Signatures, live
from nemo_partial_hydra.signatures.introspect import docs_of as live_docs
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.snapshot import NAME, Snapshot, load

if TYPE_CHECKING:
    from nemo_partial_hydra.signatures.cache import Learnt, SignatureCache


class SignatureStore:
    """The signatures and docs of targets, for one app or for the process.

    Parameters
    ----------
    libraries : gives the recipe libraries in use, each time anew.
    """

    def __init__(self, libraries: Callable[[], Sequence[Library]]) -> None:
        self._libraries = libraries
        self.forget()

    def forget(self) -> None:
        """Use no snapshot any more, and know nothing of any target."""
        self._folders: dict[str, Snapshot | None] = {}
        self._known: dict[str, Snapshot | None] = {}  # what libraries know of the targets of other files
        self._said: dict[str, bool] = {}  # what is to be said once, and whether it was
        self._read = Signatures(self._from_snapshot, self._from_cache, live)
        self._docs: dict[str, Mapping[str, str]] = {}
        self._cache: SignatureCache | None = None
        self._learnt: dict[str, Learnt | None] = {}
        self._looks = True  # into the cache
        self._kept: set[str] = set()  # what this process has put into the cache

    # Signatures and docs -------------------------------------------------------------------------------------------

    def get(self, target: str) -> Signature | None:
        """Return the signature of a target whose name has been allowed; it is imported unless a snapshot covers it."""
        return self._read.get(target)

    def known(self, target: str) -> Signature | None:
        """Return a signature that has been read already."""
        return self._read.known(target)

    def add(self, target: str, obj: Any) -> None:
        """Read and keep the signature of a live object, unless it is known."""
        self._read.add(target, obj)

    def docs(self, target: str) -> Mapping[str, str]:
        """Return what a target's docstring says about its parameters, and its first line under ``""``.

        Nothing is imported for it: of a target that was refused, or that nobody has read, nothing is said.
        """
        if target not in self._docs:
            covering = self._covering(target)
            learnt = self._learnt.get(target)
            if covering is not None:
                self._docs[target] = covering.doc(target)
            elif learnt is not None:
                self._docs[target] = learnt.docs
            elif self.known(target) is None:
                return {}
            else:
                try:
                    self._docs[target] = live_docs(resolve(target))
                except SignatureError:
                    return {}
        return self._docs[target]

    # The user's cache ----------------------------------------------------------------------------------------------

    def learnt(self, target: str, allowed: Iterable[str]) -> Learnt | None:
        """Return what an earlier process has read of a target; None if nothing, or if its module is loaded already.

        Parameters
        ----------
        target : a name that is allowed.
        allowed : the prefixes that somebody has allowed.
        """
        if _is_loaded(target):  # what is loaded is what counts, and costs nothing
            if self._learnt.pop(target, None) is not None:
                self._kept.add(target)
                self._forget(target)
            return None
        if target not in self._learnt and self._looks:
            self._learnt[target] = self._users_cache().get(target, allowed)
        found = self._learnt.get(target)
        return found if found is not None and found.allowed <= set(allowed) else None

    def looks(self) -> bool:
        """Whether there are targets that were looked up and not imported."""
        return any(learnt is not None for learnt in self._learnt.values())

    def looked_up(self) -> list[str]:
        """Return the targets that were looked up and not imported; from now on none is looked up any more."""
        found = [target for target, learnt in self._learnt.items() if learnt is not None]
        for target in found:
            self._forget(target)
        self._kept.update(found)
        self._learnt.clear()
        self._looks = False
        return found

    def _forget(self, target: str) -> None:
        self._read.forget(target)
        self._docs.pop(target, None)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is looked for while a target is imported that is to be learnt."""
        with self._users_cache().origins.noting():
            yield

    def learn(self, target: str, obj: Any, allowed: Iterable[str]) -> None:
        """Keep what a target accepts that had to be imported; parameters as for :meth:`learnt`."""
        from nemo_partial_hydra.signatures.cache import Learnt

        cache = self._users_cache()
        if cache.folder is None or target in self._kept:
            return
        self._kept.add(target)
        signature = self.get(target) if callable(obj) else None
        if signature is None:
            return
        names = [head for head in _heads(target) if head in sys.modules]
        names += [str(getattr(part, "__module__", "")) for part in getattr(obj, "__mro__", (obj,))]
        cache.put(Learnt(signature, live_docs(obj), frozenset(allowed)), names)

    def _users_cache(self) -> SignatureCache:
        if self._cache is None:
            from nemo_partial_hydra.signatures.cache import SignatureCache

            self._cache = SignatureCache()
        return self._cache

    def _from_cache(self, target: str) -> Signature | None:
        found = self._learnt.get(target)
        return found.signature if found is not None else None

    # Snapshots -----------------------------------------------------------------------------------------------------

    def use(self, folder: str) -> None:
        """Use the snapshot in a directory that recipes are served from, if there is one."""
        if folder not in self._folders and _file(folder) is not None:
            self._folders[folder] = None

    def folders(self) -> tuple[str, ...]:
        """Return the directories whose snapshots are in use, those of libraries left out."""
        return tuple(self._folders)

    def use_also(self, other: SignatureStore) -> None:
        """Use the snapshots too that another store has used."""
        for folder in other._folders:
            self._folders.setdefault(folder, None)

    def covers(self, target: str) -> bool:
        """Whether a target's signature is known without importing it."""
        return self._covering(target) is not None

    def package(self, target: str) -> Package | None:
        """Return the distribution that a covered target was read from; None if no snapshot covers it or knows it."""
        found = self._covering(target)
        return found.package(target) if found is not None else None

    def loaded(self, target: str) -> None:
        """Say, once, that what is installed counts: a target that a snapshot has was imported instead."""
        text = next((s.difference(target) for s in self._beside() if target in s.targets), None)
        if text is not None and not self._said.get(text):
            self._said[text] = True
            say(f"{text}: what is installed counts", file=sys.stderr)

    def fall_back(self, target: str) -> bool:
        """Use what a snapshot says of a target that is here and cannot be imported, for no fault of its own.

        Its package cannot be imported at all, or is an app's own and lacks another one that is not installed here, as
        on a login node without torch. Returns False where no snapshot has the target, or where the target itself is
        wrong.
        """
        found = next((snapshot for snapshot in self._all(target) if target in snapshot.targets), None)
        top = target.partition(".")[0]
        if found is None:
            return False
        try:
            resolve(top)
        except SignatureError:
            found.rely(target)
            say(f"'{top}' is here, but cannot be imported: its snapshot counts", file=sys.stderr)
            return True
        if found.package(target) is not None or not _lacks_another(target, top):
            self.loaded(target)  # that it cannot be found may be because of that
            return False
        found.rely(target)  # silently: that is what the snapshot was made for
        return True

    def recorded(self, target: str) -> Signature | None:
        """Return what a target accepted in the version that a snapshot was read from, if another one is installed."""
        found = self._differing(target)
        return found.get(target) if found is not None else None

    def versions(self, target: str) -> str:
        """Say which version of a target's package was read and which is here; empty where they do not differ."""
        found = self._differing(target)
        package = found.package(target) if found is not None else None
        return said_versions(package) if package is not None else ""

    def differ(self) -> bool:
        """Whether a target has been asked for that is installed in another version than its snapshot is of."""
        return bool(self._said)

    def _from_snapshot(self, target: str) -> Signature | None:
        found = self._covering(target)
        return found.get(target) if found is not None else None

    def _beside(self) -> Iterator[Snapshot]:
        """Yield the snapshots beside the recipes that are in use: those that the recipes were written for."""
        for folder in list(self._folders):
            snapshot = self._opened(folder, self._folders)
            if snapshot is not None:
                yield snapshot

    def _all(self, target: str) -> Iterator[Snapshot]:
        """Yield them, then those of libraries that may know a target of another file."""
        yield from self._beside()
        for library in self._libraries():
            if library.folder not in self._folders and library.covers(target):
                snapshot = self._opened(library.folder, self._known)
                if snapshot is not None:
                    yield snapshot

    def _opened(self, folder: str, cache: dict[str, Snapshot | None]) -> Snapshot | None:
        known = cache.get(folder) or self._known.get(folder)
        file = _file(folder)
        if known is None and file is not None:
            try:
                known = load(file)
            except SignatureError as error:  # no target is to blame
                raise ConfigError(str(error)) from None
        cache[folder] = known
        return known

    def _differing(self, target: str) -> Snapshot | None:
        """Return the snapshot that was read from another version; a package without versions changes as it likes."""
        if self.covers(target):
            return None
        return next((s for s in self._beside() if target in s.targets and s.difference(target) is not None), None)

    def _covering(self, target: str) -> Snapshot | None:
        for snapshot in self._all(target):
            if target in snapshot.targets:
                if snapshot.usable(target):
                    return snapshot
                text = snapshot.difference(target)
                if text is not None:
                    self._said.setdefault(text, False)
        return None


def _file(folder: str) -> str | None:
    names = (os.path.join(folder, name) for name in (NAME, f"{NAME}.gz"))
    return next((name for name in names if os.path.isfile(name)), None)


def _heads(target: str) -> list[str]:
    """Return what of a dotted name may be a module, the longest first."""
    parts = target.split(".")
    return [".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]


def _is_loaded(target: str) -> bool:
    """Whether nothing has to be imported to get at a target."""
    for head in _heads(target):
        module = sys.modules.get(head)
        if module is not None:
            return head == target.rpartition(".")[0] or hasattr(module, target[len(head) + 1 :].partition(".")[0])
    return False


def _lacks_another(target: str, top: str) -> bool:
    """Whether a target's module cannot be imported because another package is not installed."""
    try:
        resolve(target)
    except SignatureError as error:
        cause = error.__cause__
        return isinstance(cause, ModuleNotFoundError) and str(cause.name).partition(".")[0] != top
    return False
