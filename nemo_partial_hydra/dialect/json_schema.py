"""Signatures -> JSON Schema of recipe files, so that editors complete names and values and mark mistakes.

May import: the standard library only. Draft 7 is what YAML language servers support best. Alternatives are avoided:
which definition a node follows is chosen by its ``_target_`` alone, and a union is one list of JSON types with each
keyword about one of them. So a mistake is reported where it stands, by its own name.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.recipes.data import walk
from nemo_partial_hydra.recipes.keys import (
    ARGS,
    BUILDABLE,
    CALL_KEY,
    EDITS,
    FACTORY,
    IGNORED,
    PARTIAL_KEY,
    RESERVED,
    TARGET,
)
from nemo_partial_hydra.recipes.tree import BUILDABLES, Call, Ref, Tree
from nemo_partial_hydra.recipes.values import VALUE_FORMS
from nemo_partial_hydra.signatures.convert import shown
from nemo_partial_hydra.signatures.signature import Lookup, Parameter, Required, Signature, Unknown, changed
from nemo_partial_hydra.signatures.types import SEQUENCE_KINDS, TypeSpec

from .writer import item_spec, restores, to_data

Schema = dict[str, Any]
_KEYS = (*RESERVED, FACTORY)

# The texts that convert takes, in the regular expressions that Python and JavaScript share. Numbers to base 60 and yes,
# no, on and off are among them because our YAML (1.1) reads values in what is a text to an editor (1.2).
_INTERPOLATION, _MISSING = r"(^|[^\\])(\\\\)*\$\{", r"^\?\?\?$"
_DIGITS, _SIXTIES, _CLOCK = r"\d(_?\d)*", r"(:[0-5]?\d)*", r"\d+:[0-5]?\d:[0-5]?\d(\.\d{1,6})?"
_WORD = r"[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*"
_BOOL = "^([tT][rR][uU][eE]|[yY]([eE][sS])?|[oO][nN]|[fF][aA][lL][sS][eE]|[nN][oO]?|[oO][fF][fF]|[01])$"
_YAML_BOOL = "^(yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$"
_INT = rf"^\s*[+-]?((?!0[0_]*[1-9]){_DIGITS}{_SIXTIES}|0[xX](_?[0-9a-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+)\s*$"
_FLOAT = (
    rf"^\s*[+-]?({_DIGITS}{_SIXTIES}(\.({_DIGITS})?)?([eE][+-]?{_DIGITS})?|\.{_DIGITS}([eE][+-]?{_DIGITS})?"
    r"|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])\s*$"
)
_DURATION = rf"^\s*(?=\S)((-?\d+ days?,? ?)?({_CLOCK})?|[+-]?[1-9][0-9_]*(:[0-5]?\d)+(\.[0-9_]*)?)\s*$"
_DOTTED = rf"^{_WORD}(\.{_WORD})+$"
# JSON types that convert takes, the natural one first (editors insert by it), and patterns of texts; "" is any text.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": (("null",), ()),
    "bool": (("boolean", "integer"), (_BOOL,)),
    "int": (("integer",), (_INT,)),
    "float": (("number",), (_FLOAT,)),
    "str": (("string", "number", "boolean"), ("",)),
    "bytes": (("string",), (r"^[A-Za-z0-9+/=\s]*$",)),
    "path": (("string", "integer"), ("",)),
    "timedelta": (("string", "number"), (_DURATION,)),
    "enum": (("string",), ()),
    "literal": ((), ()),
    "dtype": (("string",), (_DOTTED, f"^{_WORD}$")),
    **dict.fromkeys(("callable", "type"), (("string",), (_DOTTED,))),
    **dict.fromkeys(("dict", "object"), (("object",), ())),
    **dict.fromkeys(SEQUENCE_KINDS, (("array",), ())),
}
_JSON_TYPES = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
_HYDRA: Schema = {
    "defaults": {"type": "array", "items": {"type": ["string", "object"]}, "description": "Hydra's defaults list."},
    "hydra": {"description": "Hydra's own config."},
}


def schema(targets: Iterable[str], signature: Lookup, docs: Callable[[str], Mapping[str, str]]) -> Schema:
    """Make the JSON Schema (draft 7) of YAML recipe files, an app's config files included.

    Parameters
    ----------
    targets : the dotted names whose nodes are checked, in any order; a node of another target may hold anything.
    signature : gives the ``Signature`` of a target, or None where it is not known (then it is not checked either).
    docs : gives the doc of each parameter of a target, by name; that of ``""`` is the target's own.

    Returns
    -------
    dict
        Data for ``json.dump``. What is required is described, not enforced, since another file may give it.
    """
    known = {target: found for target in sorted(set(targets)) if (found := signature(target)) is not None}
    made = {target: _definition(target, found, docs(target), known) for target, found in known.items()}
    files = {  # a node that is a whole file has Hydra's keys beside its own, which are referred to one by one
        name: {**form, "properties": {key: _ref(name, "properties", key) for key in form["properties"]} | _HYDRA}
        for name, form in made.items()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": ["object", "null"],  # a file may be empty
        **_choice(files, _HYDRA),
        "definitions": {
            "any": {**_all_of("node"), "items": _ref("any")},
            "node": _choice({target: _ref(target) for target in known}, {}),
            **_reserved(list(known)),
            **made,
        },
    }


def file_targets(data: Any) -> list[str]:
    """Return every ``_target_`` that is called in a file's data, once each, in order of appearance.

    Names of objects (``_call_: false``), value forms and Hydra's own config are left out.
    """
    if isinstance(data, Mapping):
        data = {key: value for key, value in data.items() if key not in _HYDRA}
    return list(dict.fromkeys(node[TARGET] for _, node in walk(data) if isinstance(node, Mapping) and _is_called(node)))


def _is_called(node: Mapping[Any, Any]) -> bool:
    target, rest = node.get(TARGET), set(node) - {TARGET, CALL_KEY, *IGNORED}
    value = node.get(CALL_KEY) is False or (str(target) in VALUE_FORMS and rest == {ARGS})
    return isinstance(target, str) and "${" not in target and not value


def _ref(*keys: str) -> Schema:
    return {"$ref": "/".join(("#/definitions", *map(quote, keys)))}


def _all_of(name: str) -> Schema:
    """Refer to a definition from beside other keywords: draft 7 ignores what stands beside ``$ref`` itself."""
    return {"allOf": [_ref(name)]}


def _node(properties: Schema, *required: str) -> Schema:
    """Hold for a mapping with a ``_target_`` and these properties, never for a scalar or a list."""
    return {"type": "object", "required": [TARGET, *required], "properties": properties}


def _choice(forms: Mapping[str, Schema], more: Schema) -> Schema:
    """Choose what a mapping follows by its ``_target_``; ``more`` are properties of one without a known target."""
    free: Schema = {
        "properties": {**{key: _ref(key) for key in _KEYS}, **more},
        "additionalProperties": _ref("any"),
        "if": _node({CALL_KEY: {"const": False}}, CALL_KEY),  # it names an object, which takes no arguments
        "then": {"properties": {k: {} for k in (TARGET, CALL_KEY, *EDITS, *more)}, "additionalProperties": False},
    }
    condition = _node({TARGET: {"enum": list(forms)}, CALL_KEY: {"not": {"const": False}}})
    chain = [{"if": _node({TARGET: {"const": name}}), "then": form} for name, form in forms.items()]
    return {"if": condition, "then": {"allOf": chain}, "else": free} if chain else free


def _reserved(targets: list[str]) -> dict[str, Schema]:
    """Describe the keys that the dialect reserves in a node."""
    names: Schema = {"anyOf": [{"enum": targets}, {}]} if targets else {}
    flag: Schema = {"type": ["boolean", "string"], "pattern": _either(_YAML_BOOL)}
    edit: Schema = {"type": ["object", "null", "string"], "pattern": _either(), "additionalProperties": _ref("any")}
    kinds: Schema = {"type": "string", "anyOf": [{"enum": list(BUILDABLES)}, {"pattern": _either()}]}
    made = {
        TARGET: ({"type": "string", "minLength": 1, **names}, "What is called, by dotted name."),
        PARTIAL_KEY: (flag, "Whether it waits to be called (run.Partial)."),
        CALL_KEY: (flag, "false: the object of that name itself, not called."),
        BUILDABLE: (kinds, "The class that holds the node, where it is not nemo_run's."),
        ARGS: ({"type": ["array", "string"], "pattern": _either(), "items": _ref("any")}, "Positional arguments."),
        EDITS[0]: (edit, "Elements to append, by the path of the list below this node."),
        EDITS[1]: ({"type": ["array", "string", "null"], "items": {"type": "string"}}, "Paths below it to delete."),
        EDITS[2]: (edit, "New values, by their paths below this node."),
        FACTORY: (
            {"type": "object", "additionalProperties": {"type": ["null", "boolean", "number", "string"]}},
            "Arguments that values of the recipe refer to.",
        ),
        **dict.fromkeys(IGNORED, ({}, "Read by Hydra's instantiate; changes nothing here.")),
    }
    return {key: {**content, "description": text} for key, (content, text) in made.items()}


def _definition(target: str, signature: Signature, docs: Mapping[str, str], known: Collection[str]) -> Schema:
    doc = docs.get("") or target
    properties: Schema = {**{key: _ref(key) for key in _KEYS}, TARGET: {"const": target, "description": doc}}
    if target not in VALUE_FORMS:  # the explicit form of a value has arguments of its own
        properties[ARGS] = _arguments(signature)
    for name, parameter in signature.parameters.items():
        if not parameter.positional:
            properties[name] = _parameter(parameter, target, docs.get(name, "")) | _change(parameter, known)
    more = _value(signature.extra) if signature.extra is not None else False
    return {"description": doc, "type": "object", "properties": properties, "additionalProperties": more}


def _arguments(signature: Signature) -> Schema:
    more = _value(signature.rest) if signature.rest is not None else False
    items = _elements([_value(parameter.type) for parameter in signature.positional], more)
    return {"type": ["array", "string"], "pattern": _either(), **items, "description": "Positional arguments."}


def _elements(first: list[Schema], more: Schema | bool) -> Schema:
    return {"items": first, "additionalItems": more} if first else {"items": more}


def _parameter(parameter: Parameter, target: str, doc: str) -> Schema:
    made, default, words = _value(parameter.type), parameter.default, [parameter.type.text]
    if isinstance(default, Required):
        words.append("required")
    elif isinstance(default, Unknown):
        words.append(f"default {default.text}")
    else:
        try:
            made["default"] = _default(default, parameter, target)
        except (CaptureError, ValueError, TypeError):  # it has no text form, or none in JSON (nan)
            words.append(f"default {shown(default)}")
    return {**made, "description": f"{doc} ({', '.join(words)})".lstrip()}


def _change(parameter: Parameter, known: Collection[str]) -> Schema:
    """Say what a mapping without a target may set of the object that a parameter holds by default."""
    base = changed({}, parameter.type, parameter.default)
    if base is None or base.target not in known:
        return {}
    return {"if": {"type": "object", "not": {"required": [TARGET]}}, "then": _ref(base.target)}


def _default(default: Tree, parameter: Parameter, target: str) -> Any:
    """Write a default as a file would, by the parameter's own type."""
    name, spec = parameter.name, parameter.type
    known = {target: Signature(target, {name: parameter})}
    data = to_data(Call(target, {name: default}), known.get)[name]
    if isinstance(default, Ref) and isinstance(data, dict) and restores(default.target, default, spec):
        data = default.target  # the writer's form needs no annotation, an editor's user sees it
    if json.loads(json.dumps(data, allow_nan=False)) != data:
        raise ValueError("JSON has no such keys")
    return data


