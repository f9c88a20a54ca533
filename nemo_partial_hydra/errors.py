"""Every error the package raises, and the two ways they are worded.

May import: the standard library only. A message is one readable text: the full path, what is wrong, what
was expected, the nearest right name and the way out. ``Problems`` collects several of them, so that a
user sees every mistake of a recipe at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Key = str | int
Path = tuple[Any, ...]


class RecipeError(Exception):
    """Base of all errors of this package; its text is meant for the user as it stands.

    ``exit_code`` is the one with which a command ends: 2 for usage or config, 3 for what is refused.
    """

    exit_code = 2


class CaptureError(RecipeError):
    """A Python object that has no form in the dialect (a lambda, an open file)."""


class DialectError(RecipeError):
    """A YAML text or a plain structure that is not a recipe in the dialect."""


class SignatureError(RecipeError):
    """A target whose parameters cannot be read, because it cannot be imported."""


class ValidationError(RecipeError):
    """Values that the targets of a recipe do not accept."""


class PolicyError(RecipeError):
    """Targets that the runner has not allowed."""

    exit_code = 3


class FilePolicyError(PolicyError):
    """Targets in one file that the runner has not allowed."""


class DriftError(RecipeError):
    """A recipe that was written for signatures which its targets no longer have."""

    exit_code = 3


class ConfigError(RecipeError):
    """A composed config in which no single recipe can be found."""


class UsageError(RecipeError):
    """A command line that cannot be carried out."""


class LibraryError(RecipeError):
    """A recipe library that is missing, damaged or at odds with another one."""


class JobError(RecipeError):
    """A frozen job, or the directory of one, that cannot be read or written."""


class RefusedError(RecipeError):
    """A job that must not run: changed since it was frozen, finished already, or another process runs it."""

    exit_code = 3


class ClusterError(RecipeError):
    """SLURM cannot be reached, or cannot do what is asked of it."""

    exit_code = 4


class JobFailed(RecipeError):
    """A job that was waited for has failed."""

    exit_code = 1


class RegistrationError(RecipeError):
    """A recipe that cannot be registered under the given group and name."""


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
