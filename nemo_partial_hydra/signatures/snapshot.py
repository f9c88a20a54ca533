"""What targets accept, kept in one file: a machine without the targets' packages lists and checks recipes by it.

May import: the standard library only. The file is JSON that a person can read and ``diff`` can compare: one line per
parameter, each type spelled once. Reading it imports and evaluates nothing of what it names; a target is decoded when
it is first asked for.

In a default, a plain JSON value is itself, an array is a list, and an object has one key that says what it is:
``{"ref": name}``, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"bytes": hex}``, ``{"float": "nan"}``.
"""

from __future__ import annotations

import collections
import gzip
import io
import json
import os
import zlib
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from nemo_partial_hydra.atomic import replace_file
from nemo_partial_hydra.errors import SignatureError

from .distributions import Package, compared
from .signature import REQUIRED, Parameter, Signature
from .snapshot_json import (
    TypeReader,
    TypeWriter,
    brief,
    list_in,
    need,
    read_default,
    text_in,
    write_default,
)

FORMAT = 1
NAME = "signatures.json"
LIMIT = 64 * 2**20  # bytes of JSON text; all of NeMo takes about two million of them

_GZIP = b"\x1f\x8b"
_Path = str | os.PathLike[str]


# Reading -----------------------------------------------------------------------------------------------------------


class Snapshot:
    """The signatures and docs of a snapshot; ``packages`` tells what they were read from.

    A file may be broken anywhere: whatever meets that raises ``SignatureError``.
    """

    def __init__(self, data: Any, path: str) -> None:
        self._path = path
        try:
            version = need(need(data, dict, "it").get("format"), int, "format")
            if version > FORMAT:
                newer = f"was written by a newer version (format {version}, this one reads {FORMAT})"
                raise SignatureError(f"{path} {newer}: update nemo_partial_hydra")
            if version < FORMAT:
                raise ValueError(f"there is no format {version}")
            parts = (need(data.get(key), dict, key) for key in ("packages", "types", "docs", "targets"))
            packages, types, self._docs, targets = parts
            self._types = TypeReader(types)
            self._targets: dict[str, Any] = targets
            self.packages: Mapping[str, Package | None] = {name: _package(name, p) for name, p in packages.items()}
        except ValueError as error:
            raise SignatureError(f"{path}: this is no snapshot of signatures: {error}") from None
        self._signatures: dict[str, Signature] = {}
        self._verdicts: dict[str, tuple[bool, str | None]] = {}

    @property
    def targets(self) -> Collection[str]:
        """The names of all targets."""
        return self._targets.keys()

    def get(self, target: str) -> Signature | None:
        """Return the signature of a target, or None if the snapshot does not have it."""
        if target not in self._targets:
            return None
        if target not in self._signatures:
            try:
                self._signatures[target] = self._signature(target)
            except (ValueError, NotImplementedError, RecursionError) as error:
                raise SignatureError(f"{self._path}: the signature of '{target}' is broken: {error}") from None
        return self._signatures[target]

    def doc(self, target: str) -> Mapping[str, str]:
        """Return the docs of a target's parameters by their names, and its own first line under ``""``."""
        try:
            data = self._entry(self._same(target))
            rows = list_in(data.get("parameters", []), "parameters")
            docs = {row[0]: self._docs[row[0]] for row in rows if _row(row)[0] in self._docs}
            docs |= need(data.get("docs", {}), dict, "docs")
            docs = {name: text_in(text, f"the doc of '{name}'") for name, text in docs.items() if text is not None}
        except (ValueError, RecursionError) as error:
            raise SignatureError(f"{self._path}: the docs of '{target}' are broken: {error}") from None
        return MappingProxyType(docs)

    def usable(self, target: str) -> bool:
        """Whether the snapshot tells the truth here: the target's package is absent, or the one that was read."""
        return self._verdict(target)[0]

    def difference(self, target: str) -> str | None:
        """Return how the distribution installed here differs from the one that was read; None if it does not."""
        return self._verdict(target)[1]

    def rely(self, target: str) -> None:
        """Take the snapshot's word for a target's package, which is here and cannot be imported."""
        self._verdicts[self._package_of(target)] = (True, None)

    def package(self, target: str) -> Package | None:
        """Return the distribution that a target was read from; None if it belongs to none."""
        return self.packages.get(self._package_of(target))

    def _package_of(self, target: str) -> str:
        parts = target.split(".")
        prefixes = (".".join(parts[:cut]) for cut in range(len(parts), 0, -1))
        return next((prefix for prefix in prefixes if prefix in self.packages), parts[0])

    def _verdict(self, target: str) -> tuple[bool, str | None]:
        name = self._package_of(target)
        if name not in self._verdicts:
            self._verdicts[name] = compared(target.partition(".")[0], self.packages.get(name))
        return self._verdicts[name]

    def _entry(self, target: str) -> dict[str, Any]:
        """Return what stands for a target; one that is still a text is parsed now."""
        data = self._targets.get(target, {})
        if type(data) is str:
            self._targets[target] = data = json.loads(data)
        return dict(need(data, dict, "it"))

    def _same(self, target: str) -> str:
        """Return the name under which the signature of a target stands: its own, unless it is an alias."""
        data = self._entry(target)
        if "same" not in data:
            return target
        real = text_in(data["same"], "the other name")
        if real not in self._targets or "same" in self._entry(real):
            raise ValueError(f"'{real}' is no target with a signature of its own")
        return real

    def _signature(self, target: str) -> Signature:
        data = self._entry(self._same(target))
        positional, keyword_only = (list_in(data.get(key, []), key) for key in ("positional", "keyword_only"))
        parameters: dict[str, Parameter] = {}
        for row in list_in(data.get("parameters"), "parameters"):
            name, spec = _row(row)[0], self._types.read(row[1])
            default = read_default(row[2]) if len(row) == 3 else REQUIRED
            parameters[name] = Parameter(name, spec, default, name in positional, name in keyword_only)
        extra, rest = (self._types.read(data[key]) if key in data else None for key in ("extra", "rest"))
        known, computed = need(data.get("known", True), bool, "known"), list_in(data.get("computed", []), "computed")
        return Signature(target, parameters, extra, rest, known, tuple(text_in(name, "computed") for name in computed))


