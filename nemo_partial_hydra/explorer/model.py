"""What the explorer knows and does, without a screen: overrides and edits, undo, the paths, the command line it leaves.

May import: the standard library; Hydra, where an override is read. Whoever starts it says how a config is composed: the
way of ``--cfg-paths``, so that an edit is what the same override typed is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.listing.override_text import shell
from nemo_partial_hydra.listing.record import GROUP, PathInfo
from nemo_partial_hydra.listing.selection import Selection

from . import drafts
from .drafts import Draft
from .edits import dropped, is_sweep, key_of, path_of, place_of, with_edits
from .view import View


@dataclass(frozen=True)
class Composed:
    """What came of composing a command line.

    Parameters
    ----------
    records : its paths; of a sweep those of the first job.
    jobs : how many jobs a sweep has; 0 for no sweep.
    notes : what is to be said about it.
    recipe : whether the whole config is a recipe.
    """

    records: Sequence[PathInfo]
    jobs: int = 0
    notes: Sequence[str] = ()
    recipe: bool = False


@dataclass(frozen=True)
class CommandLine:
    """What the explorer needs of an app: how overrides are composed, and the words that a user types for them.

    Parameters
    ----------
    overrides : those that the explorer starts with.
    compose : composes a list of overrides; raises what the app would tell its user.
    words : the whole command for them, not quoted.
    """

    overrides: Sequence[str]
    compose: Callable[[Sequence[str]], Composed]
    words: Callable[[Sequence[str]], list[str]]


Edits = tuple[str, ...]


class Model:
    """A command line that is being edited.

    Nothing is changed by what composes (``compose``), so that it can run beside the screen; ``accept`` takes over what
    came of it.
    """

    def __init__(self, line: CommandLine, composed: Composed, wanted: Selection) -> None:
        self.line = line
        self.edits: Edits = ()
        self.composed = composed
        self.view = View(composed.records, wanted)
        self._past: list[Edits] = []
        self._future: list[Edits] = []

    # The command line --------------------------------------------------------------------------------------------

    @property
    def overrides(self) -> list[str]:
        """The overrides as they are now."""
        return with_edits(self.line.overrides, self.edits)

    def command(self) -> str:
        """Return the command line as a user types it, quoted for a shell."""
        return " ".join(map(shell, self.line.words(self.overrides)))

    def compose(self, edits: Edits) -> Composed:
        """Compose the command line with other edits."""
        return self.line.compose(with_edits(self.line.overrides, edits))

    def accept(self, edits: Edits, composed: Composed) -> None:
        """Take over edits that have been composed; what was undone before cannot be redone from then on."""
        if edits == self.edits:
            return
        if self._past and edits == self._past[-1]:
            self._past.pop()
            self._future.append(self.edits)
        elif self._future and edits == self._future[-1]:
            self._future.pop()
            self._past.append(self.edits)
        else:
            self._past.append(self.edits)
            self._future.clear()
        self.edits, self.composed = edits, composed
        self.view.show(composed.records)

    # Edits -------------------------------------------------------------------------------------------------------

    def edited(self, override: str) -> Edits:
        """Return the edits with one more.

        Raises
        ------
        UsageError
            For a text that is no override.
        """
        if not key_of(override) or ("=" not in override and not override.startswith("~")):
            raise UsageError(f"{override or 'nothing typed'}: expected an override: KEY=VALUE, +KEY=VALUE or ~KEY")
        return (*self.edits, override.strip())

    @property
    def edited_keys(self) -> int:
        """How many keys have edits."""
        return len(set(map(place_of, self.edits)))

    def undone(self) -> Edits | None:
        """Return the edits as they were before; None if there is nothing to undo."""
        return self._past[-1] if self._past else None

    def redone(self) -> Edits | None:
        """Return the edits that were undone; None if there is nothing to redo."""
        return self._future[-1] if self._future else None

    def reset(self, number: int) -> Edits | None:
        """Return the edits without those of a path, or if it has none, of what is below it; None for no change."""
        info = self.record(number)
        own = tuple(text for text in dropped(self.edits, drafts.places_at(info)) if path_of(text) != info.path)
        if own != self.edits:
            return own
        below = tuple(text for text in self.edits if not path_of(text).startswith(f"{info.path}."))
        return below if below != self.edits else None

    # Paths -------------------------------------------------------------------------------------------------------

    def record(self, number: int) -> PathInfo:
        """Return the record of a path."""
        return self.view.forest.records[number]

    def draft(self, number: int) -> Draft:
        """Return what an edit of a path begins with."""
        if self.view.forest.gone(number):
            raise UsageError(f"{self.record(number).path}: it is no longer there")
        return drafts.of_value(self.record(number), self.overrides)

    def new_entry(self, number: int) -> Draft:
        """Return what adding something at a path begins with."""
        forest = self.view.forest
        if forest.gone(number):
            raise UsageError(f"{self.record(number).path}: it is no longer there")
        keywords = next((child for child in forest.children[number] if forest.names[child] == "**kwargs"), number)
        above = [forest.records[other] for other in forest.up(number)]
        return drafts.of_entry(self.record(keywords), above, self.overrides, recipe=self.composed.recipe)

    def groups(self) -> list[int]:
        """Return the config groups."""
        forest = self.view.forest
        return [number for number in range(forest.first_gone) if forest.records[number].type == GROUP]

    def group_of(self, number: int) -> int | None:
        """Return the config group that a path is, or that what is above it belongs to."""
        forest = self.view.forest
        for other in (number, *forest.up(number)):
            if forest.records[other].type == GROUP and not forest.gone(other):
                return other
        return None

    def swept(self, number: int) -> str | None:
        """Return the override that gives a path several values, if one does."""
        places = drafts.places_at(self.record(number))
        return next((text for text in reversed(self.overrides) if place_of(text) in places and is_sweep(text)), None)

    def to_copy(self, number: int) -> str:
        """Return the override of a path, as it is copied.

        Raises
        ------
        UsageError
            If there is none.
        """
        info = self.record(number)
        places = drafts.places_at(info)
        typed = [text for text in self.overrides if place_of(text) in places]
        if typed:
            return shell(typed[-1])
        if info.override is None:
            raise UsageError(f"{info.path}: {info.why_not or 'it has no override'}")
        return info.override

    def any_override(self) -> Draft:
        """Return what any override begins with."""
        forest = self.view.forest
        here = (info for info in forest.records[: forest.first_gone] if info.overridable or info.type == GROUP)
        return drafts.AnyOverride("", "", records={info.path: info for info in here})
