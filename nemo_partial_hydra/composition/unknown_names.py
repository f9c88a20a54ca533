"""How an override is worded that names what is not there: the nearest right name, and the way out.

May import: OmegaConf, when there is such an override to report.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from nemo_partial_hydra.dialect.scalars import key_word
from nemo_partial_hydra.messages import nearest, one_of
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.tree import Call

from .missing_config import plain_key


def _odd_key(parent: Any, key: str, path: str) -> str:
    """Word that a dict has a key which a path cannot name, and how it is named; empty if it has none."""
    holder = path.removesuffix(key).rstrip(".")
    for name in parent if holder else ():
        kind = type(name).__name__
        if name != key and key_word(name) == key and kind in ("int", "bool", "float"):
            return f"{path}: the key is the {kind} {key}, no text; to set it: '{holder}={{{key}: ...}}'"
        if isinstance(name, str) and re.fullmatch(rf"{re.escape(key)}\.[\w./+-]+", name, re.ASCII):
            return f"{path}: the key is '{name}', with its dots; to set it: '{holder}={{{name}: ...}}'"
    return ""


def _below_a_value(parent: Any, key: str, path: str) -> str:
    """Word that a parameter takes single values, and so has nothing below it; empty if it may have."""
    from omegaconf import OmegaConf

    from .compat import parent_of

    name = path.removesuffix(f".{key}").rpartition(".")[2]
    above = parent_of(parent)
    signature = getattr(OmegaConf.get_type(above), "signature_", None) if above is not None else None
    spec = signature.type_of(name) if signature is not None else None
    if spec is None or spec.kinds & {"any", "dict", "object", "list", "tuple", "set", "frozenset"}:
        return ""
    owner = path.removesuffix(f".{key}")
    return f"{path}: '{owner}' takes {spec.text} and has nothing below it; to set it: {owner}=..."


def unknown_key(parent: Any, key: str, path: str, value: str | None = None) -> str:
    """Word "there is no such name", with what would be right; ``value`` is the text of what was to be set."""
    from omegaconf import OmegaConf

    kind = OmegaConf.get_type(parent)
    signature = getattr(kind, "signature_", None)
    factory = getattr(kind, "arguments_", None)
    if factory is not None:
        return _unknown_argument(factory, key, path)
    if signature is None and isinstance(parent.get(TARGET), str):
        from nemo_partial_hydra.runtime import session

        signature = session.workspace().signatures.known(parent[TARGET])
    if signature is None:
        empty = _nothing_there(parent, key, path, value) if len(parent) == 0 else None
        return empty or _unknown_in_dict(parent, key, path, fixed=dataclasses.is_dataclass(kind))
    names = [name for name, parameter in signature.parameters.items() if not parameter.positional]
    if key in names:
        return f"{path}: it is not set yet; to set it: +{path}=..."
    owner = signature.target.rpartition(".")[2]
    text = f"{path}: {owner} has no parameter '{key}'{nearest(key, names)}"
    if parent.get(TARGET) != signature.target:
        return f"{text}; the place was made for it: for another target's parameters use +{path}=..."
    return f"{text}; it takes further keywords with +{path}=..." if signature.extra is not None else text


def _unknown_argument(factory: Any, key: str, path: str) -> str:
    signature, names = factory.signature, list(factory.signature.parameters)
    named = f"the factory {factory.name}" if factory.makes else factory.name
    text = f"{path}: {named} takes no '{key}'{nearest(key, names)}"
    takes = f"; it takes {one_of(names)}" if names and "did you mean" not in text else ""
    return f"{text}{takes}; it takes further keywords with +{path}=..." if signature.extra is not None else text + takes


def _taking(parent: Any, key: str) -> list[str]:
    """Return the names of the recipes right below a node that take a parameter."""
    from omegaconf import OmegaConf

    from .compat import child_nodes

    signatures = (
        (str(name), getattr(OmegaConf.get_type(node), "signature_", None)) for name, node in child_nodes(parent)
    )
    return [name for name, signature in signatures if signature is not None and key in signature.parameters]


def _unknown_in_dict(parent: Any, key: str, path: str, *, fixed: bool) -> str:
    """Word that a dict lacks a name; ``fixed`` says that it is one of Hydra's own settings, and takes no others."""
    told = _odd_key(parent, key, path) or _below_a_value(parent, key, path)
    if told:
        return told
    below = [f"{path[: len(path) - len(key)]}{name}.{key}" for name in _taking(parent, key)]
    if below:
        return f"{path}: there is no '{key}' here; did you mean {one_of(below)}? To add one here: {plain_key(path)}=..."
    text = f"{path}: there is no '{key}'{nearest(key, [str(name) for name in parent])}"
    return text if fixed else f"{text}; to add it: {plain_key(path)}=..."


def _nothing_there(parent: Any, key: str, path: str, value: str | None) -> str | None:
    """Word an override below a parameter that holds no object; OmegaConf has put an empty dict there by then."""
    from omegaconf import DictConfig, OmegaConf

    from nemo_partial_hydra.runtime import session
    from nemo_partial_hydra.signatures.types import class_of

    from .compat import place_of

    holder, name = place_of(parent)
    signature = getattr(OmegaConf.get_type(holder), "signature_", None) if isinstance(holder, DictConfig) else None
    spec = signature.type_of(str(name)) if signature is not None else None
    if spec is None:
        return None
    target = class_of(spec)
    if target is None:
        return None
    found, last = session.workspace().signature_of_default(Call(target)), target.rpartition(".")[2]
    if found is not None and found.type_of(key) is None:
        return f"{path}: {last} has no parameter '{key}'{nearest(key, found.parameters)}"
    here = path.rpartition(".")[0]
    if value is None:
        return f"{path}: no {last} is there; put one there with '{here}={{_target_: {target}}}', then use '+{path}=...'"
    return f"{path}: no {last} is there; to put one there: '{here}={{_target_: {target}, {key}: {value}}}'"
