"""Objects that stand at several places: a listing has their paths once, and a line for each other place.

May import: the standard library only. What is asked for by a path below another place is found through its line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from .record import PathInfo

MOST = 200_000  # paths; objects at two places in objects at two places in ... have more of them than can be looked at


class Places:
    """The paths of a listing, and those by which its objects could be reached besides.

    ``left`` is how many of the others may still be looked at.
    """

    def __init__(self, records: Sequence[PathInfo]) -> None:
        self.left = MOST
        self.records = sorted(records, key=lambda info: info.path)
        self.paths = [info.path for info in self.records]
        self.others = {info.path: info for info in self.records if info.same_as is not None}

    def below(self, path: str) -> Sequence[PathInfo]:
        """Return the records below a path."""
        first = bisect_left(self.paths, f"{path}.")
        return self.records[first : bisect_left(self.paths, f"{path}/", lo=first)]  # "/" comes right after "."

    def through(self, place: PathInfo) -> Iterator[tuple[str, PathInfo]]:
        """Yield the paths below another place of an object, each with the record of what stands there."""
        ahead = [(place.path, str(place.same_as))]
        for here, there in ahead:
            for info in self.below(there):
                if not self.left:
                    return
                self.left -= 1
                path = here + info.path[len(there) :]
                yield path, info
                if info.same_as is not None:
                    ahead.append((path, info.same_as))

    def leading_to(self, path: str) -> tuple[PathInfo | None, str]:
        """Return the line of the other place through which a path leads first, and the path of what it ends at."""
        first = None
        for _ in range(MOST):
            place = next((self.others[above] for above in _from_the_top(path) if above in self.others), None)
            if place is None:
                break
            first = first or place
            path = f"{place.same_as}{path[len(place.path) :]}"
        return first, path


def _from_the_top(path: str) -> Iterator[str]:
    """Yield the paths of the nodes that contain a path, and it itself."""
    at = path.find(".")
    while at != -1:
        yield path[:at]
        at = path.find(".", at + 1)
    yield path
