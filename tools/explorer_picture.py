"""Takes a picture of the explorer, as an SVG file, without any terminal.

python -m tools.explorer_picture examples/pretrain explorer.svg trainer.max_steps=100
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from nemo_partial_hydra.explorer import start
from nemo_partial_hydra.explorer.model import CommandLine, Composed, Model
from nemo_partial_hydra.listing.selection import Selection


def take(
    folder: Path, out: Path, size: tuple[int, int] = (100, 30), *, words: Sequence[str] = (), keys: Sequence[str] = ()
) -> None:
    """Start the explorer of an app, press keys, and write what is seen then.

    Parameters
    ----------
    folder : an app's script, or its folder if both have one name.
    out : the file to write.
    size : of the screen, in characters.
    words : what is typed after ``--cfg-paths=browse``.
    keys : as textual names them: ``down``, ``slash``, ``a``.
    """
    script = folder if folder.suffix == ".py" else folder / f"{folder.name}.py"
    pictures: list[str] = []

    def explore(line: CommandLine, composed: Composed, wanted: Selection) -> None:
        from nemo_partial_hydra.explorer.screen import Explorer

        explorer = Explorer(Model(line, composed, wanted), levels=wanted.levels)

        async def pressed() -> None:
            async with explorer.run_test(size=size) as pilot:
                for key in keys:
                    await pilot.press(key)
                    await explorer.workers.wait_for_complete()
                    await pilot.pause()
                pictures.append(explorer.export_screenshot(title=" ".join(["python", script.name, *words])))

        asyncio.run(pressed())

    with (
        mock.patch.object(start, "explore", explore),
        mock.patch.object(start, "refuse_elsewhere"),
        _typed(script, words),
    ):
        runpy.run_path(script.name, run_name="__main__")
    # Fonts would be fetched from elsewhere by whoever looks at it; any of fixed width will do.
    out.write_text(re.sub(r"\s*@font-face \{.*?\}", "", pictures[0], flags=re.DOTALL), encoding="utf-8")


@contextlib.contextmanager
def _typed(script: Path, words: Sequence[str]) -> Iterator[None]:
    """Stand in the script's folder, with these arguments."""
    folder, arguments, path = os.getcwd(), sys.argv, sys.path[:]
    os.chdir(script.resolve().parent)
    sys.argv = [script.name, "--cfg-paths=browse", *words]
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        os.chdir(folder)
        sys.argv, sys.path[:] = arguments, path


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]).resolve(), words=sys.argv[3:])
