"""The explorer in a real terminal: tmux, at the sizes that people have."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import left_out
from tests.support.apps import App
from tools import debian

pytestmark = pytest.mark.textual
LONGEST = 60  # seconds until something that is waited for must be there


def install() -> None:
    """Have tmux: a test machine that may not leave out a part installs it."""
    if shutil.which("tmux") is None and os.environ.get("NPH_REQUIRE_ALL") == "1":
        debian.install("tmux")
    if shutil.which("tmux") is None:
        left_out("tmux is not installed")


class Terminal:
    """A terminal of tmux, on a server of its own."""

    def __init__(self, folder: Path, width: int, height: int, command: str, environment: dict[str, str]) -> None:
        self.socket = str(folder / "tmux")
        self.environment = {**environment, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        self.ask("-f", os.devnull, "new-session", "-d", "-x", str(width), "-y", str(height), command)

    def ask(self, *words: str) -> str:
        """Run a command of tmux."""
        command = ["tmux", "-S", self.socket, *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=LONGEST
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def screen(self) -> list[str]:
        """Return the lines that are seen."""
        return self.ask("capture-pane", "-p").splitlines()

    def until(self, *texts: str, gone: str = "") -> list[str]:
        """Wait until texts are seen, and one no longer is; return the lines."""
        end = time.monotonic() + LONGEST
        while True:
            lines = self.screen()
            shown = "\n".join(lines)
            if all(text in shown for text in texts) and not (gone and gone in shown):
                return lines
            assert time.monotonic() < end, f"{texts} without {gone!r}:\n{shown}"
            time.sleep(0.02)  # between two looks

    def until_cursor_in(self, text: str, *, behind: bool = False) -> None:
        """Wait until the terminal's cursor, which a screen reader follows, is in a line with a text, or behind it."""
        end = time.monotonic() + LONGEST
        while True:
            x, y = map(int, self.ask("display-message", "-p", "#{cursor_x} #{cursor_y}").split())
            line = self.screen()[y]
            if line[:x] == text if behind else text in line:
                return
            assert time.monotonic() < end, f"it is at {x} in {line!r}"
            time.sleep(0.02)  # between two looks

    def press(self, *keys: str) -> None:
        """Press keys, as tmux names them."""
        self.ask("send-keys", *keys)

    def end(self) -> None:
        """End the server and what runs in it."""
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


@pytest.fixture(params=[(80, 24), (200, 50)], ids=["80x24", "200x50"])
def terminal(app: App, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    install()
    width, height = request.param
    run = f"{shlex.quote(sys.executable)} app.py --cfg-paths=browse name=start"
    command = f"cd {shlex.quote(str(app.folder))}; {run}; echo code=$?; exec cat"
    terminal = Terminal(tmp_path, width, height, command, app.environment())
    try:
        terminal.until("optimizers", "? help", "PATH")
        yield terminal
    finally:
        terminal.end()


def test_a_recipe_is_looked_through_and_edited(terminal: Terminal) -> None:
    lines = terminal.until("optimizers")
    width, height = map(int, terminal.ask("display-message", "-p", "#{pane_width} #{pane_height}").split())
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    heading = next(line for line in lines if "PATH" in line)
    assert ("TYPE" in heading) == (width >= 100)
    assert "SET BY" in heading
    assert lines[-1].rstrip().endswith("u undo"), "the keys fit into the last line"

    terminal.press("/", "momentum", "Enter")
    terminal.until("2 of ", "with 'momentum'")
    terminal.press("n")
    terminal.until("optimizers.0.momentum = 0.0")
    terminal.until_cursor_in(" momentum ")
    terminal.press("e")
    terminal.until("optimizers.0.momentum=0.0")
    terminal.press("x", "Enter")
    terminal.until("expected float", "nothing has changed")
    terminal.until_cursor_in("optimizers.0.momentum=x", behind=True)
    terminal.press("C-u", "0.6", "BSpace", "5", "Enter")  # at once, as over a slow line
    terminal.until("0.5", "1 edit")
    terminal.press("d")
    terminal.until("0.0 \u2192 0.5", "1 of ")
    terminal.press("d", "Escape")
    terminal.until("steps", gone="with 'momentum'")
    terminal.press("?")
    terminal.until("another option of a config group", gone="SET BY")
    terminal.press("q")
    terminal.until("SET BY")
    terminal.ask("resize-window", "-x", "60", "-y", "12")
    terminal.until("*>       momentum", "PATH", gone="SET BY")
    terminal.press("q")
    shown = "".join(line.ljust(60) for line in terminal.until("code=0", gone="PATH"))
    assert "app.py name=start optimizers.0.momentum=0.5" in shown
