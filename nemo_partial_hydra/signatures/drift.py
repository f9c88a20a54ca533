"""Drift: what a recipe sets, by the signatures it was written for, against those of here.

May import: the standard library and our modules that need no more, since the runner in an image uses it. Pure: the
signatures come through lookups, nothing is imported, printed or raised but by :func:`refuse`.

What is recorded is plain data: of each target that a recipe names the types of the parameters that it sets, and which
parameters were required. A type that accepts all that the recorded one did is no drift (``compatible``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nemo_partial_hydra.errors import DialectError, DriftError, SignatureError
from nemo_partial_hydra.messages import dotted, nearest
from nemo_partial_hydra.recipes.keys import ARGS
from nemo_partial_hydra.recipes.tree import Call, Path, Ref, Tree, walk

from .compatible import accepts, read_text, text_of
from .convert import fits
from .signature import Lookup, Signature, Unknown
from .types import TypeSpec

VANISHED, REQUIRED, TYPE, TARGET = "vanished", "required", "type", "target"

RE_EXPORT = (
    "Export it again with what is installed here (nemo-hydra snapshot FILE... --out signatures.json), "
    "or correct the parameters above."
)


@dataclass(frozen=True)
class Finding:
    """One thing that changed under a recipe.

    ``kind`` is ``vanished`` (a parameter that it sets), ``required`` (a parameter that it does not set), ``type`` (of
    a parameter that it sets) or ``target``. ``recorded`` and ``live`` are the types as texts; of a target, ``live`` is
    why it cannot be found. ``hint`` is the nearest right name, ``versions`` what was read and what is here.
    """

    path: Path
    target: str
    parameter: str
    kind: str
    recorded: str = ""
    live: str = ""
    hint: str = ""
    versions: str = ""

    @property
    def text(self) -> str:
        """One line: the full path, what changed between which versions, the nearest right name."""
        owner = self.target.rpartition(".")[2]
        said = {
            VANISHED: f"{owner} no longer has '{self.parameter}'",
            REQUIRED: f"{owner} requires '{self.parameter}' ({self.live}), which the recipe does not set",
            TYPE: f"'{self.parameter}' of {owner} was {self.recorded} and is {self.live}",
            TARGET: self.live,
        }[self.kind]
        where = f"{dotted(self.path)}: " if self.path else ""
        return f"{where}{said}{f' ({self.versions})' if self.versions else ''}{self.hint}"


# Recording ---------------------------------------------------------------------------------------------------------


def record(tree: Tree, lookup: Lookup) -> dict[str, Any]:
    """Return what a recipe relies on, as plain data for a frozen job.

    Parameters
    ----------
    tree : the recipe.
    lookup : gives the ``Signature`` of a target, or None where it is not known; then nothing is recorded of it.

    Returns
    -------
    ``{target: {"parameters": {name: type}, "required": [name], "positional": [name]}}``, sorted, what is empty left
    out; a function, class or constant that is only named has none of them.
    """
    found: dict[str, Any] = {}
    for _, node in walk(tree):
        if isinstance(node, Ref):
            found.setdefault(node.target, {})
        signature = lookup(node.target) if isinstance(node, Call) else None
        if not isinstance(node, Call) or signature is None or not signature.known:
            continue
        entry = found.setdefault(node.target, {})
        types = entry.setdefault("parameters", {})
        for name, spec in _set_types(node, signature):
            types[name] = text_of(spec)
        entry["required"] = sorted(signature.required)
        if node.args:
            entry["positional"] = [parameter.name for parameter in signature.positional]
    return {target: _tidy(found[target]) for target in sorted(found)}


def _tidy(entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("parameters"):
        entry["parameters"] = dict(sorted(entry["parameters"].items()))
    return {key: value for key, value in entry.items() if value}


def _set_types(node: Call, signature: Signature) -> Iterator[tuple[str, TypeSpec]]:
    """Yield the parameters that a node sets, with their types, as far as the signature has them."""
    for index in range(len(node.args)):
        spec = signature.type_at(index)
        if spec is not None:
            yield _name_at(signature, index), spec
    for name in node.kwargs:
        spec = signature.type_of(name)
        if spec is not None:
            yield name, spec


def _name_at(signature: Signature, index: int) -> str:
    names = signature.positional
    return names[index].name if index < len(names) else f"{ARGS}.{index}"


# Comparing ---------------------------------------------------------------------------------------------------------


def compare(
    tree: Tree, recorded: Any, lookup: Lookup, *, place: Path = (), versions: Callable[[str], str] | None = None
) -> list[Finding]:
    """Return everything that changed under a recipe since it was recorded; empty if it can be run.

    Parameters
    ----------
    tree : the recipe.
    recorded : what :func:`record` gave; a target that it lacks is not compared.
    lookup : gives the signature that a target has here, or None where it is not known; raises ``SignatureError`` where
        there is no such target.
    place : the path at which the recipe stands, for the messages.
    versions : says of a target's package which version was recorded and which is here.

    Raises
    ------
    DialectError
        If ``recorded`` is not what :func:`record` gives.
    """
    return list(_Comparison(_checked(recorded), lookup, place, versions or (lambda target: "")).findings(tree))


class _Comparison:
    def __init__(
        self, recorded: Mapping[str, Any], lookup: Lookup, place: Path, versions: Callable[[str], str]
    ) -> None:
        self.recorded = recorded
        self.lookup = lookup
        self.place = place
        self.versions = versions

    def findings(self, tree: Tree) -> Iterator[Finding]:
        changed: set[Path] = set()  # a member that an enum lost is said once, at the parameter
        for path, node in walk(tree):
            if not isinstance(node, (Call, Ref)) or node.target not in self.recorded or path in changed:
                continue
            signature, why = self.live(node.target)
            if why:
                yield self.finding(path, node.target, "", TARGET, live=why)
            elif isinstance(node, Call) and signature is not None and signature.known:
                for finding in self.node(node, signature, path, self.recorded[node.target]):
                    changed.add(finding.path[len(self.place) :])
                    yield finding

    def live(self, target: str) -> tuple[Signature | None, str]:
        """Return the signature that a target has here, or why there is no such target."""
        try:
            return self.lookup(target), ""
        except SignatureError as error:
            return None, str(error)

    def node(self, node: Call, live: Signature, path: Path, entry: Mapping[str, Any]) -> Iterator[Finding]:
        types: Mapping[str, str] = entry.get("parameters", {})
        for index, value in enumerate(node.args):
            yield from self.positional(node, live, (*path, ARGS, index), entry.get("positional", []), types, value)
        for name, value in node.kwargs.items():
            if name in types:
                yield from self.parameter(node, live, (*path, name), name, types[name], value)
        if node.partial and path:
            return  # whoever calls it gives the rest
        given = {*node.kwargs, *(parameter.name for parameter in live.positional[: len(node.args)])}
        for name, parameter in live.parameters.items():
            if parameter.required and name not in given and name not in entry.get("required", []):
                yield self.finding((*path, name), node.target, name, REQUIRED, live=parameter.type.text)

    def parameter(self, node: Call, live: Signature, path: Path, name: str, was: str, value: Tree) -> Iterator[Finding]:
        spec = live.type_of(name)
        if spec is None:
            names = [n for n, p in live.parameters.items() if not p.positional and n not in node.kwargs]
            yield self.finding(path, node.target, name, VANISHED, was, hint=nearest(name, names))
        else:
            yield from self.type(node, path, name, was, spec, value)

    def positional(
        self, node: Call, live: Signature, path: Path, names: Sequence[str], types: Mapping[str, str], value: Tree
    ) -> Iterator[Finding]:
        index = path[-1]
        name = names[index] if index < len(names) else f"{ARGS}.{index}"
        spec = live.type_at(index)
        if name not in types:
            return
        if spec is None or (index < len(names) and _name_at(live, index) != name and name in live.parameters):
            yield self.finding(path, node.target, name, VANISHED, types[name], hint=" at this position")
        else:
            yield from self.type(node, path, name, types[name], spec, value)

    def type(self, node: Call, path: Path, name: str, was: str, spec: TypeSpec, value: Tree) -> Iterator[Finding]:
        old = read_text(was)
        here = text_of(spec)
        if here == was or accepts(spec, old) or self.indifferent(value, old, spec):
            return
        yield self.finding(path, node.target, name, TYPE, _shown(was), _shown(here))

    def indifferent(self, value: Tree, old: TypeSpec, new: TypeSpec) -> bool:
        """Whether a changed type says nothing about the value that stands there."""
        if isinstance(value, Call) and value.target in self.recorded and self.live(value.target)[1]:
            return True  # its target is gone, which is said of itself
        if old.kind == "any":
            return fits(value, new)  # an annotation where there was none
        if value is None:
            return fits(None, new)
        return fits(value, new) and not fits(value, old)  # someone has given it for the type of here

    def finding(
        self, path: Path, target: str, parameter: str, kind: str, recorded: str = "", live: str = "", hint: str = ""
    ) -> Finding:
        return Finding((*self.place, *path), target, parameter, kind, recorded, live, hint, self.versions(target))


def _shown(text: str) -> str:
    """Spell a type for a message: an enum by its name and members."""
    spec = read_text(text)
    if spec.kind == "enum":
        return f"{spec.target.rpartition('.')[2]} ({', '.join(map(str, spec.choices))})"
    return text


def _checked(recorded: Any) -> Mapping[str, Any]:
    """Return recorded data, which comes from a file, if it has the shape that :func:`record` gives."""
    if not isinstance(recorded, Mapping):
        raise DialectError(f"recorded signatures are a mapping of targets, got a {type(recorded).__name__}")
    for target, entry in recorded.items():
        shapes = {"parameters": dict, "required": list, "positional": list}
        wrong = not isinstance(target, str) or not isinstance(entry, Mapping)
        wrong = wrong or any(not isinstance(entry[key], kind) for key, kind in shapes.items() if key in entry)
        if wrong or not all(isinstance(text, str) for text in entry.get("parameters", {}).values()):
            raise DialectError(f"recorded signatures: what stands at {target!r} is no record of a target")
    return recorded


# Both at once ------------------------------------------------------------------------------------------------------


def merged(recorded: Signature, live: Signature) -> Signature:
    """Return a signature that takes what either takes, so that a recipe that drifted can be composed and corrected."""
    parameters = dict(live.parameters)
    for name, old in recorded.parameters.items():
        new = parameters.get(name)
        if new is None:
            parameters[name] = old if not old.required else replace(old, default=Unknown("<gone>"))
        elif not accepts(new.type, old.type):
            parameters[name] = replace(new, type=TypeSpec("union", new.type.text, (new.type, old.type)))
    extra, rest = live.extra or recorded.extra, live.rest or recorded.rest
    return Signature(live.target, parameters, extra, rest, live.known and recorded.known, live.computed)


# Reporting ---------------------------------------------------------------------------------------------------------


def refuse(findings: Sequence[Finding], way_out: str) -> None:
    """Raise all findings as one error; do nothing where there are none.

    Raises
    ------
    DriftError
        With a line for each finding, and the way out.
    """
    if findings:
        raise DriftError(report(findings, way_out))


def report(findings: Sequence[Finding], way_out: str) -> str:
    """Word all findings: one text for the user."""
    lines = dict.fromkeys(finding.text for finding in findings)
    head = "the recipe does not fit what is installed here:"
    return "\n".join([head, *(f"  - {line}" for line in lines), way_out])
