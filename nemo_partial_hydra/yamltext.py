"""YAML text <-> plain data, safely and with OmegaConf's scalar table.

May import: the standard library and PyYAML. libyaml does the parsing where PyYAML has it. Python tags, duplicate
keys and reference loops are refused; an expansion of aliases that is out of proportion too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from .errors import DialectError, Path
from .scalars import FLOAT, write_scalar

MAX_NODES = 1_000_000
MAX_DEPTH = 200
MAX_BYTES = 64 * 1024 * 1024

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """A safe loader with OmegaConf's float table, no timestamps and no duplicate keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge":
                key = self.construct_object(key_node, deep=True)
                try:
                    twice = key in seen  # to Python, 1 and true are one key
                    seen.add(key)
                except TypeError:
                    raise _problem(key_node, f"a {type(key).__name__} cannot be a key") from None
                if twice:
                    raise _problem(key_node, f"duplicate key '{key}'")
        return super().construct_mapping(node, deep=deep)


def _problem(node: Any, text: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in table if not tag.endswith((":timestamp", ":value"))]
    for first, table in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+0123456789."))


def load_marked(text: str, source: str = "") -> tuple[Any, dict[Path, int]]:
    """Read one YAML document, with the line (from 1) of each key and element by its path; else as :func:`load`."""
    lines: dict[Path, int] = {}
    return load(text, source, lines), lines


def load(text: str, source: str = "", lines: dict[Path, int] | None = None) -> Any:
    """Read one YAML document as plain data.

    Parameters
    ----------
    text : the YAML text.
    source : what to call it in messages, for example the file's name.

    Raises
    ------
    DialectError
        With file, line and column: no YAML, a Python tag, a duplicate key, a reference loop, or a text that is
        out of proportion (size, depth, expansion of aliases).
    """
    name = source or "YAML text"
    if len(text) > MAX_BYTES:
        raise DialectError(f"{name}: {len(text)} characters are more than a recipe can have ({MAX_BYTES})")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _bounded(node)
        data = loader.construct_document(node)
        if lines is not None:
            _mark(loader, node, (), lines)
        return data
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DialectError(f"{name}{place}: {_explain(error.problem or str(error))}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DialectError(f"{name}: {error}") from None
    except (KeyError, IndexError, TypeError, AttributeError) as error:  # PyYAML's way to say that a tag does not fit
        raise DialectError(f"{name}: a value does not fit its tag ({type(error).__name__}: {error})") from None
    except RecursionError:
        raise DialectError(f"{name}: nested more than {MAX_DEPTH} levels deep") from None
    finally:
        loader.dispose()


def _mark(loader: Any, node: Any, path: Path, lines: dict[Path, int]) -> None:
    """Note lines; constructing the document has put merged keys (``<<``) in their places already."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, loader.construct_object(key, deep=True))
            lines[here] = key.start_mark.line + 1
            _mark(loader, value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, index)
            lines[here] = value.start_mark.line + 1
            _mark(loader, value, here, lines)


def _explain(problem: str) -> str:
    if "could not determine a constructor" in problem:
        tag = problem.rpartition("'tag:")[2].rpartition("'")[0].rpartition(":")[2]
        return f"the tag '{tag}' is refused: values from a file are data; use _target_ to name an object"
    return problem


def _bounded(root: Any) -> None:
    """Refuse loops, depth and alias expansion before anything is constructed."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any, depth: int) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in open_nodes:
            raise _problem(node, "a reference loop: an alias inside the node that it names")
        if id(node) in sizes:
            return sizes[id(node)]
        if depth > MAX_DEPTH:
            raise _problem(node, f"nested more than {MAX_DEPTH} levels deep")
        open_nodes.add(id(node))
        total = 1 + sum(size(child, depth + 1) for child in _below(node))
        open_nodes.discard(id(node))
        if total > MAX_NODES:
            raise _problem(node, f"more than {MAX_NODES} nodes once its aliases are expanded")
        sizes[id(node)] = total
        return total

    size(root, 0)


def _below(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    else:
        yield from node.value


def dump(data: Any) -> str:
    """Write plain data (dict, list, scalars) as block YAML that :func:`load` reads back exactly."""
    lines: list[str] = []
    if isinstance(data, (dict, list)) and data:
        _dump(data, "", lines)
    else:
        lines.append(_inline(data))
    return "\n".join(lines) + "\n"


def _dump(data: Any, indent: str, lines: list[str]) -> None:
    if isinstance(data, dict):
        for key, value in data.items():
            head = f"{indent}{write_scalar(key)}:"
            if isinstance(value, (dict, list)) and not _flat(value):
                lines.append(head)
                _dump(value, indent + ("  " if isinstance(value, dict) else ""), lines)
            else:
                lines.append(f"{head} {_inline(value)}")
        return
    for value in data:
        if isinstance(value, (dict, list)) and not _flat(value):
            start = len(lines)
            _dump(value, indent + "  ", lines)
            lines[start] = f"{indent}- {lines[start][len(indent) + 2 :]}"
        else:
            lines.append(f"{indent}- {_inline(value)}")


def _flat(value: Any) -> bool:
    """Empty containers and short lists of numbers are written in one line."""
    if not value:
        return True
    return isinstance(value, list) and len(value) <= 8 and all(isinstance(v, (int, float)) for v in value)


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(write_scalar(item) for item in value) + "]"
    return "{}" if isinstance(value, dict) else write_scalar(value)
