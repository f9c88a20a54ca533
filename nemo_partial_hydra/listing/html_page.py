"""The listing as one HTML page, which needs nothing else: to be searched, filtered and copied from in a browser.

May import: the standard library. Without its script the page is a plain table. All texts of configs are foreign: they
are escaped, and the page's policy lets no other script run and no request be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from . import page_frame
from .columns import COLUMNS, JobListing, counted, heading
from .page_frame import text
from .record import PathInfo

STYLE: Final = """
[hidden] { display: none !important; }
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: light-dark(#07683f, #6db); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 110rem; padding: 0 1rem 3rem; }
form { position: sticky; top: 0; display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
  padding: .6rem 0; background: Canvas; border-bottom: 1px solid var(--line); }
input[type=search] { flex: 1 1 18rem; font: inherit; padding: .35rem .5rem; }
select { font: inherit; padding: .3rem; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; margin: .5rem 0 2rem; }
th:nth-child(1) { width: 32%; } th:nth-child(2) { width: 15%; } th:nth-child(3) { width: 33%; }
th { text-align: left; font-weight: 600; }
th, td { padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--soft); vertical-align: top; }
td { overflow-wrap: anywhere; }
td small { display: block; opacity: .75; max-width: 60rem; max-height: 9rem; overflow-y: auto; }
code, button { font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace; }
button { all: unset; font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace; cursor: copy; color: var(--accent); }
button:hover { text-decoration: underline; }
button:focus-visible { outline: 2px solid; outline-offset: 2px; }
.default td + td { opacity: .8; }
.override td { font-weight: 600; }
@media (max-width: 40rem) {
  table, tbody { display: block; }
  thead { display: none; }
  tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--soft); }
  td { display: block; border: 0; padding: 0; }
}
@media print { form { display: none; } tr { break-inside: avoid; } td small { max-height: none; } }
"""
SCRIPT: Final = """
"use strict";
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map(row => row.textContent.toLowerCase());
const search = document.querySelector("input"), kind = document.querySelector("select");
const count = document.querySelector("output");
function show() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean), wanted = kind.value;
  let shown = 0;
  rows.forEach((row, index) => {
    const fits = words.every(word => texts[index].includes(word));
    const right = wanted === "" || (wanted === "set" ? !row.classList.contains("default") : row.className === wanted);
    row.hidden = !(fits && right);
    shown += !row.hidden;
  });
  count.textContent = `${shown} of ${rows.length} paths`;
}
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  count.textContent = `copied: ${text}`;
}
document.querySelector("form").hidden = false;
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
search.addEventListener("input", show);
kind.addEventListener("change", show);
document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button) copy(button.dataset.override);
});
document.addEventListener("keydown", event => {
  if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  if (event.key === "Escape") { search.value = ""; kind.value = ""; show(); }
});
show();
"""
_FORM: Final = """<form hidden role="search">
<input type="search" aria-label="Search paths, types, values and docs" placeholder="Search (/)" autofocus>
<select aria-label="Which paths">
<option value="">all paths</option>
<option value="set">what somebody has set</option>
<option value="override">overrides</option>
<option value="config">of config files</option>
<option value="recipe">of recipes</option>
<option value="default">defaults</option>
</select>
<output aria-live="polite">{count}</output>
</form>
"""


class Listed(list[PathInfo]):
    """Records of paths, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return "".join(table(self))


def page(jobs: Sequence[JobListing], many: bool) -> Iterator[str]:
    """Yield the page, of the listing of one config or of ``many`` jobs."""
    count = counted(sum(len(records) for _, _, records in jobs))
    yield page_frame.head("Paths of the config", STYLE, SCRIPT) + _FORM.format(count=count)
    for number, overrides, records in jobs:
        if many:
            yield f"<h2><code>{text(heading(number, overrides))}</code></h2>\n"
        yield from table(records, copies=True)
    yield page_frame.end(SCRIPT)


def table(records: Sequence[PathInfo], *, copies: bool = False) -> Iterator[str]:
    """Yield a table of records; where the page has the script for it, a click on a path copies its override."""
    yield "<table>\n<thead><tr>"
    yield "".join(f'<th scope="col">{column.head.capitalize()}</th>' for column in COLUMNS)
    yield "</tr></thead>\n<tbody>\n"
    for info in records:
        yield _row(info, copies)
    yield "</tbody>\n</table>\n"


def _row(info: PathInfo, copies: bool) -> str:
    """Return the row of a path; its doc stands below its value."""
    path, kind, value, source = (text(column.value(info)) for column in COLUMNS)
    name = f"<code>{path}</code>"
    if copies and info.override is not None:
        title = text(f"copy {info.override}")
        name = f'<button type="button" data-override="{text(info.override)}" title="{title}">{path}</button>'
    doc = f"<small>{text(info.doc)}</small>" if info.doc else ""
    cells = (name, kind, f"<code>{value}</code>{doc}", source)
    return f'<tr class="{text(info.kind)}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
