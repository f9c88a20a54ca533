"""Recipe tree -> plain data (dict, list, scalars) in the dialect that Hydra documents.

May import: the standard library only. ``to_data`` writes the shortest form that the annotation restores exactly, and
the explicit form where it would not; ``reader`` reads both. Neither imports a target.
"""

from __future__ import annotations

import re
from typing import Any

from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.keys import ARGS, BUILDABLE, CALL_KEY, MISSING, PARTIAL_KEY, RESERVED, TARGET
from nemo_partial_hydra.recipes.tree import (
    CONFIG,
    PARTIAL,
    PATHS,
    SCALARS,
    Call,
    Link,
    Map,
    Opaque,
    Path,
    Ref,
    Result,
    Seq,
    Tree,
    Value,
    walk,
)
from nemo_partial_hydra.recipes.values import (
    BY_TARGET,
    BY_TYPE,
    BYTES,
    CONTAINERS,
    STRIP,
    VALUE_FORMS,
    is_utf8,
    write_duration,
)
from nemo_partial_hydra.signatures.convert import Mismatch, convert, same
from nemo_partial_hydra.signatures.signature import Lookup
from nemo_partial_hydra.signatures.types import ANY, CONTAINER_KINDS, TypeSpec, loosened

from .scalars import escape_interpolation, unescape_interpolation

_SIMPLE_KEY = re.compile(r"^[^${}:.\[\]'\"\s()\\@?=,~+]+$")


def to_data(tree: Tree, signature: Lookup) -> Any:
    """Write a tree as plain data.

    Parameters
    ----------
    tree : the recipe.
    signature : gives the ``Signature`` of a target, or None where it is not known.

    Raises
    ------
    CaptureError
        For an opaque value, which has no text form.
    """
    return Writer(signature, linked_paths(tree)).write(tree, ANY, (), ())


def linked_paths(tree: Tree) -> frozenset[Path]:
    """Return the paths of all nodes that links of a tree name, and of all that contain one of them."""
    targets = [node.path for _, node in walk(tree) if isinstance(node, Link)]
    return frozenset(path[:cut] for path in targets for cut in range(1, len(path) + 1))


def nameable(tree: Map, path: Path, linked: frozenset[Path]) -> bool:
    """Whether interpolations can name what links need to name below a dict; its explicit form has plain indices."""
    odd = [key for key, _ in tree.items if not (isinstance(key, str) and _SIMPLE_KEY.match(key))]
    return not any((*path, key) in linked for key in odd)


