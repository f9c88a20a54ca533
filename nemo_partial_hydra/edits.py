"""Edits that an override cannot express: append, delete and replace, as reserved keys in a recipe node.

May import: the standard library only. ``+model._append_.opts=[{...}]``, ``+model._delete_=[opts.0]`` and
``+model._replace_.opt={_target_: ...}`` stand in the nearest recipe node; paths in them count from that node.
They are applied in this order: replace, delete (by the indices before the edit), append.
"""

from __future__ import annotations

from typing import Any

from .dialect import EDITS, TARGET
from .errors import Path, Problems, dotted, nearest
from .reading import KeptSeq

_APPEND, _DELETE, _REPLACE = EDITS


def apply_edits(data: Any, place: Path = ()) -> Any:
    """Return plain data with its edits applied and their keys gone.

    Raises
    ------
    ValidationError
        With the edit's full path: nothing stands at a path, an index is out of range, or a list is expected.
    """
    problems = Problems()
    edited = _node(data, place, problems)
    problems.check()
    return edited


def _node(data: Any, path: Path, problems: Problems) -> Any:
    if isinstance(data, KeptSeq):
        return KeptSeq(data.kind, [_node(v, (*path, i), problems) for i, v in enumerate(data.items)], data.exact)
    if isinstance(data, list):
        return [_node(value, (*path, index), problems) for index, value in enumerate(data)]
    if not isinstance(data, dict):
        return data
    edits = {key: data[key] for key in EDITS if key in data} if TARGET in data else {}
    out = {key: value for key, value in data.items() if key not in edits}
    if edits:
        _replace(out, edits.get(_REPLACE), (*path, _REPLACE), problems)
        _delete(out, edits.get(_DELETE), (*path, _DELETE), problems)
        _append(out, edits.get(_APPEND), (*path, _APPEND), problems)
    return {key: _node(value, (*path, key), problems) for key, value in out.items()}


def _flat(edit: Any, at: Path = ()) -> list[tuple[Path, Any]]:
    """List an edit's paths: ``{opt: {...}}``, ``{'a.b': [...]}`` or nested dicts down to the first value."""
    found: list[tuple[Path, Any]] = []
    for key, value in edit.items():
        here = (*at, *str(key).split("."))
        nested = isinstance(value, dict) and TARGET not in value and value and at is not None
        found += _flat(value, here) if nested else [(here, value)]
    return found


def _replace(out: dict[Any, Any], edit: Any, path: Path, problems: Problems) -> None:
    if edit is None:
        return
    if not isinstance(edit, dict):
        problems.add(path, f"expected a mapping from a path to its new value, got {edit!r}")
        return
    for keys, value in _flat(edit):
        holder = _holder(out, keys, path, problems, must_exist=False)
        if holder is not None:
            _put(holder, keys[-1], value)


def _delete(out: dict[Any, Any], edit: Any, path: Path, problems: Problems) -> None:
    if edit is None:
        return
    names = [edit] if isinstance(edit, str) else edit
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.add(path, f"expected a list of paths like opts.0, got {edit!r}")
        return
    doomed: list[tuple[Any, Any]] = []
    for name in names:
        keys = tuple(name.split("."))
        holder = _holder(out, keys, path, problems, must_exist=True)
        if holder is not None:
            doomed.append((holder, int(keys[-1]) if isinstance(holder, list) else _real(holder, keys[-1])))
    # Highest index first, so that all indices mean the list as it was.
    for holder, key in sorted(doomed, key=lambda found: found[1] if isinstance(found[1], int) else -1, reverse=True):
        if key in holder or isinstance(holder, list):
            del holder[key]


def _append(out: dict[Any, Any], edit: Any, path: Path, problems: Problems) -> None:
    if edit is None:
        return
    if not isinstance(edit, dict):
        problems.add(path, f"expected a mapping from a list's path to the elements to append, got {edit!r}")
        return
    for keys, value in _flat(edit):
        holder = _holder(out, keys, path, problems, must_exist=False)
        if holder is None:
            continue
        now = _get(holder, keys[-1])
        more = value if isinstance(value, list) else [value]
        if isinstance(now, KeptSeq):
            _put(holder, keys[-1], KeptSeq(now.kind, [*now.items, *more], now.exact))
        elif isinstance(now, list) or now is None:
            _put(holder, keys[-1], [*(now or []), *more])
        else:
            problems.add((*path, *keys), f"'{dotted(keys)}' is no list, nothing can be appended to it")


def _holder(out: Any, keys: Path, path: Path, problems: Problems, *, must_exist: bool) -> Any:
    """Return the dict or list in which the last key of a path stands; note a problem and return None if none."""
    node = out
    for depth, key in enumerate(keys):
        inner = node.items if isinstance(node, KeptSeq) else node
        last = depth == len(keys) - 1
        if isinstance(inner, list):
            if not key.isdigit() or int(key) >= len(inner):
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
                names = [str(name) for name in inner]
                problems.add((*path, dotted(keys)), f"there is no '{dotted(keys[: depth + 1])}'{nearest(key, names)}")
                return None
            node = inner[real]
        else:
            problems.add((*path, dotted(keys)), f"'{dotted(keys[:depth])}' is a single value and has no '{key}'")
            return None
    return None


def _real(holder: dict[Any, Any], key: str) -> Any:
    return key if key in holder else next((name for name in holder if str(name) == key), key)


def _get(holder: Any, key: str) -> Any:
    return holder[int(key)] if isinstance(holder, list) else holder.get(_real(holder, key))


def _put(holder: Any, key: str, value: Any) -> None:
    holder[int(key) if isinstance(holder, list) else _real(holder, key)] = value
