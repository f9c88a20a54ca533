"""The line in which a search, a filter or an override is typed.

May import: textual.
"""

from __future__ import annotations

from typing import Final

from textual import events
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from .drafts import Draft

# What textual does with these keys, characters overtake: several in one read, over a slow line, come out of order.
_IN_ORDER: Final = {
    "ctrl+u": "delete_left_all",
    "ctrl+k": "delete_right_all",
    "ctrl+w": "delete_left_word",
    "backspace": "delete_left",
    "delete": "delete_right",
    "home": "home",
    "ctrl+a": "home",
    "end": "end",
    "ctrl+e": "end",
    "left": "cursor_left",
    "right": "cursor_right",
    "tab": "complete",
    "escape": "give_up",
    "enter": "submit",
}


class _Completes(Suggester):
    """Shows the rest of the first text that completes what has been typed."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.draft = draft

    async def get_suggestion(self, value: str) -> str | None:
        return next(iter(self.draft.completions(value)), None) if value else None


class Prompt(Input):
    """A line that is typed; Tab completes it, and once more takes the next choice."""

    class GivenUp(Message):
        """The line was left without being taken."""

    def __init__(self) -> None:
        super().__init__(compact=True)
        self.draft = Draft("", "")
        self._typed, self._chosen = "", ""

    def begin(self, draft: Draft) -> None:
        """Have a text typed, beginning with a draft."""
        self.draft = draft
        self.suggester = _Completes(draft)
        self._typed = self._chosen = ""
        self.value = draft.text

    async def on_key(self, event: events.Key) -> None:
        """Obey keys in the order in which they are pressed."""
        action = _IN_ORDER.get(event.key)
        if action is not None:
            event.stop()
            event.prevent_default()
            await self.run_action(action)

    def on_resize(self) -> None:
        """Have the terminal's cursor here as soon as it is known where that is."""
        self._come_along()

    def on_show(self) -> None:
        """The same where the line had this size before."""
        self._come_along()

    def _come_along(self) -> None:
        if self.screen.focused is self:
            self.app.cursor_position = self.cursor_screen_offset

    def action_complete(self) -> None:
        """Take the first text that completes what has been typed, or the one after that which was taken last."""
        if self.value != self._chosen:
            self._typed = self.value
        found = self.draft.completions(self._typed)
        if not found and self.value == self.draft.text:  # nothing typed yet: from the first choice on
            self._typed = ""
            found = self.draft.completions("")
        if not found:
            return
        after = found.index(self.value) + 1 if self.value in found else 0
        self._chosen = self.value = found[after % len(found)]
        self.cursor_position = len(self.value)

    def action_give_up(self) -> None:
        """Leave the line."""
        self.post_message(self.GivenUp())
