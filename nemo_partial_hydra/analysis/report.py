"""A sweep as one HTML page: how its jobs went, what came of them, and each job by itself.

May import: what ``records`` does, and how ``launchers.status`` looks at jobs. All texts of jobs are foreign data: they
are escaped, and the page's policy lets no other script run and no request be made.
"""

from __future__ import annotations

import datetime
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.launchers.log_tail import last_lines
from nemo_partial_hydra.launchers.status import table as status_table
from nemo_partial_hydra.launchers.status.entries import Entry, Overview
from nemo_partial_hydra.listing.page_frame import text

from . import report_page
from .axes import number
from .differences import Recipe, differences, recipe_text
from .formats import cell, is_number
from .plots import Point, Span, heat_map, scatter, time_line
from .records import JOB, STATE, Results

PLOTS: Final = 24
HEAT_MAPS: Final = 4
FEW_PLOTS: Final = 8
"""How many plots there are at most, heat maps besides, and how many plots of a large sweep."""
LARGE: Final = 400
"""From so many jobs on there are fewer plots, and recipes are not compared line by line."""
LOGS: Final = 200
"""Of so many jobs that failed the last lines of their logs are shown."""
LINES: Final = 12


@dataclass(frozen=True)
class Job:
    """One job of a report: what is known of how it went, and its row of the results."""

    entry: Entry
    record: Mapping[str, Any]
    link: str

    @property
    def name(self) -> str:
        """How it is called."""
        return str(self.record[JOB])


def report(overview: Overview, found: Results, *, refresh: int | None = None) -> Iterator[str]:
    """Yield the page.

    Parameters
    ----------
    overview : how the jobs of a directory go.
    found : the results of the same jobs, in the same order.
    refresh : the seconds after which the page loads itself again, while the sweep runs.
    """
    pairs = zip(overview.entries, found.records, strict=True)
    jobs = [Job(entry, record, f"job-{index}") for index, (entry, record) in enumerate(pairs)]
    yield report_page.head(f"Report of {overview.directory}", refresh)
    yield from _summary(overview, jobs)
    yield from _plots(jobs, found)
    yield from _times(overview, jobs)
    yield from _table(jobs, found)
    yield from _details(overview, jobs)
    command = f"nemo-hydra report {shlex.quote(overview.directory)}"
    yield f"<footer>Written {text(overview.time)} by <code>{text(command)}</code></footer>\n"
    yield report_page.end()


def _summary(overview: Overview, jobs: Sequence[Job]) -> Iterator[str]:
    first = next((job.entry.head for job in jobs if job.entry.head.created), None)
    counts = Counter(job.entry.state for job in jobs)
    yield f"<h1>{text(overview.directory)}</h1>\n<p>{len(jobs)} job{'' if len(jobs) == 1 else 's'}"
    if first is not None:
        yield f" of {text(first.name)}, frozen {text(first.created)} by {text(first.user)}"
    spent = [seconds for job in jobs if (seconds := job.entry.seconds(overview.time)) is not None]
    if spent:
        yield f"; {text(status_table.duration(sum(spent)))} of running in all"
    yield '</p>\n<ul class="chips">\n'
    for state in states.STATES:
        if counts[state]:
            yield f'<li class="state {state}">{counts[state]} {state}</li>\n'
    yield "</ul>\n"
    for note in (*overview.unasked, *overview.problems):
        yield f"<p>{text(note)}</p>\n"


def _plots(jobs: Sequence[Job], found: Results) -> Iterator[str]:
    """Yield a plot for each metric and value, then heat maps of the first two values."""
    most = FEW_PLOTS if len(jobs) > LARGE else PLOTS
    metrics = [name for name in found.metrics if any(number(record[name]) is not None for record in found.records)]
    swept = [*found.swept.values()]
    made = [
        plot
        for metric in metrics
        for name in swept
        if (plot := scatter([_point(job, name, metric) for job in jobs], name, metric)) is not None
    ][:most]
    if made:
        yield '<h2>Metrics</h2>\n<div class="plots">\n'
        yield "\n".join(made)
        yield "\n</div>\n"
    pairs = [(x, y) for index, x in enumerate(swept) for y in swept[index + 1 :]]
    maps = [
        plot for metric in metrics for x, y in pairs if (plot := heat_map(found.records, x, y, metric)) is not None
    ][:HEAT_MAPS]
    if maps:
        yield '<h2>Two values at a time</h2>\n<div class="plots">\n'
        yield "\n".join(maps)
        yield "\n</div>\n"


def _point(job: Job, name: str, metric: str) -> Point:
    x, y = job.record[name], job.record[metric]
    title = f"job {job.name}: {name}={cell(x, name)}, {metric}={cell(y, metric) or 'nothing'} ({job.entry.state})"
    return Point(x, y, job.entry.state, title, f"#{job.link}")


def _times(overview: Overview, jobs: Sequence[Job]) -> Iterator[str]:
    known = [tuple(map(_seconds, (job.entry.own.submitted, job.entry.started, job.entry.ended))) for job in jobs]
    begins = [time for times in known for time in times if time is not None]
    now = _seconds(overview.time)
    if not begins or now is None:
        return
    first = min(begins)
    last = max(begins) if overview.over else now
    spans = []
    for job, times in zip(jobs, known, strict=True):
        again = f", requeued {job.entry.own.requeues} times" if job.entry.own.requeues else ""
        title = f"job {job.name}: {job.entry.state}{again}, {status_table.duration(job.entry.seconds(overview.time))}"
        sent, began, ended = (None if time is None else time - first for time in times)
        spans.append(Span(job.name, f"#{job.link}", job.entry.state, title, sent, began, ended))
    yield '<h2>Times</h2>\n<div class="wide">\n'
    yield time_line(spans, max(last - first, 0.001))
    yield "\n</div>\n"