class Writer:
    """Writes a tree; remembers where in the document each node came to stand, for the links to it."""

    def __init__(self, signature: Lookup, linked: frozenset[Path]) -> None:
        self.signature = signature
        self.linked = linked
        self.document: dict[Path, Path] = {}

    def write(self, tree: Tree, spec: TypeSpec, path: Path, doc: Path) -> Any:
        """Write the value at ``path`` of the tree, which stands at ``doc`` in the document."""
        if isinstance(tree, str) and tree != MISSING and spec.kind in ("str", "any") and is_utf8(tree):
            return escape_interpolation(tree)
        if isinstance(tree, Link):
            return relative(doc, self.document.get(tree.path, tree.path))
        if isinstance(tree, Result):
            return tree.text
        if isinstance(tree, Opaque):
            raise CaptureError(placed(path, f"raw({tree.value!r}) lives in this process only and has no text form"))
        if isinstance(tree, Call):
            self.document[path] = doc
            return self.call(tree, path, doc)
        if isinstance(tree, (Seq, Map, Value, *PATHS)):
            self.document[path] = doc
        short = short_form(tree)
        if isinstance(tree, Map) and not nameable(tree, path, self.linked):
            short = NO_SHORT
        if short is not NO_SHORT and restores(short, tree, spec):
            return self.plain(tree, short, spec, path, doc)
        return self.explicit(tree, path, doc)

    def plain(self, tree: Tree, short: Tree, spec: TypeSpec, path: Path, doc: Path) -> Any:
        if isinstance(tree, Seq):
            return [self.write(v, item_spec(spec, i), (*path, i), (*doc, i)) for i, v in enumerate(tree.items)]
        if isinstance(tree, Map):
            return {k: self.write(v, item_spec(spec, k), (*path, k), (*doc, k)) for k, v in tree.items}
        return escape_interpolation(short) if isinstance(short, str) else short

    def explicit(self, tree: Tree, path: Path, doc: Path) -> Any:
        below = (*doc, ARGS, 0)
        if isinstance(tree, Seq):
            inner = [self.write(v, ANY, (*path, i), (*below, i)) for i, v in enumerate(tree.items)]
            return {TARGET: CONTAINERS[tree.kind].target, ARGS: [inner]}
        if isinstance(tree, Map):
            pairs = [
                [self.write(k, ANY, (), ()), self.write(v, ANY, (*path, k), (*below, i, 1))]
                for i, (k, v) in enumerate(tree.items)
            ]
            return {TARGET: CONTAINERS[tree.kind].target, ARGS: [pairs]}
        return explicit_leaf(tree)

    def call(self, tree: Call, path: Path, doc: Path) -> dict[str, Any]:
        signature = self.signature(tree.target)
        out = call_head(tree)
        if tree.args:
            types = [(signature.type_at(i) if signature else None) or ANY for i in range(len(tree.args))]
            out[ARGS] = [self.write(v, types[i], (*path, ARGS, i), (*doc, ARGS, i)) for i, v in enumerate(tree.args)]
        for name, value in tree.kwargs.items():
            spec = (signature.type_of(name) if signature else None) or ANY
            out[name] = self.write(value, spec, (*path, name), (*doc, name))
        return out


NO_SHORT: Any = Opaque(None)


def short_form(tree: Tree) -> Tree:
    """Return what reading the short form gives before its type is applied; NO_SHORT if there is none."""
    if isinstance(tree, Seq):
        return Seq(tree.items, "list")
    if isinstance(tree, Map):
        keys_fit = all(_short_key(key) for key, _ in tree.items)
        keys_fit = keys_fit and len({str(key) for key, _ in tree.items}) == len(tree.items)  # 1 beside "1"
        plain = tree.kind == "dict" and keys_fit and not any(key in RESERVED for key, _ in tree.items)
        return tree if plain else NO_SHORT
    if isinstance(tree, Ref):
        return tree.target.rpartition(".")[2]
    if isinstance(tree, Value):
        return write_duration(*tree.args) if tree.target == "datetime.timedelta" else NO_SHORT
    if isinstance(tree, PATHS):
        return str(tree)
    if isinstance(tree, str):
        return tree if tree != MISSING and is_utf8(tree) else NO_SHORT
    return NO_SHORT if isinstance(tree, bytes) else tree


def shown(tree: Tree, spec: TypeSpec) -> Tree:
    """Return the leaf that a config shows for a parameter's default, even where reading it would give another value."""
    if isinstance(tree, (bool, int, float)) or tree is None or (isinstance(tree, str) and tree != MISSING):
        return tree
    short = short_form(tree)
    if isinstance(short, str) and restores(short, tree, spec):
        return short
    return tree.target if isinstance(tree, (Ref, Value)) else "" if tree == MISSING else str(tree)


def only_shows(data: Any, default: Any, spec: TypeSpec) -> bool:
    """Whether a text is the one that is shown for a default, and would be read as something else."""
    if not isinstance(data, str) or not (isinstance(default, (bytes, Ref, Value, *PATHS)) or default == MISSING):
        return False
    text = unescape_interpolation(data)
    return text is not None and text == shown(default, spec) and not restores(text, default, spec)


