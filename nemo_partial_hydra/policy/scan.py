"""What a recipe names, found in plain data and in trees alike: targets, and arguments that are as dangerous as one.

May import: the standard library only. Nothing is decided here; see ``policy``. A name counts wherever it stands: in a
dict made of pairs, behind a dotted key of an edit, in what Megatron and NeMo import by a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nemo_partial_hydra.recipes.data import Kept, KeptSeq, walk
from nemo_partial_hydra.recipes.keys import ARGS, MISSING, TARGET
from nemo_partial_hydra.recipes.tree import Call, Map, Opaque, Path, Ref, Seq
from nemo_partial_hydra.recipes.values import EXACT, SEQUENCES, read_bool

from .rules import ARGUMENTS, ENVIRONMENT, MUST_BE_OFF, MUST_BE_UNSET, NAMING

_SPEAKING = {TARGET, *ARGUMENTS, *NAMING}
_PLAIN_VALUES = (str, int, float, bool, type(None))
Parameters = Callable[[str], Sequence[str]]


class Argument(NamedTuple):
    """An argument whose value turns on something dangerous, and the target that gets it (or "")."""

    name: str
    target: str
    why: str


def names_in(data: Any, path: Path = (), parameters: Parameters = lambda target: ()) -> Iterator[tuple[Path, Any]]:
    """Yield every target (of whatever type it is) and every dangerous :class:`Argument`, with its path.

    Parameters
    ----------
    data : plain data in the dialect, or a recipe tree.
    path : where it stands.
    parameters : gives the names of a target's positional parameters, where they are known.
    """
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
        elif isinstance(node, Mapping) and TARGET in node:
            yield here, node[TARGET]
            owner = node[TARGET] if isinstance(node[TARGET], str) else owner
        below = list(_entries(node, owner, parameters))
        if _is_pair(node):
            yield from _found(plain(below[0][2]), below[1][2], owner, (*here, 1))
        spec = owner.rpartition(".")[2] == "ModuleSpec"
        for step, name, child in below:
            if spec or name in _SPEAKING:
                yield from _found(name, child, owner, (*here, *step))
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
    elif isinstance(node, (Seq, list, tuple)):
        yield from (((i,), "", child) for i, child in enumerate(node.items if isinstance(node, Seq) else node))


def _is_pair(node: Any) -> bool:
    """Whether a sequence may be a [key, value] pair, of which a dict is made."""
    items = node.items if isinstance(node, Seq) else node
    return isinstance(node, (Seq, list, tuple)) and len(items) == 2 and isinstance(plain(items[0]), str)


def _found(name: str, value: Any, owner: str, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield what an argument of a name brings along with its value."""
    if name in ARGUMENTS:
        if not _harmless(name, value):
            yield path, Argument(name, owner, ARGUMENTS[name])
    elif name == TARGET or name in NAMING:
        texts = plain(value)
        for text in texts if isinstance(texts, list) else [texts]:
            if isinstance(text, str) and "." in text and "${" not in text:
                yield path, text
    elif owner.rpartition(".")[2] == "ModuleSpec" and name in ("module", ARGS):
        # Megatron imports ``ModuleSpec(module=("package.module", "Name"))`` by itself.
        pair = plain(value)
        if name == ARGS and isinstance(pair, list) and pair:
            pair = plain(pair[0])
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            yield path, ".".join(pair)


def plain(value: Any) -> Any:
    """Return the list or scalar that a value is, whatever form it is written in; other things as they are."""
    value = _opened(value)
    if isinstance(value, Opaque):
        return plain(value.value)
    if isinstance(value, Mapping) and set(value) == {TARGET, ARGS} and isinstance(value[ARGS], (list, tuple)):
        args = value[ARGS]
        if len(args) == 1 and value[TARGET] in SEQUENCES:
            return plain(args[0])
        if len(args) == 1 and value[TARGET] in EXACT:
            return args[0]
    if isinstance(value, (Seq, list, tuple)):
        return [plain(item) for item in (value.items if isinstance(value, Seq) else value)]
    return value


def _harmless(name: str, value: Any) -> bool:
    value = plain(value)
    if value is None or value == MISSING:
        return True
    if isinstance(value, str) and value.startswith("${"):
        return True  # what it becomes is looked at once it is resolved
    if name in MUST_BE_UNSET or not isinstance(value, (bool, int, str)):
        return False
    return read_bool(str(value)) is (name not in MUST_BE_OFF)


def settings_in(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what Hydra's own settings name: targets, what ``logging`` is to make, and risky environment variables."""
    for here, node in walk(data, path):
        if isinstance(node, Mapping):
            for key, value in node.items():
                made = key == "class" and any(part in ("handlers", "formatters", "loggers", "filters") for part in here)
                if key in (TARGET, "()") or made:
                    yield (*here, key), value
                if key in ENVIRONMENT and here[-2:] == ("job", "env_set"):
                    yield (*here, key), Argument(str(key), "hydra.job.env_set", "decides what other programs load")
        elif isinstance(node, str) and node.startswith("ext://") and not node.startswith("ext://sys.std"):
            yield here, node.removeprefix("ext://")


def logging_in(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what of :func:`settings_in` does harm in any file, since a defaults list may put it below ``hydra``."""
    for where, found in settings_in(data, path):
        if where[-1] != TARGET and not isinstance(found, Argument):
            yield where, found


def parted(data: Any, hydra: bool) -> tuple[Iterable[tuple[Path, Any]], Iterable[tuple[Path, Any]]]:
    """Return what the recipes of a file name, and what its settings of Hydra do; ``hydra`` if all of it is settings."""
    if hydra:
        return (), settings_in(data, ("hydra",))
    whole = data if isinstance(data, Mapping) else {}
    recipes = {key: value for key, value in data.items() if key not in ("hydra", "defaults")} if whole else data
    settings = [*settings_in(whole.get("hydra"), ("hydra",)), *logging_in(recipes)]
    return names_in(recipes), settings
