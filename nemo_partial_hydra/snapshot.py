"""What targets accept, kept in one file: a machine without the targets' packages lists and checks recipes by it.

May import: the standard library only (docstring_parser when docs are collected). The file is JSON that a person can
read and ``diff`` can compare: one line per parameter, each type spelled once. Reading it imports and evaluates nothing
of what it names; a target is decoded when it is first asked for.

In a default, a plain JSON value is itself, an array is a list, and an object has one key that says what it is:
``{"ref": name}``, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"bytes": hex}``, ``{"float": "nan"}``.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import gzip
import importlib.util
import io
import json
import math
import os
import pathlib
import types
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from .dialect import is_utf8
from .errors import SignatureError
from .signatures import REQUIRED, Default, Parameter, Required, Signature, Unknown, doc_of
from .tree import BUILDABLES, PATHS, SCALARS, Call, Link, Map, Opaque, Ref, Seq, Tree, Value, walk
from .typespec import TypeSpec

FORMAT = 1
NAME = "signatures.json"
LIMIT = 64 * 2**20  # bytes of JSON text; all of NeMo takes about two million of them

_GZIP = b"\x1f\x8b"
_Path = str | os.PathLike[str]


class Package(NamedTuple):
    """The installed distribution that a package comes from."""

    distribution: str
    version: str


# Writing -----------------------------------------------------------------------------------------------------------


def encode(
    signatures: Iterable[Signature],
    docs: Mapping[str, Mapping[str, str]],
    packages: Mapping[str, Package | None],
) -> str:
    """Write signatures as the text of a snapshot; the same signatures give the same text, in whatever order.

    Parameters
    ----------
    signatures : what the targets accept.
    docs : of each target what :func:`docs_of` gives.
    packages : what :func:`read_packages` gives for the targets.
    """
    targets = {signature.target: signature for signature in signatures}
    keys, table = _type_table(targets.values())
    head = [
        f'"format": {FORMAT}',
        _block("packages", {name: p and p._asdict() for name, p in packages.items()}),
        _block("types", table),
        _block("docs", common := _common_docs(targets.values(), docs)),
    ]
    written = [_target(targets[name], docs.get(name, {}), common, keys) for name in sorted(targets)]
    return "{\n" + ",\n".join(head) + ',\n"targets": {\n' + ",\n".join(written) + "\n}\n}\n"


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


def _target(signature: Signature, docs: Mapping[str, str], common: Mapping[str, str], keys: Mapping[str, str]) -> str:
    parameters = signature.parameters.values()
    own: dict[str, str | None] = {
        name: text for name, text in docs.items() if name not in signature.parameters or common.get(name) != text
    }
    own |= {name: None for name in signature.parameters if name in common and name not in docs}
    rows = []
    for parameter in parameters:
        row = [parameter.name, keys[_canonical(parameter.type)]]
        rows.append(row if parameter.required else [*row, _plain_default(parameter.default)])
    fields: dict[str, Any] = {
        "positional": [parameter.name for parameter in parameters if parameter.positional],
        "keyword_only": [parameter.name for parameter in parameters if parameter.keyword_only],
        "extra": keys[_canonical(signature.extra)] if signature.extra else None,
        "rest": keys[_canonical(signature.rest)] if signature.rest else None,
    }
    lines = [f'  "{name}": {json.dumps(value)}' for name, value in fields.items() if value not in (None, [])]
    if not signature.known:
        lines.append('  "known": false')
    if own:
        lines.append("  " + _block("docs", own).replace("\n", "\n  "))
    lines.append('  "parameters": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]")
    return f"{json.dumps(signature.target)}: {{\n" + ",\n".join(lines) + "\n}"


def _canonical(spec: TypeSpec) -> str:
    """Spell a type so that equal texts are equal types: to Python's ``==`` Literal[1] is Literal[True]."""
    return json.dumps(_whole(spec))


def _whole(spec: TypeSpec) -> Any:
    choices, args = [_plain(choice) for choice in spec.choices], [_whole(arg) for arg in spec.args]
    return [_plain(spec.text), spec.kind, spec.target, spec.variadic, choices, args]


