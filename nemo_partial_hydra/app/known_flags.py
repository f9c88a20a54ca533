"""Which flags an app has, and how a word of a command line names them: Hydra's as its parser reads them, and ours.

May import: the standard library. Hydra's parser is argparse's: a long name may be shortened to what no other begins
with, a value may follow ``=`` or be the next word, and one-letter flags may be written together (``-mp model``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NOTHING, VALUE, MAYBE = "nothing", "a value", "a value or nothing"

LISTING, SET_ONLY, FILTER, LIBRARY, PACKAGE = "--cfg-paths", "--set-only", "--filter", "--library", "--package"
DEPTH, SEARCH = "--depth", "--search"
CONFIG_DIR, CONFIG_NAME, CONFIG_PATH = "--config-dir", "--config-name", "--config-path"
MULTIRUN, RUN, COMPLETION, HELP, CFG = "--multirun", "--run", "--shell-completion", "--help", "--cfg"
RERUN, END = "--experimental-rerun", "--"


@dataclass(frozen=True)
class KnownFlag:
    """A flag that exists.

    Parameters
    ----------
    name : its full name.
    short : its short name, or none.
    takes : whether it has a value.
    ours : whether Hydra does not know it.
    shows : whether Hydra then shows something instead of running the app.
    composes : whether a composed config depends on it.
    """

    name: str
    short: str = ""
    takes: str = NOTHING
    ours: bool = False
    shows: bool = False
    composes: bool = False


FLAGS = (
    KnownFlag(HELP, "-h", shows=True),
    KnownFlag("--hydra-help", shows=True),
    KnownFlag("--version", shows=True),
    KnownFlag(CFG, "-c", VALUE, shows=True),
    KnownFlag("--resolve"),
    KnownFlag(PACKAGE, "-p", VALUE),
    KnownFlag(RUN, "-r", composes=True),
    KnownFlag(MULTIRUN, "-m", composes=True),
    KnownFlag(COMPLETION, "-sc", shows=True),
    KnownFlag(CONFIG_PATH, "-cp", VALUE, composes=True),
    KnownFlag(CONFIG_NAME, "-cn", VALUE, composes=True),
    KnownFlag(CONFIG_DIR, "-cd", VALUE, composes=True),
    KnownFlag(RERUN, "", VALUE),
    KnownFlag("--info", "-i", MAYBE, shows=True),
    KnownFlag(LISTING, ours=True),
    KnownFlag(FILTER, "", VALUE, ours=True),
    KnownFlag(SEARCH, "", VALUE, ours=True),
    KnownFlag(SET_ONLY, ours=True),
    KnownFlag(DEPTH, "", VALUE, ours=True),
    KnownFlag(LIBRARY, "", VALUE, ours=True),
)
_BY_NAME = {name: flag for flag in FLAGS for name in (flag.name, flag.short) if name}
_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


@dataclass(frozen=True)
class Named:
    """What a word names: a flag, known or not, and the value that is part of the word."""

    given: str
    known: KnownFlag | None
    value: str | None = None

    @property
    def name(self) -> str:
        """The flag's full name; an unknown one's as it was given."""
        return self.given if self.known is None else self.known.name


def named(word: str) -> list[Named]:
    """Return the flags that a word names; none if it is an override. Several are one-letter flags in one word."""
    if not word.startswith("-") or word == "-":
        return []
    if word in _BY_NAME:
        return [Named(word, _BY_NAME[word])]
    given, equals, text = word.partition("=")
    value = text if equals else None
    if given in _BY_NAME:
        return [Named(given, _BY_NAME[given], value)]
    known = _shortened(given)
    if known is not None:
        return [Named(given, known, value)]
    together = list(_together(word))
    if together:
        return together
    return [] if _NUMBER.match(word) or " " in word else [Named(given, None, value)]


def _shortened(given: str) -> KnownFlag | None:
    """Return the only flag whose name begins so: among Hydra's, or if none of them does, among ours."""
    for ours in (False, True):
        names = (name for flag in FLAGS if flag.ours is ours for name in (flag.name, flag.short))
        found = [name for name in names if name.startswith(given)]
        if found:
            return _BY_NAME[found[0]] if len(found) == 1 else None
    return None


def _together(word: str) -> Iterator[Named]:
    """Yield one-letter flags in one word, the last with its value: ``-mpmodel``; nothing if one is unknown."""
    found: list[Named] = []
    letters = "" if word.startswith("--") else word[1:]
    while letters:
        known = _BY_NAME.get(f"-{letters[0]}")
        if known is None:
            return
        takes = known.takes != NOTHING
        found.append(Named(known.short, known, letters[1:].removeprefix("=") or None if takes else None))
        letters = "" if takes else letters[1:]
    yield from found
