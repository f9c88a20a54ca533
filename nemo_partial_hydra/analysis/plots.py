"""Plots as SVG: values against metrics, heat maps of two values, and the times of jobs on a line.

May import: the standard library only. Colours are classes of the page's style, so that they follow its light and dark
scheme; every text is escaped.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nemo_partial_hydra.listing.page_frame import text
from nemo_partial_hydra.messages import cells

from .axes import Axis, axis, number, spelled

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 28, 48
CELL: Final = 7.2  # how wide a character is at most, of those that are not twice as wide
SHADES: Final = 8
_MANY = 600  # points; from there on they are one path, since each element takes a browser time


@dataclass(frozen=True)
class Point:
    """A job in a plot: its values, its state, its title and where it is described."""

    x: Any
    y: Any
    state: str
    title: str
    link: str


def scatter(points: Sequence[Point], x_name: str, y_name: str) -> str | None:
    """Plot a metric against a value, a mark a job; None where there is nothing to compare.

    A job without the metric stands below the axis, so that none is missing.
    """
    across, up = axis([point.x for point in points]), axis([point.y for point in points])
    if across is None or up is None or up.names:
        return None
    marks = list(_marks(points, across, up))
    label = text(f"{y_name} against {x_name}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{_frame(across, up, x_name, y_name)}{''.join(marks)}</svg>"
    )


def fitted(names: Sequence[str], room: int) -> list[str]:
    """Return names that are no wider than so many characters: their beginnings, or their ends if those say more."""
    begun = [_cut(name, room) for name in names]
    ended = [_cut(name[::-1], room)[::-1] for name in names]
    return ended if len(set(ended)) > len(set(begun)) else begun


def _cut(name: str, room: int) -> str:
    if cells(name) <= room:
        return name
    kept = name[: room - 1]
    while cells(kept) > room - 1:
        kept = kept[:-1]
    return f"{kept}\u2026"


def _x(place: float) -> float:
    return round(LEFT + place * (WIDTH - LEFT - RIGHT), 1)


def _y(place: float) -> float:
    return round(HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM), 1)


def _marks(points: Sequence[Point], across: Axis, up: Axis) -> Iterator[str]:
    placed = [(point, across.place(point.x), up.place(point.y)) for point in points]
    if len(points) > _MANY:
        inside = "".join(f"M{_x(x)} {_y(y)}h0" for _, x, y in placed if x is not None and y is not None)
        yield f'<path class="many" d="{inside}"/>'
        return
    for point, x, y in placed:
        left = _x(x) if x is not None else LEFT - 8
        if y is None:
            at = HEIGHT - BOTTOM + 9
            mark = f'<path class="none" d="M{left - 3} {at - 3}l6 6m0-6l-6 6"/>'
        else:
            mark = f'<circle class="{text(point.state)}" cx="{left}" cy="{_y(y)}" r="4"/>'
        yield f'<a href="{text(point.link)}"><title>{text(point.title)}</title>{mark}</a>'


def _frame(across: Axis, up: Axis, x_name: str, y_name: str) -> str:
    out = [
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"/>'
    ]
    labels = fitted([name for _, name in across.ticks], 10)
    widest = max((cells(label) for label in labels), default=0) + 1
    room = math.ceil(len(labels) * widest * CELL / (WIDTH - LEFT - RIGHT)) if across.names else 1
    for index, ((place, _), label) in enumerate(zip(across.ticks, labels, strict=True)):
        if index % room == 0:
            out.append(f'<path class="tick" d="M{_x(place)} {HEIGHT - BOTTOM}v4"/>')
            out.append(f'<text x="{_x(place)}" y="{HEIGHT - BOTTOM + 26}" text-anchor="middle">{text(label)}</text>')
    labels = [name for _, name in up.ticks]
    for (place, _), label in zip(up.ticks, fitted(labels, 9) if up.names else labels, strict=True):
        out.append(f'<path class="grid" d="M{LEFT} {_y(place)}H{WIDTH - RIGHT}"/>')
        narrow = "" if cells(label) <= 9 else f' textLength="{LEFT - 8}" lengthAdjust="spacingAndGlyphs"'
        out.append(f'<text x="{LEFT - 6}" y="{_y(place) + 4}" text-anchor="end"{narrow}>{text(label)}</text>')
    logs = [" (log)" if each.log else "" for each in (across, up)]
    middle = (WIDTH + LEFT - RIGHT) / 2
    out.append(f'<text class="name" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{text(x_name)}{logs[0]}</text>')
    out.append(f'<text class="name" x="4" y="{TOP - 12}">{text(y_name)}{logs[1]}</text>')
    return "".join(out)


def heat_map(
    records: Sequence[Mapping[str, Any]], x_name: str, y_name: str, metric: str, *, most: int = 24
) -> str | None:
    """Show the mean of a metric for each pair of two values; None where there are too many of them, or one."""
    cells: dict[tuple[str, str], list[float]] = {}
    for record in records:
        found = number(record[metric])
        if found is not None:
            cells.setdefault((spelled(record[x_name]), spelled(record[y_name])), []).append(found)
    names = [axis([spelled(record[name]) for record in records], most=most) for name in (x_name, y_name)]
    across, up = names
    if across is None or up is None or len(across.names) < 2 or len(up.names) < 2 or len(cells) < 2:
        return None
    means = {key: statistics.fmean(values) for key, values in cells.items()}
    shades = axis([*means.values()])
    width, height = (WIDTH - LEFT - RIGHT) / len(across.names), (HEIGHT - TOP - BOTTOM) / len(up.names)
    out = []
    for (x, y), mean in means.items():
        place = (shades.place(mean) if shades is not None else None) or 0.0
        left, top = _x(across.names.index(x) / len(across.names)), _y((up.names.index(y) + 1) / len(up.names))
        title = text(f"{x_name}={x}, {y_name}={y}: {metric} {mean:.6g}")
        out.append(f'<g class="h{min(SHADES - 1, int(place * SHADES))}"><title>{title}</title>')
        out.append(f'<rect x="{left}" y="{top}" width="{width:.1f}" height="{height:.1f}"/>')
        shown = f"{mean:.2g}"
        if width > 7 * len(shown) and height > 12:
            middle = f'x="{left + width / 2:.1f}" y="{top + height / 2 + 4:.1f}"'
            out.append(f'<text {middle} text-anchor="middle">{shown}</text>')
        out.append("</g>")
    frame = _frame(across, up, x_name, y_name)
    label = text(f"{metric} by {x_name} and {y_name}")
    log = " (log)" if shades is not None and shades.log else ""
    name = f'<text class="name" x="{WIDTH - RIGHT}" y="{TOP - 12}" text-anchor="end">{text(metric)}{log}</text>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{frame}{"".join(out)}{name}</svg>'


@dataclass(frozen=True)
class Span:
    """The times of a job, in seconds since the first: when it was sent, began and ended; None where it did not yet."""

    name: str
    link: str
    state: str
    title: str
    sent: float | None
    began: float | None
    ended: float | None


def time_line(spans: Sequence[Span], length: float) -> str:
    """Show when jobs waited and ran, a row a job."""
    row = 16 if len(spans) <= 60 else 6 if len(spans) <= 400 else 2
    left = 70 if row == 16 else 8
    width, height = 960, len(spans) * row + 26
    scale = (width - left - 10) / (length or 1.0)
    out = []
    for place, name in _times(length):
        at = round(left + place * scale, 1)
        out.append(f'<path class="grid" d="M{at} 0V{height - 22}"/><text x="{at}" y="{height - 6}">{name}</text>')
    for index, span in enumerate(spans):
        top = index * row + 1
        bars = [("waiting", span.sent, span.began if span.began is not None else length)]
        bars.append((span.state, span.began, span.ended if span.ended is not None else length))
        shown = "".join(_bar(kind, first, last, left, top, row, scale) for kind, first, last in bars)
        if row == 16:
            shown += f'<text x="{left - 6}" y="{top + 11}" text-anchor="end">{text(span.name[:9])}</text>'
        out.append(f'<a href="{text(span.link)}"><title>{text(span.title)}</title>{shown}</a>')
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="times of the jobs">{"".join(out)}</svg>'


def _bar(kind: str, first: float | None, last: float, left: int, top: int, row: int, scale: float) -> str:
    if first is None or last < first:
        return ""
    size = max(1.0, (last - first) * scale)
    height = max(1, row - 3)
    return f'<rect class="{text(kind)}" x="{left + first * scale:.1f}" y="{top}" width="{size:.1f}" height="{height}"/>'


def _times(length: float) -> Iterator[tuple[float, str]]:
    """Yield the ticks of a line of time: round numbers of seconds, minutes, hours or days."""
    steps = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800)
    step = next((each for each in steps if length / each <= 8), 604_800 * max(1, round(length / 604_800 / 8)))
    unit, sign = next(
        ((size, sign) for size, sign in ((86_400, "d"), (3600, "h"), (60, "min")) if step >= size), (1, "s")
    )
    for number_ in range(int(length // step) + 1):
        yield number_ * step, f"{number_ * step / unit:g} {sign}"
