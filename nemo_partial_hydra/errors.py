"""Every error the package raises.

May import: the standard library only.
"""

from __future__ import annotations


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
