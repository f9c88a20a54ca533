"""The explorer: what its keys change, and how it is left.

May import: textual. What is composed runs in a thread beside the screen, which answers meanwhile; one edit at a time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from nemo_partial_hydra.composition.error_text import worded
from nemo_partial_hydra.errors import ExitCode, UsageError

from .choice import Choice, Page
from .edits import path_of
from .keys import help_lines
from .looking import Looking
from .model import Edits
from .terminal import terminal_is_gone


class Explorer(Looking):
    """The explorer; its result is the command line, None where nothing is to be printed."""

    composing = False

    def on_mount(self) -> None:
        """See to it that nothing is left running where nobody can look at it."""
        if not self.is_headless:
            self.set_interval(1, self._leave_without_terminal)

    def _leave_without_terminal(self) -> None:
        if terminal_is_gone():
            self.exit(None, 128 + signal.SIGHUP)

    def _refuse(self, text: str) -> None:
        self.say("refused; nothing has changed")
        self.about.show(text.splitlines())

    def typed(self, override: str) -> None:
        """Take an override that was typed."""
        try:
            edits = self.model.edited(override)
        except UsageError as error:
            self._refuse(str(error))
        else:
            self._try(edits, path_of(override))

    def _try(self, edits: Edits, path: str | None = None) -> None:
        """Compose the command line with other edits, and take them over if nothing is wrong with them."""
        if self.composing:
            self.say("the change before this one is still being composed")
            return
        self.composing = True
        self.printed.clear()
        self.say("composing ...")
        self.run_worker(self._compose_beside(edits, path))

    async def _compose_beside(self, edits: Edits, path: str | None) -> None:
        try:
            composed = await asyncio.to_thread(self.model.compose, edits)
        except (Exception, SystemExit) as error:  # whatever a config's own code raises
            self._refuse(worded(error) or f"{type(error).__name__}: {error}")
            return
        finally:
            self.composing = False
        chosen = self.paths.path
        self.model.accept(edits, composed)
        if self.typing:
            self.end()
        if path is not None and path in self.model.view.forest.places:
            self.model.view.reveal(path)
            chosen = path
        self.refresh_paths(chosen)

    def action_edit(self) -> None:
        """Have another value typed."""
        self._with_path(lambda number: self.begin(self.model.draft(number)))

    def action_add(self) -> None:
        """Have something more typed."""
        self._with_path(lambda number: self.begin(self.model.new_entry(number)))

    def action_override(self) -> None:
        """Have any override typed."""
        self.begin(self.model.any_override())

    def action_copy(self) -> None:
        """Copy the override of a path."""
        self._with_path(lambda number: self._copy(self.model.to_copy(number)))

    def action_copy_command(self) -> None:
        """Copy the command line."""
        self._copy(self.model.command())

    def _copy(self, text: str) -> None:
        self.copy_to_clipboard(text)
        self.say(f"copied: {text}")

    def _with_path(self, act: Callable[[int], None]) -> None:
        """Do something with the path that is chosen, and tell why not."""
        number = self.paths.number
        if number is None:
            return
        try:
            act(number)
        except UsageError as error:
            self._refuse(str(error))

    # Config groups -----------------------------------------------------------------------------------------------

    def action_group(self) -> None:
        """Have another option chosen of the group that a path belongs to; of which group, where it does to none."""
        number = self.paths.number
        group = self.model.group_of(number) if number is not None else None
        if group is not None:
            self._choose(group)
            return
        groups = {self.model.record(one).path: one for one in self.model.groups()}
        if not groups:
            self.say("this config has no config groups")
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                self._choose(groups[name])

        self.push_screen(Choice("of which config group? Enter takes it, Esc leaves", list(groups)), chosen)

    def _choose(self, group: int) -> None:
        try:
            draft = self.model.draft(group)
        except UsageError as error:
            self._refuse(str(error))
            return

        def chosen(option: str | None) -> None:
            if option is not None:
                self.typed(draft.head + option)

        self.push_screen(Choice(f"{draft.head}  Enter takes an option, Esc leaves", draft.choices, draft.text), chosen)

    # Undo --------------------------------------------------------------------------------------------------------

    def action_undo(self) -> None:
        """Take the last change back."""
        self._go_to(self.model.undone(), "nothing to undo")

    def action_redo(self) -> None:
        """Make it again."""
        self._go_to(self.model.redone(), "nothing to redo")

    def action_reset(self) -> None:
        """Take the edits of a path back, or those below it."""
        if self.paths.number is not None:
            self._go_to(self.model.reset(self.paths.number), "no edit here")

    def _go_to(self, edits: Edits | None, otherwise: str) -> None:
        if edits is None:
            self.say(otherwise)
        else:
            self._try(edits)

    # Pages, and the end ------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Page(help_lines()))

    def action_messages(self) -> None:
        """Show what was said while the config was composed."""
        said = [*self.model.composed.notes, *self.printed]
        self.push_screen(Page([*(said or ["Nothing was said."]), "", "q or Esc closes this page."]))

    def action_leave(self) -> None:
        """Leave with the command line."""
        self.exit(self.model.command())

    def action_leave_quietly(self) -> None:
        """Leave without it."""
        self.exit(None)

    def action_interrupt(self) -> None:
        """Leave as a command does that is interrupted."""
        self.exit(None, ExitCode.INTERRUPTED)
