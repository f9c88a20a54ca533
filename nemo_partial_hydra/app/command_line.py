"""The command line of an ``nph.main`` app, read once: its flags, Hydra's and ours, and the overrides, in their order.

May import: the standard library; the formats of the listing, where it is asked for. Nothing is looked up on disk here:
``hydra_arguments`` does that, and says what Hydra gets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import UsageError

LISTING, SET_ONLY, LIBRARY = "--cfg-paths", "--set-only", "--library"
CONFIG_DIR, CONFIG_NAME, CONFIG_PATH = "--config-dir", "--config-name", "--config-path"
MULTIRUN, RUN, COMPLETION, HELP = "--multirun", "--run", "--shell-completion", "--help"

_FULL = {
    "-c": "--cfg",
    "-cd": CONFIG_DIR,
    "-cn": CONFIG_NAME,
    "-cp": CONFIG_PATH,
    "-h": HELP,
    "-i": "--info",
    "-m": MULTIRUN,
    "-p": "--package",
    "-r": RUN,
    "-sc": COMPLETION,
}
_OURS = (LISTING, SET_ONLY, LIBRARY, CONFIG_DIR)
_OF_LISTING = {"--package": "package", "--filter": "filter"}  # ours with LISTING, else Hydra's or nobody's
_COMPOSED = (MULTIRUN, RUN, CONFIG_NAME, CONFIG_PATH)  # what of Hydra's flags a composition depends on
_ALONE = (LISTING, SET_ONLY, MULTIRUN, RUN, COMPLETION, HELP, "--hydra-help", "--version", "--resolve")
_ONLY_SHOWS = (COMPLETION, HELP, "--hydra-help", "--version", "--cfg", "--info")


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
        listing = any(word.partition("=")[0] == LISTING for word in arguments)
        return cls(tuple(_items(list(arguments), listing)))

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
        """Whether it is a sweep."""
        names = [flag.name for flag in self.flags if flag.name in (MULTIRUN, RUN)]
        return bool(names) and names[-1] == MULTIRUN

    @property
    def listing(self) -> dict[str, Any] | None:
        """The arguments of ``listing.callback.CfgPaths``, if paths are to be listed."""
        out: dict[str, Any] = {}
        for flag in self.flags:
            if flag.name == LISTING:
                out["format"] = flag.value
            elif flag.name == SET_ONLY and flag.ours:
                out["set_only"] = True
            elif flag.name in _OF_LISTING and flag.ours:
                out[_OF_LISTING[flag.name]] = flag.value
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

    def refuse_others(self) -> None:
        """Refuse flags of Hydra's that mean nothing for a listing.

        Raises
        ------
        UsageError
            Naming the flag, or one that lacks its value.
        """
        for flag in self.flags:
            if not flag.ours and flag.name not in _COMPOSED:
                raise UsageError(f"{flag.words[0]} cannot be combined with {LISTING}")
            if flag.name in (CONFIG_NAME, CONFIG_PATH) and flag.value is None:
                raise UsageError(f"{flag.words[0]} needs a value")

    def without(self, *names: str) -> CommandLine:
        """Return the line without some flags."""
        return CommandLine(tuple(item for item in self.items if isinstance(item, str) or item.name not in names))

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
        return [*self.overrides, *(word for flag in self.flags if not flag.ours for word in flag.words)]


def _items(words: list[str], listing: bool) -> Iterator[Flag | str]:
    """Yield the flags and overrides."""
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            yield word
            continue
        given, equals, text = word.partition("=")
        name = _FULL.get(given, given)
        ours = name in _OURS if name != SET_ONLY else listing
        ours = ours or (listing and name in _OF_LISTING)
        if name == LISTING:
            from nemo_partial_hydra.listing.formats import check_format

            yield Flag(name, check_format(text) if equals else "table", (word,), ours)
        elif equals or name in _ALONE:
            yield Flag(name, text if equals else None, (word,), ours)
        elif ours and not words:
            raise UsageError(f"{given} needs {'a directory' if name in (LIBRARY, CONFIG_DIR) else 'a value'}")
        elif words and (ours or _is_value(words[0], always=name in _COMPOSED)):
            value = words.pop(0)
            yield Flag(name, value, (word, value), ours)
        else:
            yield Flag(name, None, (word,), ours)


def _is_value(word: str, *, always: bool) -> bool:
    """Whether the word after one of Hydra's flags is its value, ``always`` or where it can be no override."""
    return not word.startswith("-") and (always or not ("=" in word or word.startswith("~")))
