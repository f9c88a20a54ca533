"""Texts laid out in the cells of a terminal: in one line, cut, wrapped.

May import: rich, which knows how wide characters are.
"""

from __future__ import annotations

from rich.cells import cell_len, chop_cells, set_cell_size

from nemo_partial_hydra.messages import escaped


def fitted(text: str, width: int, dots: str) -> str:
    """Return a text in exactly so many cells; where something is cut, it ends with ``dots``."""
    if width <= 0:
        return ""
    if cell_len(text) > width:
        room = width - cell_len(dots)
        text = set_cell_size(text, room) + dots if room > 0 else text
    return set_cell_size(text, width)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Break a text at its spaces, and a word that is too long anywhere; lines after the first are indented."""
    width = max(width, cell_len(indent) + 2)
    out: list[str] = []
    for paragraph in escaped(text).replace("\t", "    ").split("\n"):
        line = indent if out else ""
        begun = False
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if begun else f"{line}{word}"
            if cell_len(joined) <= width:
                line, begun = joined, True
                continue
            if begun:
                out.append(line)
                line = indent
            for piece in chop_cells(word, width - cell_len(indent)) or [""]:
                if cell_len(line) > cell_len(indent):
                    out.append(line)
                    line = indent
                line = f"{line}{piece}"
            begun = True
        out.append(line)
    return out
