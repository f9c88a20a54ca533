"""The hash of what a job runs: the same content frozen twice, on another day or by somebody else, has the same hash.

May import: the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIALECT = 1
"""The version of the dialect that recipes are written in."""


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Return the hash of a recipe: sha256 of the canonical JSON of it and the dialect's version."""
    return content_hash({"recipe": recipe})


def content_hash(content: Mapping[str, Any]) -> str:
    """Return the hash of content that has recipes in it."""
    canonical = {name: _canonical(value) for name, value in content.items()}
    text = json.dumps({"dialect": DIALECT, **canonical}, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _canonical(data: Any) -> Any:
    """Give every mapping keys that JSON can hold: to JSON the keys 1 and "1" are one."""
    if isinstance(data, Mapping):
        return {_key(key): _canonical(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_canonical(value) for value in data]
    return data


def _key(key: Any) -> str:
    return key if isinstance(key, str) and not key.startswith("\0") else "\0" + json.dumps(key)
