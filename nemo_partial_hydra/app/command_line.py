"""The command line of an ``nph.main`` app, read once: its flags, Hydra's and ours, and the overrides, in their order.

May import: the standard library; the formats of the listing, where it is asked for. Nothing is looked up on disk here:
``hydra_arguments`` does that, and says what Hydra gets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import UsageError

from .known_flags import (
    CFG,
    COMPLETION,
    CONFIG_DIR,
    CONFIG_NAME,
    CONFIG_PATH,
    DEPTH,
    END,
    FILTER,
    FLAGS,
    HELP,
    LIBRARY,
    LISTING,
    MAYBE,
    MULTIRUN,
    NOTHING,
    PACKAGE,
    RERUN,
    RUN,
    SEARCH,
    SET_ONLY,
    Named,
    named,
)

_TAKEN = (LISTING, LIBRARY, CONFIG_DIR)  # what Hydra never gets
_NARROWING = {FILTER: "filter", SEARCH: "search", SET_ONLY: "set_only", DEPTH: "depth"}  # arguments of CfgPaths
_OF_LISTING = {PACKAGE: "package", **_NARROWING}  # ours with LISTING
_DIRECTORIES = (LIBRARY, CONFIG_DIR)
_ONLY_SHOWS = frozenset(flag.name for flag in FLAGS if flag.shows)
_COMPOSED = frozenset(flag.name for flag in FLAGS if flag.composes)
_MODE = "hydra.mode"


@dataclass(frozen=True)
class Flag:
    """One flag, by its full name.

    Parameters
    ----------
    name : the full name.
    value : its value; None if it has none, or lacks it.
    words : the arguments as which it was given.
    ours : whether Hydra does not get it.
    """

    name: str
    value: str | None
    words: tuple[str, ...]
    ours: bool = False


@dataclass(frozen=True)
class CommandLine:
    """The arguments of an app: flags, and overrides as texts, in the order in which they were given."""

    items: tuple[Flag | str, ...] = ()

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> CommandLine:
        """Read the arguments of an app, without its own name.

        Raises
        ------
        UsageError
            For a flag of ours that lacks its value, or an unknown format of the listing.
        """
        words = [(word, named(word)) for word in _before_end(arguments)]
        listing = any(flag.name == LISTING for _, flags in words for flag in flags)
        after = arguments[len(words) :]
        items = list(_items(words, listing))
        return cls((*items, *([Flag(END, None, (END,))] if after else ()), *after[1:]))

    @property
    def flags(self) -> Iterator[Flag]:
        """The flags, in order."""
        return (item for item in self.items if isinstance(item, Flag))

    @property
    def overrides(self) -> list[str]:
        """The overrides, in order."""
        return [item for item in self.items if isinstance(item, str)]

    def values(self, name: str) -> list[str]:
        """Return the values of a flag that may be given several times."""
        return [flag.value for flag in self.flags if flag.name == name and flag.value is not None]

    def value(self, name: str) -> str | None:
        """Return the value of a flag; the last one counts."""
        found = self.values(name)
        return found[-1] if found else None

    @property
    def multirun(self) -> bool:
        """Whether it is a sweep, by a flag or by ``hydra.mode`` among the overrides."""
        names = [flag.name for flag in self.flags if flag.name in (MULTIRUN, RUN)]
        if names and names[-1] == MULTIRUN:
            return True
        modes = [
            value for key, _, value in (text.lstrip("+").partition("=") for text in self.overrides) if key == _MODE
        ]
        return bool(modes) and modes[-1].strip("'\"") == "MULTIRUN"

    @property
    def listing(self) -> dict[str, Any] | None:
        """The arguments of ``listing.callback.CfgPaths``, if paths are to be listed."""
        out: dict[str, Any] = {}
        for flag in self.flags:
            if flag.name == LISTING:
                out["format"] = flag.value
            elif flag.name in _OF_LISTING and flag.ours:
                out[_OF_LISTING[flag.name]] = True if flag.name == SET_ONLY else flag.value
        return out if "format" in out else None

    @property
    def completes(self) -> bool:
        """Whether a shell asks how a line goes on."""
        return any(flag.name == COMPLETION for flag in self.flags)

    @property
    def helps(self) -> bool:
        """Whether the app's help is asked for."""
        return any(flag.name == HELP for flag in self.flags)

    @property
    def only_shows(self) -> bool:
        """Whether Hydra shows something instead of running the app."""
        return any(flag.name in _ONLY_SHOWS for flag in self.flags)

    @property
    def answers(self) -> bool:
        """Whether Hydra answers instead of running anything of the app's."""
        return self.completes or self.helps or self.only_shows

    @property
    def reruns(self) -> bool:
        """Whether an earlier job is run once more."""
        return any(flag.name == RERUN for flag in self.flags)

    def refuse_idle(self) -> None:
        """Refuse flags that mean nothing without another one that is missing.

        Raises
        ------
        UsageError
            Naming both flags.
        """
        names = {flag.name for flag in self.flags}
        for flag in self.flags:
            given = " ".join(flag.words)
            if flag.name in _NARROWING and LISTING not in names:
                raise UsageError(f"{given} says which paths are listed: add {LISTING}")
            if flag.name == PACKAGE and not {LISTING, *_ONLY_SHOWS} & names:
                raise UsageError(f"{given} says what of the config is shown: add {CFG} job, or {LISTING}")
            if flag.name == "--resolve" and not {CFG, HELP, LISTING} & names:
                raise UsageError(f"{given} says how the config is shown: add {CFG} job")

    def refuse_others(self) -> None:
        """Refuse flags of Hydra's that mean nothing for a listing.

        Raises
        ------
        UsageError
            Naming the flag, or one that lacks its value.
        """
        for flag in self.flags:
            if not flag.ours and flag.name not in _COMPOSED and flag.name != END:
                raise UsageError(f"{flag.words[0]} cannot be combined with {LISTING}")
            if flag.name in (CONFIG_NAME, CONFIG_PATH) and flag.value is None:
                raise UsageError(f"{flag.words[0]} needs a value")

    def without(self, *names: str) -> CommandLine:
        """Return the line without some flags."""
        return CommandLine(tuple(item for item in self.items if isinstance(item, str) or item.name not in names))

    def only(self, wanted: Callable[[str], bool]) -> CommandLine:
        """Return the line with some of its overrides."""
        return CommandLine(tuple(item for item in self.items if not isinstance(item, str) or wanted(item)))

    def replaced(self, overrides: Iterable[str]) -> CommandLine:
        """Return the line with others in the places of its overrides, one for one; those beyond them come last."""
        new = iter(overrides)
        items = [next(new) if isinstance(item, str) else item for item in self.items]
        return dataclasses.replace(self, items=(*items, *new))

    def arguments(self) -> list[str]:
        """Return the arguments that Hydra gets, in order."""
        out: list[str] = []
        for item in self.items:
            if isinstance(item, str):
                out.append(item)
            elif not item.ours:
                out += item.words
        return out

    def arguments_to_run(self) -> list[str]:
        """Return the arguments with which Hydra runs the app: all overrides first.

        Hydra's parser takes overrides in one block, so one that is added has no place of its own behind a flag.
        """
        flags = [word for flag in self.flags if not flag.ours and flag.name != END for word in flag.words]
        if any(named(text) for text in self.overrides):  # Hydra is to say that they are no overrides
            return [*flags, END, *self.overrides]
        return [*self.overrides, *flags]


