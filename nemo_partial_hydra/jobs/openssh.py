"""Signatures of OpenSSH: ``ssh-keygen -Y`` makes and checks them, and nothing but this module starts it.

May import: the standard library only. A file of signatures holds those of several keys, one block each, as ssh-keygen
writes it; ssh-keygen alone judges them. What is read here of a block only words messages, and tells keys apart. What is
signed or checked is handed on as bytes that were read once, so that nothing can take their place meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_partial_hydra.errors import UsageError

NAMESPACE = "nemo-partial-hydra"
"""What the signatures are for: one that the same key made for git, a mail or a file counts for nothing here."""

MAX_BYTES = 64 << 10
"""No file of signatures is larger."""
MOST = 16
"""So many signatures one file has at most: each costs the one who checks them a process."""

_AT_ONCE = 1000  # files that one ssh-keygen signs; it asks for the passphrase once
SECONDS = 60
"""So long ssh-keygen may take where it asks nobody."""
_BLOCK = re.compile(rb"-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]*)-----END SSH SIGNATURE-----")
_PROMPT = re.compile("Enter passphrase[^:]*: *")
_OLD = re.compile(r"^(\S+: )?(unknown|illegal|invalid) option|^unsupported operation|^usage:", re.I | re.M)


class BadSignature(Exception):
    """A signature that is damaged, or does not count; its text says why."""


@dataclass(frozen=True)
class Signature:
    """One signature as it lies in a file; nobody has checked it.

    Attributes
    ----------
    key : the public key that it says it was made with, in OpenSSH's binary form.
    namespace : what it says it is for.
    text : its block, as ssh-keygen reads it.
    """

    key: bytes
    namespace: str
    text: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as ``ssh-add -l`` shows it."""
        shown = base64.b64encode(hashlib.sha256(self.key).digest()).decode().rstrip("=")
        return f"key SHA256:{shown}"


def signatures(data: bytes) -> list[Signature]:
    """Read a file of signatures.

    Raises
    ------
    BadSignature
        If it holds anything else, or too many of them.
    """
    blocks = [match.group(1) for match in _BLOCK.finditer(data)]
    if not blocks or _BLOCK.sub(b"", data).strip():
        raise BadSignature("the file is damaged: it holds something else than SSH signatures")
    if len(blocks) > MOST:
        raise BadSignature(f"the file has {len(blocks)} signatures, and at most {MOST} are checked")
    return [_signature(block) for block in blocks]


def _signature(block: bytes) -> Signature:
    try:
        data = base64.b64decode(b"".join(block.split()), validate=True)
        if data[:10] != b"SSHSIG\0\0\0\1":
            raise ValueError("no SSHSIG of version 1")
        key, rest = split(data[10:])
        namespace, _ = split(rest)
        split(key)
        spelled = namespace.decode()
    except (ValueError, binascii.Error):
        raise BadSignature("the file is damaged: a signature in it cannot be read") from None
    lines = base64.encodebytes(data)
    text = b"-----BEGIN SSH SIGNATURE-----\n" + lines + b"-----END SSH SIGNATURE-----\n"
    return Signature(key, spelled, text)


def split(data: bytes) -> tuple[bytes, bytes]:
    """Split off what has its length in four bytes before it."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise ValueError("cut off")
    return data[4 : 4 + length], data[4 + length :]


def sign(contents: Sequence[bytes], key: str) -> list[Signature]:
    """Sign contents with a private key, or with one that an ssh-agent holds; return a signature each.

    On a terminal ssh-keygen asks for the key's passphrase, once for a thousand contents. Elsewhere it asks nobody.

    Parameters
    ----------
    key : the file of the private key; of an agent's key that of the public one (``KEY.pub``).

    Raises
    ------
    UsageError
        If there is no such key, it cannot be used, or there is no ssh-keygen.
    """
    path = os.path.abspath(os.path.expanduser(key))
    if not os.path.isfile(path):
        raise UsageError(f"--key {key}: there is no such file; ssh-keygen -t ed25519 makes a key")
    made: list[Signature] = []
    for start in range(0, len(contents), _AT_ONCE):
        made += _signed(contents[start : start + _AT_ONCE], path, key)
    return made


def _signed(contents: Sequence[bytes], path: str, key: str) -> list[Signature]:
    import tempfile  # only where something is signed

    with tempfile.TemporaryDirectory(prefix="nemo-hydra-") as folder:
        names = [str(number) for number in range(len(contents))]
        for name, content in zip(names, contents, strict=True):
            (Path(folder) / name).write_bytes(content)
        asked = sys.stdin is not None and sys.stdin.isatty()
        try:
            done = ssh_keygen(
                ["-Y", "sign", "-f", path, "-n", NAMESPACE, *names], folder=folder, asked=asked,
                seconds=None if asked else SECONDS + len(contents),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise UsageError(
                f"--key {key}: nothing was signed within {error.timeout:.0f} s; an ssh-agent or a security key may "
                "wait for somebody to confirm: try it on a terminal"
            ) from None
        try:
            return [signatures((Path(folder) / f"{name}.sig").read_bytes())[0] for name in names]
        except (OSError, BadSignature):
            raise UsageError(f"--key {key}: nothing was signed: {_why_not(done, asked)}") from None


def _why_not(done: subprocess.CompletedProcess[str], asked: bool) -> str:
    """Say why ssh-keygen has signed nothing, and what can be done."""
    said = [line for line in done.stderr.splitlines() if not line.startswith(("Signing ", "Write "))]
    text = _PROMPT.sub("", "; ".join(line.strip() for line in said if line.strip()))
    text = text or f"ssh-keygen ended with {done.returncode}"
    if "passphrase" in text and not asked:
        text += (
            "; there is no terminal to ask for a passphrase: load the key into an ssh-agent (ssh-add) and name its "
            "public part, --key KEY.pub"
        )
    if "No private key found" in text:
        text += "; no ssh-agent holds it (ssh-add -l shows those it holds)"
    return text


def program() -> str:
    """Return ssh-keygen's path; raises ``UsageError`` where there is none."""
    found = shutil.which("ssh-keygen")
    if found is None:
        raise UsageError(
            "signatures need ssh-keygen, and it is not on PATH: install OpenSSH's client (package openssh-client on "
            "Debian and Ubuntu, openssh on Fedora and RHEL)"
        )
    return found


def ssh_keygen(
    arguments: Sequence[str], *, folder: str, seconds: float | None, content: bytes | None = None, asked: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run ssh-keygen; it may ask somebody only where ``asked`` says so."""
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C"}
    if not asked:  # no window asks for a passphrase either, which nobody may be there to see
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS")
        environment = {key: value for key, value in environment.items() if key not in hidden}
        environment = {**environment, "SSH_ASKPASS_REQUIRE": "never"}
    source = None if asked else subprocess.DEVNULL if content is None else subprocess.PIPE
    process = subprocess.Popen(
        [program(), *arguments], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        cwd=folder,
    )  # fmt: skip
    with process:
        try:
            out, err = process.communicate(content, seconds)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, *(_text(each) for each in (out, err)))
    if done.returncode and _OLD.search(done.stderr):
        raise UsageError(
            f"{program()} knows no 'ssh-keygen {' '.join(arguments[:2])}': signatures need OpenSSH 8.3 or later "
            "(package openssh-client)"
        )
    return done


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
