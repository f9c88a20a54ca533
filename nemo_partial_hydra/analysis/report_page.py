"""The frame of a report's page: its style and script.

May import: the standard library, the frame of all pages.
"""

from __future__ import annotations

from typing import Final

from nemo_partial_hydra.listing import page_frame

STYLE: Final = """
[hidden] { display: none !important; }
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --link: light-dark(#0b5cad, #8bc1ff);
  --done: light-dark(#1b7f4b, #5fd39a); --failed: light-dark(#c62839, #ff7a86); --running: light-dark(#1769c2, #6fb2ff);
  --waiting: light-dark(#b9bfc7, #59616b); --other: light-dark(#9a6b00, #f0c14b); }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 84rem; padding: 0 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 1.2rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, summary:focus-visible { outline: 2px solid; outline-offset: 2px; }
code, pre { font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
pre { overflow-x: auto; padding: .6rem .8rem; background: var(--soft); border-radius: 4px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; padding: 0; list-style: none; }
.state::before { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em;
  background: var(--other); }
.state.done::before { background: var(--done); }
.state.failed::before, .state.lost::before { background: var(--failed); }
.state.running::before { background: var(--running); }
.state.submitted::before, .state.frozen::before { background: var(--waiting); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: CanvasText; opacity: .85; }
svg .name { font-weight: 600; }
svg .frame { fill: none; stroke: var(--line); }
svg .grid, svg .tick { stroke: var(--line); fill: none; stroke-width: .6; }
svg circle, svg rect { fill: var(--other); }
svg .frame { fill: none; }
svg circle { fill-opacity: .8; stroke: Canvas; stroke-width: .7; }
svg .done { fill: var(--done); } svg .failed, svg .lost { fill: var(--failed); } svg .running { fill: var(--running); }
svg .waiting { fill: var(--waiting); }
svg .none { stroke: var(--failed); stroke-width: 1.6; fill: none; }
svg .many { stroke: var(--running); stroke-width: 4; stroke-linecap: round; stroke-opacity: .55; fill: none; }
svg a:focus-visible circle, svg a:hover circle { stroke: CanvasText; stroke-width: 2; }
.h0 rect { fill: #eef4fb; } .h1 rect { fill: #d3e4f5; } .h2 rect { fill: #aed0ec; } .h3 rect { fill: #82b7e0; }
.h4 rect { fill: #559bd0; } .h5 rect { fill: #317dba; } .h6 rect { fill: #195f9c; } .h7 rect { fill: #0a4176; }
svg [class^=h] text { fill: #111; opacity: 1; }
svg .h5 text, svg .h6 text, svg .h7 text { fill: #fff; }
.wide { max-height: 32rem; overflow: auto; border: 1px solid var(--soft); }
.wide svg { min-width: 44rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: .5rem 0; }
input, select { font: inherit; padding: .3rem .5rem; }
input[type=search] { flex: 1 1 16rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; border-bottom: 1px solid var(--soft); white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
details { border-bottom: 1px solid var(--soft); padding: .3rem 0; }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 3rem; opacity: .75; }
@media print { form { display: none; } .wide { max-height: none; } .wide svg { min-width: 0; }
  svg, details { break-inside: avoid; } }
"""
SCRIPT: Final = """
"use strict";
const table = document.querySelector("#jobs"), body = table.tBodies[0], rows = [...body.rows];
const search = document.querySelector("#search"), state = document.querySelector("#state");
const count = document.querySelector("#count"), heads = [...table.tHead.rows[0].cells];
const texts = rows.map(row => row.textContent.toLowerCase());
function show() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, index) => {
    const fits = words.every(word => texts[index].includes(word));
    row.hidden = !(fits && (!state.value || row.dataset.state === state.value));
    shown += !row.hidden;
  });
  count.textContent = `${shown} of ${rows.length} job${rows.length === 1 ? "" : "s"}`;
}
function value(row, index) {
  const text = row.cells[index].dataset.value ?? row.cells[index].textContent;
  const number = Number(text);
  return text === "" ? null : Number.isNaN(number) ? text : number;
}
function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1;
}
heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
  const down = head.getAttribute("aria-sort") === "ascending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = rows.map((row, at) => [value(row, index), at, row]);
  keyed.sort((a, b) => a[0] === null || b[0] === null ? compare(a[0], b[0]) || a[1] - b[1]
    : (down ? -1 : 1) * compare(a[0], b[0]) || a[1] - b[1]);
  body.append(...keyed.map(each => each[2]));
}));
function open() {
  const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found && found.tagName === "DETAILS") { found.open = true; found.scrollIntoView(); }
}
document.querySelector("form").hidden = false;
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
search.addEventListener("input", show);
state.addEventListener("change", show);
addEventListener("hashchange", open);
show();
open();
"""


def head(title: str, refresh: int | None = None) -> str:
    """Return the beginning of the page; ``refresh`` are the seconds after which it loads itself."""
    again = f'<meta http-equiv="refresh" content="{refresh}">\n' if refresh else ""
    return page_frame.head(title, STYLE, SCRIPT, again)


def end() -> str:
    """Return the end of the page."""
    return page_frame.end(SCRIPT)