def _before_end(words: Sequence[str]) -> Sequence[str]:
    """Return the words among which flags may stand."""
    return words[: list(words).index(END)] if END in words else words


def _items(words: list[tuple[str, list[Named]]], listing: bool) -> Iterator[Flag | str]:
    """Yield the flags and overrides."""
    left = iter(range(len(words)))
    for at in left:
        word, flags = words[at]
        if not flags:
            yield word
        for flag in flags:
            ours = flag.name in _TAKEN or (listing and flag.name in _OF_LISTING)
            own = (word,) if len(flags) == 1 else (flag.given, *([] if flag.value is None else [flag.value]))
            following = words[at + 1] if flag is flags[-1] and at + 1 < len(words) else None
            if flag.name == LISTING:
                yield Flag(LISTING, _format(flag.value, following), own, ours)
            elif flag.value is not None or not _takes(flag, following):
                if flag.value is None and ours and flag.name != SET_ONLY:
                    raise UsageError(f"{flag.given} needs {'a directory' if flag.name in _DIRECTORIES else 'a value'}")
                yield Flag(flag.name, flag.value, own, ours)
            elif following is not None:
                next(left)
                yield Flag(flag.name, following[0], (*own, following[0]), ours)


def _takes(flag: Named, following: tuple[str, list[Named]] | None) -> bool:
    """Whether the word after a flag is its value."""
    takes = NOTHING if flag.known is None else flag.known.takes
    if takes == NOTHING or following is None or following[1]:
        return False
    return takes != MAYBE or not ("=" in following[0] or following[0].startswith("~"))


def _format(text: str | None, following: tuple[str, list[Named]] | None) -> str:
    """Return the format of a listing, which is a part of its flag's word."""
    from nemo_partial_hydra.listing.formats import NAMES, check_format

    if text is not None:
        return check_format(text)
    if following is not None and following[0] in NAMES:
        raise UsageError(f"{LISTING} {following[0]}: a format is a part of the flag, write {LISTING}={following[0]}")
    return "table"
