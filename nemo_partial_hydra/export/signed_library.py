"""Signatures of recipe libraries: the digests of all files, with their names, in one file that is signed.

May import: the standard library only. ``library.sha256`` is what ``sha256sum --check`` reads, ``library.sha256.sig``
its signatures. All files count, whatever they are called: none can be added, left out, renamed or changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nemo_partial_hydra.errors import LibraryError, RefusedError
from nemo_partial_hydra.jobs import files, folders, openssh, signing
from nemo_partial_hydra.jobs.signers import Signer, Signers
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.messages import one_of

DIGESTS = "library.sha256"
SIGNATURE = f"{DIGESTS}.sig"
_HEAD = "# nemo_partial_hydra library 1\n"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n\\]+)\n")
_DEPTH = 32


def sign(directory: str, key: str) -> tuple[int, openssh.Signature]:
    """Sign a library as it is now; a signature by the same key is replaced, others stay if they sign the same.

    Returns
    -------
    How many files it has, and the signature.

    Raises
    ------
    LibraryError, RefusedError, UsageError
        If it is damaged, lies in somebody else's directory, or the key cannot be used.
    """
    root = Path(os.path.abspath(directory))
    manifest.read(str(root))
    folders.refuse_foreign(root, root)
    found = digests(root)
    text = _text(found)
    signature = openssh.sign([text], key)[0]
    if _read(root, DIGESTS) != text:
        files.write(root, root / DIGESTS, text)
        if files.exists(root, root / SIGNATURE):
            files.remove(root, root / SIGNATURE)  # they sign what it was before
    signing.add(root, root / SIGNATURE, signature)
    return len(found), signature


def verify(directory: str, signers: Signers) -> Signer:
    """Return who has signed a library.

    Raises
    ------
    RefusedError
        If none of the signers has, or any file was changed, added or removed since.
    LibraryError
        If it cannot be read.
    """
    root = Path(os.path.abspath(directory))
    try:
        text, signatures = files.read(root, root / DIGESTS), files.read(root, root / SIGNATURE, openssh.MAX_BYTES)
        signer = signers.accept(text, signatures)
    except FileNotFoundError as error:
        what = f"{directory}: nobody has signed it: there is no {os.path.basename(error.filename or SIGNATURE)}"
        raise RefusedError(f"{what}; whoever stands by it does so: {_again(directory)}") from None
    except OSError as error:
        raise RefusedError(f"{directory}: its signature cannot be read: {error.strerror or error}") from None
    except openssh.BadSignature as error:
        raise RefusedError(f"{root / SIGNATURE}: {error}") from None
    differences = _differences(_parsed(root, text), digests(root))
    if differences:
        raise RefusedError(
            f"{directory}: is not as {signer} signed it: {'; '.join(differences)}; whoever stands by it as it is "
            f"signs it again: {_again(directory)}"
        )
    return signer


def _again(directory: str) -> str:
    return f"nemo-hydra sign {shlex.quote(directory)} --key KEY"


def digests(root: Path) -> Mapping[str, str]:
    """Return the digest of each file of a library by its name; the signature's own are left out.

    Raises
    ------
    LibraryError
        Naming what is no plain file, cannot be read, or has a name that a list cannot have.
    """
    try:
        return {
            name: hashlib.sha256(files.read(root, root / name)).hexdigest()
            for name in sorted(_names(root, root, _DEPTH))
            if name not in (DIGESTS, SIGNATURE)
        }
    except OSError as error:
        raise LibraryError(f"{root}: cannot be read as a whole: {error.strerror or error}") from None


def _names(root: Path, folder: Path, depth: int) -> Iterator[str]:
    for entry in folders.entries(root, folder):
        path = folder / entry.name
        if entry.kind == stat.S_IFDIR and depth:
            yield from _names(root, path, depth - 1)
        else:  # of a link, a pipe or a device whoever reads it says so
            name = os.path.relpath(path, root)
            if re.search(r"[\n\\]", name):
                raise LibraryError(f"{root}: {name!r}: a name with a line feed or a backslash cannot be signed")
            yield name


def _text(found: Mapping[str, str]) -> bytes:
    return os.fsencode(_HEAD + "".join(f"{digest}  {name}\n" for name, digest in found.items()))


def _parsed(root: Path, text: bytes) -> Mapping[str, str]:
    spelled = os.fsdecode(text)
    found = {name: digest for digest, name in _LINE.findall(spelled)}
    if _text(found) != text:
        raise RefusedError(f"{root / DIGESTS}: is no list of a library's files; sign it again: {_again(str(root))}")
    return found


def _differences(signed: Mapping[str, str], found: Mapping[str, str]) -> Sequence[str]:
    changed = [name for name in signed if name in found and found[name] != signed[name]]
    added = [name for name in found if name not in signed]
    gone = [name for name in signed if name not in found]
    kinds = {"changed": changed, "added": added, "removed": gone}
    return [f"{kind}: {one_of(names)}" for kind, names in kinds.items() if names]


def _read(root: Path, name: str) -> bytes:
    try:
        return files.read(root, root / name)
    except OSError:
        return b""
