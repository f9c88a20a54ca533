"""What a container that did not start has complained of: the line of its log that tells, and the setting it is about.

May import: the standard library only. Apptainer's last line is often the exit status of a program that it called, or a
word on how it cleans up; what that program said stands somewhere above.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_FATAL = "FATAL:"
_NOISE = ("INFO:", "WARNING:", ": exit status ")
_DETAIL = re.compile(
    r"\b(?:fail(?:ed|ure)?|denied|not permitted|no space|cannot|can't|could not|unable|error|invalid|missing)\b", re.I
)
_ABOUT = (
    (re.compile(r"unknown (?:shorthand )?flag"), "extra_args"),
    (re.compile(r"executable file not found|stat \S+: no such file|exec format error", re.I), "python"),
    (re.compile(r"bad superblock|corrupt|not a valid (?:SIF|image)|unknown image format", re.I), "image"),
    (re.compile(r"overlay", re.I), "overlay"),
    (re.compile(r"\b(?:mount|bind)\b.*(?:source|no such file|doesn't exist|permission denied)", re.I), "binds"),
    (re.compile(r"user ?namespace|newuidmap|fakeroot|uid and gids|sub[ug]id", re.I), "extra_args"),
)
"""Which of ``hydra.launcher.apptainer`` a complaint is about."""


def complaint(lines: Sequence[str]) -> str:
    """Return what the last lines of a log complain of, in one line; empty where they say nothing.

    Apptainer's own ``FATAL`` comes first, and what the program that it called has said of it last.
    """
    said = [line.strip() for line in lines]
    said = [line for line in said if line and not line.startswith(_NOISE)]
    if not said:
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    fatal = next((number for number in reversed(range(len(said))) if said[number].startswith(_FATAL)), None)
    if fatal is None:
        return said[-1]
    what = said[fatal].removeprefix(_FATAL).partition(" WARNING: ")[0].strip()
    detail = next((line for line in reversed(said[fatal + 1 :]) if _DETAIL.search(line)), "")
    return f"{what.rstrip(':')}: {detail}" if detail else what


def setting(text: str) -> str | None:
    """Return the setting of ``hydra.launcher.apptainer`` that a complaint is about, None where that is not known."""
    return next((name for pattern, name in _ABOUT if pattern.search(text)), None)
