"""Plain data -> the text of a Hydra override: what to put on a command line for a path and a value.

May import: the spelling of paths. A text reads the same under every supported Hydra: values are written in the
grammar that all share, keys in that of Hydra 1.3 (1.4 adds brackets and backslashes to it), see
``hydra/grammar/OverrideLexer.g4`` and https://hydra.cc/docs/advanced/override_grammar/basic/.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from nemo_partial_hydra.dialect.scalars import path_text
from nemo_partial_hydra.recipes.keys import REPLACE

# The lexer's KEY_SPECIAL and INT_UNSIGNED: a leading zero, a leading '-' or a name after digits cannot be lexed.
_SEGMENT = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*|0|[1-9](?:_?[0-9])*")

_INT = r"(?:0|[1-9](?:_?[0-9])*)"
_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = rf"(?:{_INT}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
# What the lexer takes as one token that is no string; with a character more it is a string again (1e-3x, nullable).
_LITERAL = rf"(?:[+-]?(?:{_NUMBER}|(?i:inf|nan))|(?i:true|false|null))"

# Strings that are themselves without quotes: what people write, fewer than the grammar allows ('a b', '*', '???').
_SIMPLE = re.compile(
    rf"(?!{_LITERAL}\Z)[A-Za-z0-9_/.][A-Za-z0-9_/.+@%:-]*"
    r"|\$\{\.*[A-Za-z_][A-Za-z0-9_.]*\}"  # a plain interpolation
)
# Hydra knows no quoted keys, so nothing tells the key '1' from the key 1, and quotes and non-ASCII have no spelling.
_KEY = re.compile(rf"(?!{_LITERAL}\Z)[A-Za-z0-9_/.+@%$*?|\\()\[\]{{}}:=, \t-]+")
_ESCAPED = re.compile(r"[\\()\[\]{}:=, \t]")
# An argument of a process ends at NUL and is UTF-8.
_NO_ARGUMENT = re.compile("[\0\ud800-\udfff]")
# In quotes a backslash stands for itself, but before a quote (the closing one too) it escapes. The look behind: a run
# of backslashes is tried once, not from each of them.
_BEFORE_QUOTE = {mark: re.compile(rf"(?<!\\)(\\*)({mark}|\Z)") for mark in "\"'"}
_LONGEST_INT = 14_000  # bits; Python reads no decimal text of more than 4,300 digits


def key_text(path: Sequence[Any]) -> str | None:
    """Write the key of an override: ``("optimizers", 0, "lr")`` -> ``optimizers.0.lr``.

    Parameters
    ----------
    path : names, and indices of lists as integers. An integer key of a dict looks like an index here, but no
        override can name it: OmegaConf takes the text as a string.

    Returns
    -------
    str or None
        None where the key grammar of some supported Hydra cannot name the path: the empty path, an index alone, and
        segments other than ASCII names with ``_``, ``-`` and ``$`` or decimal numbers.
    """
    segments: list[str] = []
    for segment in path:
        if type(segment) is str and _SEGMENT.fullmatch(segment):
            segments.append(segment)
        elif type(segment) is int and 0 <= segment <= sys.maxsize:
            segments.append(str(segment))
        else:
            return None
    # A dotted path may begin with a number, a key of one segment may not be one.
    if not segments or (len(segments) == 1 and segments[0][0].isdigit()):
        return None
    return ".".join(segments)


def value_text(data: Any) -> str | None:
    """Write plain data so that Hydra's parser reads exactly the same data and types, and no sweep.

    Parameters
    ----------
    data : None, bool, int, float, str, and lists and dicts of them. Interpolations are strings like others: the
        text is kept, OmegaConf resolves it.

    Returns
    -------
    str or None
        None where no text gives the data: another type; a string with a NUL or a lone surrogate; an integer of more
        than 4,200 digits; a dict key that is empty, reads as a number, boolean or null (``"1"``), or holds a
        character that only quotes could carry.
    """
    kind = type(data)
    if kind is str:
        return data if _SIMPLE.fullmatch(data) else _quoted(data)
    if kind is bool:
        return "true" if data else "false"
    if kind is int:
        return str(data) if data.bit_length() < _LONGEST_INT else None
    if kind is float:
        return repr(data)  # inf and nan are words of the grammar as well
    if data is None:
        return "null"
    if kind is list:
        return _joined("[", [value_text(item) for item in data], "]")
    if kind is dict:
        return _joined("{", [_pair(key, value) for key, value in data.items()], "}")
    return None


def override(path: Sequence[Any], data: Any, prefix: str = "") -> str | None:
    """Write an override such as ``optimizers.0.lr=0.1``, not quoted for a shell.

    Parameters
    ----------
    path, data : as in :func:`key_text` and :func:`value_text`.
    prefix : ``+`` to add, ``++`` to add or change, ``~`` to delete.

    Returns
    -------
    str or None
        None where the key or the value has no text.
    """
    key = key_text(path)
    value = None if key is None else value_text(data)
    return None if value is None else f"{prefix}{key}={value}"


def entry(path: Sequence[Any], keys: Sequence[Any], data: Any, prefix: str = "") -> str | None:
    """Write an override of what stands below a key that no path can name: ``extra={spark.yarn.max:3}``.

    Hydra merges it into the dict that stands there.

    Parameters
    ----------
    path : where the dict stands.
    keys : from there to the value, names and keys of dicts.
    data, prefix : as in :func:`override`.
    """
    for key in reversed(keys):
        data = {key: data}
    return override(path, data, prefix)


def replacement(node: Sequence[Any], keys: Sequence[Any], data: Any) -> str | None:
    r"""Write the edit of a value at a path that Hydra's grammar has no characters for.

    ``++_replace_={extra.\u00fc:3}``: edits write such a path with escapes; ``++``, so that several may be given.

    Parameters
    ----------
    node : where the recipe node stands.
    keys : the path from there.
    data : as in :func:`value_text`.
    """
    value = value_text(data)
    key = key_text((*node, REPLACE))
    return None if key is None or value is None else f"++{key}={{{path_text(keys)}:{value}}}"


def shell(text: str) -> str:
    """Quote a text for a POSIX shell."""
    return shlex.quote(text)


def _joined(opening: str, texts: list[str | None], closing: str) -> str | None:
    known = [text for text in texts if text is not None]
    return opening + ",".join(known) + closing if len(known) == len(texts) else None


def _pair(key: Any, value: Any) -> str | None:
    if type(key) is str:
        name = _ESCAPED.sub(r"\\\g<0>", key) if _KEY.fullmatch(key) else None
    else:
        name = value_text(key) if type(key) in (bool, int, float) else None
    text = value_text(value)
    return None if name is None or text is None else f"{name}:{text}"


def _quoted(text: str) -> str | None:
    if _NO_ARGUMENT.search(text):
        return None
    # Double quotes where possible: shells need no tricks to quote them once more.
    mark = "'" if '"' in text and "'" not in text else '"'

    def escaped(match: re.Match[str]) -> str:
        slashes, quote = match.groups()
        return slashes * 2 + ("\\" + mark if quote else "")

    return mark + _BEFORE_QUOTE[mark].sub(escaped, text) + mark