def _row(row: Any) -> list[Any]:
    if type(row) is not list or len(row) not in (2, 3) or type(row[0]) is not str:
        raise ValueError(f"{brief(row)} is no parameter (name, type, default)")
    return row


def _package(name: str, data: Any) -> Package | None:
    if data is None:
        return None
    data = need(data, dict, f"the package '{name}'")
    found = Package(*(text_in(data.get(key), f"the {key} of the package '{name}'") for key in Package._fields))
    if not found.distribution:
        raise ValueError(f"the package '{name}' has a distribution without a name")
    return found


def load(path: _Path) -> Snapshot:
    """Open a snapshot, compressed or not; nothing that it names is imported.

    Raises
    ------
    SignatureError
        With the path, if there is no such file, or it is damaged, of a newer format or no snapshot at all.
    """
    name = os.fspath(path)
    try:
        data = _read(name)
        if len(data) > LIMIT:
            raise SignatureError(f"{name}: more than {LIMIT // 2**20} MB are no snapshot of signatures")
        return Snapshot(_parsed(data.decode()), name)
    except FileNotFoundError:
        raise SignatureError(f"{name}: there is no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SignatureError(f"{name}: the compressed data is damaged or half-written ({error})") from None
    except OSError as error:
        raise SignatureError(f"{name}: cannot be read: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise SignatureError(f"{name}: {where}: no JSON ({error.msg}); the file is damaged or half-written") from None
    except (ValueError, RecursionError) as error:
        raise SignatureError(f"{name}: no JSON ({error}); the file is damaged") from None


_TARGETS, _END = '\n"targets": {\n', "\n}\n}\n"


def _parsed(text: str) -> Any:
    """Parse a snapshot; the entries of its targets stay texts, as long as they are laid out as they are written here.

    All of NeMo makes a hundred thousand objects, of which a recipe needs a few hundred.
    """
    head, found, body = text.partition(_TARGETS)
    if not found or not head.endswith(",") or not body.endswith(_END):
        return json.loads(text)
    data = json.loads(f"{head[:-1]}\n}}")
    # Only the names of targets stand at the beginning of a line.
    entries = (entry.partition('": ') for entry in f"\n{body[: -len(_END)]}".split('\n"')[1:])
    targets = {json.loads(f'"{name}"'): text.removesuffix(",") for name, _, text in entries}
    return {**data, "targets": targets} if targets else json.loads(text)


def _read(path: str) -> bytes:
    """Read a file; one byte more than allowed at most, however much it holds when decompressed."""
    with open(path, "rb") as stream:
        if stream.peek(2)[:2] != _GZIP:
            return stream.read(LIMIT + 1)
        with gzip.GzipFile(fileobj=stream) as unzipped:
            return unzipped.read(LIMIT + 1)


# Writing -----------------------------------------------------------------------------------------------------------


def encode(
    signatures: Iterable[Signature],
    docs: Mapping[str, Mapping[str, str]],
    packages: Mapping[str, Package | None],
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write signatures as the text of a snapshot; the same signatures give the same text, in whatever order.

    Parameters
    ----------
    signatures : what the targets accept.
    docs : of each target what :func:`.introspect.docs_of` gives.
    packages : what :func:`.distributions.read_packages` gives for the targets.
    aliases : further names of targets among the signatures.
    """
    targets = {signature.target: signature for signature in signatures}
    types = TypeWriter(targets.values())
    head = [
        f'"format": {FORMAT}',
        _block("packages", {name: p and p._asdict() for name, p in packages.items()}),
        _block("types", types.table),
        _block("docs", common := _common_docs(targets.values(), docs)),
    ]
    written = {name: _entry(targets[name], docs.get(name, {}), common, types) for name in targets}
    written |= {name: f'{json.dumps(name)}: {{"same": {json.dumps(target)}}}' for name, target in aliases.items()}
    lines = ",\n".join(written[name] for name in sorted(written))
    return "{\n" + ",\n".join(head) + ',\n"targets": {\n' + lines + "\n}\n}\n"


def _block(name: str, items: Mapping[str, Any]) -> str:
    lines = [f"  {json.dumps(key)}: {json.dumps(items[key])}" for key in sorted(items)]
    return f'"{name}": {{\n' + ",\n".join(lines) + "\n}"


def _common_docs(signatures: Iterable[Signature], docs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return what most targets say of a parameter of the same name: 150 models of NeMo inherit the same fields."""
    said: dict[str, collections.Counter[str]] = {}
    for signature in signatures:
        for name in signature.parameters:
            said.setdefault(name, collections.Counter())[docs.get(signature.target, {}).get(name, "")] += 1
    best = {name: max(sorted(texts), key=texts.__getitem__) for name, texts in said.items()}
    return {name: text for name, text in best.items() if text and said[name][text] > 1}


def _entry(signature: Signature, docs: Mapping[str, str], common: Mapping[str, str], types: TypeWriter) -> str:
    parameters = signature.parameters.values()
    own: dict[str, str | None] = {
        name: text for name, text in docs.items() if name not in signature.parameters or common.get(name) != text
    }
    own |= {name: None for name in signature.parameters if name in common and name not in docs}
    rows = []
    for parameter in parameters:
        row = [parameter.name, types.key(parameter.type)]
        rows.append(row if parameter.required else [*row, write_default(parameter.default)])
    fields: dict[str, Any] = {
        "positional": [parameter.name for parameter in parameters if parameter.positional],
        "keyword_only": [parameter.name for parameter in parameters if parameter.keyword_only],
        "extra": types.key(signature.extra) if signature.extra else None,
        "rest": types.key(signature.rest) if signature.rest else None,
        "computed": list(signature.computed),
    }
    lines = [f'  "{name}": {json.dumps(value)}' for name, value in fields.items() if value not in (None, [])]
    if not signature.known:
        lines.append('  "known": false')
    if own:
        lines.append("  " + _block("docs", own).replace("\n", "\n  "))
    lines.append('  "parameters": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]")
    return f"{json.dumps(signature.target)}: {{\n" + ",\n".join(lines) + "\n}"


def save(text: str, path: _Path) -> None:
    """Write a snapshot's text, compressed if the name ends in ``.gz``; the file is the old or the new one, never half.

    Raises
    ------
    OSError
        If it cannot be written; the old file is left as it was.
    """
    data = text.encode()
    if os.fspath(path).endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) as zipped:  # no name, no time: always the same bytes
            zipped.write(data)
        data = buffer.getvalue()
    replace_file(path, data)