def _type_table(signatures: Iterable[Signature]) -> tuple[dict[str, str], dict[str, Any]]:
    """Name every type by how Python spells it, numbered where two of them are spelled alike."""
    specs: dict[str, TypeSpec] = {}

    def add(spec: TypeSpec | None) -> None:
        if spec is not None and specs.setdefault(_canonical(spec), spec) is spec:
            for arg in spec.args:
                add(arg)

    for signature in signatures:
        for found in (signature.extra, signature.rest, *(p.type for p in signature.parameters.values())):
            add(found)
    keys: dict[str, str] = {}
    taken: set[str] = set()
    # ``Sequence[int]`` is the union of list and tuple, both spelled like it: the one that parameters have goes first.
    for canonical in sorted(specs, key=lambda key: (specs[key].kind != "union", key)):
        text, number = specs[canonical].text.encode("utf-8", "backslashreplace").decode(), 1
        while (key := text if number == 1 else f"{text} #{number}") in taken:
            number += 1
        taken.add(key)
        keys[canonical] = key
    return keys, {key: _plain_type(specs[canonical], key, keys) for canonical, key in keys.items()}


def _plain_type(spec: TypeSpec, key: str, keys: Mapping[str, str]) -> Any:
    fields = {
        "text": _plain(spec.text) if spec.text != key else None,
        "args": [keys[_canonical(arg)] for arg in spec.args],
        "choices": [_plain(choice) for choice in spec.choices],
        "target": spec.target or None,
        "variadic": spec.variadic,
    }
    # What is empty is what is read where nothing stands, but for an empty text.
    more = {name: value for name, value in fields.items() if value or value == ""}
    return {"kind": spec.kind, **more} if more else spec.kind


def _plain_default(default: Default) -> Any:
    if isinstance(default, Required):
        raise TypeError("a parameter without a default is written without one")
    if not isinstance(default, Unknown):
        hidden = next((node for _, node in walk(default) if isinstance(node, Opaque)), None)
        if hidden is None:
            return _plain(default)
        default = Unknown(f"raw(<{type(hidden.value).__name__}>)")  # a live object has no text form
    return {"unknown": _plain(default.text)}


def _plain(tree: Tree) -> Any:
    """Write a tree as JSON data."""
    if isinstance(tree, Seq):
        items = [_plain(item) for item in tree.items]
        return items if tree.kind == "list" else {tree.kind: items}
    if isinstance(tree, Map):
        return {tree.kind: [[_plain(key), _plain(item)] for key, item in tree.items]}
    if isinstance(tree, Ref):
        return {"ref": tree.target}
    if isinstance(tree, Value):
        return {"value": [tree.target, *map(_plain, tree.args)]}
    if isinstance(tree, Call):
        named = [[name, _plain(item)] for name, item in tree.kwargs.items()]
        return {"call": [tree.buildable, tree.target, [_plain(item) for item in tree.args], named]}
    if isinstance(tree, Link):
        return {"link": [_plain(key) for key in tree.path]}
    if isinstance(tree, bytes):
        return {"bytes": tree.hex()}
    if type(tree) in PATHS:
        return {type(tree).__name__: _plain(str(tree))}
    if type(tree) not in SCALARS:
        raise TypeError(f"{tree!r} is no part of a tree")
    return _plain_scalar(tree)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, str) and not is_utf8(value):
        return {"str": list(value)}  # JSON takes two halves of a character that stand in a row for the whole one
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, int) and value.bit_length() > 64:
        return {"int": hex(value)}  # Python neither writes nor reads long integers in decimal
    return value


# Reading -----------------------------------------------------------------------------------------------------------


