"""The records of a listing as a tree: which path stands below which, in the order of the listing.

May import: the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nemo_partial_hydra.listing.record import PathInfo


class Forest:
    """The paths of a config by number, and those that a config had before and this one has not.

    Attributes
    ----------
    records : the records; the numbers of paths are their places here.
    names : what each is called below the one above it.
    above : the number of the one above; -1 for a root.
    depths : how many stand above each.
    children : the numbers below each one, in order.
    roots : those that stand below none.
    first_gone : from this number on they are those of before.
    """

    def __init__(self, records: Sequence[PathInfo], before: Sequence[PathInfo] = ()) -> None:
        here = {info.path for info in records}
        gone = [info for info in before if info.path not in here]
        self.records = [*records, *gone]
        self.first_gone = len(records)
        self.names: list[str] = []
        self.above: list[int] = []
        self.depths: list[int] = []
        self.children: list[list[int]] = [[] for _ in self.records]
        self.roots: list[int] = []
        self.places: dict[str, int] = {}
        for number, info in enumerate(self.records):
            self._add(number, info.path)

    def _add(self, number: int, path: str) -> None:
        above = path.rpartition(".")[0]
        while above and above not in self.places:
            above = above.rpartition(".")[0]
        parent = self.places[above] if above else -1
        (self.children[parent] if above else self.roots).append(number)
        self.above.append(parent)
        self.names.append(path[len(above) + 1 :] if above else path)
        self.depths.append(self.depths[parent] + 1 if above else 0)
        self.places.setdefault(path, number)  # a key with a dot in it may look like two

    def up(self, number: int) -> Iterator[int]:
        """Yield the numbers above one, nearest first."""
        number = self.above[number]
        while number != -1:
            yield number
            number = self.above[number]

    def gone(self, number: int) -> bool:
        """Whether the config no longer has it."""
        return number >= self.first_gone

    def nearest(self, path: str) -> int | None:
        """Return the number of a path, or of what stands above where it would be; None if nothing does."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path)
