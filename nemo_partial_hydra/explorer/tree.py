"""The widget of the paths: a tree of which only the lines on the screen are drawn, however many there are.

May import: textual.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from . import lines
from .keys import KEYS
from .model import Model


class PathTree(ScrollView, can_focus=True, inherit_bindings=False):
    """The paths that the view of a model shows, and which of them is chosen.

    Attributes
    ----------
    cursor : the line that is chosen.
    drawn : how many lines have been drawn so far.
    """

    class Moved(Message):
        """Another path is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, priority=True) for key in KEYS if key.of_tree
    ]

    def __init__(self, model: Model, *, plain: bool) -> None:
        super().__init__()
        self.model, self.plain = model, plain
        self.cursor = 0
        self.drawn = 0

    @property
    def number(self) -> int | None:
        """The path that is chosen; None if none is shown."""
        shown = self.model.view.shown
        return shown[self.cursor] if self.cursor < len(shown) else None

    @property
    def path(self) -> str | None:
        """The path that is chosen, as a text."""
        return None if self.number is None else self.model.record(self.number).path

    @property
    def room(self) -> int:
        """How many cells a line has."""
        return self.scrollable_content_region.width

    def on_resize(self) -> None:
        """Lay out anew."""
        self.show_view(self.path)

    def show_view(self, path: str | None) -> None:
        """Take over what the view shows now; choose a path, or what is nearest to it."""
        shown = self.model.view.shown
        line = self.model.view.line_of(path) if path is not None else None
        self.cursor = line if line is not None else max(0, min(self.cursor, len(shown) - 1))
        self.virtual_size = Size(self.room, len(shown))
        self._follow()
        self.refresh()
        self.post_message(self.Moved())

    def move_to(self, line: int) -> None:
        """Choose a line."""
        line = max(0, min(line, len(self.model.view.shown) - 1))
        if line == self.cursor:
            return
        self.refresh_line(self.cursor)
        self.cursor = line
        self.refresh_line(line)
        self._follow()
        self.post_message(self.Moved())

    def _follow(self) -> None:
        """Scroll so that the chosen line is seen; the terminal's own cursor stands there, for screen readers."""
        height = max(self.size.height, 1)
        top = self.scroll_offset.y
        top = min(max(top, self.cursor - height + 1), self.cursor)
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)
        if self.has_focus:
            self.app.cursor_position = self.region.offset + Offset(0, self.cursor - top)

    def action_up(self) -> None:
        """Choose the path above."""
        self.move_to(self.cursor - 1)

    def action_down(self) -> None:
        """Choose the path below."""
        self.move_to(self.cursor + 1)

    def action_page(self, step: int) -> None:
        """Go up or down by what is on the screen."""
        self.move_to(self.cursor + step * max(self.size.height - 1, 1))

    def action_first(self) -> None:
        """Choose the first path."""
        self.move_to(0)

    def action_last(self) -> None:
        """Choose the last path."""
        self.move_to(len(self.model.view.shown) - 1)

    def action_open(self) -> None:
        """Open, or go to what is below."""
        number, view = self.number, self.model.view
        if number is None or not view.has_more(number):
            return
        if view.is_open(number):
            self.move_to(self.cursor + 1)
        else:
            view.open(number)
            self.show_view(self.path)

    def action_close(self) -> None:
        """Close, or go to what is above."""
        number, view = self.number, self.model.view
        if number is None:
            return
        if view.has_more(number) and view.is_open(number):
            view.open(number, False)
            self.show_view(self.path)
            return
        above = view.forest.above[number]
        if above != -1:
            self.move_to(view.shown.index(above))

    def action_open_or_close(self) -> None:
        """Open or close."""
        number = self.number
        if number is not None and self.model.view.has_more(number):
            self.model.view.open(number, not self.model.view.is_open(number))
            self.show_view(self.path)

    def on_focus(self) -> None:
        """Have the terminal's cursor come along."""
        self._follow()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        self.drawn += 1
        width, line = self.room, self.scroll_offset.y + y
        shown = self.model.view.shown
        if line >= len(shown):
            return Strip.blank(width)
        number = shown[line]
        text = lines.line(self.model, number, width, self.plain)
        style = lines.style(self.model, number)
        if self.model.view.narrowed and number not in self.model.view.found:
            style = lines.DIM
        if line == self.cursor:
            style = style + Style(reverse=True, dim=False)
        return Strip([Segment(text, style)], width)

    def on_click(self, event: object) -> None:
        """Choose the line that was clicked; open or close it if it was chosen."""
        line = self.scroll_offset.y + int(getattr(event, "y", 0))
        if line >= len(self.model.view.shown):
            return
        if line == self.cursor:
            self.action_open_or_close()
        self.move_to(line)
