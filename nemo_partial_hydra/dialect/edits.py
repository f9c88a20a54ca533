r"""Edits that an override cannot express: append, delete and replace, as reserved keys in a recipe node.

May import: the standard library only. ``+model._append_.opts=[{...}]``, ``+model._delete_=[opts.0]`` and
``+model._replace_.opt={_target_: ...}`` stand in the nearest recipe node; paths in them count from that node.
A dot that is part of a key is written ``\.`` in them, and any character may be written ``\u00fc``.
They are applied in this order: replace, delete (by the indices before the edit), append.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.messages import Problems, dotted, nearest, no_factory
from nemo_partial_hydra.recipes.data import KeptSeq, children, mapped, walk
from nemo_partial_hydra.recipes.keys import APPEND, DELETE, EDITS, FACTORY, REPLACE, TARGET
from nemo_partial_hydra.recipes.tree import Path

from .kept_arguments import put_in_place
from .scalars import REFERENCE, key_word, path_keys, reference_path


@dataclass(frozen=True)
class Move:
    """One step of an edit: what stands below ``where`` now stood elsewhere before.

    ``source`` is where a new value was written (None if no path can name that place); elements from index
    ``start`` on are new; ``gone`` are the indices that were deleted.
    """

    where: Path
    source: Path | None = None
    start: int | None = None
    gone: frozenset[int] = frozenset()

    def before(self, path: Path) -> Path | None:
        """Return where a path led before this step."""
        depth = len(self.where)
        if path[:depth] != self.where or (len(path) == depth and (self.gone or self.start is not None)):
            return path
        if self.gone:
            index = int(path[depth])
            for other in sorted(self.gone):
                index += other <= index
            return (*self.where, str(index), *path[depth + 1 :])
        if self.start is None:
            return None if self.source is None else (*self.source, *path[depth:])
        if int(path[depth]) < self.start:
            return path
        if self.source is None:
            return None
        return (*self.source, str(int(path[depth]) - self.start), *path[depth + 1 :])


def origin(path: Path, moves: list[Move]) -> Path | None:
    """Return where what stands at a path after all edits stood before them; None if no path names it."""
    here: Path | None = tuple(map(str, path))
    for move in reversed(moves):
        here = here if here is None else move.before(here)
    return here


def apply_edits(data: Any, place: Path = (), moves: list[Move] | None = None) -> Any:
    """Return plain data with its edits applied and their keys gone; the data itself stays as it is.

    What is moved on the way is added to ``moves``, from which :func:`origin` tells where it came from.

    A reference to an element of a list follows the element when one before it is deleted.

    Raises
    ------
    ValidationError
        If a recipe that no registered factory makes is given arguments of one. And
        with the edit's full path: nothing stands at a path, an index is out of range, a list is expected, or what
        is deleted is still referred to.
    """
    problems = Problems()
    root = mapped(data, lambda leaf: leaf)  # two places may share one list (YAML's aliases), an edit means one of them
    _Editor(root, place, problems, [] if moves is None else moves).node(root, ())
    problems.check()
    return root


class _Editor:
    def __init__(self, root: Any, place: Path, problems: Problems, moves: list[Move]) -> None:
        self.root = root
        self.place = place
        self.problems = problems
        self.moves = moves

    def node(self, data: Any, doc: Path) -> None:
        """Apply the edits in and below the node at a path of the document."""
        if isinstance(data, dict) and TARGET in data:
            if FACTORY in data:
                given = data.pop(FACTORY)
                if not isinstance(given, dict) or not put_in_place(self.root, doc, given, self.place, self.problems):
                    self.problems.add((*self.place, *doc, FACTORY), no_factory(given))
            edits = {key: data.pop(key) for key in EDITS if key in data}
            self.replace(data, edits.get(REPLACE), doc)
            self.delete(data, edits.get(DELETE), doc)
            self.append(data, edits.get(APPEND), doc)
        for key, value in children(data):
            self.node(value, (*doc, key))

    def replace(self, data: dict[Any, Any], edit: Any, doc: Path) -> None:
        path = (*self.place, *doc, REPLACE)
        if edit is None:
            return
        if not isinstance(edit, dict):
            self.problems.add(path, f"expected a mapping from a path to its new value, got {edit!r}")
            return
        for keys, value, written in _flat(edit):
            holder = _holder(data, keys, path, self.problems, must_exist=False)
            if holder is not None:
                _put(holder, keys[-1], value)
                self.moves.append(Move((*map(str, doc), *keys), _place(doc, REPLACE, written)))

    def append(self, data: dict[Any, Any], edit: Any, doc: Path) -> None:
        path = (*self.place, *doc, APPEND)
        if edit is None:
            return
        if not isinstance(edit, dict):
            self.problems.add(path, f"expected a mapping from a list's path to the elements to append, got {edit!r}")
            return
        for keys, value, written in _flat(edit):
            holder = _holder(data, keys, path, self.problems, must_exist=False)
            if holder is None:
                continue
            now = _get(holder, keys[-1])
            more = value if isinstance(value, list) else [value]
            before = now.items if isinstance(now, KeptSeq) else now or []
            if isinstance(now, KeptSeq) and isinstance(now.items, list):
                _put(holder, keys[-1], KeptSeq(now.kind, [*now.items, *more], now.exact))
            elif isinstance(now, list) or now is None:
                _put(holder, keys[-1], [*before, *more])
            else:
                self.problems.add((*path, *keys), f"'{dotted(keys)}' is no list, nothing can be appended to it")
                continue
            source = _place(doc, APPEND, written) if isinstance(value, list) else None
            self.moves.append(Move((*map(str, doc), *keys), source, len(before)))

    def delete(self, data: dict[Any, Any], edit: Any, doc: Path) -> None:
        path = (*self.place, *doc, DELETE)
        names = [edit] if isinstance(edit, str) else [] if edit is None else edit
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.problems.add(path, f"expected a list of paths like opts.0, got {edit!r}")
            return
        doomed: dict[Path, tuple[Any, set[Any]]] = {}
        for name in names:
            keys = path_keys(name)
            holder = _holder(data, keys, path, self.problems, must_exist=True)
            if holder is not None:
                last = int(keys[-1]) if isinstance(holder, list) else _real(holder, keys[-1])
                doomed.setdefault((*doc, *keys[:-1]), (holder, set()))[1].add(last)
        for where, (holder, gone) in doomed.items():
            if isinstance(holder, list):
                self.move_references(where, gone)
                self.moves.append(Move(tuple(map(str, where)), gone=frozenset(gone)))
            # Highest index first, so that all indices mean the list as it was.
            for key in sorted(gone, key=lambda k: k if isinstance(k, int) else 0, reverse=True):
                del holder[key]

    def move_references(self, where: Path, gone: set[int]) -> None:
        """Let references into the list at ``where`` follow their elements, or note that theirs is deleted."""
        place = tuple(map(str, where))

        def moved(text: str, doc: Path) -> str:
            match = REFERENCE.match(text)
            keys = reference_path(text, doc) or (tuple(match.group(2).split(".")) if match else ())
            target = tuple(map(str, keys))
            if target[: len(place)] != place or len(target) <= len(place) or not _is_index(target[len(place)]):
                return text
            index = int(target[len(place)])
            if index in gone:
                self.problems.add((*self.place, *doc), f"refers to '{dotted(target)}', which is deleted")
            kept = index - sum(1 for other in gone if other < index)
            return "${" + ".".join([*place, str(kept), *target[len(place) + 1 :]]) + "}"

        for doc, node in walk(self.root):
            inner = node.items if isinstance(node, KeptSeq) else node
            for key, value in [*children(inner)] if isinstance(inner, (dict, list)) else ():
                if isinstance(value, str):
                    inner[key] = moved(value, (*doc, key))


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit()


def _place(doc: Path, edit: str, written: Path) -> Path | None:
    """Return the path at which an edit's value stands; None if one of its keys is a path itself."""
    return None if any("." in key or "\\" in key for key in written) else (*map(str, doc), edit, *written)


