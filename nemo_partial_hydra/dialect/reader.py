"""Plain data in the dialect -> recipe tree, typed by the signatures of its targets and validated on the way.

May import: the standard library only. All mistakes are collected, so that a user sees them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_partial_hydra.errors import SignatureError
from nemo_partial_hydra.messages import Problems, dotted, nearest
from nemo_partial_hydra.recipes.data import Kept, KeptSeq, Untyped
from nemo_partial_hydra.recipes.keys import ARGS, BUILDABLE, CALL_KEY, EDITS, IGNORED, MISSING, PARTIAL_KEY, TARGET
from nemo_partial_hydra.recipes.tree import (
    BUILDABLES,
    CONFIG,
    PARTIAL,
    PARTIALS,
    SCALARS,
    Call,
    Link,
    Map,
    Path,
    Ref,
    Seq,
    Tree,
    Value,
    at,
    children,
    rebuild,
    step,
    walk,
)
from nemo_partial_hydra.recipes.values import BY_TARGET, MAPS, NONE, SEQUENCES
from nemo_partial_hydra.signatures.convert import Mismatch, convert
from nemo_partial_hydra.signatures.signature import Default, Lookup, Signature, changed, opaque_signature, part_of
from nemo_partial_hydra.signatures.types import ANY, TypeSpec, loosened

from .scalars import REFERENCE, unescape_interpolation
from .writer import item_spec, only_shows, says

Nodes = dict[Path, tuple[Path, Tree]]
_BESIDE_TARGET = (PARTIAL_KEY, CALL_KEY, BUILDABLE, ARGS, *EDITS)


def from_data(data: Any, signature: Lookup, problems: Problems, *, place: Path = ()) -> Tree:
    """Read plain data as a tree, apply the types of the targets, note every mistake.

    Parameters
    ----------
    data : dict, list and scalars, as YAML gives them.
    signature : gives the ``Signature`` of a target, or None where it is not known (then all is accepted).
    problems : where mistakes are noted, with their full paths.
    place : the path at which the data stands, for the messages.
    """
    reader = _Reader(signature, problems, place)
    tree = reader.read(data, ANY, ())
    return reader.settled(tree)


def from_data_placed(
    data: Any, signature: Lookup, problems: Problems, *, place: Path = ()
) -> tuple[Tree, dict[Path, Path]]:
    """As :func:`from_data`; also where in the data those parts of the tree stand that have another path there."""
    reader = _Reader(signature, problems, place)
    tree = reader.settled(reader.read(data, ANY, ()))
    return tree, {_texts(path): doc for doc, path in reader.moved.items()}


class _Reader:
    def __init__(self, signature: Lookup, problems: Problems, place: Path) -> None:
        self.signature = signature
        self.problems = problems
        self.place = place
        self.wanted: dict[Path, TypeSpec] = {}  # the type of the parameter at which a link stands
        self.moved: dict[Path, Path] = {}  # where explicit forms put a node: document path -> tree path

    def fail(self, doc: Path, text: str) -> None:
        self.problems.add((*self.place, *doc), text)

    def read(
        self, data: Any, spec: TypeSpec, doc: Path, here: Path | None = None, default: Default | None = None
    ) -> Tree:
        """Read the data at ``doc``, which becomes the node ``here``; ``default`` holds there when nothing is said."""
        path = doc if here is None else here
        if isinstance(data, str):
            return self.text(data, spec, doc, path)
        if isinstance(data, Mapping):
            if TARGET in data:
                return self.node(data, spec, doc, path)
            base = changed(data, spec, default)
            if base is not None:
                return self.call(base.target, dict(data), doc, path, of=base)
            return self.typed(self.map(data, spec, doc, path), loosened(spec), doc)
        if isinstance(data, (list, tuple, set, frozenset)):
            return self.typed(self.sequence(data, type(data).__name__, spec, doc, path), loosened(spec), doc)
        if isinstance(data, Kept):
            return data.tree
        if isinstance(data, KeptSeq):
            if data.kind == "dict":
                tree: Tree = self.map(data.items, spec, doc, path, _BESIDE_TARGET if data.exact else ())
            else:
                tree = self.sequence(data.items, data.kind, spec, doc, path)
            return tree if data.exact else self.typed(tree, loosened(spec), doc)
        return self.typed(data, spec, doc)

    def typed(self, tree: Tree, spec: TypeSpec, doc: Path) -> Tree:
        try:
            return convert(tree, spec)
        except Mismatch as problem:
            self.fail((*doc, *problem.path), problem.text)
            return tree

    def sequence(self, items: Any, kind: str, spec: TypeSpec, doc: Path, path: Path) -> Seq:
        is_set = isinstance(items, (set, frozenset))  # a set has no order: give it one that is always the same
        ordered = sorted(items, key=lambda i: (type(i).__name__, repr(i))) if is_set else items
        read = (self.read(v, item_spec(spec, i), (*doc, i), (*path, i)) for i, v in enumerate(ordered))
        return Seq(tuple(read), kind)

    def map(self, data: Mapping[Any, Any], spec: TypeSpec, doc: Path, path: Path, refused: Any = _BESIDE_TARGET) -> Map:
        for key in refused:
            if key in data:
                self.fail(doc, f"'{key}' without '{TARGET}'")
        inner = item_spec(spec, None)
        return Map(tuple((key, self.read(v, inner, (*doc, key), (*path, key))) for key, v in data.items()))

    def text(self, data: str, spec: TypeSpec, doc: Path, path: Path) -> Tree:
        if data == MISSING:
            self.fail(doc, f"a value of type {spec.text} is required here (???)")
            return None
        if "${" not in data:
            return self.typed(data, spec, doc)
        literal = unescape_interpolation(data)
        if literal is not None:
            return self.typed(literal, spec, doc)
        match = REFERENCE.match(data)
        if match is None:
            self.fail(doc, f"the interpolation {data} names nothing in the recipe")
            return None
        dots, keys = len(match.group(1)), tuple(match.group(2).split("."))
        if dots > len(doc):
            self.fail(doc, f"the reference {data} points above the recipe")
            return None
        self.wanted[path] = spec
        return Link((*doc[: len(doc) - dots], *keys) if dots else keys)

    def node(self, data: Mapping[Any, Any], spec: TypeSpec, doc: Path, path: Path) -> Tree:
        target = data[TARGET]
        if not isinstance(target, str) or not target:
            self.fail((*doc, TARGET), f"expected a dotted name, got {target!r}")
            return None
        if not isinstance(data.get(CALL_KEY, True), bool):
            self.fail((*doc, CALL_KEY), f"expected true or false, got {data[CALL_KEY]!r}")
        if data.get(CALL_KEY) is False:
            rest = [key for key in data if key not in (TARGET, CALL_KEY)]
            if rest:
                self.fail(doc, f"{CALL_KEY}: false names an object and takes no '{rest[0]}'")
            return None if target == NONE else Ref(target)  # what an object is, only importing it tells
        kept = {key: value for key, value in data.items() if key not in (TARGET, CALL_KEY, *IGNORED)}
        if target in BY_TARGET and set(kept) == {ARGS} and isinstance(kept[ARGS], (list, tuple)):
            return self.explicit(target, list(kept[ARGS]), spec, doc, path)
        return self.call(target, kept, doc, path, untyped=isinstance(data, Untyped))

    def call(
        self, target: str, data: dict[Any, Any], doc: Path, path: Path, *, untyped: bool = False, of: Call | None = None
    ) -> Tree:
        """Read a node: the target and what is said about it; ``of`` is the default object of which it is a change."""
        partial = data.pop(PARTIAL_KEY, of is not None and of.partial)
        kind = of.buildable if of is not None else PARTIAL if partial is True else CONFIG
        buildable = data.pop(BUILDABLE, kind)
        if not isinstance(partial, bool):
            self.fail((*doc, PARTIAL_KEY), f"expected true or false, got {partial!r}")
        elif buildable not in BUILDABLES or (buildable in PARTIALS) != partial:
            self.fail(
                (*doc, BUILDABLE), f"{buildable!r} is none of {', '.join(BUILDABLES)}, or contradicts {PARTIAL_KEY}"
            )
        args = data.pop(ARGS, [])
        if not isinstance(args, (list, tuple)):
            self.fail((*doc, ARGS), f"expected a list of positional arguments, got {args!r}")
            args = []
        signature = self.signature_of(target, doc)
        name = target.rpartition(".")[2]
        if untyped:
            data = _set_in(data, signature)
        positional = []
        for index, value in enumerate(args):
            spec = signature.type_at(index)
            if spec is None:
                self.fail((*doc, ARGS, index), f"{name} takes {len(signature.positional)} positional arguments at most")
            positional.append(self.read(value, spec or ANY, (*doc, ARGS, index), (*path, ARGS, index)))
        kwargs = {}
        for key, value in data.items():
            if not isinstance(key, str):
                self.fail(doc, f"the argument name {key!r} is no text")
                continue
            spec = signature.type_of(key)
            if spec is None:
                hint = nearest(key, [n for n, p in signature.parameters.items() if not p.positional])
                hint = "; it computes that field itself" if key in signature.computed else hint
                self.fail((*doc, key), f"{name} has no parameter '{key}'{hint}")
            elif key in [p.name for p in signature.positional[: len(args)]]:
                self.fail((*doc, key), f"given twice: by name and in {ARGS}")
            kwargs[key] = self.read(value, spec or ANY, (*doc, key), (*path, key), part_of(of, signature, key))
        if of is not None:
            kwargs, positional = {**of.kwargs, **kwargs}, positional or list(of.args)
        return Call(target, kwargs, tuple(positional), buildable)

    def signature_of(self, target: str, doc: Path) -> Signature:
        """Return what a target accepts; everything where that is not known."""
        try:
            return self.signature(target) or opaque_signature(target)
        except SignatureError as error:
            self.fail(doc, str(error))
            return opaque_signature(target)

    def explicit(self, target: str, args: list[Any], spec: TypeSpec, doc: Path, path: Path) -> Tree:
        """Read an explicit form: the value is what it says, whatever the annotation."""
        first = args[0] if len(args) == 1 else None
        below = (*doc, ARGS, 0)
        if target in SEQUENCES:
            if args and not isinstance(first, (list, tuple)):
                self.fail((*doc, ARGS), f"{target} takes one list, got {args!r}")
                return None
            self.moved[_texts(below)] = path
            return self.sequence(first or [], SEQUENCES[target], ANY, below, path)
        if target in MAPS:
            if not isinstance(first, (list, tuple)):
                self.fail((*doc, ARGS), f"{target} takes one list of [key, value] pairs, got {args!r}")
                return None
            return self.pairs(target, first, doc, path)
        if target == "builtins.str" and len(args) == 3:  # a text that is no UTF-8, by its bytes
            args = [self.read(args[0], ANY, below), *args[1:]]
        plain: tuple[Any, ...] = tuple(unescape_interpolation(arg) if isinstance(arg, str) else arg for arg in args)
        try:
            made = BY_TARGET[target].make(*plain)
        except Exception as error:  # a UUID of a number is an AttributeError, others of the library have their own
            self.fail(doc, f"{target}({', '.join(map(repr, args))}): {error}")
            return None
        return Value(target, plain) if BY_TARGET[target].held == "value" else made

    def pairs(self, target: str, pairs: Any, doc: Path, path: Path) -> Tree:
        items = []
        for index, pair in enumerate(pairs):
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                self.fail((*doc, ARGS, 0, index), f"{target} takes a list of [key, value] pairs")
                continue
            key = self.read(pair[0], ANY, (*doc, ARGS, 0, index, 0))
            if type(key) not in (*SCALARS, bytes):
                self.fail((*doc, ARGS, 0, index, 0), "a key of a dict must be a plain value")
                continue
            self.moved[_texts((*doc, ARGS, 0, index, 1))] = (*path, key)
            items.append((key, self.read(pair[1], ANY, (*doc, ARGS, 0, index, 1), (*path, key))))
        return Map(tuple(items), MAPS[target])

    def settled(self, tree: Tree) -> Tree:
        """Turn the links' document paths into tree paths, put scalars in the place of links to them."""
        nodes = {_texts(path): (path, node) for path, node in walk(tree)}
        if not any(isinstance(node, Link) for _, node in nodes.values()):
            return tree

        def change(path: Path, node: Tree) -> Tree:
            if isinstance(node, Link):
                return self.follow(node.path, path, nodes)
            return rebuild(node, change, path)

        settled = change((), tree)
        self.refuse_cycles(settled)
        return settled

    def refuse_cycles(self, tree: Tree) -> None:
        """Note links by which a container would contain itself."""
        done: set[Path] = set()
        open_paths: list[Path] = []

        def visit(path: Path, node: Tree) -> None:
            if path in done:
                return
            if path in open_paths:
                self.fail(path, "a cyclic interpolation: the references below it lead back to it")
                return
            open_paths.append(path)
            if isinstance(node, Link):
                visit(node.path, at(tree, node.path))
            for key, child in children(node):
                visit(step(path, key), child)
            open_paths.pop()
            done.add(path)

        visit((), tree)

    def follow(self, link: Path, place: Path, nodes: Nodes) -> Tree:
        """Return what a link at a path stands for: a scalar, or a link to the object itself."""
        seen: dict[Path, None] = {}
        while True:
            wanted = _texts(self.translated(link))
            if wanted in seen:
                self.fail(place, f"a cyclic interpolation: {' -> '.join(dotted(p) for p in (*seen, wanted))}")
                return None
            if wanted == _texts(place)[: len(wanted)]:
                self.fail(place, f"a cyclic interpolation: it names '{dotted(wanted)}', which contains it")
                return None
            seen[wanted] = None
            path, node = nodes.get(wanted, (None, None))
            if path is not None and not isinstance(node, Link):
                return self.typed(node, self.wanted.get(place, ANY), place) if type(node) in SCALARS else Link(path)
            further = node.path if isinstance(node, Link) else self.through(wanted, nodes)
            if further is None:
                hint = nearest(dotted(wanted), [dotted(path) for path in nodes])
                self.fail(place, f"the interpolation names '{dotted(wanted)}', which is not there{hint}")
                return None
            link = further

    def through(self, wanted: Path, nodes: Nodes) -> Path | None:
        """Return where a path leads that goes through another link; None if it does not."""
        for cut in range(len(wanted) - 1, 0, -1):
            _, node = nodes.get(wanted[:cut], ((), None))
            if isinstance(node, Link):
                return (*self.translated(node.path), *wanted[cut:])
        return None

    def translated(self, path: Path) -> Path:
        for cut in range(len(path), 0, -1):
            here = self.moved.get(_texts(path[:cut]))
            if here is not None:
                return (*here, *path[cut:])
        return path


def _set_in(data: dict[Any, Any], signature: Signature) -> dict[Any, Any]:
    """Return what is set in a node that has lost its types: not what only shows a default, or that there is none.

    One that has every parameter was written from a composed config; there a value that is the default counts as unset.
    """
    parameters = signature.parameters
    whole = all(name in data for name, parameter in parameters.items() if not parameter.positional)
    out = {}
    for key, value in data.items():
        parameter = parameters.get(key)
        if parameter is not None:
            default, spec = parameter.default, parameter.type
            if value == MISSING or only_shows(value, default, spec) or (whole and says(value, default, spec)):
                continue
        out[key] = value
    return out


def _texts(path: Path) -> Path:
    return tuple(map(str, path))