def _seconds(time: str | None) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _table(jobs: Sequence[Job], found: Results) -> Iterator[str]:
    numbers = {name for name in found.columns if all(is_number(record[name]) for record in found.records)}
    yield '<h2>Jobs</h2>\n<form hidden role="search">\n'
    yield '<input type="search" id="search" aria-label="Search jobs" placeholder="Search">\n'
    yield '<select id="state" aria-label="State"><option value="">all states</option>'
    for state in states.STATES:
        if any(job.entry.state == state for job in jobs):
            yield f"<option>{state}</option>"
    yield '</select>\n<output id="count" aria-live="polite"></output>\n</form>\n'
    yield '<div class="scroll"><table id="jobs">\n<thead><tr>'
    for name in found.columns:
        kind = ' class="number"' if name in numbers else ""
        yield f'<th scope="col"{kind}><button type="button">{text(name)}</button></th>'
    yield "</tr></thead>\n<tbody>\n"
    for job in jobs:
        yield f'<tr data-state="{text(job.entry.state)}">'
        for name in found.columns:
            yield _cell(job, name, right=name in numbers)
        yield "</tr>\n"
    yield "</tbody>\n</table></div>\n"


def _cell(job: Job, name: str, *, right: bool) -> str:
    value = job.record[name]
    shown = cell(job.entry.state if name == STATE else value, name)
    kind = ' class="number"' if right else ""
    if name == JOB:
        return f'<td{kind} data-value="{text(value)}"><a href="#{job.link}">{text(shown)}</a></td>'
    if name == STATE:
        return f'<td><span class="state {text(job.entry.state)}">{text(shown)}</span></td>'
    exact = f' data-value="{text(repr(value))}"' if isinstance(value, float) and number(value) is not None else ""
    return f"<td{kind}{exact}>{text(shown)}</td>"


def _details(overview: Overview, jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what there is to say of each job, and the recipe of the first, from which the others differ."""
    read = len(jobs) if len(jobs) <= LARGE else 1
    recipes = [recipe_text(job.entry.paths) for job in jobs[:read]] + [None] * (len(jobs) - read)
    base = next((recipe for recipe in recipes if recipe is not None), None)
    yield "<h2>Each job</h2>\n"
    logs = 0
    for job, recipe in zip(jobs, recipes, strict=True):
        failed = job.entry.state in states.RETRIED
        lines = _log(job.entry) if failed and logs < LOGS else []
        logs += bool(lines)
        state = text(job.entry.state)
        yield f'<details id="{job.link}"><summary><span class="state {state}">job {text(job.name)}</span>'
        yield f" {text(' '.join(job.entry.head.overrides))}</summary>\n"
        yield from _facts(overview, job)
        if lines:
            yield f"<pre>{text(chr(10).join(lines))}</pre>\n"
        if recipe is not None and base is not None and recipe is not base:
            yield from _differences(base, recipe)
        yield "</details>\n"
    if base is not None:
        yield f"<details><summary>The recipe of job {text(jobs[recipes.index(base)].name)}</summary>\n"
        yield f"<pre>{text(base.text)}</pre></details>\n"


def _facts(overview: Overview, job: Job) -> Iterator[str]:
    entry, head = job.entry, job.entry.head
    place = str(entry.paths.directory)
    image = str((head.image or {}).get("path") or "")
    git = head.git or {}
    commit = " ".join(filter(None, [str(git.get("commit") or ""), "with changes" if git.get("dirty") else ""]))
    retry = f"nemo-hydra retry {shlex.quote(overview.directory)} {job.name}"
    again = retry if entry.state in states.RETRIED else f"nemo-hydra run {shlex.quote(place)} --force"
    requeued = f", requeued {entry.own.requeues} times" if entry.own.requeues else ""
    facts = [
        ("why", entry.reason if entry.state != states.DONE else ""),
        ("exit code", "" if entry.exit_code is None else str(entry.exit_code)),
        ("attempt", f"{entry.attempt}{requeued}"),
        ("began", entry.started or ""),
        ("ended", entry.ended or ""),
        ("on", entry.node or ""),
        ("in the queue", entry.id),
        ("directory", place),
        ("hash", head.hash),
        ("code", commit),
        ("image", image),
        ("packages", ", ".join(f"{name} {version}" for name, version in head.packages.items())),
        ("again", again),
    ]
    yield "<dl>\n"
    for name, value in facts:
        if value:
            yield f"<dt>{name}</dt><dd><code>{text(value)}</code></dd>\n"
    yield "</dl>\n"


def _log(entry: Entry) -> list[str]:
    path, lines = last_lines(entry.paths, entry.attempt, entry.own.task, LINES)
    return [f"{path}:", *map(status_table.plain, lines)] if lines else []


def _differences(base: Recipe, recipe: Recipe) -> Iterator[str]:
    changes = differences(base, recipe)
    if changes:
        yield f"<p>Its recipe differs:</p><pre>{text(chr(10).join(changes))}</pre>\n"
