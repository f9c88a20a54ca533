"""How the failure of a registered factory is worded.

May import: the standard library.
"""

from __future__ import annotations

import traceback

from nemo_partial_hydra.errors import RegistrationError
from nemo_partial_hydra.messages import installs


def failed(error: Exception) -> RegistrationError:
    """Return what to raise for what a factory raised: with the package that it lacks, or the line that raised it."""
    if isinstance(error, ModuleNotFoundError) and (way := installs(error.name)):
        return RegistrationError(f"making it needs {error.name}, which is not here{way}")
    at = _place(error)
    text = str(error).strip() or "without a word"
    return RegistrationError(f"its factory raised {type(error).__name__}: {text}{at}")


def _place(error: Exception) -> str:
    """Return the last line in the factory's own file that led to an exception: what it calls may be deep in others'."""
    ours = __name__.partition(".")[0]
    steps = [
        (frame.f_code.co_filename, frame.f_globals.get("__name__", "?"), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    theirs = [step for step in steps if step[1].partition(".")[0] != ours]
    own = [f"{module}:{line}" for file, module, line in theirs if file == theirs[0][0]]
    return f" (at {own[-1]})" if own else ""
