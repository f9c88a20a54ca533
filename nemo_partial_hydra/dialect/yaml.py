"""YAML text <-> plain data, safely and with OmegaConf's scalar table.

May import: the standard library and PyYAML. libyaml splits the text into events where PyYAML has it; the nodes are
made of them here, so that size, depth and number are bounded while the text is read. Python tags, duplicate keys and
reference loops are refused; an expansion of aliases that is out of proportion too.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from nemo_partial_hydra.errors import DialectError
from nemo_partial_hydra.recipes.tree import Path

from .scalars import FLOAT, References, write_scalar

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 150_000  # the largest recipe of NeMo has a few hundred; as many take one or two seconds
MAX_DEPTH = 200
MAX_NUMBER = 4300  # characters of a decimal number: what Python reads
MAX_SEXAGESIMAL = 64  # characters of one like 1:30:00, which takes time in the square of its length

_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT, _FLOAT, _STR = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:str"


def _scalar_tags() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return what plain scalars are by their first character: PyYAML's table without timestamps, OmegaConf's floats."""
    table = {
        first: [(tag, regexp) for tag, regexp in tags if not tag.endswith((":timestamp", ":value"))]
        for first, tags in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+0123456789.":
        table.setdefault(first, []).append((_FLOAT, FLOAT))
    return table


class _Loader(Composer, SafeConstructor, Resolver):
    """A safe loader with OmegaConf's float table and no timestamps, which gives up early on what is too large."""

    yaml_implicit_resolvers = _scalar_tags()

    def __init__(self, most: int) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self.depth = 0
        self.nodes, self.most = 0, most
        self.aliases = True  # whether there may be any
        self.mappings: list[Any] = []  # inner ones first
        self.references = References()
        self.events: Any = None
        self.at: Any = None  # the node that is being constructed, for messages

    def root(self, text: str) -> Any:
        """Return the node of the document in a text; None if there is none."""
        self.events, self.aliases = _EVENTS(text), "*" in text
        self.check_event, self.get_event = self.events.check_event, self.events.get_event
        self.peek_event = self.events.peek_event
        return self.get_single_node()

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node.tag == _STR and isinstance(node, yaml.ScalarNode):  # most of what there is
            return node.value
        self.at = node
        return super().construct_object(node, deep=deep)

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Do nothing: no tag here depends on a path."""

    def ascend_resolver(self) -> None:
        """Do nothing."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.nodes += 1
        if self.depth > MAX_DEPTH:
            raise _problem(self.peek_event(), f"nested more than {MAX_DEPTH} levels deep")
        if self.nodes > self.most:
            raise _problem(self.peek_event(), f"more than {self.most} nodes")
        self.depth += 1
        node = Composer.compose_node(self, parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = Composer.compose_mapping_node(self, anchor)
        self.mappings.append(node)
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        node = Composer.compose_scalar_node(self, anchor)
        too_much = self.references.count(node.value) if "${" in node.value else None
        if too_much is not None:
            raise _problem(node, too_much)
        if len(node.value) > MAX_SEXAGESIMAL and node.tag in (_INT, _FLOAT):
            digits = node.value.lstrip("+-")
            binary = node.tag == _INT and digits[:2].lower() in ("0x", "0b")
            if ":" in digits or (len(digits) > MAX_NUMBER and not binary):
                raise _problem(node, f"a number of {len(digits)} characters")
        return node


def _problem(node: Any, text: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def read_text(path: str | os.PathLike[str], source: str = "") -> str:
    """Read a text file that somebody else may have written: no more of it than a recipe can have.

    Raises
    ------
    DialectError
        If it is too large; before it is read.
    OSError, UnicodeDecodeError
        If it cannot be read.
    """
    with open(path, "rb", opener=_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is a pipe or a device; expected a file", os.fspath(path))
        size = status.st_size
        data = file.read(MAX_BYTES + 1) if size <= MAX_BYTES else b""
    if size > MAX_BYTES or len(data) > MAX_BYTES:
        large = f"{size} bytes are" if size > MAX_BYTES else "its content is"
        raise DialectError(f"{source or os.fspath(path)}: {large} more than a recipe can have ({MAX_BYTES})")
    return data.decode("utf-8")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a named pipe would have it wait for a writer


def load_marked(text: str, source: str = "") -> tuple[Any, dict[Path, int]]:
    """Read one YAML document, with the line (from 1) of each key and element by its path; else as :func:`load`."""
    lines: dict[Path, int] = {}
    return load(text, source, lines), lines


def load(text: str, source: str = "", lines: dict[Path, int] | None = None, nodes: int = MAX_NODES) -> Any:
    """Read one YAML document as plain data.

    Parameters
    ----------
    text : the YAML text.
    source : what to call it in messages, for example the file's name.
    lines : gets the line of each key and element, as :func:`load_marked` says.
    nodes : so many it has at most, with its aliases expanded.

    Raises
    ------
    DialectError
        With file, line and column: no YAML, a Python tag, a duplicate key, a reference loop, or a text that is
        out of proportion (size, depth, expansion of aliases).
    """
    name = source or "YAML text"
    if len(text) > MAX_BYTES:
        raise DialectError(f"{name}: {len(text)} characters are more than a recipe can have ({MAX_BYTES})")
    loader = _Loader(nodes)
    try:
        node = loader.root(text)
        if node is None:
            return None
        _bounded(loader, node)
        data = loader.construct_document(node)
        if lines is not None:
            _mark(loader, node, (), lines)
        return data
    except yaml.MarkedYAMLError as error:
        place = _marked(error.problem_mark)
        raise DialectError(f"{name}{place}: {_explain(error.problem or str(error))}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DialectError(f"{name}, line {line}: unacceptable character {_character(error.character)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DialectError(f"{name}{_place(loader.at)}: {error}") from None
    except (KeyError, IndexError, TypeError, AttributeError) as error:  # PyYAML's way to say that a tag does not fit
        what = f"a value does not fit its tag ({type(error).__name__}: {error})"
        raise DialectError(f"{name}{_place(loader.at)}: {what}") from None
    except RecursionError:
        raise DialectError(f"{name}: nested more than {MAX_DEPTH} levels deep") from None


def _character(char: Any) -> str:
    return f"#x{char if isinstance(char, int) else ord(char):04x}" if isinstance(char, (int, str)) else repr(char)


def _place(node: Any) -> str:
    return "" if node is None else _marked(node.start_mark)


def _marked(mark: Any) -> str:
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


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
        tag = problem.rpartition("the tag '")[2].rpartition("'")[0]
        tag = tag.rpartition(":")[2] if tag.startswith("tag:") else tag
        return f"the tag '{tag}' is refused: values from a file are data; objects are named by _target_"
    if "maximum nesting depth" in problem:  # libyaml's own limit
        return f"nested more than {MAX_DEPTH} levels deep"
    return problem


def _bounded(loader: Any, root: Any) -> None:
    """Refuse loops, duplicate keys and alias expansion before anything is constructed."""
    if not loader.aliases:  # no loop then, and its nodes are counted
        for mapping in loader.mappings:
            _distinct(loader, mapping)
        return
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in open_nodes:
            raise _problem(node, "a reference loop: an alias inside the node that it names")
        if id(node) in sizes:
            return sizes[id(node)]
        open_nodes.add(id(node))
        total = 1
        for child in _below(node):
            total += size(child)
        open_nodes.discard(id(node))
        if total > loader.most:
            raise _problem(node, f"more than {loader.most} nodes once its aliases are expanded")
        if isinstance(node, yaml.MappingNode):
            _distinct(loader, node)
        sizes[id(node)] = total
        return total

    size(root)


def _distinct(loader: Any, node: Any) -> None:
    """Refuse duplicate keys; here, since constructing a mapping puts merged keys (``<<``) among its own."""
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        try:
            twice = key in seen  # to Python, 1 and true are one key
            seen.add(key)
        except TypeError:
            raise _problem(key_node, f"a {type(key).__name__} cannot be a key") from None
        if twice:
            raise _problem(key_node, f"duplicate key '{key}'")


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
