"""The keys of the explorer: what each does, as the help says it and the last line of the screen shows it.

May import: the standard library only.
"""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """Keys that do one thing.

    Parameters
    ----------
    keys : as textual names them, in one word with commas.
    action : the action of the explorer; an empty text for what textual does.
    shown : as the help writes them.
    brief : what the last line of the screen calls it; empty for what is not shown there.
    doc : what the help says.
    of_tree : whether they are keys of the paths alone, and scroll a text where that is chosen.
    """

    keys: str
    action: str
    shown: str
    brief: str
    doc: str
    of_tree: bool = False


KEYS = (
    Key("up,k", "up", "up k", "", "the path above", True),
    Key("down,j", "down", "down j", "", "the path below", True),
    Key("pageup", "page(-1)", "PgUp", "", "a screen up", True),
    Key("pagedown", "page(1)", "PgDn", "", "a screen down", True),
    Key("home", "first", "Home", "", "the first path", True),
    Key("end", "last", "End", "", "the last path", True),
    Key("right,l", "open", "right l", "", "open; if it is open, go to the first path below it", True),
    Key("left,h", "close", "left h", "", "close; if it is closed, go to the path that contains it", True),
    Key("space", "open_or_close", "space", "", "open or close", True),
    Key("tab", "", "Tab", "", "to the text about the path and back, to scroll it"),
    Key("slash", "search", "/", "search", "show what has a text in its path, type or doc, while it is typed"),
    Key("n", "next(1)", "n", "", "the next path that was searched or filtered"),
    Key("N", "next(-1)", "N", "", "the one before"),
    Key("f", "filter", "f", "filter", "show the paths that match a glob: *.lr"),
    Key("s", "set_only", "s", "set", "show only what a recipe, a file or an override sets, or all again"),
    Key("d", "changed_only", "d", "diff", "show only what differs from the start, with what it was, or all again"),
    Key("escape", "all", "Esc", "", "show all again; leave a line or list without taking it"),
    Key("e,enter", "edit", "e Enter", "edit", "write another value; several (1,2) make it a sweep"),
    Key("g", "group", "g", "group", "choose another option of a config group"),
    Key("plus", "add", "+", "", "add a keyword, an entry of a dict, elements of a list"),
    Key("colon", "override", ":", "", "write any override, as on a command line"),
    Key("x", "reset", "x", "", "take the edits of a path back, or those below it"),
    Key("u", "undo", "u", "undo", "take the last change back"),
    Key("ctrl+r", "redo", "Ctrl-R", "", "make it again"),
    Key("c", "copy", "c", "", "copy the override of the path (OSC 52, where the terminal takes it)"),
    Key("C", "copy_command", "C", "", "copy the command line"),
    Key("m", "messages", "m", "", "what was said while the config was composed"),
    Key("question_mark", "help", "?", "help", "this page"),
    Key("q,ctrl+q", "leave", "q", "quit", "leave and print the command line"),
    Key("Q", "leave_quietly", "Q", "", "leave and print nothing"),
    Key("ctrl+z", "suspend_process", "Ctrl-Z", "", "stop for now; the shell's fg goes on"),
    Key("ctrl+c", "interrupt", "Ctrl-C", "", "leave and print nothing, with exit code 130"),
)

SIGNS = (
    ("*", "differs from the start"),
    ("-", "was there at the start and is no longer"),
    ("!", "required, and nobody has set it"),
    (">", "set by an override"),
    ("=", "set by a recipe or a file"),
    ("x", "cannot be overridden as it is; the text about it says what to do instead"),
)


def help_lines() -> list[str]:
    """Return the help."""
    width = max(len(key.shown) for key in KEYS)
    lines = [f"{key.shown.ljust(width)}  {key.doc}" for key in KEYS]
    signs = [f"{sign.ljust(width)}  {doc}" for sign, doc in SIGNS]
    return ["Keys", "", *lines, "", "Signs before a path", "", *signs, "", "q, Esc or ? closes this page."]


def brief_line() -> str:
    """Return the last line of the screen."""
    last = [key for key in KEYS if key.brief]
    last.sort(key=lambda key: key.brief not in ("quit", "help"))  # where there is no room for all, for these
    return "  ".join(f"{key.shown.split()[0]} {key.brief}" for key in last)
