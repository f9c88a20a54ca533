"""How far a command is: a bar on a terminal, a line a step elsewhere, both on stderr."""

from __future__ import annotations

import sys
from typing import Any

from nemo_partial_hydra.messages import escaped, say


class Progress:
    """Is called with what is being done, how many of it are done, and how many there are (0 if that is not known)."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.task: Any = None
        self.last = ""

    def __enter__(self) -> Progress:
        if not sys.stderr.isatty():
            return self
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        columns: tuple[Any, ...] = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self.bar = Bar(*columns, console=console, transient=True)
        self.bar.start()
        self.task = self.bar.add_task("", total=None)
        return self

    def __call__(self, text: str, done: int, total: int) -> None:
        if self.bar is not None:
            self.bar.update(self.task, description=escaped(text), completed=done, total=total or None)
        elif text != self.last:
            self.last = text
            say(f"{text} ...", file=sys.stderr, flush=True)

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()
