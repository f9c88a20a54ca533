"""The conversions between Python objects, trees and text, joined: signatures, policy and validation included.

May import: the standard library and PyYAML (through ``yamltext``). The forms that need OmegaConf are in ``config``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.dialect.interop import adopted
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.errors import DialectError, PolicyError, SignatureError, ValidationError
from nemo_partial_hydra.messages import Problems, dotted, placed
from nemo_partial_hydra.policy import policy
from nemo_partial_hydra.policy.policy import names_in
from nemo_partial_hydra.recipes.capture import capture
from nemo_partial_hydra.recipes.names import resolve
from nemo_partial_hydra.recipes.tree import Call, Path, Tree, walk
from nemo_partial_hydra.signatures import drift
from nemo_partial_hydra.signatures.introspect import Signatures, live
from nemo_partial_hydra.signatures.introspect import docs_of as live_docs
from nemo_partial_hydra.signatures.signature import Signature

from . import signature_store
from .construct import buildables

SIGNATURES = Signatures(signature_store.signature, live)
RE_EXPORT = (
    "Export it again with what is installed here (nemo-hydra snapshot FILE... --out signatures.json), "
    "or correct the parameters above."
)
_captured: set[str] = set()  # targets of recipes that were made here, by what is installed here


def approved(target: str, allow: Iterable[str] = ()) -> Signature | None:
    """Return the signature of a target that may be named; where a snapshot covers it, nothing is imported.

    Raises
    ------
    PolicyError
        If the target is not allowed.
    SignatureError
        If it cannot be imported, and no snapshot covers it.
    """
    text = policy.refusal(target, policy.allowed_prefixes(allow))
    if text is not None:
        raise PolicyError(text)
    if not signature_store.covers(target):
        try:
            policy.load(target, allow)
            signature_store.loaded(target)
        except SignatureError:
            if not signature_store.fall_back(target):
                raise
    return signature_of(target)


def signature_of(target: str) -> Signature | None:
    """Return the signature of a target whose name has been allowed."""
    return SIGNATURES.get(target)


def captured(obj: Any, *, auto: bool = True) -> Tree:
    """Capture a live object; its targets' packages are trusted in this process and their signatures read."""

    def seen(target: str, fn: Any) -> None:
        policy.trust_live(target)
        _captured.add(target)
        if fn is not None:  # a target, not a mere reference
            SIGNATURES.add(target, fn)

    tree = capture(obj, auto=auto, seen=seen)
    policy.trust_arguments(tree)
    return tree


def read_tree(
    data: Any,
    allow: Iterable[str] = (),
    *,
    place: tuple[Any, ...] = (),
    known: dict[str, Signature | None] | None = None,
) -> Tree:
    """Read plain data as a validated tree: policy first, then drift, then types, all mistakes in one error.

    ``known`` keeps the signatures of targets that were approved, for a caller that reads many trees with one ``allow``.
    """
    signatures: dict[str, Signature | None] = {} if known is None else known
    named = list(names_in(data, place))
    policy.check_names(named, allow)
    if differ(named):
        drift.refuse(drifted(data, allow, place=place), RE_EXPORT)
    problems = Problems()
    refused: dict[str, str] = {}

    def lookup(target: str) -> Signature | None:
        if target not in signatures:
            try:
                signatures[target] = approved(target, allow)
            except PolicyError as error:
                refused[target] = str(error)
                return None
        return signatures[target]

    def positional(target: str) -> list[str]:
        signature = signatures.get(target)
        return [] if signature is None else [parameter.name for parameter in signature.positional]

    tree = from_data(data, lookup, problems, place=place)
    # What only the signatures tell: aliases of other names, texts that name a function, positional arguments.
    lines = [placed(path, refused[str(name)]) for path, name in named if str(name) in refused] if refused else []
    lines += policy.refusals(names_in(tree, place, positional), policy.allowed_prefixes(allow))
    policy.report(lines)
    problems.check(ValidationError)
    return tree


def missing(tree: Tree, place: Path = ()) -> list[str]:
    """List the required parameters that nobody set, with their paths."""
    found = []
    for path, node in walk(tree):
        if isinstance(node, Call) and (not node.partial or not path):
            signature = signature_of(node.target)
            if signature is None:
                continue
            covered = {parameter.name for parameter in signature.positional[: len(node.args)]}
            owner = node.target.rpartition(".")[2]
            for name in signature.required:
                if name not in node.kwargs and name not in covered:
                    where = dotted((*place, *path, name))
                    text = signature.parameters[name].type.text
                    found.append(f"{where}: {owner} requires it ({text}); set {where}=...")
    return found