def _either(*patterns: str) -> str:
    """Return the pattern of some texts; an interpolation and ``???`` may stand everywhere."""
    return "|".join((*patterns, _INTERPOLATION, _MISSING))


def _value(spec: TypeSpec) -> Schema:
    """Say what ``convert`` accepts for a type."""
    if "any" in spec.kinds:
        return _all_of("any")
    members = list(spec.members())
    choices = list({(isinstance(c, bool), c): c for m in members for c in _choices(m)}.values())  # no two alike
    types = [name for member in members for name in _KINDS[member.kind][0]]
    texts = [pattern for member in members for pattern in (*_KINDS[member.kind][1], *_texts(member))]
    text: Schema = {"pattern": _either(*texts), "patternErrorMessage": f"expected {spec.text}"}
    scalars = {} if "" in texts else text
    if "bool" in spec.kinds and not {"integer", "number"} & {t for k in spec.kinds - {"bool"} for t in _KINDS[k][0]}:
        scalars |= {"minimum": 0, "maximum": 1}  # of the numbers, a boolean takes these
    binary = any(member.kind == "bytes" or any(isinstance(c, bytes) for c in member.choices) for member in members)
    if choices:  # alternatives for scalars alone: what stands below a list or a mapping is said outside of them
        scalars = {"anyOf": [{"enum": choices}, {**_typed(types, binary), **scalars}]}
    types += [_JSON_TYPES[type(choice)] for choice in choices]
    return {**_typed(types, binary), **scalars, **_array(spec, members), **_object(spec, members)}


