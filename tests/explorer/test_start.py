"""How the explorer starts and ends: where it refuses to, what it imports and prints, how the terminal is left."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.explorer.start import plain, refuse_elsewhere
from tests.listing.test_cfg_paths import PLAIN
from tests.support.apps import App


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def test_it_says_how_to_install_textual(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = app.inline("--cfg-paths=browse")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: --cfg-paths=browse: textual is not installed; pip install '.[browse]'")


@pytest.mark.textual
@pytest.mark.parametrize("stream", ["__stdin__", "__stderr__"])
def test_it_needs_a_terminal(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", 0), os.fdopen(theirs, "r+b", 0) as terminal, open(os.devnull, "r+b") as nothing:
        for name in ("__stdin__", "__stderr__"):
            monkeypatch.setattr(sys, name, terminal)
        monkeypatch.setenv("TERM", "xterm")
        refuse_elsewhere()
        for kind in ("dumb", ""):
            monkeypatch.setenv("TERM", kind)
            with pytest.raises(UsageError, match=r"can only print.*--cfg-paths=tree"):
                refuse_elsewhere()
        monkeypatch.setenv("TERM", "xterm")
        for other in (nothing, None):
            monkeypatch.setattr(sys, stream, other)
            with pytest.raises(UsageError, match=r"there is no terminal.*--cfg-paths=tree"):
                refuse_elsewhere()


def test_plain_is_what_no_color_says() -> None:
    assert plain({"NO_COLOR": "1"})
    assert not plain({"NO_COLOR": ""})
    assert not plain({})


@pytest.mark.textual
def test_errors_come_before_any_screen(app: App) -> None:
    done = app.inline("--cfg-paths=browse", "--search", " ")
    assert done.err.startswith("Error: --search ' ': expected a text")
    done = app.inline("--cfg-paths=browse", "--resolve")
    assert "cannot be combined with --cfg-paths" in done.err
    with Session(app, "steps=abc") as session:
        shown = session.until("stack trace")
    assert "steps: expected int" in shown
    assert "\x1b[?1049h" not in shown
    assert session.code == 2


def test_a_plain_hydra_app_says_where_it_works(tmp_path: Path) -> None:
    app = App(tmp_path, script=PLAIN)
    done = app.run("hydra/callbacks=cfg_paths", "hydra.callbacks.cfg_paths.format=browse")
    assert done.code == 2
    assert "hydra.callbacks.cfg_paths.format=browse: only an nph.main app" in done.err


LIGHT = """
import sys
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config", payload="recipe")
def main(cfg):
    pass

try:
    main()
finally:
    found = {name.partition(".")[0] for name in sys.modules}
    print("LOADED", sorted(found & {"textual", "markdown_it", "platformdirs"}))
    print("EXPLORER", sorted(name for name in sys.modules if name.startswith("nemo_partial_hydra.explorer")))
