"""Which paths are shown: what is opened, what is searched and filtered, what somebody has set, what has changed.

May import: the standard library only. Searching and filtering is the listing's own ``Selection``; what is above a path
that is wanted is shown too, so that all stay in a tree.
"""

from __future__ import annotations

from collections.abc import Sequence

from nemo_partial_hydra.listing.columns import value
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.listing.selection import Selection

from .forest import Forest


def held(info: PathInfo) -> tuple[str, str | None, str | None]:
    """Return what a path holds, to be compared: ``1`` is not ``True``, nor ``1.0``."""
    return repr(info.value), info.same_as, None if info.set else info.default_text


class View:
    """The paths of one config after another, as far as they are shown.

    Attributes
    ----------
    forest : the paths of the config that is shown.
    wanted : what is searched, filtered or set; the package has been chosen before.
    changed_only : whether only what differs from the start is shown.
    shown : the numbers of the paths that are shown, in order.
    found : the numbers of those that are wanted themselves, and not for what is below them.
    """

    def __init__(self, records: Sequence[PathInfo], wanted: Selection) -> None:
        self.start = {info.path: info for info in records}
        self.forest = Forest(records)
        self.wanted = wanted
        self.changed_only = False
        self.opened: set[str] = set()
        self.folded: set[str] = set()  # closed although it is narrowed
        self.changed: frozenset[int] = frozenset()
        self.found: frozenset[int] = frozenset()
        self.shown: list[int] = []
        self._leading: frozenset[int] = frozenset()  # the wanted ones, and those above them
        self._find()

    def show(self, records: Sequence[PathInfo]) -> None:
        """Show the records of another config."""
        self.forest = Forest(records, list(self.start.values()))
        self.changed = frozenset(
            number for number, info in enumerate(self.forest.records) if self.forest.gone(number) or self._differs(info)
        )
        self._find()

    def _differs(self, info: PathInfo) -> bool:
        before = self.start.get(info.path)
        return before is None or held(before) != held(info)

    def before(self, number: int) -> str | None:
        """Return what a path that differs held at the start; None if it was not there, or is the same."""
        info = self.start.get(self.forest.records[number].path)
        return value(info) if info is not None and number in self.changed else None

    # What is wanted ----------------------------------------------------------------------------------------------

    @property
    def narrowed(self) -> bool:
        """Whether less than all is wanted."""
        wanted = self.wanted
        return bool(self.changed_only or wanted.filter or wanted.search or wanted.set_only)

    def narrow(self, wanted: Selection, *, changed_only: bool = False) -> None:
        """Change what is wanted."""
        self.wanted, self.changed_only = wanted, changed_only
        self.folded.clear()
        self._find()

    def _find(self) -> None:
        forest = self.forest
        candidates = forest.records if self.changed_only else forest.records[: forest.first_gone]
        self.found = frozenset()
        if self.narrowed:
            fitting = {id(info) for info in self.wanted.of(candidates).found}
            self.found = frozenset(
                number
                for number, info in enumerate(candidates)
                if id(info) in fitting and (not self.changed_only or number in self.changed)
            )
        self._arrange()

    def _arrange(self) -> None:
        """Note what is shown: below what is opened, or where it is narrowed, all that leads to something wanted."""
        forest = self.forest
        self._leading = frozenset(number for one in self.found for number in (one, *forest.up(one)))
        shown: list[int] = []
        ahead = forest.roots[::-1]
        while ahead:
            number = ahead.pop()
            if self._shows(number):
                shown.append(number)
                if self.is_open(number):
                    ahead += forest.children[number][::-1]
        self.shown = shown

    def _shows(self, number: int) -> bool:
        return number in self._leading if self.narrowed else not self.forest.gone(number)

    # The tree ----------------------------------------------------------------------------------------------------

    def is_open(self, number: int) -> bool:
        """Whether what is below a path is shown."""
        path = self.forest.records[number].path
        return path not in self.folded if self.narrowed else path in self.opened

    def has_more(self, number: int) -> bool:
        """Whether something that may be shown is below a path."""
        return any(map(self._shows, self.forest.children[number]))

    def open(self, number: int, wide: bool = True) -> None:
        """Open a path, or close it."""
        path = self.forest.records[number].path
        if self.narrowed:
            (self.folded.discard if wide else self.folded.add)(path)
        else:
            (self.opened.add if wide else self.opened.discard)(path)
        self._arrange()

    def open_levels(self, levels: int) -> None:
        """Open what is above a level, and nothing else."""
        self.opened = {
            info.path for info, depth in zip(self.forest.records, self.forest.depths, strict=True) if depth < levels - 1
        }
        self._arrange()

    def levels_in(self, lines: int) -> int:
        """Return how many levels may be opened for all to be seen in a number of lines; at least one."""
        counts: dict[int, int] = {}
        for depth in self.forest.depths:
            counts[depth] = counts.get(depth, 0) + 1
        levels, room = 1, lines - counts.get(0, 0)
        while levels in counts and counts[levels] <= room:
            room -= counts[levels]
            levels += 1
        return levels

    def reveal(self, path: str) -> None:
        """Open what is above a path."""
        number = self.forest.nearest(path)
        if number is None:
            return
        for above in self.forest.up(number):
            name = self.forest.records[above].path
            self.opened.add(name)
            self.folded.discard(name)
        self._arrange()

    def line_of(self, path: str) -> int | None:
        """Return in which line a path is, or what stands above it; None if neither is shown."""
        number = self.forest.nearest(path)
        if number is None:
            return None
        chain = {number, *self.forest.up(number)}
        lines = [line for line, shown in enumerate(self.shown) if shown in chain]
        return lines[-1] if lines else None

    def next_found(self, line: int, step: int) -> int | None:
        """Return the line of the next path that is wanted itself, from a line in a direction; None if there is none."""
        count = len(self.shown)
        for away in range(1, count + 1):
            other = (line + step * away) % count
            if self.shown[other] in self.found:
                return other
        return None
