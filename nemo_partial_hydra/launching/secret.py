"""Which variables hold secrets, by their names.

May import: the standard library only.
"""

from __future__ import annotations

import re

_ASSIGNED = re.compile(r"(?<![\w$])([A-Za-z_]\w*)=(?=\S)")


_WORDS = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PWD|CREDENTIALS?|APIKEY|KEY|AUTH|PAT)(?:_|$)|PASSWORD|TOKEN$|SECRET"
)


def is_secret(name: str) -> bool:
    """Whether a variable's name looks like that of a secret (``HF_TOKEN``, ``WANDB_API_KEY``)."""
    return _WORDS.search(name.upper()) is not None


def named_secrets(text: str) -> list[str]:
    """Return the secret-looking variables that a text gives a value: ``HF_TOKEN=abc``, but not ``HF_TOKEN=$TOKEN``."""
    found = []
    for match in _ASSIGNED.finditer(text):
        value = text[match.end() :].lstrip("\"'")
        if is_secret(match.group(1)) and not value.startswith("$"):
            found.append(match.group(1))
    return found
