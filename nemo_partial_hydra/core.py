"""The conversions between Python objects, trees and text, joined: signatures, policy and validation included.

May import: the standard library and PyYAML (through ``yamltext``). The forms that need OmegaConf are in ``config``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from . import policy, snapshots
from .capture import capture
from .dialect import to_data
from .edits import apply_edits
from .errors import DialectError, PolicyError, Problems, SignatureError, ValidationError, placed
from .installed import docs_of as live_docs
from .names import resolve
from .objects import buildables
from .policy import names_in
from .reading import from_data
from .signatures import Signature, Signatures, live
from .tree import Tree
from .yamltext import dump, load

SIGNATURES = Signatures(snapshots.signature, live)


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
    if not snapshots.covers(target):
        policy.load(target, allow)
    return signature_of(target)


def signature_of(target: str) -> Signature | None:
    """Return the signature of a target whose name has been allowed."""
    return SIGNATURES.get(target)


def captured(obj: Any, *, auto: bool = True) -> Tree:
    """Capture a live object; its targets' packages are trusted in this process and their signatures read."""

    def seen(target: str, fn: Any) -> None:
        policy.trust_live(target)
        if fn is not None:  # a target, not a mere reference
            SIGNATURES.add(target, fn)

    tree = capture(obj, auto=auto, seen=seen)
    policy.trust_arguments(tree)
    return tree


def read_tree(data: Any, allow: Iterable[str] = (), *, place: tuple[Any, ...] = ()) -> Tree:
    """Read plain data as a validated tree: policy first, then types, all mistakes in one error."""
    policy.check_names(names_in(data, place), allow)
    problems = Problems()
    found: dict[str, Signature | None] = {}
    refused: dict[str, str] = {}

    def lookup(target: str) -> Signature | None:
        if target not in found:
            found[target] = None
            try:
                found[target] = approved(target, allow)
            except PolicyError as error:
                refused[target] = str(error)
        return found[target]

    def positional(target: str) -> list[str]:
        signature = found.get(target)
        return [] if signature is None else [parameter.name for parameter in signature.positional]

    tree = from_data(data, lookup, problems, place=place)
    # What only the signatures tell: aliases of other names, texts that name a function, positional arguments.
    lines = [placed(path, refused[str(name)]) for path, name in names_in(data, place) if str(name) in refused]
    lines += policy.refusals(names_in(tree, place, positional), policy.allowed_prefixes(allow))
    policy.report(lines)
    problems.check(ValidationError)
    return tree


class Lookups:
    """Signatures for a listing: a target that is refused or cannot be imported has none; ``unreadable`` says why."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self.allow = tuple(allow)
        self.unreadable: dict[str, str] = {}
        self._found: dict[str, Signature | None] = {}

    def __call__(self, target: str) -> Signature | None:
        if target not in self._found:
            self._found[target] = None
            try:
                self._found[target] = approved(target, self.allow)
            except (PolicyError, SignatureError) as error:
                self.unreadable[target] = str(error)
        return self._found[target]


def docs_of(target: str) -> Mapping[str, str]:
    """Return what a target's docstring says about its parameters, and its first line under ``""``.

    Nothing is imported for it: of a target that was refused, or that nobody has read, nothing is said.
    """
    if target not in _docs:
        if SIGNATURES.known(target) is None and snapshots.doc(target) is None:
            return {}
        known = snapshots.doc(target)
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
    if _RESOLVER.search(text):
        from .composed import config_to_tree

        return buildables(config_to_tree(data, allow), allow)
    return buildables(read_tree(apply_edits(data), allow), allow)


_RESOLVER = re.compile(r"\$\{[^${}]*(:|\$\{)")  # an interpolation that only OmegaConf can resolve