def _flat(edit: Any, at: Path = (), written: Path = ()) -> list[tuple[Path, Any, Path]]:
    """List an edit's paths with the keys as written: ``{opt: {...}}``, ``{'a.b': [...]}`` or nested dicts."""
    found: list[tuple[Path, Any, Path]] = []
    for key, value in edit.items():
        here, keys = (*at, *path_keys(str(key))), (*written, str(key))
        nested = isinstance(value, dict) and TARGET not in value and value
        found += _flat(value, here, keys) if nested else [(here, value, keys)]
    return found


def _holder(out: Any, keys: Path, path: Path, problems: Problems, *, must_exist: bool) -> Any:
    """Return the dict or list in which the last key of a path stands; note a problem and return None if none."""
    node = out
    for depth, key in enumerate(keys):
        inner = node.items if isinstance(node, KeptSeq) else node
        last = depth == len(keys) - 1
        if isinstance(inner, list):
            if not _is_index(key) or int(key) >= len(inner):
                where = dotted(keys[:depth]) or "it"
                problems.add((*path, dotted(keys)), f"index {key} is out of range: '{where}' has {len(inner)} elements")
                return None
            if last:
                return inner
            node = inner[int(key)]
        elif isinstance(inner, dict):
            real = _real(inner, key)
            if last and (real in inner or not must_exist):
                return inner
            if real not in inner:
                names = [key_word(name) for name in inner]
                problems.add((*path, dotted(keys)), f"there is no '{dotted(keys[: depth + 1])}'{nearest(key, names)}")
                return None
            node = inner[real]
        else:
            problems.add((*path, dotted(keys)), f"'{dotted(keys[:depth])}' is a single value and has no '{key}'")
            return None
    return None


def _real(holder: dict[Any, Any], key: str) -> Any:
    """Return the key of a dict that a text names: a text first, then another one that is written so."""
    if key in holder:
        return key
    found = [name for name in holder if not isinstance(name, str) and key in (str(name), key_word(name))]
    if found:
        return found[0]
    return int(key) if holder and _is_index(key) and all(type(name) is int for name in holder) else key


def _get(holder: Any, key: str) -> Any:
    return holder[int(key)] if isinstance(holder, list) else holder.get(_real(holder, key))


def _put(holder: Any, key: str, value: Any) -> None:
    holder[int(key) if isinstance(holder, list) else _real(holder, key)] = value