def written_for(target: str) -> Signature | None:
    """Return the signature that recipes in files were written for, where it is not the one of here."""
    return None if target in _captured else signature_store.recorded(target)


def either(target: str, here: Signature | None) -> Signature | None:
    """Return a signature that takes what recipes in files were written for as well as what is accepted here."""
    written = written_for(target)
    return here if written is None else written if here is None else drift.merged(written, here)


def differs(data: Any) -> bool:
    """Whether plain data names a target whose package is installed in another version than its snapshot is of."""
    return differ(names_in(data))


def differ(named: Iterable[tuple[Path, Any]]) -> bool:
    """Whether one of the names in plain data is such a target."""
    return any(written_for(target) is not None for target in {name for _, name in named if isinstance(name, str)})


def drifted(data: Any, allow: Iterable[str] = (), *, place: tuple[Any, ...] = ()) -> list[drift.Finding]:
    """Return what changed under a recipe since its snapshot; its names have passed the policy."""
    if not differs(data):
        return []

    def here(target: str) -> Signature | None:
        try:
            return approved(target, allow)
        except PolicyError:
            return None  # which is said of the whole recipe at once

    def written(target: str) -> Signature | None:
        return written_for(target) or here(target)

    tree = from_data(data, written, Problems(), place=place)
    recorded = drift.record(tree, written_for)
    said = {target.partition(".")[0]: text for target in recorded if (text := signature_store.versions(target))}
    # A function that is only named has no signature in a snapshot: its package tells.
    asked = {target: entry for target, entry in recorded.items() if target.partition(".")[0] in said}
    return drift.compare(tree, asked, here, place=place, versions=lambda target: said[target.partition(".")[0]])


class Lookups:
    """Signatures for a listing: a target that is refused or cannot be imported has none; ``unreadable`` says why.

    ``drifted`` has them accept besides what recipes in files were written for.
    """

    def __init__(self, allow: Iterable[str] = (), *, drifted: bool = False) -> None:
        self.allow = tuple(allow)
        self.drifted = drifted
        self.unreadable: dict[str, str] = {}
        self._found: dict[str, Signature | None] = {}

    def __call__(self, target: str) -> Signature | None:
        if target not in self._found:
            self._found[target] = None
            try:
                self._found[target] = approved(target, self.allow)
            except (PolicyError, SignatureError) as error:
                self.unreadable[target] = str(error)
            if self.drifted:
                self._found[target] = either(target, self._found[target])
        return self._found[target]


def docs_of(target: str) -> Mapping[str, str]:
    """Return what a target's docstring says about its parameters, and its first line under ``""``.

    Nothing is imported for it: of a target that was refused, or that nobody has read, nothing is said.
    """
    if target not in _docs:
        if SIGNATURES.known(target) is None and signature_store.doc(target) is None:
            return {}
        known = signature_store.doc(target)
        try:
            _docs[target] = live_docs(resolve(target)) if known is None else known
        except SignatureError:
            return {}
    return _docs[target]


_docs: dict[str, Mapping[str, str]] = {}


def to_yaml(partial: Any, *, auto: bool = True) -> str:
    """Write a ``run.Partial`` or ``run.Config`` as YAML in the dialect; ``from_yaml`` gives an equal one back.

    Raises
    ------
    CaptureError
        With the path, for a value that has no text form.
    """
    return dump(to_data(captured(partial, auto=auto), signature_of))


def from_yaml(text: str, *, allow: Iterable[str] = ()) -> Any:
    """Read YAML in the dialect and build the ``run.Partial`` or ``run.Config`` that it describes.

    Parameters
    ----------
    text : the YAML text.
    allow : dotted prefixes that may be named besides what is allowed already.

    Raises
    ------
    DialectError
        If the text is no YAML of the dialect; with line and column.
    PolicyError
        If it names something that is not allowed; before anything is imported.
    ValidationError
        If a target does not accept a value; all mistakes at once, each with its path.
    """
    data = load(text)
    if not isinstance(data, dict) or "_target_" not in data:
        raise DialectError("YAML text: a recipe is a mapping with _target_")
    policy.check_names(names_in(data), allow)
    data = adopted(data, Lookups(allow))
    if _RESOLVER.search(text):
        from nemo_partial_hydra.composition.decode import config_to_tree

        return buildables(config_to_tree(data, allow), allow)
    return buildables(read_tree(apply_edits(data), allow), allow)


_RESOLVER = re.compile(r"\$\{[^${}]*(:|\$\{)")  # an interpolation that only OmegaConf can resolve
