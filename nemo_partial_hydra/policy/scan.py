"""What a recipe names, found in plain data and in trees alike: targets, and arguments that are as dangerous as one.

May import: the standard library, and from here ``dialect`` and below. Nothing is decided here; see ``policy``. A name
counts wherever it stands: in a dict made of pairs, behind a dotted key of an edit, in what Megatron and NeMo import by
a text, behind a reference to a place where it is no name. The arguments of a call that is about to be made are looked
at by the same code, with the objects that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from nemo_partial_hydra.dialect.scalars import REFERENCE, reference_path
from nemo_partial_hydra.recipes.data import Kept, KeptSeq
from nemo_partial_hydra.recipes.keys import ARGS, MISSING, TARGET
from nemo_partial_hydra.recipes.tree import Call, Link, Map, Opaque, Path, Ref, Seq, at
from nemo_partial_hydra.recipes.values import EXACT, SEQUENCES, read_bool

from .rules import ARGUMENTS, MUST_BE_LOCAL, MUST_BE_OFF, MUST_BE_UNSET, NAMING, NAMING_OF, OLD_TARGETS, PAIRS, STACK

_SPEAKING = {TARGET, *ARGUMENTS, *NAMING}
_PLAIN_VALUES = (str, int, float, bool, type(None))
_HOPS = 100  # references that lead to references; a reader refuses those that end nowhere
Parameters = Callable[[str], Sequence[str]]
Naming = Callable[[str], frozenset[str]]
Known = Callable[[Any, str], str | None]


class Argument(NamedTuple):
    """An argument whose value turns on something dangerous, and the target that gets it (or "")."""

    name: str
    target: str
    why: str


def naming_of(target: str) -> frozenset[str]:
    """Return the arguments of a target that it takes for names itself, as far as its own name tells."""
    top, _, rest = target.partition(".")
    return NAMING_OF.get(rest.rpartition(".")[2], PAIRS) if top in STACK else frozenset()


def names_in(
    data: Any, path: Path = (), parameters: Parameters = lambda target: (), naming: Naming = naming_of
) -> Iterator[tuple[Path, Any]]:
    """Yield every target (of whatever type it is) and every dangerous :class:`Argument`, with its path.

    Parameters
    ----------
    data : plain data in the dialect, or a recipe tree; its references are followed where that tells a name.
    path : where it stands.
    parameters : gives the names of a target's positional parameters, where they are known.
    naming : gives the arguments of a target whose texts it takes for names itself.
    """
    look = _Look(data, len(path), isinstance(data, (Call, Seq, Map)))
    yield from _names(data, path, look, parameters, naming)


def names_in_call(
    target: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    path: Path,
    parameters: Parameters,
    naming: Naming,
    known: Known,
) -> Iterator[tuple[Path, Any]]:
    """Yield what :func:`names_in` finds in a call that is about to be made, of the objects that it passes.

    ``known`` gives the target whose argument a container is, instead of the nearest one; None for one to leave out.
    """
    call = Call(target, kwargs, tuple(args))
    yield from _names(call, path, _Look(call, len(path), True, exact=True, known=known), parameters, naming)


def _names(data: Any, path: Path, look: _Look, parameters: Parameters, naming: Naming) -> Iterator[tuple[Path, Any]]:
    stack: list[tuple[Path, Any, str]] = [(path, data, "")]
    while stack:
        here, node, owner = stack.pop()
        node = _opened(node)
        if isinstance(node, Ref):
            yield here, node.target
            continue
        if isinstance(node, Call):
            yield here, node.target
            owner = node.target
        elif look.exact:
            known = look.known(node, owner)
            if known is None:
                continue
            owner = known
            if isinstance(node, Mapping):
                node = Map(tuple(node.items()))  # no dialect any more: what it says is what it is
        elif isinstance(node, Mapping) and TARGET in node:
            yield here, node[TARGET]
            owner = node[TARGET] if isinstance(node[TARGET], str) else owner
        below = list(_entries(node, owner, parameters))
        if _is_pair(node):
            yield from look.found(look.plain(below[0][2], here, 0), below[1][2], owner, (*here, 1), naming(owner))
        own = naming(owner)
        for step, name, child in below:
            if name in _SPEAKING or name in own or (name in OLD_TARGETS and _is_old(node)):
                yield from look.found(name, child, owner, (*here, *step), own)
        # Nearly all children are plain values, with nothing below.
        stack += [
            ((*here, *step), child, owner) for step, _, child in reversed(below) if type(child) not in _PLAIN_VALUES
        ]


def _opened(node: Any) -> Any:
    if isinstance(node, Kept):
        return node.tree
    return node.items if isinstance(node, KeptSeq) else node


def _entries(node: Any, owner: str, parameters: Parameters) -> Iterator[tuple[Path, str, Any]]:
    """Yield the step, the name (what a call or dict calls it) and the value of each child."""
    if isinstance(node, Call):
        names = parameters(owner) if node.args else ()
        for index, child in enumerate(node.args):
            yield (ARGS, index), names[index] if index < len(names) else "", child
        yield from (((name,), name, child) for name, child in node.kwargs.items())
    elif isinstance(node, (Map, Mapping)):
        for key, child in node.items if isinstance(node, Map) else node.items():
            name = key.rpartition(".")[2] if isinstance(key, str) else ""  # an edit's key may be a path: ``opt.lr``
            yield (key,), "" if key == TARGET and isinstance(node, Mapping) else name, child
    elif isinstance(node, (Seq, list, tuple, set, frozenset)):
        yield from (((i,), "", child) for i, child in enumerate(node.items if isinstance(node, Seq) else node))


def _entries_of(node: Any) -> Iterator[tuple[Any, Any]]:
    yield from (node.items if isinstance(node, Map) else node.items())


def _is_old(node: Any) -> bool:
    """Whether a dict has the form of NeMo's old configs: the name of a class and its ``params``."""
    return isinstance(node, (Map, Mapping)) and any(key == "params" for key, _ in _entries_of(node))


