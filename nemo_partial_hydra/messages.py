"""How messages to the user are worded, collected into one error, and printed.

May import: the standard library only. A message is one readable text: the full path, what is wrong, what was expected,
the nearest right name and the way out. ``Problems`` collects several, so that a user sees every mistake of a recipe at
once. Whatever is printed may come from a file of somebody else: it goes through ``escaped``, so that no terminal takes
a part of it for a command, or shows it in another order. ``tests/test_terminal.py`` finds what is printed otherwise.
"""

from __future__ import annotations

import codecs
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from .errors import RecipeError, ValidationError

# All that is no text: C0 but line feed and tab, DEL, C1, marks of direction, separators, halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
COLOUR = re.compile("\x1b\\[[0-9;:]{0,60}m")
"""What changes the colour of the text that follows, and nothing else."""
_BEGUN = re.compile("(?:\x1b(?:\\[[0-9;:]{0,60})?|\r)\\Z")
_RESET = "\x1b[0m"


def escaped(text: str) -> str:
    """Spell control characters, so that a terminal shows them instead of obeying; line feeds and tabs stay."""
    return text if text.isprintable() else _CONTROL.sub(_spelled, text)


def one_line(text: str) -> str:
    """Spell a text in one line, whatever it holds."""
    return text if text.isprintable() else escaped(text).replace("\n", "\\n").replace("\t", "\\t")


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes: Chinese characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text up to so many cells; ``right`` puts it at the right."""
    spaces = " " * (width - cells(text))
    return spaces + text if right else text + spaces


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say(*texts: object, file: TextIO | None = None, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
    """Print texts as ``print`` does, with control characters spelled."""
    print(escaped(sep.join(map(str, texts))), end=end, file=sys.stdout if file is None else file, flush=flush)


def json_text(data: Any, indent: int | None = None) -> str:
    """Return data as JSON that a person can read, and no terminal obeys."""
    import json  # only where JSON is printed

    text = json.dumps(data, indent=indent, ensure_ascii=False)
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


class Shown:
    """What a job writes, as text for a terminal: bytes are written to it, in whatever pieces they come.

    Parameters
    ----------
    out : where the text goes.
    colours : whether colours are kept; left out otherwise.
    returns : whether a carriage return stays one, as progress bars want it; a new line otherwise, which hides nothing.
    """

    def __init__(self, out: TextIO, *, colours: bool = False, returns: bool = False) -> None:
        self.out, self.colours, self.returns = out, colours, returns
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""
        self._coloured = False

    def write(self, data: bytes) -> int:
        """Write a piece; what may be the beginning of a colour is held until it is known."""
        text = self._held + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        self._held = begun.group() if begun else ""
        self._put(text[: len(text) - len(self._held)])
        return len(data)

    def flush(self) -> None:
        """Have what was written so far appear."""
        self.out.flush()

    def end(self) -> None:
        """Write what was held, and take colours back."""
        held = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        self._put(held)
        if self._coloured:
            self.out.write(_RESET)
        self.flush()

    def _put(self, text: str) -> None:
        if not text.isprintable():
            text = text.replace("\r\n", "\n")
            if not self.returns:
                text = text.replace("\r", "\n")
            lines = text.split("\r")
            text = "\r".join(map(self._line, lines))
        self.out.write(text)

    def _line(self, text: str) -> str:
        colours = COLOUR.findall(text)
        if not colours:
            return escaped(text)
        kept = colours if self.colours else [""] * len(colours)
        self._coloured = self._coloured or self.colours
        parts = [escaped(part) for part in COLOUR.split(text)]
        return "".join(part + colour for part, colour in zip(parts, [*kept, ""], strict=True))


def dotted(path: Sequence[Any]) -> str:
    """Spell a path as the command line does: ``optimizers.0.lr``."""
    return ".".join(str(key) for key in path)


def dots(full_key: str) -> str:
    """Spell OmegaConf's full key as the command line does: ``optimizers[0].lr`` is ``optimizers.0.lr``."""
    return full_key.replace("[", ".").replace("]", "").lstrip(".")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of ``names``, or an empty text."""
    import difflib  # only where there is an error

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def no_factory(said: Any) -> str:
    """Return why a recipe that no registered factory makes takes no arguments of one."""
    if isinstance(said, str):
        return f"only nemo_run calls the factory {said!r}: export the resolved recipe instead"
    return (
        "no factory makes this recipe; only one that Python code registers (@nph.recipe) takes arguments, or one with "
        "values that are references to them; a saved config holds what was made: leave _factory_ out"
    )


_EXTRAS = {"nemo_run": "run", "fiddle": "run", "leptonai": "run", "textual": "browse"}


def installs(module: str | None) -> str:
    """Return how to install a module that cannot be found, if an extra of this package has it, or an empty text."""
    extra = _EXTRAS.get((module or "").partition(".")[0])
    return f"; pip install '.[{extra}]' in the folder of nemo_partial_hydra installs it" if extra else ""


def one_of(names: Iterable[Any], limit: int = 12) -> str:
    """Spell a list of choices, cut after ``limit``."""
    texts = [str(name) for name in names]
    shown = ", ".join(texts[:limit])
    return f"{shown}, ... ({len(texts)} in all)" if len(texts) > limit else shown


def placed(path: Sequence[Any], text: str) -> str:
    """Put the full path before a message about the value that stands there."""
    return f"{dotted(path)}: {text}" if path else text


# How the policy says what would allow a name: an app has no ``--allow``, a command no ``nph.main``.
_IN_APP = r"; to allow it: nph\.main\(allow=\['[^']*'\]\)"
_OR_COMMAND = r", or (--allow [\w.]+)"


def allowed_by_app(text: str) -> str:
    """Return a report of the policy as an app tells it."""
    return re.sub(rf"({_IN_APP}){_OR_COMMAND}", r"\1", text)


def allowed_by_command(text: str) -> str:
    """Return a report of the policy as a command of ``nemo-hydra`` tells it."""
    return re.sub(_IN_APP + _OR_COMMAND, r"; to allow it: \1", text)


class Problems:
    """A list of messages with their paths, raised together as one error; at ``MOST`` nobody looks for more."""

    MOST = 1_000

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, path: Sequence[Any], text: str) -> None:
        """Note one mistake.

        Raises
        ------
        ValidationError
            If there are too many.
        """
        self.messages.append(placed(path, text))
        if len(self.messages) == self.MOST:
            self.check()

    def check(self, error: type[RecipeError] = ValidationError) -> None:
        """Raise all that was noted as one ``error``; do nothing when there is nothing."""
        if len(self.messages) == 1:
            raise error(self.messages[0])
        if self.messages:
            more = " at least" if len(self.messages) >= self.MOST else ""
            raise error("\n".join([f"{len(self.messages)} problems{more}:", *(f"  - {m}" for m in self.messages)]))
