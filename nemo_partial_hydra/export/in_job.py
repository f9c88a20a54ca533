"""What runs in the image for ``nemo-hydra export --launcher``: a recipe library, written into the job's directory.

May import: what ``export.library`` does. It is the target of an ordinary frozen job, so that submission, logs, status
and errors are those of any job; ``launchers.export_job`` freezes it and fetches what it has written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from nemo_partial_hydra.messages import say

from . import publish
from .library import export

FOLDER = "library"
"""The library's directory in the job's own."""


def write_library(
    modules: Sequence[str],
    given: Sequence[str] = (),
    skip: Sequence[str] = (),
    also: Sequence[str] = (),
    name: str | None = None,
    keep_arguments: bool = False,
) -> dict[str, Any]:
    """Export modules into the current directory; the parameters are those of :func:`export.library.export`."""
    exported = export(
        modules, given=given, skip=skip, also=also, name=name, keep_arguments=keep_arguments, progress=_LogLines()
    )
    made = publish.write(exported, FOLDER, force=True)
    return {"recipes": len(made.recipes), "left_out": len(made.left_out)}


class _LogLines:
    """Writes into the job's log what is being done, each step once."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, text: str, done: int, total: int) -> None:
        if text != self.last:
            self.last = text
            say(f"{text} ...", file=sys.stderr, flush=True)