def _is_pair(node: Any) -> bool:
    """Whether a sequence may be a [key, value] pair, of which a dict is made."""
    items = node.items if isinstance(node, Seq) else node
    return isinstance(node, (Seq, list, tuple)) and len(items) == 2


class _Look:
    """One look at a recipe or call: what stands behind its references, and what an argument brings along.

    Parameters
    ----------
    root : the whole, in which references lead from one place to another.
    depth : how long the path of the root is.
    tree : whether it is a tree, in which a text is what it says; in plain data it may be an interpolation.
    exact : whether its values are the very objects that a call gets.
    known : as for :func:`names_in_call`.
    """

    def __init__(
        self,
        root: Any,
        depth: int,
        tree: bool,
        *,
        exact: bool = False,
        known: Known = lambda value, owner: owner,
    ) -> None:
        self.root = root
        self.depth = depth
        self.tree = tree
        self.exact = exact
        self.known = known
        self.told: set[tuple[int, str]] = set()

    def found(self, name: Any, value: Any, owner: str, path: Path, own: frozenset[str]) -> Iterator[tuple[Path, Any]]:
        """Yield what an argument of a name brings along with its value."""
        if not isinstance(name, str):
            return
        if name in ARGUMENTS:
            if not self.harmless(name, value, path):
                yield path, Argument(name, owner, ARGUMENTS[name])
        elif name == ARGS and ARGS in own:  # what a target of unknown parameters gets first
            first = self.plain(value, path)
            if isinstance(first, list) and first:
                yield from self.named(first[0], path, bool(own & PAIRS))
        elif name == TARGET or name in NAMING or name in own or name in OLD_TARGETS:
            yield from self.named(value, path, name in PAIRS and name in own)

    def named(self, value: Any, path: Path, pairs: bool) -> Iterator[tuple[Path, Any]]:
        """Yield the names that a text, a list of texts, or a pair of a module and a name in it are."""
        target = self.followed(value, path)
        if target is not value and not isinstance(target, str):  # one list behind many references is told of once
            if (id(target), str(pairs)) in self.told:
                return
            self.told.add((id(target), str(pairs)))
        found = self.plain(target, path)
        texts = found if isinstance(found, list) else [found]
        pair = self.pair(found) if pairs else None
        if pair is not None:
            texts = [".".join(pair)]
        elif pairs:
            return
        for text in texts:
            if isinstance(text, str) and "." in text and (self.tree or "${" not in text):
                yield path, text

    def pair(self, value: Any) -> list[str] | None:
        """Return the two texts of what Python unpacks into a module's name and a name in it."""
        node = isinstance(value, Mapping) and not self.exact and TARGET in value
        if isinstance(value, (Map, Mapping)) and not node:
            value = [key for key, _ in value.items] if isinstance(value, Map) else [*value]
        two = isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)
        return value if two else None

    def followed(self, value: Any, path: Path) -> Any:
        """Return what stands where a reference leads to; other things, and what leads nowhere, as they are."""
        for _ in range(_HOPS):
            value = _opened(value)
            if isinstance(value, Link):
                try:
                    return _opened(at(self.root, value.path))
                except KeyError:
                    return value
            if self.tree or not isinstance(value, str) or not value.startswith("${"):
                return value
            match = REFERENCE.match(value)
            inside = path[self.depth :]
            keys = None if match is None else reference_path(value, inside) or tuple(match.group(2).split("."))
            place = None if keys is None else self.stands(keys)
            if place is None:
                return value
            value, path = place
        return value

    def stands(self, keys: Path) -> tuple[Any, Path] | None:
        """Return the value at a path of plain data, and that path as it is there; None if there is none."""
        node, path = self.root, cast(Path, (None,) * self.depth)
        hops = 0
        rest = list(keys)
        while rest:
            node = _opened(node)
            if isinstance(node, str) and hops < _HOPS:
                hops += 1
                node = self.followed(node, path) if REFERENCE.match(node) else None
                if isinstance(node, str):
                    return None
                continue
            key = rest.pop(0)
            if isinstance(node, Mapping):
                if key not in node and node.get(TARGET) in SEQUENCES and node.get(ARGS):
                    node, path, rest = node[ARGS], (*path, ARGS), ["0", key, *rest]
                    continue
                held = key if key in node else next((name for name in node if str(name) == str(key)), None)
                if held not in node:
                    return None
                node, path = node[held], (*path, held)
            elif isinstance(node, (list, tuple)) and str(key).isdecimal() and len(str(key)) < 10:
                if int(key) >= len(node):
                    return None
                node, path = node[int(key)], (*path, int(key))
            else:
                return self.below(node, [key, *rest])
        return node, path

    def below(self, node: Any, keys: list[Any]) -> tuple[Any, Path] | None:
        """Return what stands in a part of plain data that is a tree already."""
        if not isinstance(node, (Call, Seq, Map)):
            return None
        try:
            return at(node, tuple(keys)), ()
        except KeyError:
            return None

    def plain(self, value: Any, path: Path, depth: int = 3) -> Any:
        """Return the list or scalar that a value is, whatever form it is written in; other things as they are."""
        value = self.followed(value, path)
        if isinstance(value, Opaque):
            return self.plain(value.value, path, depth)
        if isinstance(value, Mapping) and set(value) == {TARGET, ARGS} and isinstance(value[ARGS], (list, tuple)):
            args = value[ARGS]
            if len(args) == 1 and value[TARGET] in SEQUENCES:
                return self.plain(args[0], (*path, ARGS, 0), depth)
            if len(args) == 1 and value[TARGET] in EXACT:
                return args[0]
        if isinstance(value, (Seq, list, tuple, set, frozenset)) and depth:
            items = value.items if isinstance(value, Seq) else value
            return [self.plain(item, (*path, index), depth - 1) for index, item in enumerate(items)]
        return value

    def harmless(self, name: str, value: Any, path: Path) -> bool:
        """Whether a value of a dangerous argument turns nothing on."""
        value = self.plain(value, path)
        if value is None:
            return True
        if name in MUST_BE_LOCAL:
            values = [item for _, item in _entries_of(value)] if isinstance(value, (Map, Mapping)) else [value]
            return all(isinstance(item, (bool, str, type(None))) and "/" not in str(item) for item in values)
        if self.tree:  # what counts is what Python takes it for: the text "false" is true
            if name in MUST_BE_UNSET or not isinstance(value, (bool, int, str)):
                return False
            return bool(value) is (name not in MUST_BE_OFF) and (not isinstance(value, str) or name in MUST_BE_OFF)
        if isinstance(value, str) and (value == MISSING or value.startswith("${")):
            return True  # what it becomes is looked at once it is resolved
        if name in MUST_BE_UNSET or not isinstance(value, (bool, int, str)):
            return False
        return read_bool(str(value)) is (name not in MUST_BE_OFF)