class Snapshot:
    """The signatures and docs of a snapshot; ``packages`` tells what they were read from.

    A file may be broken anywhere: whatever meets that raises ``SignatureError``.
    """

    def __init__(self, data: Any, path: str) -> None:
        self._path = path
        try:
            version = _need(_need(data, dict, "it").get("format"), int, "format")
            if version > FORMAT:
                newer = f"was written by a newer version (format {version}, this one reads {FORMAT})"
                raise SignatureError(f"{path} {newer}: update nemo_partial_hydra")
            if version < FORMAT:
                raise ValueError(f"there is no format {version}")
            parts = (_need(data.get(key), dict, key) for key in ("packages", "types", "docs", "targets"))
            packages, self._types, self._docs, self._targets = parts
            self.packages: Mapping[str, Package | None] = {name: _package(name, p) for name, p in packages.items()}
        except ValueError as error:
            raise SignatureError(f"{path}: this is no snapshot of signatures: {error}") from None
        self._specs: dict[str, TypeSpec] = {}
        self._signatures: dict[str, Signature] = {}
        self._verdicts: dict[str, tuple[bool, str | None]] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of all targets."""
        return tuple(self._targets)

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
            data = _need(self._targets.get(target, {}), dict, "it")
            rows = _list(data.get("parameters", []), "parameters")
            docs = {row[0]: self._docs[row[0]] for row in rows if _row(row)[0] in self._docs}
            docs |= _need(data.get("docs", {}), dict, "docs")
            docs = {name: _text(text, f"the doc of '{name}'") for name, text in docs.items() if text is not None}
        except (ValueError, RecursionError) as error:
            raise SignatureError(f"{self._path}: the docs of '{target}' are broken: {error}") from None
        return types.MappingProxyType(docs)

    def usable(self, target: str) -> bool:
        """Whether the snapshot tells the truth here: the target's package is absent, or the one that was read."""
        return self._verdict(target)[0]

    def difference(self, target: str) -> str | None:
        """Return how the distribution installed here differs from the one that was read; None if it does not."""
        return self._verdict(target)[1]

    def _verdict(self, target: str) -> tuple[bool, str | None]:
        parts = target.split(".")
        prefixes = (".".join(parts[:cut]) for cut in range(len(parts), 0, -1))
        name = next((prefix for prefix in prefixes if prefix in self.packages), parts[0])
        if name not in self._verdicts:
            self._verdicts[name] = _compared(parts[0], self.packages.get(name))
        return self._verdicts[name]

    def _signature(self, target: str) -> Signature:
        data = _need(self._targets[target], dict, "it")
        positional, keyword_only = (_list(data.get(key, []), key) for key in ("positional", "keyword_only"))
        parameters: dict[str, Parameter] = {}
        for row in _list(data.get("parameters"), "parameters"):
            name, spec = _row(row)[0], self._spec(row[1])
            default = _default(row[2]) if len(row) == 3 else REQUIRED
            parameters[name] = Parameter(name, spec, default, name in positional, name in keyword_only)
        extra, rest = (self._spec(data[key]) if key in data else None for key in ("extra", "rest"))
        return Signature(target, parameters, extra, rest, _need(data.get("known", True), bool, "known"))

    def _spec(self, key: Any) -> TypeSpec:
        if _text(key, "the name of a type") not in self._specs:
            if key not in self._types:
                raise ValueError(f"the type '{key}' is not in the file")
            self._specs[key] = self._type(key, self._types[key])
        return self._specs[key]

    def _type(self, key: str, data: Any) -> TypeSpec:
        data = {"kind": data} if isinstance(data, str) else _need(data, dict, f"the type '{key}'")
        kind, text = _text(data.get("kind"), f"the kind of '{key}'"), _words(data.get("text", key), "text")
        args = tuple(self._spec(arg) for arg in _list(data.get("args", []), "args"))
        choices = tuple(_tree(choice) for choice in _list(data.get("choices", []), "choices"))
        if (kind == "union" and not args) or (kind == "enum" and not all(isinstance(c, str) for c in choices)):
            raise ValueError(f"the type '{key}' has no {'members' if kind == 'union' else 'names of members'}")
        variadic = _need(data.get("variadic", False), bool, "variadic")
        return TypeSpec(kind, text, args, choices, _text(data.get("target", ""), "target"), variadic)


def _brief(data: Any) -> str:
    text = json.dumps(data)
    return "missing" if data is None else text if len(text) <= 40 else f"{text[:37]}..."


def _need(data: Any, kind: type, what: str) -> Any:
    if type(data) is not kind:  # not isinstance: true is no number
        raise ValueError(f"{what} is {_brief(data)}, expected {_SPELLED[kind]}")
    return data


def _text(data: Any, what: str = "it") -> str:
    return data if type(data) is str else str(_need(data, str, what))


def _list(data: Any, what: str = "it") -> list[Any]:
    return data if type(data) is list else list(_need(data, list, what))


def _row(row: Any) -> list[Any]:
    if type(row) is not list or len(row) not in (2, 3) or type(row[0]) is not str:
        raise ValueError(f"{_brief(row)} is no parameter (name, type, default)")
    return row


