"""Pages over the screen: a list from which one is chosen, narrowed by typing; a text to be read.

May import: textual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from nemo_partial_hydra.messages import one_line

from .pane import Pane


class Choice(ModalScreen[str]):
    """A list of texts; the one that is chosen is the result, None if none is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, title: str, texts: Sequence[str], chosen: str | None = None) -> None:
        super().__init__()
        self.heading, self.texts, self.chosen = title, list(texts), chosen
        self.shown: list[str] = []

    def compose(self) -> ComposeResult:
        """Make the page: what it is about, what is typed, what there is."""
        yield Static(Content(one_line(self.heading)), classes="heading")
        yield Input(placeholder="type a part of a name", compact=True)
        yield OptionList(compact=True, markup=False)

    def on_mount(self) -> None:
        """Show all."""
        self._narrow("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what has the text."""
        self._narrow(event.value)

    def _narrow(self, typed: str) -> None:
        options = self.query_one(OptionList)
        self.shown = [text for text in self.texts if typed.casefold() in text.casefold()]
        options.clear_options()
        marks = ("* " if text == self.chosen else "  " for text in self.shown)
        options.add_options(
            Option(Content(one_line(mark + text))) for mark, text in zip(marks, self.shown, strict=True)
        )
        if self.shown:
            options.highlighted = self.shown.index(self.chosen) if self.chosen in self.shown else 0

    def action_move(self, step: int) -> None:
        """Go up or down in the list while the line is typed."""
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def on_input_submitted(self) -> None:
        """Choose what is marked."""
        at = self.query_one(OptionList).highlighted
        if at is not None and self.shown:
            self.dismiss(self.shown[at])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose what was clicked."""
        self.dismiss(self.shown[event.option_index])

    def action_give_up(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


class Page(ModalScreen[None]):
    """A text over the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "close", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        self.texts = list(texts)

    def compose(self) -> ComposeResult:
        """Make the page."""
        yield Pane(self.texts)

    def action_scroll(self, lines: int) -> None:
        """Scroll."""
        self.query_one(Pane).scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
