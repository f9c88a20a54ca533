"""The screen of the explorer: where everything stands, what is shown, searched and filtered.

May import: textual.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from nemo_partial_hydra.listing.columns import counted
from nemo_partial_hydra.listing.selection import Selection
from nemo_partial_hydra.messages import one_line

from . import lines
from .drafts import Draft
from .keys import KEYS, brief_line
from .model import Model
from .pane import Pane
from .prompt import Prompt
from .tree import PathTree

_THEMES = ("ansi-dark", "textual-ansi")  # the terminal's own colours; 8.2 has renamed them
_KEYS = frozenset(key.action.partition("(")[0] for key in KEYS)
_LOWEST, _LOW = 8, 14  # lines
_SHOW_CURSOR = "\x1b[?25h"  # textual hides it
_SEARCH, _FILTER = "search: ", "filter: "


class Looking(App[str]):
    """The screen, as far as nothing is edited."""

    ENABLE_COMMAND_PALETTE = False
    # With priority they are obeyed in the order in which they are pressed; others wait in the queues of widgets.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, priority=True) for key in KEYS if key.action and not key.of_tree
    ]
    CSS = """
    #command, #state, #keys, #heading, .heading { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    #command, .heading { text-style: bold; }
    #heading, #keys { text-style: dim; }
    PathTree { height: 1fr; scrollbar-size: 1 1; scrollbar-gutter: stable; overflow-x: hidden; }
    #about { height: 30%; min-height: 3; max-height: 14; border-top: solid; }
    .-plain #about { border-top: none; padding-top: 1; }
    #typed { height: 1; display: none; }
    #typed.-typing { display: block; }
    #head { width: auto; max-width: 60%; height: 1; text-style: bold; }
    Prompt { width: 1fr; }
    Input > .input--cursor, Input > .input--selection, OptionList > .option-list--option-highlighted {
        text-style: reverse; background: ansi_default; color: ansi_default;
    }
    OptionList { border: none; }
    Choice, Page { background: ansi_default; }
    Pane, OptionList { height: 1fr; overflow-x: hidden; scrollbar-size: 1 1; }
    .-lowest #command, .-lowest #heading, .-lowest #keys, .-low #about { display: none; }
    """

    def __init__(self, model: Model, *, plain: bool = False, levels: int = 0) -> None:
        super().__init__(ansi_color=True)
        self.theme = next((name for name in _THEMES if name in self.available_themes), self.theme)
        self.model, self.plain, self.levels = model, plain, levels
        self.animation_level = "none"
        self.printed: list[str] = []
        self._said = ""
        self._headed = -1
        self._draft = Draft("", "")
        self._before: tuple[Selection, str | None] = (model.view.wanted, None)  # what was shown before a search
        self.paths = PathTree(model, plain=plain)
        self.about = Pane(id="about")
        self.prompt = Prompt()

    def compose(self) -> ComposeResult:
        """Make the widgets, from the top."""
        yield Static(id="command", markup=False)
        yield Static(id="heading", markup=False)
        yield self.paths
        yield self.about
        yield Static(id="state", markup=False)
        with Horizontal(id="typed"):
            yield Static(id="head", markup=False)
            yield self.prompt
        yield Static(Content(brief_line()), id="keys")

    def on_mount(self) -> None:
        """Open as many levels as can be seen, and listen to what would end the process with the screen as it is."""
        self.begin_capture_print(self)
        self.app_resume_signal.subscribe(self, lambda app: app.refresh(layout=True))  # others have drawn meanwhile
        self.set_class(self.plain, "-plain")
        if self.plain and not self.is_headless and sys.__stderr__ is not None:
            print(_SHOW_CURSOR, end="", file=sys.__stderr__, flush=True)  # screen readers follow it
        view = self.model.view
        view.open_levels(self.levels or view.levels_in(self.size.height // 2))
        self.prompt.can_focus = False
        self.paths.focus()
        self.refresh_paths()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self.exit, None, 128 + number)

    def on_unmount(self) -> None:
        """Leave signals alone again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.remove_signal_handler(number)

    def on_resize(self, event: events.Resize) -> None:
        """On a small screen leave out what is not the paths."""
        height = event.size.height
        self.screen_stack[0].set_class(height < _LOW, "-low").set_class(height < _LOWEST, "-lowest")

    @property
    def typing(self) -> bool:
        """Whether something is being typed."""
        return self.screen_stack[0].focused is self.prompt

    # What is shown -----------------------------------------------------------------------------------------------

    def _put(self, selector: str, text: str) -> None:
        for widget in self.screen_stack[0].query(selector).results(Static):
            widget.update(Content(one_line(text)))

    def refresh_paths(self, path: str | None = None) -> None:
        """Show what the model has now; choose a path, or the one that is chosen, or what is nearest."""
        self.paths.show_view(path or self.paths.path)
        self._put("#command", self.model.command())
        self.say("")

    def say(self, text: str) -> None:
        """Write into the line of the state: something that is said once, or what holds."""
        self._said = text
        self._put("#state", text or self._state())

    def _state(self) -> str:
        model, view = self.model, self.model.view
        parts = [counted(view.forest.first_gone)]
        if view.narrowed:
            wanted = view.wanted
            why = [f"with '{wanted.search}'"] if wanted.search else []
            why += [f"like {wanted.filter}"] if wanted.filter else []
            why += ["that are set"] if wanted.set_only else []
            why += ["that differ from the start"] if view.changed_only else []
            parts[0] = f"{len(view.found):,} of {parts[0]} {', '.join(why)}"
        edits = model.edited_keys
        parts += [f"{edits} edit{'' if edits == 1 else 's'}"] if edits else []
        parts += [f"a sweep of {model.composed.jobs:,} jobs, this is the first"] if model.composed.jobs else []
        parts += [f"! {model.composed.notes[0]}"] if model.composed.notes else []
        return "; ".join(parts)

    def on_path_tree_moved(self) -> None:
        """Tell about the path that is chosen, and head the columns as they are now."""
        width = self.paths.room
        if width != self._headed:
            self._headed = width
            self._put("#heading", lines.heading(width))
        number = self.paths.number
        self.about.show(lines.about(self.model, number) if number is not None else ["No path is shown: Esc shows all."])
        if self._said and not self.typing:
            self.say("")

    def on_print(self, event: events.Print) -> None:
        """Keep what is printed while something is composed: it has no place on the screen."""
        self.printed += [line for line in event.text.splitlines() if line.strip()]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is typed, or a page is over the screen, keys mean that."""
        if action not in _KEYS:
            return True
        return action == "interrupt" or not (self.typing or len(self.screen_stack) > 1)

    # Narrowing ---------------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        """Have a text typed that is searched."""
        self.begin(Draft(_SEARCH, self.model.view.wanted.search or ""), "a text in the path, the type or the doc")

    def action_filter(self) -> None:
        """Have a glob typed."""
        self.begin(Draft(_FILTER, self.model.view.wanted.filter or ""), "a glob: * stands for any text")

    def action_next(self, step: int) -> None:
        """Choose the next path that is wanted."""
        line = self.model.view.next_found(self.paths.cursor, step)
        if line is not None:
            self.paths.move_to(line)

    def action_set_only(self) -> None:
        """Show what is set, or all."""
        view = self.model.view
        view.narrow(replace(view.wanted, set_only=not view.wanted.set_only), changed_only=view.changed_only)
        self._narrowed()

    def action_changed_only(self) -> None:
        """Show what differs from the start, or all."""
        view = self.model.view
        view.narrow(view.wanted, changed_only=not view.changed_only)
        self._narrowed()

    def action_all(self) -> None:
        """Show all."""
        view, path = self.model.view, self.paths.path
        view.narrow(replace(view.wanted, search=None, filter=None, set_only=False))
        if path is not None:
            view.reveal(path)
        self._narrowed(path)

    def _narrow_to(self, head: str, typed: str) -> None:
        view = self.model.view
        text = typed.strip() or None
        searches = head == _SEARCH
        wanted = replace(view.wanted, search=text) if searches else replace(view.wanted, filter=text)
        view.narrow(wanted, changed_only=view.changed_only)
        self._narrowed()

    def _narrowed(self, path: str | None = None) -> None:
        view = self.model.view
        self.refresh_paths(path)
        if view.narrowed and self.paths.number not in view.found:
            self.action_next(1)

    # Typing ------------------------------------------------------------------------------------------------------

    def begin(self, draft: Draft, hint: str = "") -> None:
        """Have something typed behind a head."""
        self._draft = draft
        self._before = (self.model.view.wanted, self.paths.path)
        self._put("#head", draft.head)
        self.query_one("#typed").add_class("-typing")
        self.prompt.can_focus = True
        self.prompt.begin(draft)
        self.screen.set_focus(self.prompt)  # at once: the next key may have been pressed already
        self.say(hint or draft.hint())

    def end(self) -> None:
        """Go back to the paths."""
        self.screen_stack[0].query_one("#typed").remove_class("-typing")
        self.prompt.can_focus = False
        self.screen_stack[0].set_focus(self.paths)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while it is typed."""
        if event.input is self.prompt and self.typing and self._draft.head == _SEARCH:
            self._narrow_to(_SEARCH, event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        if event.input is not self.prompt:
            return
        head = self._draft.head
        if head in (_SEARCH, _FILTER):
            self.end()
            self._narrow_to(head, event.value)
        else:
            self.typed(head + event.value)

    def typed(self, override: str) -> None:
        """Take an override that was typed."""
        raise NotImplementedError

    def on_prompt_given_up(self) -> None:
        """Leave what was typed."""
        self.end()
        wanted, path = self._before
        if self._draft.head == _SEARCH:
            self.model.view.narrow(wanted, changed_only=self.model.view.changed_only)
        self.refresh_paths(path)