def _typed(types: Iterable[str], binary: bool) -> Schema:
    """Allow some JSON types, and a text (an interpolation) and a mapping (a node) everywhere."""
    found = list(dict.fromkeys((*types, "string", "object")))
    if "number" in found:
        found = [name for name in found if name != "integer"]
    if not binary:
        return {"type": sorted(found, key=lambda name: name == "null")}
    others = {"array", "boolean", "null", "number"} - {*found, *(["number"] if "integer" in found else [])}
    return {"not": {"type": sorted(others)}}  # what !!binary gives has no JSON type


def _choices(spec: TypeSpec) -> Iterator[Any]:
    """Yield the values that an enum or a Literal names, and the others that are written like one of its texts."""
    named = [choice.target.rpartition(".")[2] if isinstance(choice, Ref) else choice for choice in spec.choices]
    yield from (choice for choice in named if type(choice) in _JSON_TYPES)
    for text in named if spec.kind == "literal" else ():
        with contextlib.suppress(ValueError, SyntaxError):
            yield from (v for v in [ast.literal_eval(str(text))] if type(v) in _JSON_TYPES and str(v) == text)


def _texts(spec: TypeSpec) -> Iterator[str]:
    """Yield patterns of further texts that stand for a member of an enum or a value of a Literal."""
    if spec.kind == "enum":
        yield rf"\.({'|'.join(map(_escaped, spec.choices))})$"
    for choice in spec.choices if spec.kind == "literal" else ():
        if not isinstance(choice, str):
            yield f"^{_escaped(choice.target if isinstance(choice, Ref) else str(choice))}$"
        if isinstance(choice, bool):
            yield _YAML_BOOL


