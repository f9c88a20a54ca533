"""How messages to the user are worded, and several of them collected into one error.

May import: the standard library only. A message is one readable text: the full path, what is wrong, what was expected,
the nearest right name and the way out. ``Problems`` collects several, so that a user sees every mistake of a recipe at
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .errors import RecipeError, ValidationError


def dotted(path: Sequence[Any]) -> str:
    """Spell a path as the command line does: ``optimizers.0.lr``."""
    return ".".join(str(key) for key in path)


def dots(full_key: str) -> str:
    """Spell OmegaConf's full key as the command line does: ``optimizers[0].lr`` is ``optimizers.0.lr``."""
    return full_key.replace("[", ".").replace("]", "").lstrip(".")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of ``names``, or an empty text."""
    import difflib  # only where there is an error

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def installs(module: str | None) -> str:
    """Return how to install a module that cannot be found, if an extra of this package has it, or an empty text."""
    brought = (module or "").partition(".")[0] in ("nemo_run", "fiddle", "leptonai")
    return "; pip install '.[run]' in the folder of nemo_partial_hydra installs it" if brought else ""


def one_of(names: Iterable[Any], limit: int = 12) -> str:
    """Spell a list of choices, cut after ``limit``."""
    texts = [str(name) for name in names]
    shown = ", ".join(texts[:limit])
    return f"{shown}, ... ({len(texts)} in all)" if len(texts) > limit else shown


def placed(path: Sequence[Any], text: str) -> str:
    """Put the full path before a message about the value that stands there."""
    return f"{dotted(path)}: {text}" if path else text


class Problems:
    """A list of messages with their paths, raised together as one error."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, path: Sequence[Any], text: str) -> None:
        """Note one mistake."""
        self.messages.append(placed(path, text))

    def check(self, error: type[RecipeError] = ValidationError) -> None:
        """Raise all that was noted as one ``error``; do nothing when there is nothing."""
        if len(self.messages) == 1:
            raise error(self.messages[0])
        if self.messages:
            raise error("\n".join([f"{len(self.messages)} problems:", *(f"  - {m}" for m in self.messages)]))
