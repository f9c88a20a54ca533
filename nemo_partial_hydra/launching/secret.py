"""Which variables hold secrets, by their names.

May import: the standard library only.
"""

from __future__ import annotations

import re

_ASSIGNED = re.compile(r"(?<![\w$])([A-Za-z_]\w*)=(?=\S)")


def named_secrets(text: str) -> list[str]:
    """Return the secret-looking variables that a text gives a value of its own (``HF_TOKEN=abc``, not ``=$HF_TOKEN``)."""
    found = []
    for match in _ASSIGNED.finditer(text):
        value = text[match.end() :].lstrip("\"'")
        if is_secret(match.group(1)) and not value.startswith("$"):
            found.append(match.group(1))
    return found
