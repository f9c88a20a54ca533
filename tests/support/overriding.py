"""The law of the listing: every path that it calls overridable is set by an override, and the recipe shows it.

``check_every_path`` overrides all of them with a new value of their types: first every leaf in one composition, then
every list, tuple and dict, each level in a composition of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from nemo_partial_hydra.composition.decode import config_to_tree
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import Writer, item_spec, says
from nemo_partial_hydra.errors import SignatureError, ValidationError
from nemo_partial_hydra.listing.override_text import value_text
from nemo_partial_hydra.listing.paths import paths
from nemo_partial_hydra.listing.record import GROUP, PathInfo
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.tree import Call, Map, Tree, at
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.convert import convert, same
from nemo_partial_hydra.signatures.signature import Signature, part_of
from nemo_partial_hydra.signatures.types import ANY, TypeSpec

Compose = Callable[[Sequence[str]], Any]
KINDS: dict[str, Any] = {"bool": True, "int": 7, "float": 0.25, "str": "new", "path": "/new", "timedelta": 77}


def spec_at(tree: Tree, path: tuple[Any, ...]) -> TypeSpec:
    """Return the type of the value at a path."""
    node: Any
    spec, node, below = ANY, tree, False
    for depth, key in enumerate(path):
        if isinstance(node, Call):
            signature = session.workspace().signature_of(node.target)
            if key == "_args_":
                node = at(tree, path[: depth + 1])
                continue
            spec = (signature.type_of(key) if signature else None) or ANY
            default = part_of(node, signature, key) if signature else None
        else:
            spec, default = item_spec(spec, int(key) if str(key).isdigit() else key), None
        try:
            node = at(node, (key,)) if below else at(tree, path[: depth + 1])
        except KeyError:
            node, below = default, True  # what is below an object that nobody set
    return spec


def new_value(old: Any, spec: TypeSpec, node: str, name: str) -> Any:
    """Return another value of a type, as plain data; ``node`` and ``name`` are targets that stand for any."""
    if isinstance(old, bool) and spec.kinds & {"bool", "any"}:
        return not old
    if isinstance(old, int) and spec.kinds & {"int", "float", "any", "str", "timedelta"}:
        return old + 1
    if isinstance(old, float) and spec.kinds & {"float", "any"}:
        return 0.5 if old != 0.5 else 0.25
    for member in spec.members():
        if member.kind in ("enum", "literal"):
            other = [choice for choice in member.choices if choice != old and str(choice) != str(old)]
            return other[0] if other else old
    for kind in sorted(spec.kinds - {"none"}):
        if kind in KINDS:
            return KINDS[kind] if KINDS[kind] != old else f"{old}x" if isinstance(old, str) else not old
        if kind in ("callable", "type"):
            return name
        if kind == "dtype":
            return "torch.float64"
        if kind == "object":
            return {"_target_": node}
        if kind in ("list", "tuple", "set", "frozenset", "dict"):
            return fresh(member_of(spec, kind), node, name)
    return f"{old}x" if isinstance(old, str) else "new"


def member_of(spec: TypeSpec, kind: str) -> TypeSpec:
    """Return the alternative of a kind."""
    return next(member for member in spec.members() if member.kind == kind)


def fresh(spec: TypeSpec, node: str, name: str) -> Any:
    """Return a value of a container's type."""
    if spec.kind == "dict":
        return {"new": new_value(None, spec.args[-1] if spec.args else ANY, node, name)}
    count = len(spec.args) if spec.kind == "tuple" and not spec.variadic else 1
    return [new_value(None, item_spec(spec, index), node, name) for index in range(count)]


def key_of(info: PathInfo) -> str:
    """Return the key of a record's override, prefix included."""
    assert info.override is not None
    return shlex.split(info.override)[0].partition("=")[0]


def split(path: str) -> tuple[Any, ...]:
    """Return a path's keys."""
    return tuple(int(key) if re.fullmatch(r"\d+", key) else key for key in path.split("."))


def shown(info: PathInfo) -> Any:
    """Return a record's value; of a tuple that no type makes of a list, what is in it."""
    if isinstance(info.value, dict) and info.value.get("_target_") == "builtins.tuple":
        return info.value["_args_"][0]
    return info.value


def is_container(info: PathInfo) -> bool:
    """Whether a record has others below it."""
    return isinstance(shown(info), list) or (isinstance(info.value, dict) and "_target_" not in info.value)


def recipe_of(config: Any, allow: Sequence[str], place: str) -> Tree:
    """Return the recipe of a config as it is found from the config's root."""
    tree = config_to_tree(config, allow)
    return Map(((place, tree),)) if place else tree


