"""Those whose signatures a runner accepts: their file, and the judgement of one content.

May import: the standard library only. The file is the runner's, in OpenSSH's format (ssh-keygen(1), ALLOWED SIGNERS).
It is read once, so that all jobs of a sweep are judged by the same lines.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_partial_hydra.errors import UsageError

from .openssh import NAMESPACE, SECONDS, BadSignature, Signature, program, signatures, split, ssh_keygen

_MOST_BYTES = 4 << 20
_GOOD = re.compile(r"^Good \"[^\"]*\" signature for .* with (\S+ key SHA256:\S+)$", re.MULTILINE)
_PRINCIPALS = re.compile(r'("[^"]+"|[^\s"]+)[ \t]+(?=\S)')
_OPTIONS = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+[ \t]+(?=\S)')


@dataclass(frozen=True)
class Signer:
    """Who has signed: the name that the runner's file gives to the key, and the key's kind and fingerprint."""

    principal: str
    key: str

    def __str__(self) -> str:
        return f"{self.principal} ({self.key})"


@contextlib.contextmanager
def signers(file: str, named: str = "--signers") -> Iterator[Signers]:
    """Read a file of signers, and hold a copy of it while they are asked about.

    Parameters
    ----------
    named : how the user has named it: ``--signers`` or ``NPH_SIGNERS``.

    Raises
    ------
    UsageError
        If it cannot be read, or a line of it is none, or there is no ssh-keygen.
    """
    import tempfile  # only where somebody must have signed

    path = os.path.abspath(os.path.expanduser(file))
    program()
    lines = _lines(_read(path, named), f"{named} {path}")
    with tempfile.TemporaryDirectory(prefix="nemo-hydra-") as folder:
        made = Signers(path, Path(folder))
        made.copy.write_bytes(lines)
        yield made


class Signers:
    """Those whose signatures the runner accepts; made by :func:`signers`.

    Parameters
    ----------
    file : for messages.
    folder : a directory of this process, which has the copy.
    """

    def __init__(self, file: str, folder: Path) -> None:
        self.file = file
        self.copy = folder / "signers"
        self._folder = folder
        self._known: dict[bytes, tuple[list[str], str]] = {}

    def accept(self, content: bytes, data: bytes) -> Signer:
        """Return who has signed a content; of several signers the first that is accepted.

        Parameters
        ----------
        content : what must be signed.
        data : the file of signatures.

        Raises
        ------
        BadSignature
            If none of them is one of the signers.
        """
        reasons = []
        for each in signatures(data):
            try:
                return self._accept(content, each)
            except BadSignature as error:
                reasons.append(str(error))
        raise BadSignature("; ".join(dict.fromkeys(reasons)))

    def _accept(self, content: bytes, signature: Signature) -> Signer:
        if signature.namespace != NAMESPACE:
            raise BadSignature(
                f"the signature by {signature.fingerprint} was made for '{signature.namespace}', not for '{NAMESPACE}'"
            )
        file = self._folder / os.urandom(8).hex()
        file.write_bytes(signature.text)
        try:
            names, said = self._names(signature, file)
            if not names:
                why = f" ({said})" if said else ""
                raise BadSignature(f"signed by {signature.fingerprint}, which {self.file} does not accept{why}")
            for name in names:
                arguments = ["-Y", "verify", "-n", NAMESPACE, "-I", name, "-f", str(self.copy), "-s", str(file)]
                done = self._run(arguments, content)
                good = _GOOD.search(done.stdout)
                if done.returncode == 0 and good:
                    return Signer(name, good.group(1))
        finally:
            file.unlink()
        who = f"{names[0]} ({signature.fingerprint})"
        if "incorrect signature" in done.stderr:
            raise BadSignature(f"it was changed after {who} signed it, or the signature is that of something else")
        raise BadSignature(f"the signature by {who} is not accepted ({self._said(done)})")

    def _names(self, signature: Signature, file: Path) -> tuple[list[str], str]:
        """Return the names that the runner's file gives to a key; if there is none what ssh-keygen says about it."""
        known = self._known.get(signature.key)
        if known is None:
            done = self._run(["-Y", "find-principals", "-f", str(self.copy), "-s", str(file)], b"")
            names = [name for name in done.stdout.splitlines() if name and not name.startswith("!")]
            known = (names if done.returncode == 0 else [], self._said(done))
            self._known[signature.key] = known
        return known

    def _run(self, arguments: Sequence[str], content: bytes) -> subprocess.CompletedProcess[str]:
        try:
            return ssh_keygen(arguments, content=content, folder=str(self._folder), seconds=SECONDS)
        except subprocess.TimeoutExpired:
            raise UsageError(f"ssh-keygen has checked nothing within {SECONDS} s") from None

    def _said(self, done: subprocess.CompletedProcess[str]) -> str:
        """Return what ssh-keygen said about lines of the file."""
        start = f"{self.copy}:"
        lines = [line.removeprefix(start) for line in done.stderr.splitlines() if line.startswith(start)]
        return "; ".join(f"line {line.strip()}" for line in lines)


def _read(path: str, named: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{named} {path}: cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{named} {path}: has more than {_MOST_BYTES:,} bytes: it is no file of signers")
    return data


def _lines(data: bytes, name: str) -> bytes:
    """Check a file of signers line by line; return it so that all releases of ssh-keygen read it alike.

    ssh-keygen passes over a line that it cannot read: to the user that would look as if nobody had signed.
    """
    lines = [line.rstrip(b"\r").strip() for line in data.split(b"\n")]
    found = False
    for number, line in enumerate(lines, 1):
        if not line or line.startswith(b"#"):
            continue
        found = True
        if not _is_signer(line.decode("utf-8", "surrogateescape")):
            raise UsageError(
                f"{name}, line {number}: is no signer: expected PRINCIPAL [OPTIONS] KEYTYPE KEY, like 'team-a "
                "ssh-ed25519 AAAA...' (ssh-keygen(1), ALLOWED SIGNERS)"
            )
    if not found:
        raise UsageError(f"{name}: names no signer; a line is PRINCIPAL KEYTYPE KEY, like 'team-a ssh-ed25519 AAAA...'")
    return b"\n".join(line or b"#" for line in lines) + b"\n"  # OpenSSH 9.2 warns of empty lines


def _is_signer(line: str) -> bool:
    principals = _PRINCIPALS.match(line)
    if principals is None:
        return False
    rest = line[principals.end() :]
    options = _OPTIONS.match(rest)
    return _is_key(rest) or (options is not None and _is_key(rest[options.end() :]))


def _is_key(text: str) -> bool:
    """Whether a text begins with the kind of a key and the key itself: its parts, of which the first is its kind."""
    words = text.split(maxsplit=2)
    if len(words) < 2:
        return False
    try:
        kind, rest = split(base64.b64decode(words[1], validate=True))
        while rest:
            _, rest = split(rest)
    except (ValueError, binascii.Error):
        return False
    return kind == words[0].encode()
