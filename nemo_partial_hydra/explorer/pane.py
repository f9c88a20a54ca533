"""The widget of a text: lines that are wrapped to its width and scrolled, with no markup in them.

May import: textual.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import set_cell_size
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from .cells import wrapped


class Pane(ScrollView, can_focus=True):
    """A text."""

    def __init__(self, texts: Sequence[str] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.texts = list(texts)
        self.lines: list[str] = []

    def show(self, texts: Sequence[str]) -> None:
        """Show other lines, from the first on."""
        self.texts = list(texts)
        self.scroll_to(y=0, animate=False)
        self._wrap()

    def on_resize(self) -> None:
        """Wrap anew."""
        self._wrap()

    def _wrap(self) -> None:
        width = self.scrollable_content_region.width
        self.lines = [line for text in self.texts for line in wrapped(text, width, "  ")] if width else []
        self.virtual_size = Size(width, len(self.lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        line = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if line >= len(self.lines):
            return Strip.blank(width)
        return Strip([Segment(set_cell_size(self.lines[line], width))], width)
