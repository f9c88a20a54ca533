"""Every error the package raises, and the exit codes of its commands.

May import: the standard library only.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command, an app or the runner of a job ends with; it prints and formats as its number."""

    DONE = 0
    FAILED = 1  # a job, or what the user's own code raised
    USAGE = 2  # a command line, a config or a file
    REFUSED = 3  # by the policy, a hash, drift, or the state of a job
    CLUSTER = 4
    INTERRUPTED = 130

    def __str__(self) -> str:  # which Python 3.10 spells ExitCode.DONE
        return str(self.value)


LINES, LINE, TEXT = 100, 1_000, 20_000
"""What of an error's text is shown: lines, characters of a line, and of the whole."""


class RecipeError(Exception):
    """Base of all errors of this package; its text is meant for the user as it stands, and of a size to be read.

    ``exit_code`` is the one with which a command ends.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, text: str = "") -> None:
        super().__init__(readable(text))


def readable(text: str) -> str:
    """Return a text without most of what is too long for a person: a value of megabytes, thousands of mistakes."""
    if len(text) <= LINE:
        return text
    lines = text.split("\n", LINES)
    rest = lines.pop() if len(lines) > LINES else ""
    kept: list[str] = []
    size = 0
    for line in lines:
        short = line if len(line) <= LINE else f"{line[: LINE // 2]} ...({len(line)} characters)... {line[-200:]}"
        size += len(short)
        if size > TEXT:
            break
        kept.append(short)
    left = len(lines) - len(kept) + (rest.count("\n") + 1 if rest else 0)
    return "\n".join([*kept, f"... and {left} more lines"] if left else kept)


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

    exit_code = ExitCode.REFUSED


class FilePolicyError(PolicyError):
    """Targets in one file that the runner has not allowed."""


class UnsettledError(RecipeError):
    """A file of which only the composed config tells what Hydra is to make."""


class DriftError(RecipeError):
    """A recipe that was written for signatures which its targets no longer have."""

    exit_code = ExitCode.REFUSED


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

    exit_code = ExitCode.REFUSED


class ClusterError(RecipeError):
    """The cluster cannot be reached, or cannot do what is asked of it."""

    exit_code = ExitCode.CLUSTER


class JobFailed(RecipeError):
    """A job that was waited for has failed.

    Attributes
    ----------
    report : where it is and how it ended, where the text is that of the job's own error; empty where both are one.
    """

    exit_code = ExitCode.FAILED
    report = ""


class RegistrationError(RecipeError):
    """A recipe that cannot be registered under the given group and name."""
