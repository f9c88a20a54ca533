"""The one scalar table: how a string, number or boolean is written, and how ``${`` is escaped.

May import: the standard library only. The table is OmegaConf's (PyYAML alone reads ``1e-3`` as a string), so
that a value means the same in a YAML file, on the command line and in a job file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

FLOAT = re.compile(
    r"^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)"
    r"|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?"
    r"|[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*"
    r"|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN))$"
)
WORDS = frozenset("true yes on y false no off n null".split())
# Begins with a letter: never a number. A colon or a space only where YAML cannot take it for its own.
PLAIN = re.compile(r"^[A-Za-z_/](?:[A-Za-z0-9_./\-+@]|:(?=[^\s:])| (?=[A-Za-z0-9_./(]))*$")
UNSAFE = re.compile(  # what YAML has no place for, and what a terminal takes for a command
    '[\x00-\x1f"\\\\\x7f-\xa0\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]'
)
SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def plain_text(value: str) -> bool:
    """Whether a string may stand in YAML without quotes."""
    return PLAIN.match(value) is not None and value.lower() not in WORDS and value[-1] != "\n"


def quote(value: str) -> str:
    """Write a string in YAML's double quotes."""
    return '"' + UNSAFE.sub(lambda match: _escape(match.group()), value) + '"'


def _escape(char: str) -> str:
    code = ord(char)
    return SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def write_scalar(value: bool | int | float | str | None) -> str:
    """Write one scalar so that the table reads the same value and type."""
    if isinstance(value, str):
        return value if plain_text(value) else quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _write_int(value) if isinstance(value, int) else _write_float(value)


def _write_int(value: int) -> str:
    # beyond Python's limit for decimal text, in hexadecimal
    return str(value) if value.bit_length() < 14_000 else hex(value)


def _write_float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return repr(value)


_OPENING = re.compile(r"(?<!\\)(\\*)\$\{")  # looked for once in a row of backslashes, not from each of them


def escape_interpolation(text: str) -> str:
    r"""Escape a literal text so that ``${`` in it is no interpolation: ``${x}`` -> ``\${x}``.

    Backslashes before it are doubled; a text without ``${`` stands for itself, backslashes included
    (https://omegaconf.readthedocs.io/en/2.3_branch/grammar.html#escaping).
    """
    return _OPENING.sub(lambda match: match.group(1) * 2 + "\\${", text)


def unescape_interpolation(text: str) -> str | None:
    """Undo :func:`escape_interpolation`; None if some ``${`` in it is a real interpolation."""
    out: list[str] = []
    position = 0
    for match in _OPENING.finditer(text):
        slashes = match.group(1)
        if len(slashes) % 2 == 0:
            return None
        out.append(text[position : match.start()] + slashes[: len(slashes) // 2] + "${")
        position = match.end()
    return "".join(out) + text[position:]


_RESOLVER = re.compile(r"\$\{[^${}]*(:|\$\{)")  # an interpolation that only OmegaConf can resolve


def has_resolver(data: Any) -> bool:
    """Whether a text in plain data has an interpolation that only OmegaConf can resolve, and not escaped."""
    open_: list[Any] = [data]
    seen: set[int] = set()
    while open_:
        item = open_.pop()
        if isinstance(item, str):
            if _RESOLVER.search(item) and unescape_interpolation(item) is None:
                return True
        elif isinstance(item, (dict, list, tuple)) and id(item) not in seen:
            seen.add(id(item))
            open_ += item.values() if isinstance(item, dict) else item
    return False


_NAMED = re.compile(r"\$\{[\w.]{0,200}\}")


class References:
    """Counts the interpolations of a document, which OmegaConf reads again wherever they are merged or resolved.

    What names a value (``${a.b}``) costs OmegaConf little; anything else, a resolver with its arguments, goes through
    a grammar that takes some twenty microseconds a character, and more the deeper it is nested.
    """

    NUMBER = 20_000  # of ``${`` in a document; NeMo's recipes have none to a few
    CHARACTERS = 100_000  # of all texts that go through the grammar
    NESTED = 20

    def __init__(self) -> None:
        self.number = self.characters = 0

    def count(self, text: str) -> str | None:
        """Count those of one text; say what is too much, or return None."""
        self.number += text.count("${")
        if self.number > self.NUMBER:
            return f"more than {self.NUMBER} interpolations"
        named = _NAMED.sub("", text)
        if "${" not in named and "\\${" not in text:
            return None
        self.characters += len(text)
        if self.characters > self.CHARACTERS:
            return f"interpolations in texts of more than {self.CHARACTERS} characters"
        depth = 0
        for part in _BRACKETS.findall(named):
            depth = max(depth - 1, 0) if part == "}" else depth + 1
            if depth > self.NESTED:
                return f"interpolations nested more than {self.NESTED} levels deep"
        return None


_BRACKETS = re.compile(r"\$\{|[{}]")

REFERENCE = re.compile(r"^\$\{(\.*)([^${}:.\[\]'\"\s]+(?:\.[^${}:.\[\]'\"\s]+)*)\}$")


def reference_path(text: str, path: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the path that a relative interpolation at ``path`` names; None for all others."""
    match = REFERENCE.match(text)
    dots = len(match.group(1)) if match else 0
    if match is None or not 0 < dots <= len(path):
        return None
    return (*path[: len(path) - dots], *match.group(2).split("."))


_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U(00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})|\\(.)|([^\\.]+|\\)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_/+@%*?|$-]")


def path_keys(text: str) -> tuple[str, ...]:
    r"""Return the keys of a path that is written with dots; ``\.`` is a dot in a key, ``\u00fc`` any character."""
    if "\\" not in text:
        return tuple(text.split("."))
    keys = [""]
    at = 0
    while at < len(text):
        match = _ESCAPE.match(text, at)
        if match is None:  # a dot
            keys.append("")
            at += 1
            continue
        short, long, other, plain = match.groups()
        keys[-1] += chr(int(short or long, 16)) if short or long else other or plain
        at = match.end()
    return tuple(keys)


def key_word(key: Any) -> str:
    """Spell a key as YAML does: ``true`` and ``null``, not Python's words."""
    return {True: "true", False: "false", None: "null"}[key] if key is None or type(key) is bool else str(key)


def path_text(keys: Iterable[Any]) -> str:
    r"""Write a path so that :func:`path_keys` reads it, in characters that Hydra takes in a dict without quotes."""

    def escaped(char: str) -> str:
        if _PLAIN.match(char):
            return char
        code = ord(char)
        return r"\." if char == "." else rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}"

    return ".".join("".join(map(escaped, key_word(key))) for key in keys)