def _escaped(text: str) -> str:
    return re.sub(r"[\\^$.|?*+()\[\]{}/]", r"\\\g<0>", text)  # re.escape knows Python's expressions only


def _array(spec: TypeSpec, members: list[TypeSpec]) -> Schema:
    """Say how many elements there may be and what each is, read by ``item_spec`` as in ``reader``."""
    kinds = [member for member in members if member.kind in SEQUENCE_KINDS]
    fixed = [len(member.args) for member in kinds if member.kind == "tuple" and not member.variadic]
    if not kinds:
        return {}
    longest = max(fixed, default=0)
    closed = len(fixed) == len(kinds)
    more = False if closed else _value(item_spec(spec, longest))
    items = _elements([_value(item_spec(spec, index)) for index in range(longest)], more)
    return {**items, "minItems": min(fixed)} if closed else items


def _object(spec: TypeSpec, members: list[TypeSpec]) -> Schema:
    """Accept any node everywhere; a mapping without a target only where a dict is meant, or a node to be changed."""
    if "object" in spec.kinds:
        return _all_of("node")
    if "dict" not in spec.kinds:
        return {**_all_of("node"), "required": [TARGET]}
    below = _value(item_spec(spec, None))
    inner: Schema = {"properties": {key: _ref(key) for key in EDITS}, "additionalProperties": below}
    keys = [member.args[0] for member in members if member.kind == "dict" and len(member.args) == 2]
    if keys and all("int" in key.kinds and "str" not in key.kinds for key in keys):
        inner["propertyNames"] = {"anyOf": [{"not": {"type": "string"}}, {"enum": list(EDITS)}, *map(_value, keys)]}
    return {"if": _node({}), "then": _ref("node"), "else": inner}
