"""``library.json``: what a recipe library holds and where it came from.

May import: the standard library only. It is written last, so a directory with one is whole; one line a recipe, so that
``diff`` shows what a new version changes. There is no time in it: the same recipes give the same text.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.errors import LibraryError

NAME = "library.json"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One recipe of a library: the call that made it, the first line of its docs, and the digest of its file."""

    call: str
    doc: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    """A library's name, what it was exported from, its recipes by config path, and what gave none, with the reason.

    ``distributions`` are the installed packages that the exported modules were read from, with their versions.
    """

    name: str
    modules: tuple[str, ...] = ()
    distributions: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, Entry] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The versions that were read, for people: ``nemo_toolkit 2.7.3``."""
        return ", ".join(f"{name} {version}" for name, version in sorted(self.distributions.items()))

    def installed_otherwise(self) -> dict[str, str]:
        """Return which of its distributions are installed here in another version, and in which."""
        from nemo_partial_hydra.signatures.distributions import other_version

        found = {name: other_version(name, version) for name, version in sorted(self.distributions.items())}
        return {name: here for name, here in found.items() if here is not None}


def digest(text: bytes) -> str:
    """Return what tells whether a recipe file is the one that was exported."""
    import hashlib

    return hashlib.sha256(text).hexdigest()[:16]


def encode(manifest: Manifest) -> str:
    """Write a manifest as text."""
    rows = {name: [entry.call, entry.doc, entry.digest] for name, entry in manifest.recipes.items()}
    head = {
        "format": FORMAT,
        "name": manifest.name,
        "modules": list(manifest.modules),
        "distributions": dict(sorted(manifest.distributions.items())),
    }
    lines = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    lines += [_block("recipes", rows), _block("left_out", manifest.left_out)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _block(name: str, items: Mapping[str, Any]) -> str:
    lines = [f"  {json.dumps(key)}: {json.dumps(items[key])}" for key in sorted(items)]
    return f'"{name}": {{\n' + ",\n".join(lines) + "\n}"


def is_library(folder: str) -> bool:
    """Whether a directory is a recipe library."""
    return os.path.isfile(os.path.join(folder, NAME))


def read(folder: str) -> Manifest:
    """Read the manifest of a library.

    Raises
    ------
    LibraryError
        With the file, if there is none, or it is damaged, half-written or of a newer format.
    """
    path = os.path.join(folder, NAME)
    try:
        return _read(path, os.stat(path).st_mtime_ns)
    except FileNotFoundError:
        raise LibraryError(f"{folder} {why_none(folder)}") from None
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read: {error.strerror or error}") from None


def lists(folder: str, name: str) -> bool:
    """Whether a library's manifest lists a recipe; errors as for :func:`read`."""
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8") as file:
            if json.dumps(name) not in file.read():  # most are asked for what they never had: no need to parse
                return False
    except (OSError, UnicodeDecodeError):
        pass  # reading it says why
    return name in read(folder).recipes


def why_none(folder: str) -> str:
    """Say why a directory is no library, and the way out."""
    if not os.path.isdir(folder):
        return "is no directory: a recipe library is one that 'nemo-hydra export MODULE --out DIR' has written"
    return (
        f"is no recipe library: it has no {NAME}. 'nemo-hydra export MODULE --out DIR' writes one; "
        "a directory of other configs is for --config-dir"
    )


@functools.lru_cache(maxsize=64)
def _read(path: str, stamp: int) -> Manifest:
    with open(path, encoding="utf-8") as file:
        try:
            data = json.load(file)
            version = data["format"]
            if type(version) is int and version > FORMAT:
                raise LibraryError(
                    f"{path} was written by a newer version (format {version}, this one reads {FORMAT}): "
                    "update nemo_partial_hydra"
                )
            recipes = {str(name): Entry(*map(str, row)) for name, row in data["recipes"].items()}
            texts = (data[key] for key in ("distributions", "left_out"))
            distributions, left_out = ({str(k): str(v) for k, v in part.items()} for part in texts)
            return Manifest(str(data["name"]), tuple(map(str, data["modules"])), distributions, recipes, left_out)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = f"{type(error).__name__}: {error}"
            raise LibraryError(f"{path}: damaged or half-written ({what}); export the library again") from None