"""


@pytest.mark.parametrize("words", [["--cfg-paths"], ["--cfg-paths=tree", "steps=1"], ["--help"], ["steps=1"]])
def test_nothing_else_imports_it(tmp_path: Path, words: list[str]) -> None:
    done = App(tmp_path, script=LIGHT).run(*words, interpreter=True)
    assert done.code == 0, done.err
    assert "LOADED []" in done.out
    assert "EXPLORER []" in done.out


def test_neither_do_import_nor_status(tmp_path: Path) -> None:
    code = (
        "import sys, nemo_partial_hydra\n"
        "from nemo_partial_hydra.cli.main import main\n"
        "code = main(['status', '.'])\n"
        "assert not [name for name in sys.modules if 'textual' in name or 'hydra.explorer' in name]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=App(tmp_path).environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Session:
    """The app in a terminal, its standard output in a pipe: keys are sent, and what is drawn is waited for."""

    def __init__(self, app: App, *words: str, **env: str) -> None:
        self.ours, theirs = pty.openpty()
        environment = app.environment({"TERM": "xterm-256color", **env})
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--cfg-paths=browse", *words],
            cwd=app.folder, env=environment, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""
        self.code: int | None = None
        self.out = ""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill() if error[0] is not None else None
        for text in self._read():
            self.shown += text
        os.close(self.ours)
        assert self.process.stdout is not None
        self.out = self.process.stdout.read().decode()
        self.process.stdout.close()
        self.code = self.process.wait()

    def _read(self) -> Iterator[str]:
        """Yield what is drawn, until the process has closed its end."""
        while True:
            if not select.select([self.ours], [], [], 60)[0]:
                raise AssertionError(f"nothing more is drawn: {self.shown[-500:]!r}")
            try:
                data = os.read(self.ours, 65536)
            except OSError:
                return
            if not data:
                return
            yield data.decode(errors="replace")

    def until(self, text: str) -> str:
        """Wait until a text is drawn; return all that was."""
        if text in self.shown:
            return self.shown
        for more in self._read():
            self.shown += more
            if text in self.shown:
                return self.shown
        raise AssertionError(f"{text!r} is not drawn: {self.shown[-2000:]!r}")

    def again(self, text: str) -> None:
        """Wait until a text is drawn that may have been drawn before."""
        before, self.shown = self.shown, ""
        try:
            self.until(text)
        finally:
            self.shown = before + self.shown

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self.ours, keys.encode())


@pytest.mark.textual
def test_standard_output_has_the_command_line_and_nothing_else(app: App) -> None:
    with Session(app, "name='a b'") as session:
        session.until("optimizers")
        session.send(":")
        session.until("KEY=VALUE")
        session.send("steps=5,6\r")
        session.until("2 jobs")
        session.send("q")
    assert session.code == 0, session.shown
    python = sys.executable
    assert session.out == f"{python} app.py -m 'name='\"'\"'a b'\"'\"'' steps=5,6\n"
    assert session.shown.rindex("\x1b[?1049l") > session.shown.rindex("\x1b[?1049h"), "the screen of before is back"


@pytest.mark.textual
@pytest.mark.parametrize(
    ("how", "code"), [("\x03", 130), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), ("Q", 0)]
)
def test_however_it_ends_the_terminal_is_as_it_was(app: App, how: str | signal.Signals, code: int) -> None:
    with Session(app) as session:
        session.until("optimizers")
        if isinstance(how, str):
            session.send(how)
        else:
            with contextlib.suppress(ProcessLookupError):
                session.process.send_signal(how)
    assert (session.code, session.out) == (code, ""), session.shown
    for restored in ("\x1b[?1049l", "\x1b[?25h"):
        assert session.shown.rindex(restored) > session.shown.rindex("\x1b[?1049h")


@pytest.mark.textual
def test_it_stops_and_goes_on_as_other_programs_do(app: App) -> None:
    with Session(app) as session:
        session.until("optimizers")
        session.send("\x1a")
        session.until("\x1b[?1049l")
        end = time.monotonic() + 60
        while (ended := os.waitpid(session.process.pid, os.WUNTRACED | os.WNOHANG)) == (0, 0):
            assert time.monotonic() < end, "it has not stopped"
            time.sleep(0.01)  # between two looks
        assert os.WIFSTOPPED(ended[1])
        os.kill(session.process.pid, signal.SIGCONT)
        session.again("optimizers")  # all of it is drawn anew
        session.send("Q")
    assert session.code == 0
    first, second = (part.start() for part in re.finditer(r"\x1b\[\?1049h", session.shown))
    assert first < session.shown.index("\x1b[?1049l") < second, "meanwhile the screen of before was back"


@pytest.mark.textual
def test_without_colours_none_are_drawn_and_no_lines(app: App) -> None:
    with Session(app, NO_COLOR="1") as session:
        seen = session.until("optimizers")
        session.send("q")
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l"), "the terminal's own cursor is seen"
    drawn = session.shown
    codes = {code for found in re.findall(r"\x1b\[([0-9;]*)m", drawn) for code in found.split(";")}
    assert codes <= {"", "0", "1", "2", "7", "22", "27", "39", "49"}, codes
    assert not set(drawn) & set("\u2500\u2502\u25b8\u25be")
    assert "\x1b[?1000h" not in drawn, "nor is the mouse asked for"
