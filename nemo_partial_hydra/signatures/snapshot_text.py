"""Signatures as the text of a snapshot; ``snapshot`` reads it.

May import: the standard library only. The same signatures give the same text, in whatever order they come.
"""

from __future__ import annotations

import collections
import json
import types
from collections.abc import Iterable, Mapping
from typing import Any

from .distributions import Package
from .signature import Signature
from .snapshot import FORMAT
from .snapshot_json import write, write_default
from .types import TypeSpec


def encode(
    signatures: Iterable[Signature],
    docs: Mapping[str, Mapping[str, str]],
    packages: Mapping[str, Package | None],
    aliases: Mapping[str, str] = types.MappingProxyType({}),
) -> str:
    """Write signatures as the text of a snapshot; the same signatures give the same text, in whatever order.

    Parameters
    ----------
    signatures : what the targets accept.
    docs : of each target what :func:`docs_of` gives.
    packages : what :func:`read_packages` gives for the targets.
    aliases : further names of targets among the signatures.
    """
    targets = {signature.target: signature for signature in signatures}
    keys, table = _type_table(targets.values())
    head = [
        f'"format": {FORMAT}',
        _block("packages", {name: p and p._asdict() for name, p in packages.items()}),
        _block("types", table),
        _block("docs", common := _common_docs(targets.values(), docs)),
    ]
    written = {name: _target(targets[name], docs.get(name, {}), common, keys) for name in targets}
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


def _target(signature: Signature, docs: Mapping[str, str], common: Mapping[str, str], keys: Mapping[str, str]) -> str:
    parameters = signature.parameters.values()
    own: dict[str, str | None] = {
        name: text for name, text in docs.items() if name not in signature.parameters or common.get(name) != text
    }
    own |= {name: None for name in signature.parameters if name in common and name not in docs}
    rows = []
    for parameter in parameters:
        row = [parameter.name, keys[_canonical(parameter.type)]]
        rows.append(row if parameter.required else [*row, write_default(parameter.default)])
    fields: dict[str, Any] = {
        "positional": [parameter.name for parameter in parameters if parameter.positional],
        "keyword_only": [parameter.name for parameter in parameters if parameter.keyword_only],
        "extra": keys[_canonical(signature.extra)] if signature.extra else None,
        "rest": keys[_canonical(signature.rest)] if signature.rest else None,
        "computed": list(signature.computed),
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
    choices, args = [write(choice) for choice in spec.choices], [_whole(arg) for arg in spec.args]
    return [write(spec.text), spec.kind, spec.target, spec.variadic, choices, args]


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
        "text": write(spec.text) if spec.text != key else None,
        "args": [keys[_canonical(arg)] for arg in spec.args],
        "choices": [write(choice) for choice in spec.choices],
        "target": spec.target or None,
        "variadic": spec.variadic,
    }
    # What is empty is what is read where nothing stands, but for an empty text.
    more = {name: value for name, value in fields.items() if value or value == ""}
    return {"kind": spec.kind, **more} if more else spec.kind
