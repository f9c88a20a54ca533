"""``--cfg-paths=browse``: how long it takes until the explorer can be used, beside the listing of the same config.

Our figure is the time from the start of the process to the first screen, in a terminal of 100 by 30 characters; the
peer's is the whole process of ``--cfg-paths``. What is promised is the difference, so the ratio has no target here.
Besides: composing anew after an edit, and a key with 10,000 paths opened.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import importlib.util
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any
from unittest import mock

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import ROOT, Comparison, Tally, process, report, seconds, timed, turns

APP = ROOT / "examples" / "pretrain"
FIRST = b"LlamaModel"  # stands in the first line of paths
PROCESSES, LIMIT, PATHS, KEYS = 15, 0.3, 10_000, 100


def main() -> int:
    """Print the figures; return the exit code."""
    if importlib.util.find_spec("textual") is None:
        print("textual is not installed here: the explorer is left out.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        # Not every installer compiles what it installs, and compiling it anew in each process would be measured.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        return figures()


def figures() -> int:
    """Print the figures; return the exit code."""
    name = "pretrain.py --cfg-paths=browse, first screen"
    started = Comparison(name, "--cfg-paths, whole process", None, "492 paths")
    turns(started, first_screen, process("pretrain.py", "--cfg-paths", cwd=APP), PROCESSES)
    more = [ours - theirs for ours, theirs in zip(started.ours, started.theirs, strict=True)]
    tally = Tally(f"first screen at most {LIMIT} s after what --cfg-paths takes")
    tally.add("pretrain", statistics.median(more) <= LIMIT)
    print(f"more than --cfg-paths, median of {len(more)}: {seconds(statistics.median(more))}")
    print(f"composing anew, 492 paths: {seconds(composing())}")
    print(f"processor time of a key with {PATHS:,} paths opened: {seconds(key())}")
    return report("The explorer", [started], [tally])


def first_screen() -> float:
    """Return the seconds until the first path is drawn, and end the process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "pretrain.py", "--cfg-paths=browse"],
        cwd=APP, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        shown = b""
        while FIRST not in shown:
            if not select.select([ours], [], [], 60)[0]:
                raise RuntimeError(f"no screen within a minute: {shown!r}")
            shown += os.read(ours, 65536)
        return time.perf_counter() - start
    finally:
        child.send_signal(signal.SIGTERM)
        while select.select([ours], [], [], 10)[0]:  # what it still writes, or it would wait
            try:
                if not os.read(ours, 65536):
                    break
            except OSError:
                break
        child.wait()
        os.close(ours)


def composing() -> float:
    """Return how long one composition takes in a process that has composed before, and its records."""
    from nemo_partial_hydra.explorer import start

    found: list[float] = []

    def explore(line: Any, composed: Any, wanted: Any) -> None:
        for steps in range(8):
            found.append(timed(functools.partial(line.compose, [f"trainer.max_steps={steps + 1}"]))())

    with mock.patch.object(start, "explore", explore), mock.patch.object(start, "refuse_elsewhere"):
        within(APP / "pretrain.py", "--cfg-paths=browse")
    return statistics.median(found[1:])


def within(script: Path, *words: str) -> None:
    """Run an app's script in this process."""
    import runpy

    folder, argv = os.getcwd(), sys.argv
    os.chdir(script.parent)
    sys.argv = [script.name, *words]
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        os.chdir(folder)
        sys.argv = argv


def key() -> float:
    """Return what a key costs, with the screen that answers it, moving through many paths."""
    from nemo_partial_hydra.explorer.model import CommandLine, Composed, Model
    from nemo_partial_hydra.explorer.screen import Explorer
    from nemo_partial_hydra.listing.record import PathInfo
    from nemo_partial_hydra.listing.selection import Selection

    records = [PathInfo("a", "A")]
    records += [PathInfo(f"a.b{number}", "int", number, set=True) for number in range(PATHS - 1)]
    line = CommandLine([], lambda overrides: Composed(records), lambda overrides: ["app.py", *overrides])
    explorer = Explorer(Model(line, Composed(records), Selection()), levels=2)

    async def press() -> float:
        async with explorer.run_test(size=(100, 30)) as pilot:
            start = time.process_time()  # the screen is drawn 60 times a second, and waits in between
            for _ in range(KEYS):
                explorer.paths.action_down()
                await pilot.pause()
            return (time.process_time() - start) / KEYS

    return asyncio.run(press())


if __name__ == "__main__":
    sys.exit(main())
