"""The explorer of an app in this process: as far as its model, or with keys pressed on a screen that nobody sees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

from nemo_partial_hydra.explorer import start
from nemo_partial_hydra.explorer.model import CommandLine, Composed, Model
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.listing.selection import Selection
from tests.support.apps import App, Done

Act = Callable[[Model, int], None]


def begun(app: App, *args: str, act: Act, **inline: Any) -> Done:
    """Type ``--cfg-paths=browse`` and the arguments; do something with the model instead of showing it.

    The second argument of ``act`` is how many levels were asked for.
    """

    failed: list[BaseException] = []

    def explore(line: CommandLine, composed: Composed, wanted: Selection) -> None:
        try:
            act(Model(line, composed, wanted), wanted.levels)
        except BaseException as error:  # the app would tell it as an error of its own
            failed.append(error)

    with mock.patch.object(start, "explore", explore), mock.patch.object(start, "refuse_elsewhere"):
        done = app.inline("--cfg-paths=browse", *args, **inline)
    if failed:
        raise failed[0]
    return done


class Driver:
    """The explorer on a screen: keys are pressed, and what they began has ended before the next."""

    def __init__(self, pilot: Any) -> None:
        self.pilot = pilot
        self.app = pilot.app

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def type(self, text: str) -> None:
        """Type a text, and Enter."""
        self.app.screen.focused.value = text
        await self.press("enter")

    async def settled(self) -> None:
        """Wait until nothing is composed any more and the screen shows it."""
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def go(self, path: str) -> None:
        """Choose a path."""
        self.app.model.view.reveal(path)
        self.app.paths.show_view(path)
        await self.pilot.pause()
        assert self.app.paths.path == path

    @property
    def path(self) -> str | None:
        """The path that is chosen."""
        found: str | None = self.app.paths.path
        return found

    @property
    def model(self) -> Model:
        """The model."""
        found: Model = self.app.model
        return found

    def text(self, selector: str) -> str:
        """Return the text of a line of the screen."""
        return str(self.app.screen_stack[0].query_one(selector).content)

    @property
    def about(self) -> str:
        """The text about a path, or what was refused."""
        return "\n".join(self.app.about.texts)

    def lines(self) -> list[str]:
        """Return the lines of the paths, as far as they are on the screen."""
        tree = self.app.paths
        return [tree.render_line(y).text.rstrip() for y in range(tree.size.height)]

    def shown(self) -> list[str]:
        """Return the paths that are shown, on the screen or beyond."""
        return [self.model.record(number).path for number in self.model.view.shown]


class Left:
    """How the explorer was left: what it prints, and its exit code."""

    command: str | None
    code: int


def driven(
    app: App,
    *args: str,
    keys: Callable[[Driver], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    plain: bool = False,
    **inline: Any,
) -> Left:
    """Type ``--cfg-paths=browse`` and the arguments, and drive the screen that comes."""
    from nemo_partial_hydra.explorer.screen import Explorer

    left = Left()

    async def drive(model: Model, levels: int) -> None:
        explorer = Explorer(model, plain=plain, levels=levels)
        async with explorer.run_test(size=size) as pilot:
            await keys(Driver(pilot))
        left.command, left.code = explorer.return_value, explorer.return_code or 0

    done = begun(app, *args, act=lambda model, levels: asyncio.run(drive(model, levels)), **inline)
    assert done.code == 0, done.err
    return left


def of_records(records: list[PathInfo], compose: Callable[[list[str]], list[PathInfo]] | None = None) -> Model:
    """Return a model of records that nothing was composed for."""

    def composed(overrides: Any) -> Composed:
        return Composed(records if compose is None else compose(list(overrides)))

    line = CommandLine([], composed, lambda overrides: ["python", "app.py", *overrides])
    return Model(line, Composed(records), Selection())
