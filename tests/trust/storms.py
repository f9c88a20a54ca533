"""Texts that are cheap to write and dear to read, for every reader; each is made in the size that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from nemo_partial_hydra.recipes.values import TABLE
from tests.support import targets

T = targets.__name__
Storm = Callable[[int], bytes]


def _many(text: str, *, head: str = "", tail: str = "") -> Storm:
    return lambda size: (head + text * (size // max(len(text), 1)) + tail).encode()


def _numbered(text: str, *, head: str = "", tail: str = "", join: str = "\n") -> Storm:
    def make(size: int) -> bytes:
        count = max(size // (len(text) + 6), 1)
        return (head + join.join(text.replace("#", str(i)) for i in range(count)) + tail).encode()

    return make


PLAIN: dict[str, Storm] = {
    "nothing": lambda size: b"",
    "zeros": bytes,
    "invalid utf-8": lambda size: b"a: \xff\xfe" + b"\xc3" * size,
    "utf-16": lambda size: "a: 1\n".encode("utf-16") * (size // 12),
    "utf-32": lambda size: "a: 1\n".encode("utf-32") * (size // 24),
    "byte order mark": lambda size: b"\xef\xbb\xbf" + b'{"format": 1}',
    "surrogate escape": lambda size: b'{"state": "\\ud800", "reason": "\\udfff", "format": 1}',
    "lists": _many("["),
    "maps": _many("{"),
    "maps in maps": _many('{"a":'),
    "closed lists": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "short lists deep": lambda size: b"[" * 900 + b"]" * 900,
    "quotes": _many('"'),
    "single quotes": _many("'"),
    "backslashes": _many("\\"),
    "backslashes in a text": _many("\\\\", head='{"state": "', tail='"}'),
    "digits": _many("9"),
    "a number": _many("9", head='{"format": ', tail="}"),
    "a number of 5,000 digits": lambda size: b'{"format": ' + b"9" * 5000 + b"}",
    "hex digits": _many("f", head="a: 0x"),
    "binary digits": _many("1", head="a: 0b"),
    "octal digits": _many("7", head="a: 0"),
    "exponent": _many("9", head='{"format": 1e', tail="}"),
    "underscores": _many("_1", head="a: 1"),
    "sixty": _many(":59", head="a: 1"),
    "minus": _many("-"),
    "dots": _many("."),
    "blanks": _many(" "),
    "tabs": _many("\t"),
    "line ends": _many("\n"),
    "carriage returns": _many("\r"),
    "comments": _many("#\n"),
    "documents": _many("---\n"),
    "directives": _many("%TAG ! tag:x,2000:\n"),
    "tags": _many("!"),
    "a tag": _many("x", head="a: !<tag:", tail="> 1"),
    "anchors": _numbered("- &a# 1"),
    "aliases": lambda size: b"- &a 1\n" + b"- *a\n" * (size // 5),
    "keys of keys": _many("? "),
    "elements": _many("1,", head="[", tail="1]"),
    "objects": _many("{},", head="[", tail="{}]"),
    "keys": _numbered('"k#": 1', head="{", tail="}", join=","),
    "one key again and again": _many('"state": "done", ', head="{", tail='"format": 1}'),
    "a long key": _many("k", head='{"', tail='": 1}'),
    "a long text": _many("x", head='{"state": "', tail='"}'),
    "folded": _many("x\n  ", head="a: >\n  "),
    "flow lines": _many("a\n ", head="a: ["),
    "escapes": _many("\\u0041", head='{"state": "', tail='"}'),
    "lone surrogates": _many("\\ud800", head='{"state": "', tail='"}'),
    "control characters": _many("\\u001b[2J", head='{"state": "', tail='"}'),
    "not a number": lambda size: b'{"format": NaN, "attempt": Infinity, "pid": -Infinity, "jobs": NaN}',
    "wide characters": _many("\N{GRINNING FACE}", head='a: "', tail='"'),
    "combining": _many("\u0301", head='a: "x', tail='"'),
    "merge keys": _numbered("m#: &m# {<<: *m0, a: 1}", head="m0: &m0 {a: 1}\n"),
}

_HEAD = f"_target_: {T}.Optimizer\n"


def _doubling(text: str) -> bytes:
    return "".join(f"a{i}: {text.replace('#', str(i - 1))}\n" for i in range(1, 60)).encode()


REFERENCES: dict[str, Storm] = {
    "backslashes before a reference": _many("\\", head="a: '", tail="${b}'\nb: 1\n"),
    "opened": _many("${", head="a: '", tail="'\n"),
    "opened and closed": lambda size: b"a: '" + b"${" * (size // 4) + b"x" + b"}" * (size // 4) + b"'\nx: 1\n",
    "resolvers in resolvers": lambda size: b"a: '" + b"${oc.env:" * (size // 10) + b"X" + b"}" * (size // 10) + b"'\n",
    "in a row": _many("${b}", head="a: '", tail="'\nb: 1\n"),
    "dollars": _many("$", head="a: '", tail="'\n"),
    "dollars and quotes": _many("$'", head='a: "', tail='"\n'),
    "dots": _many(".", head="a: '${", tail="b}'\nb: 1\n"),
    "path": _many("b.", head="a: '${", tail="b}'\nb: 1\n"),
    "brackets": _many("[0]", head="a: '${b", tail="}'\nb: [0]\n"),
    "quoted argument": _many("\\\\'", head="a: \"${oc.decode:'", tail="'}\"\n"),
    "list argument": _many("[", head="a: '${oc.create:", tail="}'\n"),
    "chain": _numbered("k#: ${k0}", head="k0: 1\n"),
    "long chain": lambda size: "".join(f"k{i}: ${{k{i + 1}}}\n" for i in range(size // 16)).encode() + b"kx: 1\n",
    "loop": lambda size: b"a: ${b}\nb: ${a}\n",
    "doubling": lambda size: b"a0: xxxxxxxx\n" + _doubling("'${a#}${a#}'"),
    "doubling nodes": lambda size: b"a0: {x: 1}\n" + _doubling("{l: '${a#}', r: '${a#}'}"),
    "decode": _many("[", head="a: \"${oc.decode:'", tail="'}\"\n"),
    "environment": lambda size: b"a: ${oc.env:" + b"X" * size + b"}\n",
    "hydra": lambda size: b"a: ${hydra:" + b"x." * (size // 2) + b"x}\n",
}

_ARGUMENTS: dict[str, Callable[[int], str]] = {
    "digits": lambda size: json.dumps("9" * size),
    "5,000 digits": lambda size: json.dumps("9" * 5000),
    "5,000 hex digits": lambda size: json.dumps("f" * 5001),
    "number": lambda size: "1" + "0" * 4000,
    "large number": lambda size: str(2**63),
    "negative": lambda size: "-1",
    "float": lambda size: "1.0e+308",
    "infinity": lambda size: ".inf",
    "exponent": lambda size: json.dumps("1e" + "9" * 4),
    "large exponent": lambda size: json.dumps("1e" + "9" * 400),
    "text": lambda size: json.dumps("x" * size),
    "blanks": lambda size: json.dumps(" " * size),
    "list": lambda size: "[" + "1, " * (size // 3) + "1]",
    "pairs": lambda size: "[" + "[a, 1], " * (size // 8) + "[a, 1]]",
    "deep": lambda size: "[" * 150 + "]" * 150,
    "true": lambda size: "true",
    "null": lambda size: "null",
    "map": lambda size: "{a: 1}",
    **{
        words: partial("{0}".format, words)
        for words in ("1, 2, 3", "1, 2, 3, 4, 5, 6, 7, 8", "[], []", "0, 10000000000, 1", "x, y")
    },
    "surrogate": lambda size: '"\\ud800"',
}
_ENCODINGS = (
    "punycode",
    "idna",
    "unicode_escape",
    "zlib_codec",
    "rot13",
    "nothing",
    "",
    "\\x00",
    "raw_unicode_escape",
    "utf-7",
)


def _value(target: str, arguments: Callable[[int], str]) -> Storm:
    return lambda size: f"{_HEAD}lr: {{_target_: {target}, _args_: [{arguments(size)}]}}\n".encode()


def _value_forms() -> dict[str, Storm]:
    found: dict[str, Storm] = {}
    for target in sorted({name for row in TABLE for name in (row.target, *row.names)}):
        for name, make in _ARGUMENTS.items():
            found[f"{target} of {name}"] = _value(target, make)
    for encoding in _ENCODINGS:
        for target in ("builtins.bytes", "builtins.str"):
            name = f"{target} in {encoding or 'no encoding'}"
            found[name] = _value(target, partial('"{1}", "{0}"'.format, encoding, "xn--" * 1_000))
    return found


VALUES = _value_forms()

RECIPES: dict[str, Storm] = {
    "misspelt names": _numbered("lrr#: 1", head=_HEAD),
    "misspelt edits": _numbered("_append_x#: 1", head=_HEAD),
    "edits of paths": _numbered("_append_.a.b.c#: [1]", head=_HEAD),
    "targets": _numbered(f"p#: {{_target_: {T}.Optimizer}}", head=_HEAD),
    "targets that are refused": _numbered("p#: {_target_: os.system}", head=_HEAD),
    "targets that are no names": _numbered("p#: {_target_: [a]}", head=_HEAD),
    "a long target": _many("a.", head="_target_: ", tail="b\n"),
    "a target of brackets": _many("[", head="_target_: '", tail="'\n"),
    "a list of targets": _many("a, ", head="_target_: [", tail="a]\n"),
    "references to calls": _numbered("p#: ${q}", head=f"{_HEAD}q: {{_target_: {T}.Optimizer}}\n"),
    "deep targets": lambda size: (
        "".join(" " * i + f"_target_: {T}.Trainer\n" + " " * i + "optimizer:\n" for i in range(150))
        + " " * 150
        + "x: 1\n"
    ).encode(),
    "defaults": _numbered("  - group#: option", head="defaults:\n"),
    "defaults deep": lambda size: b"defaults: " + b"[" * 150 + b"]" * 150,
    "positional": _many("1, ", head=f"{_HEAD}_args_: [", tail="1]\n"),
}
