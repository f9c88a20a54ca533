"""Which paths of a config are listed: below a node, by a glob, by a text in them, by who set them, to a depth.

May import: the standard library only. All of it works on the records of the whole config: a line that stands for others
(another place of an object, a node at the last level) is shown for what is asked for below it.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import nearest

from .columns import counted
from .record import PathInfo
from .sharing import Places

HYDRA = "hydra"
SET_ONLY = "set-only"


class Selected(NamedTuple):
    """What is listed of one config.

    Parameters
    ----------
    records : what is shown.
    found : what was asked for, at whatever depth.
    searched : among how many paths a text was looked for.
    """

    records: Sequence[PathInfo]
    found: Sequence[PathInfo]
    searched: int


def as_flag(name: str, value: str) -> str:
    """Spell a setting as it stands on a command line."""
    return f"--{name}" if name == SET_ONLY else f"--{name} {shlex.quote(value)}"


@dataclass(frozen=True)
class Selection:
    """What is asked for.

    Parameters
    ----------
    package : the node below which paths are listed; all but Hydra's own by default.
    filter : a glob that the paths have to match.
    search : a text that stands in the path, the type or the doc, in whatever case.
    set_only : whether to leave out what nobody set.
    depth : how many levels below the package are shown.
    spelled : how a setting is given.
    """

    package: str | None = None
    filter: str | None = None
    search: str | None = None
    set_only: bool = False
    depth: Any = None
    spelled: Callable[[str, str], str] = as_flag

    def check(self) -> None:
        """Refuse what asks for nothing.

        Raises
        ------
        UsageError
            For a depth that is no number of levels, or an empty text to look for.
        """
        if self.search is not None and not self.search.strip():
            given = self.spelled("search", self.search)
            raise UsageError(f"{given}: expected a text to look for in paths, types and docs, such as lr")
        if self.depth is not None and not self.levels:
            given = self.spelled("depth", str(self.depth))
            raise UsageError(f"{given}: expected how many levels to show, 1 or more; left out, all are shown")

    @property
    def levels(self) -> int:
        """How many levels are shown; 0 where that is no such number."""
        text = str(self.depth)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

    @property
    def of_hydra(self) -> bool:
        """Whether it asks for Hydra's own settings."""
        return self.package is not None and (self.package == HYDRA or self.package.startswith(f"{HYDRA}."))

    def of(self, records: Sequence[PathInfo]) -> Selected:
        """Return what is listed of a config's records.

        Raises
        ------
        UsageError
            If the package that is asked for does not exist.
        """
        places = Places(records) if any(info.same_as is not None for info in records) else None
        inside = list(records) if self.package is None else below(records, self.package, places, self.spelled)
        found: list[PathInfo] = inside
        if self.filter is not None or self.set_only:
            found = _fitting(found, self._fits, places)
        searched = len(found)
        if self.search is not None:
            found = _fitting(found, self._holds, places)
        return Selected(found if self.depth is None else self._cut(inside, found), found, searched)

    def _fits(self, path: str, info: PathInfo) -> bool:
        if self.set_only and not info.set:
            return False
        return self.filter is None or fnmatch.fnmatchcase(path, self.filter)

    def _holds(self, path: str, info: PathInfo) -> bool:
        text = (self.search or "").casefold()
        return any(text in held.casefold() for held in (path, info.type, info.doc))

    def _cut(self, inside: Sequence[PathInfo], found: Sequence[PathInfo]) -> list[PathInfo]:
        """Return what is found down to the last level, whose nodes say how much of it is below them."""
        ends = _ends(inside, self.levels, (self.package or "").strip("."))
        wanted = {info.path for info in found}
        left_out = Counter(ends[path] for path in wanted if path in ends)
        out = []
        for info in inside:
            if info.path in left_out:
                out.append(dataclasses.replace(info, below=left_out[info.path]))
            elif info.path in wanted and info.path not in ends:
                out.append(info)
        return out

    def last_line(self, shown: int, searched: int, jobs: int) -> str:
        """Spell how many of how many paths have the text that was looked for."""
        where = f" in {jobs} jobs" if jobs > 1 else ""
        return f"{shown:,} of {counted(searched)}{where} with '{self.search}' in path, type or doc"

    def nothing(self, searched: int, names: Sequence[str]) -> str:
        """Spell that nothing was found, and how to find more.

        Parameters
        ----------
        searched : among how many paths a text was looked for.
        names : the paths that there are.
        """
        if self.search is None or not searched:
            given = self.spelled("filter", self.filter or "")
            what = "no path that is set matches" if self.set_only else "no path matches"
            wider = f"*{self.filter}*"
            if any(fnmatch.fnmatchcase(name, wider) for name in names):
                return f"{given}: {what}; '*' stands for any text: {self.spelled('filter', wider)}"
            return f"{given}: {what}{_like((self.filter or '').strip('*'), names)}"
        narrow = [
            self.spelled(name, value)
            for name, value in (("filter", self.filter), ("package", self.package))
            if value is not None
        ]
        narrow += [self.spelled(SET_ONLY, "")] if self.set_only else []
        more = f"more are searched without {' and '.join(narrow)}" if narrow else "a part of a word is enough"
        where = f"in none of {counted(searched)}, nor in their types and docs"
        return f"{self.spelled('search', self.search)}: it is {where}; {more}{_like(self.search, names)}"


def _like(text: str, names: Sequence[str]) -> str:
    """Return a hint at the path, or the name in one, that is most like a text; an empty one if none is."""
    return nearest(text, names) or nearest(text, {part for name in names for part in name.split(".")})


def _fitting(
    records: Sequence[PathInfo], fits: Callable[[str, PathInfo], bool], places: Places | None
) -> list[PathInfo]:
    """Return the records that fit, and the lines of other places below which something does, or may."""
    return [
        info
        for info in records
        if fits(info.path, info) or (info.same_as is not None and places is not None and _fit_below(info, fits, places))
    ]


def _fit_below(place: PathInfo, fits: Callable[[str, PathInfo], bool], places: Places) -> bool:
    return any(fits(path, info) for path, info in places.through(place)) or not places.left


def _ends(records: Sequence[PathInfo], levels: int, package: str) -> Mapping[str, str]:
    """Return the paths that lie deeper than the last level, with the node there that each is below."""
    depths: dict[str, int] = {}
    ends: dict[str, str] = {}
    top = 0 if any(info.path == package for info in records) else 1
    for info in records:  # parents before children
        above = info.path.rpartition(".")[0]
        while above and above not in depths:
            above = above.rpartition(".")[0]
        depths[info.path] = depths[above] + 1 if above else top
        if depths[info.path] > levels:
            ends[info.path] = ends.get(above, above)
    return ends


def below(
    records: Sequence[PathInfo],
    package: str,
    places: Places | None = None,
    spelled: Callable[[str, str], str] = as_flag,
) -> list[PathInfo]:
    """Return the records of a node and below it; of what is below another place of an object, the line of that.

    Raises
    ------
    UsageError
        If there is no such node.
    """
    node = package.strip(".")
    if node in ("", "_global_", HYDRA):
        return list(records)
    found = [info for info in records if info.path == node or info.path.startswith((f"{node}.", f"{node}/"))]
    if not found and places is not None:
        place, node = places.leading_to(node)
        if place is not None and any(info.path == node for info in records):
            return [place]
    if not found:
        hint = nearest(node, [info.path for info in records])
        raise UsageError(f"{spelled('package', package)}: there is no node '{node}' in the config{hint}")
    return found
