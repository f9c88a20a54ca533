"""What is written about a path: its line among the others, and the text about it below.

May import: the standard library, rich's styles. Texts come from configs: they are written as they are, and no
markup is read in them.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.style import Style

from nemo_partial_hydra.listing.columns import below, brief, set_by, value
from nemo_partial_hydra.listing.override_text import value_text
from nemo_partial_hydra.listing.record import GROUP, KWARGS, PathInfo
from nemo_partial_hydra.messages import one_line
from nemo_partial_hydra.recipes.keys import TARGET

from .cells import fitted
from .edits import value_of
from .model import Model

PLAIN, DIM, BOLD, GREEN, CYAN, RED = (
    Style(),
    Style(dim=True),
    Style(bold=True),
    Style(bold=True, color="green"),
    Style(color="cyan"),
    Style(bold=True, color="red"),
)
_NARROW, _WIDE = 60, 100  # cells from which on there is a column that says who set it, and one of types
_OPEN, _CLOSED, _LEAF = "\u25be ", "\u25b8 ", "  "
_PLAIN_OPEN, _PLAIN_CLOSED = "- ", "+ "


class Columns(NamedTuple):
    """How many cells each column has."""

    path: int
    type: int
    value: int
    set_by: int


def columns(width: int) -> Columns:
    """Return the widths of the columns on a screen: types are the first to go, then who set it."""
    room = max(width - 3, 0)  # the signs
    if width < _NARROW:
        path = room * 5 // 9
        return Columns(path, 0, room - path - 1, 0)
    if width < _WIDE:
        path, held = room * 45 // 100, room * 27 // 100
        return Columns(path, 0, held, room - path - held - 2)
    path, kind, held = room * 34 // 100, min(room * 20 // 100, 32), room * 20 // 100
    return Columns(path, kind, held, room - path - kind - held - 3)


def heading(width: int) -> str:
    """Return the line above the paths."""
    texts = ("PATH", "TYPE", "VALUE", "SET BY")
    cells = zip(texts, columns(width), strict=True)
    return "   " + " ".join(fitted(text, room, "") for text, room in cells if room)


def sign(model: Model, number: int) -> str:
    """Return two characters that say what is special about a path; never by colour alone."""
    view, info = model.view, model.record(number)
    first = "-" if view.forest.gone(number) else "*" if number in view.changed else " "
    node = isinstance(info.value, dict) and TARGET in info.value
    if info.required and info.value is None and not info.set:
        second = "!"
    elif info.kind == "override":
        second = ">"
    elif not info.overridable and not node and not info.path.endswith(KWARGS) and info.type != GROUP:
        second = "x"
    else:
        second = "=" if info.set and info.kind in ("recipe", "config") else " "
    return first + second


def style(model: Model, number: int) -> Style:
    """Return how a path is written; the signs say the same."""
    info, second = model.record(number), sign(model, number)[1]
    if second in "!>":
        return RED if second == "!" else GREEN
    if info.type == GROUP:
        return CYAN
    return BOLD if second == "=" else PLAIN


def line(model: Model, number: int, width: int, plain: bool) -> str:
    """Return the line of a path.

    Parameters
    ----------
    model : the explorer's model.
    number : the path.
    width : in cells.
    plain : whether only ASCII is drawn, for screen readers and old terminals.
    """
    view, info = model.view, model.record(number)
    opened, closed = (_PLAIN_OPEN, _PLAIN_CLOSED) if plain else (_OPEN, _CLOSED)
    mark = (opened if view.is_open(number) else closed) if view.has_more(number) else _LEAF
    name = "  " * view.forest.depths[number] + mark + view.forest.names[number]
    cells = (name, info.type, shown_value(model, number, plain), set_by(info))
    dots = "..." if plain else "\u2026"
    texts = [fitted(one_line(text), room, dots) for text, room in zip(cells, columns(width), strict=True) if room > 0]
    return fitted(f"{sign(model, number)} {' '.join(texts)}", width, "")


def shown_value(model: Model, number: int, plain: bool = False) -> str:
    """Return the value of a path; where only differences are shown, with what it was."""
    info, view = model.record(number), model.view
    if not view.changed_only or number not in view.changed:
        return value(info)
    arrow = "->" if plain else "\u2192"
    before = view.before(number)
    now = "(gone)" if view.forest.gone(number) else value(info)
    return f"{'(new)' if before is None else before} {arrow} {now}"


def about(model: Model, number: int) -> list[str]:
    """Return the text about a path, line by line."""
    info = model.record(number)
    lines = [f"{info.path} = {value(info)}", f"type: {info.type}"]
    if model.view.forest.gone(number):
        return [*lines, "It was there at the start; the config as it is now has no such path."]
    lines += [info.doc] if info.doc else []
    swept = model.swept(number)
    lines += [f"a sweep: {value_of(swept)}; this is the first of {model.composed.jobs} jobs"] if swept else []
    lines.append(f"set by: {set_by(info)}")
    if info.kind == "default" and info.source:
        lines.append(f"the default of {info.source}")
    elif info.default is not None or info.default_text is not None:
        lines.append(f"default: {info.default_text or brief(info.default)}")
    before = model.view.before(number)
    if number in model.view.changed:
        lines.append("it was not there at the start" if before is None else f"at the start: {before}")
    lines += _how(info)
    return lines


def _how(info: PathInfo) -> list[str]:
    """Spell how a path is set, and with which values."""
    lines = [f"override: {info.override}"] if info.override else []
    if info.why_not is not None and info.why_not not in set_by(info):
        lines.append(f"no override: {info.why_not}")
    if info.choices and info.type != GROUP:
        lines.append(f"one of: {', '.join(str(value_text(choice)) for choice in info.choices)}")
    elif len(info.choices) > 1:
        lines.append(f"options: {', '.join(map(str, info.choices))}")
    if info.same_as is not None:
        lines.append(f"what is below it stands at {info.same_as}")
    left = below(info)
    return [*lines, left] if left else lines
