"""The explorer on a screen, driven by textual's pilot: what each key does, and what is drawn."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.explorer.keys import KEYS
from nemo_partial_hydra.listing.record import PathInfo
from tests.support.apps import CONF, App
from tests.support.exploring import Driver, driven, of_records
from tests.test_terminal import EVIL, FORBIDDEN

pytestmark = pytest.mark.textual
Keys = Callable[[Driver], Awaitable[None]]
DRIVEN: dict[str, Keys] = {}


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def drives(*keys: str) -> Callable[[Keys], Keys]:
    """Say which keys a script presses."""

    def note(script: Keys) -> Keys:
        DRIVEN.update(dict.fromkeys(keys, script))
        return script

    return note


@drives("up,k", "down,j", "home", "end")
async def moves_by_lines(at: Driver) -> None:
    first, second, *_, last = at.shown()
    for down, up in (("down", "up"), ("j", "k")):
        await at.press(down)
        assert at.path == second
        await at.press(up, up)
        assert at.path == first
    await at.press("end", "down")
    assert at.path == last
    await at.press("home")
    assert at.path == first
    assert at.about.startswith(f"{first} = ")


@drives("pageup", "pagedown")
async def moves_by_screens(at: Driver) -> None:
    at.model.view.open_levels(9)
    at.app.paths.show_view(at.path)
    await at.press("pagedown")
    assert at.app.paths.cursor == at.app.paths.size.height - 1
    await at.press("pagedown", "pagedown", "pageup", "pageup", "pageup", "pageup")
    assert at.app.paths.cursor == 0


@drives("right,l", "left,h")
async def opens_and_closes(at: Driver) -> None:
    for wide, close in (("right", "left"), ("l", "h")):
        await at.go("model")
        assert "model.config" not in at.shown()
        await at.press(wide)
        assert (at.path, "model.config" in at.shown()) == ("model", True)
        await at.press(wide)
        assert at.path == "model.config"
        await at.press(close)
        assert at.path == "model"
        await at.press(close, close)
        assert (at.path, "model.config" in at.shown()) == ("model", False)


@drives("space")
async def opens_or_closes(at: Driver) -> None:
    await at.go("optimizers")
    await at.press("space")
    assert "optimizers.1" in at.shown()
    await at.press("space")
    assert "optimizers.1" not in at.shown()


@drives("tab")
async def goes_to_the_text_and_back(at: Driver) -> None:
    await at.press("tab")
    assert at.app.focused is at.app.about
    await at.press("tab")
    assert at.app.focused is at.app.paths


@drives("slash", "n", "N", "escape")
async def searches_while_it_is_typed(at: Driver) -> None:
    before = at.shown()
    await at.press("slash", "L", "r")
    assert at.path == "opt.lr"
    assert "optimizers.1.lr" in at.shown()
    assert "model" not in at.shown()
    await at.press("enter")
    assert at.app.focused is at.app.paths
    assert "3 of " in at.text("#state")
    assert "with 'Lr'" in at.text("#state")
    seen = [at.path]
    for _ in range(3):
        await at.press("n")
        seen.append(at.path)
    assert seen == ["opt.lr", "optimizers.0.lr", "optimizers.1.lr", "opt.lr"]
    await at.press("N")
    assert at.path == "optimizers.1.lr"
    await at.press("slash", "x", "escape")
    assert "with 'Lr'" in at.text("#state"), "a search that is left leaves the one before"
    await at.press("escape")
    assert set(before) <= set(at.shown())
    assert at.path == "optimizers.1.lr", "what was found stays chosen"


@drives("f")
async def filters(at: Driver) -> None:
    await at.press("f")
    await at.type("*.momentum")
    assert at.shown() == ["opt", "opt.momentum", "optimizers", "optimizers.0", "optimizers.0.momentum"]
    assert at.path == "opt.momentum"
    await at.press("f")
    await at.type("nothing")
    assert at.shown() == []
    assert "Esc shows all" in at.about
    await at.press("e", "x", "plus", "c", "right", "left", "down", "n", "enter")  # nothing is chosen
    await at.press("escape")
    assert "steps" in at.shown()


@drives("s")
async def shows_what_is_set(at: Driver) -> None:
    await at.press("s")
    assert "model.config.hidden" in at.shown()
    assert not {"steps", "model.config.layers"} & set(at.shown())
    await at.press("s")
    assert "steps" in at.shown()


@drives("e,enter", "u", "ctrl+r", "d")
async def edits_and_takes_it_back(at: Driver) -> None:
    await at.go("model.config.hidden")
    await at.press("e")
    assert at.app.screen.focused.value == "16", "what holds now"
    await at.type("32")
    assert "*>" in at.lines()[at.app.paths.cursor]
    assert at.model.overrides == ["model.config.hidden=32"]
    assert at.text("#command").endswith("app.py model.config.hidden=32")
    assert "at the start: 16" in at.about
    await at.go("steps")
    await at.press("enter")
    await at.type("5")
    await at.press("d")
    assert at.shown() == ["steps", "model", "model.config", "model.config.hidden"]
    assert any("16 \u2192 32" in line for line in at.lines())
    await at.press("d", "u")
    assert at.model.overrides == ["model.config.hidden=32"]
    await at.press("u")
    assert at.model.overrides == []
    assert not at.model.view.changed
    await at.press("u")
    assert at.text("#state") == "nothing to undo"
    await at.press("ctrl+r", "ctrl+r")
    assert at.model.overrides == ["model.config.hidden=32", "steps=5"]
    await at.press("ctrl+r")
    assert at.text("#state") == "nothing to redo"


@drives("x")
async def takes_edits_of_a_path_back(at: Driver) -> None:
    for path, value in (("steps", "5"), ("model.config.hidden", "1"), ("model.config.layers", "2")):
        await at.go(path)
        await at.press("e")
        await at.type(value)
    await at.go("steps")
    await at.press("x")
    assert at.model.overrides == ["model.config.hidden=1", "model.config.layers=2"]
    await at.go("model")
    await at.press("x")
    assert at.model.overrides == []
    await at.press("x")
    assert at.text("#state") == "no edit here"


@drives("g")
async def chooses_an_option(at: Driver) -> None:
    await at.go("opt.lr")
    await at.press("g")
    assert at.app.screen.shown == ["adam", "sgd"]
    await at.press("up", "enter")
    assert at.model.overrides == ["opt=adam"]
    assert at.model.record(at.model.view.forest.places["opt.lr"]).value == 0.75
    await at.go("steps")
    await at.press("g")  # it belongs to no group
    assert at.app.screen.shown == ["experiment", "opt"]
    await at.press("escape")
    await at.press("g", "e", "x", "p", "enter", "enter")
    assert at.model.overrides == ["opt=adam", "+experiment=fast"], at.about


@drives("plus")
async def adds(at: Driver) -> None:
    await at.go("model")
    await at.press("plus")
    await at.type("depth=3")
    assert at.path == "model.depth"
    await at.press("e")
    assert at.app.screen.focused.value == "3"
    await at.type("4")
    await at.go("optimizers")
    await at.press("plus")
    await at.type("[{_target_: shop.SGD, lr: 0.125}]")
    assert at.model.record(at.model.view.forest.places["optimizers.2.lr"]).value == 0.125
    assert at.model.overrides == ["++model.depth=4", "+_append_.optimizers=[{_target_: shop.SGD, lr: 0.125}]"]
    await at.go("tags")
    await at.press("e")
    await at.type("{a: 1}")
    await at.press("plus")
    await at.type("b=x")
    assert at.path == "tags.b"
    await at.go("steps")
    await at.press("plus")
    assert "nothing can be added" in at.about


@drives("colon")
async def takes_any_override(at: Driver) -> None:
    await at.press("colon")
    at.app.screen.focused.value = "model.config.hid"
    await at.press("tab")
    assert at.app.screen.focused.value == "model.config.hidden="
    for typed, whole in (("++optimizers.1.mo", "++optimizers.1.mode="), ("opt=ad", "opt=adam"), ("nope=a", "nope=a")):
        at.app.screen.focused.value = typed
        await at.press("tab")
        assert at.app.screen.focused.value == whole
    await at.type("model.config.hidden=7")
    assert (at.path, at.model.overrides) == ("model.config.hidden", ["model.config.hidden=7"])
    await at.press("colon")
    await at.type("~optimizers")
    assert at.model.overrides[1:] == ["~optimizers"], at.about
    for text in ("", "steps", "=1"):
        await at.press("colon")
        await at.type(text)
        assert "expected an override" in at.about
        await at.press("escape")


@drives("c", "C")
async def copies(at: Driver) -> None:
    await at.go("name")
    await at.press("c")
    assert at.app.clipboard == "name=run"
    await at.press("e")
    await at.type("'a b'")
    await at.press("c")
    assert at.app.clipboard == "'name='\"'\"'a b'\"'\"''"
    await at.press("C")
    assert at.app.clipboard == at.model.command()
    await at.go("model.**kwargs")
    await at.press("c")
    assert "+model.NAME=VALUE" in at.about


@drives("m", "question_mark")
async def shows_pages(at: Driver) -> None:
    for key, text in (("question_mark", "Ctrl-R"), ("m", "Nothing was said")):
        for close in ("escape", "q", "question_mark"):
            await at.press(key)
            shown = at.app.screen.query_one("Pane").texts
            assert text in "\n".join(shown)
            await at.press("j", "k", close)
            assert len(at.app.screen_stack) == 1


@drives("ctrl+z")
async def stops(at: Driver) -> None:
    await at.press("ctrl+z")  # here there is no terminal to be given back
    assert at.app.is_running


LEAVING = {"q,ctrl+q": 0, "Q": 0, "ctrl+c": 130}


async def leaves(at: Driver) -> None:
    """Each of these is the last key of its own run."""


DRIVEN.update(dict.fromkeys(LEAVING, leaves))


@pytest.mark.parametrize("key", [key.keys for key in KEYS])
def test_each_key_does_what_it_says(app: App, key: str) -> None:
    left = driven(app, keys=DRIVEN[key])
    assert left.code == 0


@pytest.mark.parametrize(("key", "code"), [(key, code) for keys, code in LEAVING.items() for key in keys.split(",")])
@pytest.mark.parametrize("over", ["", "question_mark", "g", "colon"])
def test_it_is_left_with_the_command_line_or_nothing(app: App, key: str, code: int, over: str) -> None:
    async def leave(at: Driver) -> None:
        await at.go("steps")
        await at.press("e")
        await at.type("5")
        if over:
            await at.press(over)
            if key != "ctrl+c":
                return
        await at.press(key)

    left = driven(app, "ratio=0.25", keys=leave)
    if over and key != "ctrl+c":
        return
    assert left.code == code
    assert left.command == ("python app.py ratio=0.25 steps=5" if key in ("q", "ctrl+q") else None)


def test_without_an_edit_the_line_stays_as_it_was(app: App) -> None:
    async def leave(at: Driver) -> None:
        await at.press("q")

    asked = ["-p", "model", "--depth", "2", "--filter=*", "--search=e", "--set-only"]
    left = driven(app, "-cn", "config", "name='a b'", *asked, "-cd", str(app.conf), "+experiment=fast", keys=leave)
    assert left.command == f"python app.py -cn config -cd {app.conf} 'name='\"'\"'a b'\"'\"'' +experiment=fast"


def test_a_refused_edit_changes_nothing(app: App) -> None:
    async def refuse(at: Driver) -> None:
        await at.go("steps")
        before = at.model.view.forest
        await at.press("e")
        for text, said in (("abc", "expected int"), ("3,x", "expected int"), ("[", "steps=[")):
            await at.type(text)
            assert said in at.about, text
            assert "Traceback" not in at.about
            assert "nothing has changed" in at.text("#state")
            assert (at.model.edits, at.model.view.forest) == ((), before)
            assert at.app.screen.focused.value == text, "it can be corrected"
        await at.type("7")
        assert at.model.overrides == ["steps=7"]

    driven(app, keys=refuse)


def test_choices_complete_what_is_typed(app: App) -> None:
    async def complete(at: Driver) -> None:
        for path, values in (
            ("optimizers.0.nesterov", ["true", "false"]),
            ("optimizers.1.mode", ["FAST", "SLOW"]),
            ("optimizers.1.kind", ["a", "b"]),
        ):
            await at.go(path)
            await at.press("e")
            assert at.text("#state") == f"one of: {', '.join(values)}"
            held = at.app.screen.focused.value
            after = values.index(held) + 1 if held in values else 0  # what holds may be spelled otherwise
            for step in range(3):
                await at.press("tab")
                assert at.app.screen.focused.value == values[(after + step) % len(values)]
            at.app.screen.focused.value = f"{values[0]},{values[1][0]}"
            await at.press("tab")
            assert at.app.screen.focused.value == f"{values[0]},{values[1]}"
            await at.press("escape")

    driven(app, keys=complete)


def test_several_values_make_a_sweep_and_one_takes_it_back(app: App) -> None:
    async def sweep(at: Driver) -> None:
        await at.go("steps")
        await at.press("e")
        await at.type("5,6,7")
        assert at.model.record(at.app.paths.number).value == 5
        assert "a sweep: 5,6,7; this is the first of 3 jobs" in at.about
        assert at.model.command() == "python app.py -m steps=5,6,7"
        await at.press("g")
        at.app.screen.dismiss("opt")
        await at.pilot.pause()
        at.app.screen.dismiss(None)
        await at.go("opt")
        await at.press("e")
        await at.type("sgd,adam")
        assert "6 jobs" in at.text("#state")
        await at.go("steps")
        await at.press("e")
        assert at.app.screen.focused.value == "5,6,7", "all of them, not the one that is shown"
        await at.type("9")
        assert at.model.command() == "python app.py -m steps=9 opt=sgd,adam"
        await at.press("u", "u", "u")
        assert at.model.command() == "python app.py"

    driven(app, keys=sweep)


def test_what_is_asked_for_is_shown_first(app: App) -> None:
    async def narrowed(at: Driver) -> None:
        assert at.shown() == ["model", "model.config", "model.config.hidden"]

    async def levels(at: Driver) -> None:
        assert max(path.count(".") for path in at.shown()) == 1

    driven(app, "-p", "model", "--set-only", "--search", "hidden", keys=narrowed)
    driven(app, "--depth", "2", keys=levels)


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (40, 10), (80, 24), (200, 50)])
@pytest.mark.parametrize("plain", [False, True])
def test_any_size_is_drawn(app: App, size: tuple[int, int], plain: bool) -> None:
    async def resize(at: Driver) -> None:
        await at.press("down", "e", "escape", "question_mark", "escape", "g", "escape")
        for width, height in ((20, 5), size, (3, 2), (120, 40)):
            await at.pilot.resize_terminal(width, height)
            await at.pilot.pause()
        assert at.path is not None
        assert at.path in "\n".join(at.lines())
        if plain:
            assert "\n".join(at.lines()).isascii()

    driven(app, size=size, plain=plain, keys=resize)


def test_the_chosen_line_is_seen_without_colours(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def look(at: Driver) -> None:
        await at.press("down")
        strips = at.app.screen._compositor.render_strips()
        marked = [strip.text for strip in strips if any(part.style and part.style.reverse for part in strip)]
        assert len(marked) == 1
        assert f" {at.path} " in marked[0]
        await at.press("e")
        at.app.screen.focused.value = "abc"
        await at.pilot.pause()
        strips = at.app.screen._compositor.render_strips()
        cursor = [part.text for strip in strips[-3:] for part in strip if part.style and part.style.reverse]
        assert cursor, "where the next letter comes is seen as well"

    driven(app, plain=True, keys=look)


WIDE, HEBREW = "\u6a21\u578b" * 60, "\u05e9\u05dc\u05d5\u05dd"
HOSTILE = [EVIL, "[red]x[/red] [/] [b", "a\nb\tc", WIDE, HEBREW, "x" * 5000, "]]\\[", "$(touch x)"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_is_data(text: str) -> None:
    import asyncio

    from nemo_partial_hydra.explorer.screen import Explorer

    records = [
        PathInfo(text, text, text, set=True, kind="config", source=text, doc=text, choices=(text, text)),
        PathInfo("other", "str", "y", override="other=y", doc=text, before=text, kind="override", source=text),
        PathInfo("group", "config group", text, choices=(text, "b"), override="group=b", set=True, kind="config"),
    ]
    explorer = Explorer(of_records(records))

    async def look() -> None:
        async with explorer.run_test(size=(80, 24)) as pilot:
            at = Driver(pilot)
            for keys in (("down",), ("down", "g"), ("escape", "e"), ("escape", "up", "up", "c"), ("slash",)):
                await at.press(*keys)
                for strip in at.app.screen._compositor.render_strips():
                    assert not FORBIDDEN.search(strip.text)
                    assert "\n" not in strip.text
                    assert strip.cell_length <= 80
            if text.startswith("["):
                assert any("[red]x[/red]" in line for line in at.lines())

    asyncio.run(look())


def test_one_line_of_many_is_drawn_at_a_key() -> None:
    """Of 10,000 paths those on the screen are drawn; a step within it draws two, and composes nothing."""
    import asyncio

    from nemo_partial_hydra.explorer.screen import Explorer

    records = [PathInfo("a", "A"), *(PathInfo(f"a.b{number}", "int", number) for number in range(9_999))]
    explorer = Explorer(of_records(records), levels=2)

    async def look() -> None:
        async with explorer.run_test(size=(80, 24)) as pilot:
            at = Driver(pilot)
            paths = at.app.paths
            assert len(at.shown()) == 10_000
            height = paths.size.height
            await at.press("down")
            for key, most in (
                ("down", 2),
                ("end", height + 2),
                ("up", 2),
                ("pageup", height + 2),
                ("home", height + 2),
            ):
                drawn, shown = paths.drawn, at.model.view.shown
                await at.press(key)
                assert 0 < paths.drawn - drawn <= most, key
                assert at.model.view.shown is shown, "nor is the tree gone through"

    asyncio.run(look())


def test_what_is_printed_while_it_composes_is_kept_from_the_screen(tmp_path: Path) -> None:
    app = App(tmp_path, CONF)

    async def look(at: Driver) -> None:
        compose = at.model.line.compose

        def loud(overrides: Any) -> Any:
            print("a note of a library")
            return compose(overrides)

        object.__setattr__(at.model.line, "compose", loud)
        await at.go("steps")
        await at.press("e")
        await at.type("5")
        assert not any("a note" in line for line in at.lines())
        await at.press("m")
        assert "a note of a library" in at.app.screen.query_one("Pane").texts

    driven(app, keys=look)


def test_an_option_is_chosen_with_the_mouse_too(app: App) -> None:
    async def click(at: Driver) -> None:
        from textual.widgets import Input, OptionList

        await at.go("opt")
        await at.press("g")
        assert isinstance(at.app.screen.focused, Input)
        await at.pilot.click(OptionList, offset=(3, 0))
        await at.settled()
        assert at.model.overrides == ["opt=adam"]
        row = at.app.paths.cursor
        await at.pilot.click(at.app.paths, offset=(5, row + 1))
        assert at.app.paths.cursor == row + 1
        await at.pilot.click(at.app.paths, offset=(5, row))
        await at.pilot.click(at.app.paths, offset=(5, row))
        assert re.search(r"\u25be opt ", at.lines()[row])

    driven(app, keys=click)


def test_a_picture_is_taken_without_a_terminal(app: App, tmp_path: Path) -> None:
    from tools import explorer_picture

    out = tmp_path / "picture.svg"
    with app.here():
        explorer_picture.take(app.folder / "app.py", out, (60, 20), words=["name=x"], keys=["down", "down"])
    text = out.read_text(encoding="utf-8").replace("&#160;", " ")
    assert "<svg" in text
    assert "optimizers" in text
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", text), "it fetches nothing"
