"""The last lines of a job's logs.

May import: the standard library only.
"""

from __future__ import annotations

import os
from pathlib import Path

from nemo_partial_hydra.jobs import files
from nemo_partial_hydra.jobs.layout import JobPaths

SIZE = 4000
"""So many bytes at the end of a log are read for them."""


def tail(paths: JobPaths, log: Path, lines: int = 5) -> list[str]:
    """Return the last lines of a log of a job; none if there is no log."""
    try:
        with files.open_read(paths.root, log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - SIZE))
            text = file.read(SIZE).decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.strip().splitlines()[-lines:]]


def last_lines(paths: JobPaths, attempt: int, task: int = 0, lines: int = 5) -> tuple[Path, list[str]]:
    """Return the log that says most about a failure, and its last lines: standard error, or else standard output.

    ``task`` is the one that failed, where a job has several.
    """
    for path in (paths.err(attempt, task), paths.out(attempt, task)):
        found = tail(paths, path, lines)
        if found:
            return path, found
    return paths.err(attempt, task), []