def says(data: Any, default: Any, spec: TypeSpec) -> bool:
    """Whether plain data is what is shown for a default."""
    if isinstance(default, Seq):
        alike = isinstance(data, list) and len(data) == len(default.items)
        return alike and all(says(data[i], item, item_spec(spec, i)) for i, item in enumerate(default.items))
    if isinstance(default, Map):
        alike = isinstance(data, dict) and list(data) == [key for key, _ in default.items]
        return alike and all(says(data[key], item, item_spec(spec, key)) for key, item in default.items)
    if isinstance(data, str):
        text = unescape_interpolation(data)
        return text is not None and text == shown(default, spec)
    return type(data) in SCALARS and same(data, default)


def _short_key(key: Any) -> bool:
    """Whether a key may stand in YAML as it is: YAML takes no long keys, and an escaped text is longer."""
    return len(key) <= 160 and is_utf8(key) if isinstance(key, str) else isinstance(key, (int, float))


def explicit_leaf(tree: Tree) -> dict[str, Any]:
    """Write a leaf so that no annotation is needed to read it."""
    if isinstance(tree, Ref):
        return {TARGET: tree.target, CALL_KEY: False}
    if isinstance(tree, Value):
        return {TARGET: tree.target, ARGS: list(tree.args)}
    if isinstance(tree, str) and not is_utf8(tree):
        hexed = {TARGET: BYTES, ARGS: [tree.encode("utf-8", "surrogatepass").hex()]}
        return {TARGET: BY_TYPE[str].target, ARGS: [hexed, "utf-8", "surrogatepass"]}
    row = BY_TARGET[STRIP] if tree == MISSING else BY_TYPE[type(tree)]
    if row.held == "name":
        return {TARGET: row.target, CALL_KEY: False}
    args = [escape_interpolation(arg) if isinstance(arg, str) else arg for arg in row.arguments(tree)]
    return {TARGET: row.target, ARGS: args}


def call_head(tree: Call) -> dict[str, Any]:
    """Write the reserved keys of a node."""
    out: dict[str, Any] = {TARGET: tree.target}
    if tree.partial:
        out[PARTIAL_KEY] = True
    looks_like_value = tree.target in VALUE_FORMS and bool(tree.args) and not tree.kwargs and not tree.partial
    if tree.buildable not in (CONFIG, PARTIAL) or looks_like_value:
        out[BUILDABLE] = tree.buildable
    return out


def restores(short: Tree, tree: Tree, spec: TypeSpec) -> bool:
    """Whether reading ``short`` where ``spec`` is expected gives ``tree`` again.

    Of a container only the shape counts: its elements are read, and so written, each by its own type.
    """
    try:
        return same(convert(short, loosened(spec)), tree)
    except Mismatch:
        return False


def item_spec(spec: TypeSpec, key: Any) -> TypeSpec:
    """Return the type of an element of a list, tuple or dict; ANY where the alternatives differ."""
    found = {_item(member, key) for member in spec.members() if member.kind in CONTAINER_KINDS}
    return found.pop() if len(found) == 1 else ANY


def _item(spec: TypeSpec, key: Any) -> TypeSpec:
    if spec.kind == "tuple" and not spec.variadic:
        return spec.args[key] if isinstance(key, int) and 0 <= key < len(spec.args) else ANY
    return spec.args[-1] if spec.args else ANY


def relative(path: Path, target: Path) -> str:
    """Write a link from the value at ``path`` to the object at ``target`` as a relative interpolation."""
    for key in target:
        if not (isinstance(key, (str, int)) and _SIMPLE_KEY.match(str(key))):
            raise CaptureError(
                placed(path, f"shares its object with '{'.'.join(map(str, target))}', a path no interpolation can name")
            )
    common = 0
    while common < min(len(path) - 1, len(target)) and path[common] == target[common]:
        common += 1
    if common == len(target):
        common -= 1
    dots = "." * (len(path) - common)
    return "${" + dots + ".".join(str(key) for key in target[common:]) + "}"
