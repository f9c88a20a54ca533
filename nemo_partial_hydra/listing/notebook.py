"""Recipes in a notebook: after ``%load_ext nemo_partial_hydra`` each is shown as a table of what it sets.

May import: the standard library; IPython hands in what it has. The classes are named, not imported: a notebook that
uses no nemo_run pays nothing for it.
"""

from __future__ import annotations

from typing import Any, Final

from nemo_partial_hydra.errors import RecipeError

from .html_page import table
from .page_frame import text

CLASSES: Final = (("nemo_run.config", "Partial"), ("nemo_run.config", "Config"))


def load(ipython: Any) -> None:
    """Have a notebook show recipes; IPython calls it through ``load_ipython_extension``.

    nemo_run draws them with Graphviz, and says of each that it could not where that is not installed.
    """
    for kind, show in SHOWN.items():
        for name in CLASSES:
            ipython.display_formatter.formatters[kind].for_type_by_name(*name, show)


def unload(ipython: Any) -> None:
    """Have a notebook show recipes as before."""
    for kind in SHOWN:
        for name in CLASSES:
            ipython.display_formatter.formatters[kind].pop(".".join(name), None)


def shown(recipe: Any) -> str:
    """Return a recipe as HTML: what it sets, and folded away below it every parameter that it could set."""
    from .paths import paths

    kind, target = type(recipe).__name__, getattr(recipe.__fn_or_cls__, "__name__", "")
    title = f"<code>run.{text(kind)}</code> of <code>{text(target)}</code>"
    try:
        records = paths(recipe)
    except RecipeError as error:
        return f"<p>{title}</p><pre>{text(str(error))}</pre>"
    chosen = [info for info in records if info.set]
    return (
        f"<p>{title}: {len(chosen):,} of {len(records):,} paths are set</p>{''.join(table(chosen))}"
        f"<details><summary>all {len(records):,} paths</summary>{''.join(table(records))}</details>"
    )


SHOWN: Final = {"text/html": shown, "image/svg+xml": lambda recipe: None}