def _package(name: str, data: Any) -> Package | None:
    if data is None:
        return None
    data = _need(data, dict, f"the package '{name}'")
    found = Package(*(_text(data.get(key), f"the {key} of the package '{name}'") for key in Package._fields))
    if not found.distribution:
        raise ValueError(f"the package '{name}' has a distribution without a name")
    return found


def _default(data: Any) -> Default:
    if type(data) is dict and data.keys() == {"unknown"}:
        return Unknown(_words(data["unknown"]))
    return _tree(data)


def _tree(data: Any) -> Tree:
    """Read what :func:`_plain` wrote."""
    kind = type(data)
    if kind is list:
        return Seq(tuple(map(_tree, data)))
    if kind is not dict:
        leaf: Tree = data
        return leaf
    tag, body = next(iter(data.items()), (None, None))
    if len(data) != 1 or tag not in _READERS:
        raise ValueError(f"{_brief(data)} is no value")
    return _READERS[tag](body)


def _leaf(data: Any) -> Any:
    leaf = _tree(data)
    if type(leaf) not in SCALARS and type(leaf) is not bytes:
        raise ValueError(f"{_brief(data)} is no plain value")
    return leaf


def _seq(kind: str, body: Any) -> Seq:
    return Seq(tuple(map(_tree, _list(body))), kind)


def _path(kind: type[pathlib.PurePath], body: Any) -> pathlib.PurePath:
    return kind(_words(body))


def _words(data: Any, what: str = "it") -> str:
    """Read a text that may hold halves of characters."""
    text = _tree(data)
    return text if isinstance(text, str) else _text(data, what)


def _value(body: Any) -> Value:
    target, *args = [_leaf(arg) for arg in _list(body)] or [None]
    if [type(arg) for arg in args] != _VALUES.get(target, [str]):
        raise ValueError(f"{_brief(body)} is no value of the standard library")
    return Value(_text(target), tuple(args))


def _pairs(body: Any, key: Callable[[Any], Any]) -> tuple[tuple[Any, Tree], ...]:
    if not all(type(pair) is list and len(pair) == 2 for pair in _list(body)):
        raise ValueError(f"{_brief(body)} is no list of pairs")
    return tuple((key(name), _tree(item)) for name, item in body)


def _call(body: Any) -> Call:
    buildable, target, args, kwargs = _list(body) if len(_list(body)) == 4 else [None] * 4
    if buildable not in BUILDABLES:
        raise ValueError(f"{_brief(body)} is no call")
    return Call(_text(target), dict(_pairs(kwargs, _text)), tuple(map(_tree, _list(args))), buildable)


_SPELLED = {dict: "an object", list: "a list", str: "a text", int: "a whole number", bool: "true or false"}
_VALUES: dict[Any, list[type]] = {  # the arguments of values that are not made of one text
    "datetime.timedelta": [int] * 3,
    "builtins.range": [int] * 3,
    "builtins.complex": [float] * 2,
}
_READERS: dict[Any, Callable[[Any], Tree]] = {
    "ref": lambda body: Ref(_text(body)),
    "str": lambda body: "".join(map(_text, _list(body))),
    "int": lambda body: int(_text(body), 16),
    "float": lambda body: float(_text(body)),
    "bytes": lambda body: bytes.fromhex(_text(body)),
    "value": _value,
    "call": _call,
    "link": lambda body: Link(tuple(map(_leaf, _list(body)))),
    "dict": lambda body: Map(_pairs(body, _leaf)),
    "OrderedDict": lambda body: Map(_pairs(body, _leaf), "OrderedDict"),
    **{kind: functools.partial(_seq, kind) for kind in ("tuple", "set", "frozenset")},
    **{kind.__name__: functools.partial(_path, kind) for kind in PATHS},
}


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
        return Snapshot(json.loads(data.decode()), name)
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


def _read(path: str) -> bytes:
    """Read a file; one byte more than allowed at most, however much it holds when decompressed."""
    with open(path, "rb") as stream:
        if stream.peek(2)[:2] != _GZIP:
            return stream.read(LIMIT + 1)
        with gzip.GzipFile(fileobj=stream) as unzipped:
            return unzipped.read(LIMIT + 1)