def check_every_path(compose: Compose, *, node: str, name: str, allow: Sequence[str] = (), place: str = "") -> int:
    """Override every path that the listing calls overridable; return how many there were."""
    infos = [info for info in paths(compose([]), allow=allow) if info.type != GROUP]
    for info in infos:
        assert info.overridable == (info.override is not None) == (info.why_not is None), info
    able = [info for info in infos if info.overridable]
    missing: list[str] = []
    try:
        recipe_of(compose([]), allow, place)
    except ValidationError:  # a file says ``???``
        missing += [key_of(info) for info in able if info.required and not info.set]

    def whole(texts: Sequence[str]) -> Any:
        """Compose with what is required: while that is missing nothing else is read."""
        given = {text.partition("=")[0] for text in texts}
        return compose([*(f"{key}=needed" for key in missing if key not in given), *texts])

    tree = recipe_of(whole([]), allow, place)
    leaves = [info for info in able if not (is_container(info) and info.value)]
    check_same(compose, leaves, allow)
    check_new(whole, leaves, tree, node, name, allow, place)
    deeper = [info for info in able if is_container(info) and info.value]
    while deeper:
        level = [info for info in deeper if not any(info.path.startswith(f"{o.path}.") for o in deeper)]
        check_same(compose, level, allow)
        check_new(whole, level, tree, node, name, allow, place)
        deeper = [info for info in deeper if info not in level]
    return len(able)


def check_same(compose: Compose, able: list[PathInfo], allow: Sequence[str]) -> None:
    """The texts as they are listed change no value."""
    texts = [shlex.split(str(info.override))[0] for info in able]
    after = {info.path: info for info in paths(compose(texts), allow=allow)}
    for info in able:
        assert told(after[info.path].value) == told(info.value), (info, after[info.path])


def plain(tree: Any) -> Any:
    """Return a tree as plain data."""
    return Writer(signature_below, frozenset()).write(tree, ANY, (), ())


def told(value: Any) -> Any:
    """Return a value without what says no more than a default does.

    A node that has every parameter is one that a composed config was saved with: its defaults are read as unset.
    """
    if isinstance(value, list):
        return [told(item) for item in value]
    if not isinstance(value, dict):
        return value
    signature = signature_below(value["_target_"]) if isinstance(value.get("_target_"), str) else None
    parameters = signature.parameters if signature else {}
    return {
        key: told(item)
        for key, item in value.items()
        if key not in parameters or not says(item, parameters[key].default, parameters[key].type)
    }


def signature_below(target: str) -> Signature | None:
    """Return a target's signature, by which short forms of its arguments are read (``bfloat16``)."""
    try:
        return None if target == "builtins.dict" else session.workspace().signature_of(target)
    except SignatureError:  # NeMo's own import fails on this machine
        return None


def check_new(
    compose: Compose, able: list[PathInfo], tree: Tree, node: str, name: str, allow: Sequence[str], place: str
) -> None:
    """Other values of the right types arrive in the recipe."""
    wanted: dict[str, tuple[Any, TypeSpec]] = {}
    texts = []
    for info in able:
        spec = spec_at(tree, split(info.path))
        items = shown(info)
        if items is not info.value and not spec.kinds & {"tuple", "list", "any"}:
            value: Any = new_value(None, spec, node, name)  # a tuple stands there against its type
        elif isinstance(items, list) and items:
            value = [*items, items[-1]]
            if any(m.kind == "tuple" and not m.variadic for m in spec.members()):
                value = [new_value(old, item_spec(spec, i), node, name) for i, old in enumerate(items)]
        elif isinstance(info.value, dict) and "_target_" not in info.value and info.value:
            key, old = next(iter(info.value.items()))
            value = {key: new_value(old, item_spec(spec, key), node, name)}
        else:
            value = new_value(info.value, spec, node, name)
        wanted[info.path] = value, spec
        texts.append(f"{key_of(info)}={value_text(value)}")
    changed = recipe_of(compose(texts), allow, place)
    for path, (value, spec) in wanted.items():
        found = at(changed, split(path))
        problems = Problems()
        expected = from_data({"_target_": "builtins.dict", "x": value}, signature_below, problems)
        assert isinstance(expected, Call)
        read = expected.kwargs["x"]
        if not isinstance(value, dict):
            alike = same(found, read) or same(found, convert(read, spec)) or told(plain(found)) == told(plain(read))
            assert alike, (path, value, found)
        elif "_target_" in value:
            assert isinstance(found, Call), (path, value, found)
            assert found.target == value["_target_"], (path, value, found)
        else:
            for key, item in value.items():
                below = at(found, (key,))
                if isinstance(item, dict) and "_target_" in item:
                    assert isinstance(below, Call), (path, key, item, below)
                    assert below.target == item["_target_"], (path, key, item, below)
                    continue
                assert same(below, convert(at(read, (key,)), item_spec(spec, key))), (path, key, item, below)