def save(text: str, path: _Path) -> None:
    """Write a snapshot's text, compressed if the name ends in ``.gz``; the file is the old or the new one, never half.

    Raises
    ------
    OSError
        If it cannot be written; the old file is left as it was.
    """
    name = os.fspath(path)
    data = text.encode()
    if name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) as zipped:  # no name, no time: always the same bytes
            zipped.write(data)
        data = buffer.getvalue()
    folder, base = os.path.split(name)
    temporary = os.path.join(folder, f".{base}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb") as stream:  # not mkstemp, whose file nobody else could read
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, name)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


# What is installed here --------------------------------------------------------------------------------------------


def docs_of(obj: Any) -> dict[str, str]:
    """Return the docs of a live callable: of each parameter, and the first line of its own under ``""``."""
    lines = str(obj.__doc__ or "").strip().splitlines()
    generated = bool(lines) and lines[0].startswith(f"{getattr(obj, '__name__', '')}(")  # by @dataclass
    return {**doc_of(obj), **({"": lines[0].strip()} if lines and not generated else {})}


def read_packages(targets: Iterable[str]) -> dict[str, Package | None]:
    """Return the distributions that the targets come from here; None for what belongs to none or is installed editable.

    The keys are top-level packages; of one that several distributions share (``google``), the modules in it. Reads
    the lists of files of all distributions: a second or so.
    """
    names = sorted(set(targets))
    listing = _Listing({_top(name) for name in names})
    found = {name: listing.owner(name) for name in names}
    shared: dict[str, set[Package | None]] = {}
    for name, (_, package) in found.items():
        shared.setdefault(_top(name), set()).add(package)
    return {_top(name) if len(shared[_top(name)]) == 1 else key: package for name, (key, package) in found.items()}


def _top(target: str) -> str:
    return target.partition(".")[0]


class _Listing:
    """Which distribution put which Python file where."""

    def __init__(self, tops: set[str]) -> None:
        import importlib.metadata

        self.origins = {top: _origin(top) for top in tops}
        self.files: dict[str, importlib.metadata.Distribution] = {}
        for distribution in importlib.metadata.distributions():
            if distribution.read_text("RECORD"):  # a folder under development changes while its version does not
                for file in distribution.files or ():
                    if file.suffix == ".py" and _top(file.parts[0]) in tops:
                        self.files.setdefault(str(file), distribution)  # the first on sys.path is what is imported

    def owner(self, target: str) -> tuple[str, Package | None]:
        """Return the module that a target is in, as far as it is known, and the distribution that has it."""
        parts = target.split(".")
        for cut in range(len(parts), 0, -1):
            for file in _files_of(parts[:cut]):
                if file in self.files and self.from_here(parts[0], self.files[file]):
                    return ".".join(parts[:cut]), _named(self.files[file])
        return ".".join(parts[:-1]) or target, None

    def from_here(self, top: str, distribution: Any) -> bool:
        """Whether what is imported is what was installed: packages install a ``tests`` or ``examples`` too."""
        origin = self.origins[top]
        return origin is None or any(
            os.path.realpath(str(distribution.locate_file(file))) == origin for file in _files_of([top])
        )


def _files_of(module: list[str]) -> tuple[str, str]:
    return "/".join([*module, "__init__.py"]), "/".join(module) + ".py"


def _named(distribution: Any) -> Package:
    return Package(str(distribution.metadata["Name"]), str(distribution.version))


def _found(top: str) -> tuple[bool, str | None]:
    """Return whether a top-level package is here, and its file; a folder without one (a namespace) has none."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # loaded, but without a spec, as __main__ is
        return True, "unknown"
    return spec is not None, spec.origin if spec else None


def _origin(top: str) -> str | None:
    origin = _found(top)[1]
    return origin and os.path.realpath(origin)


def _compared(top: str, package: Package | None) -> tuple[bool, str | None]:
    """Return whether a package is absent or the one that was read, and what is to be said of it if it is neither."""
    import importlib.metadata

    here, origin = _found(top)
    if not here or package is None:
        return not here, None
    try:
        version = importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        if origin is None:
            return True, None  # other distributions have parts of the same namespace
        text = f"'{top}' is here, but not from {package.distribution} {package.version}"
        return False, f"{text}, from which the snapshot was read"
    if version == package.version:
        return True, None
    return False, f"{package.distribution} {version} is installed, the snapshot was read from {package.version}"
