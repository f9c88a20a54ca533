"""No command prints a control character that a file of somebody else holds: a terminal would obey it.

The first half is about ``escaped`` and ``Shown``; the second puts such characters into every field of every file that
is read and looks at what all commands print.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, write_job
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers import records
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.status import entries, live, table
from nemo_partial_hydra.launchers.status.look import overview
from nemo_partial_hydra.listing import formats, terminal
from nemo_partial_hydra.listing.columns import JobListing
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.messages import COLOUR, Shown, escaped, json_text
from tests.support.apps import App
from tests.support.sent import Slurm, with_slurm
from tests.support.sweeps import ALLOW, Sweep
from tests.test_layers import PACKAGE, dotted, parsed

EVIL = (
    "\x1b[31;1m\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\\x1b[2J\x1bP1$r\x1b\\\x9b5n\x9dx\x9c\x08\x7f\x05\x0e"
    "\u202eabc\u2066\u200f\u061c\u2028\x85"
)
"""Colours, the title, the clipboard, clearing, queries that are answered by typing, and marks of direction."""
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
texts = st.text(st.one_of(st.sampled_from(EVIL + "\r\n\t[;0123m\ud800"), st.characters()), max_size=60)


@given(texts)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = escaped(text)
    assert not FORBIDDEN.search(shown)
    assert escaped(shown) == shown
    assert (shown == text) == (not FORBIDDEN.search(text))
    assert shown.count("\n") == text.count("\n")


@given(st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)))
def test_json_stays_json(data: Any) -> None:
    shown = json_text(data)
    assert not FORBIDDEN.search(shown)
    assert json.loads(shown) == data
    assert json.loads(json_text(data, 1)) == data


@given(texts)
def test_yaml_stays_yaml(text: str) -> None:
    shown = dump({text: [text]})
    assert not FORBIDDEN.search(shown)
    if not re.search("[\ud800-\udfff]", text):
        assert load(shown) == {text: [text]}


@given(st.binary(max_size=80) | texts.map(lambda text: text.encode(errors="replace")), st.data(), st.booleans())
def test_a_log_is_shown_the_same_in_whatever_pieces_it_comes(data: bytes, pieces: st.DataObject, colours: bool) -> None:
    whole, parts = io.StringIO(), io.StringIO()
    one, many = Shown(whole, colours=colours), Shown(parts, colours=colours)
    one.write(data)
    one.end()
    while data:
        size = pieces.draw(st.integers(1, len(data)))
        assert many.write(data[:size]) == size
        many.flush()
        data = data[size:]
    many.end()
    assert parts.getvalue() == whole.getvalue()
    left = COLOUR.sub("", parts.getvalue()) if colours else parts.getvalue()
    assert not FORBIDDEN.search(left)


@pytest.mark.parametrize(
    ("data", "kept", "dropped"),
    [
        (b"a \x1b[31mred\x1b[0m b\n", "a \x1b[31mred\x1b[0m b\n\x1b[0m", "a red b\n"),
        (b"10%\r20%\r\n", "10%\n20%\n", "10%\n20%\n"),
        ("ä ü \u202e\n".encode(), "ä ü \\u202e\n", "ä ü \\u202e\n"),
        (b"\xff\t\x1b[2J\x1b[", "\\xff\t\\x1b[2J\\x1b[", "\\xff\t\\x1b[2J\\x1b["),
    ],
)
def test_of_a_log_colours_and_lines_stay(data: bytes, kept: str, dropped: str) -> None:
    for colours, wanted in ((True, kept), (False, dropped)):
        out = io.StringIO()
        shown = Shown(out, colours=colours)
        shown.write(data)
        shown.end()
        assert out.getvalue() == wanted


# By module and call, with the reason why it need not be escaped.
PRINTED = {
    "cli.commands.status: print": "its cells are escaped one by one, and the colours are ours",
    "explorer.looking: print": "what shows the terminal's own cursor, and no text",
    "jobs.outcome: print": "a job's own standard error, which is its log",
    "messages: print": "this is where it is escaped",
    "listing.formats: stream.write": "escaped there",
}


def test_all_that_is_printed_goes_through_it() -> None:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                said = ast.unparse(node.func)
                if said == "print" or re.fullmatch(r"(sys\.std(out|err)(\.buffer)?|stream)\.write", said):
                    stream = said.startswith("stream")
                    if not stream or dotted(path).startswith(("cli", "listing", "launchers", "app")):
                        found.add(f"{dotted(path)}: {said}")
    assert found == set(PRINTED)


# What every file of a store may say.


def test_a_command_that_a_message_gives_is_quoted() -> None:
    """A directory's name may be a command to the shell into which the line is pasted."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))  # one text over several lines
        quoted = {match.group(1) for match in re.finditer(r"(\w+) = shlex\.quote\(", text)}
        named = re.findall(r"nemo-hydra [a-z]+ (?:--[a-z]+ )*\{([^{}]+)\}|nemo-hydra [a-z]+ \" \+ (\S+)", text)
        found += [(path.name, a or b) for a, b in named if "quote(" not in (a or b) and a not in quoted]
    assert not found


@pytest.fixture
def evil(tmp_path: Path) -> Sweep:
    """A sweep of three jobs that have ended badly, in which everything that can be a text is evil."""
    folder = tmp_path / f"sweep {EVIL.replace('/', '')}"
    sweep = Sweep(folder)
    recipe = {"_target_": f"tests.support.payloads.{EVIL}", "_partial_": True, EVIL: [EVIL, {EVIL: EVIL}]}
    for number, subdir in enumerate(("0", "1", f"job{EVIL}")):
        job = sweep.paths.job(subdir)
        made = Job(
            recipe_hash(recipe), name=EVIL, num=number, subdir=subdir, overrides=(f"a={EVIL}", EVIL), created=EVIL,
            user=EVIL, app=EVIL, git={EVIL: EVIL, "commit": EVIL}, packages={EVIL: EVIL},
            image={"path": EVIL, "sha256": EVIL}, recipe=recipe,
        )  # fmt: skip
        write_job(job, made)
        sweep.jobs.append(job)
        job.attempt(1).mkdir(parents=True)
        for log in (job.out(1), job.err(1)):
            log.write_bytes(f"{EVIL}\r{EVIL}\n".encode() * 9 + b"\xff\x1b[")
        job.result.write_text(json.dumps({"result": EVIL}))
        job.claim(1).write_text(json.dumps({"host": EVIL, "pid": 1, "slurm": {"job": EVIL, "cluster": EVIL}}))
        _say(job, states.FAILED, {"job": EVIL, "task": 0})
    paths = sweep.paths.submission(1)
    paths.directory.mkdir(parents=True)
    sent = [SentJob(job.directory.name, 1, JobId(EVIL, task, cluster=EVIL)) for task, job in enumerate(sweep.jobs)]
    records.write_submission(paths, Submission(1, EVIL, EVIL, EVIL, EVIL, EVIL, sent, EVIL, EVIL, EVIL))
    container = Container(
        image=EVIL, binds=(EVIL,), env={"A": EVIL}, overlay=(EVIL,), workdir=EVIL, python=EVIL, extra_args=(EVIL,),
        executable=EVIL, setup=(EVIL,),
    )  # fmt: skip
    records.write_settings(
        paths, Settings("slurm", EVIL, container, {"partition": EVIL}, (EVIL,), "SIGTERM", (EVIL,), ALLOW, (EVIL,))
    )
    return sweep


def _say(job: JobPaths, state: str, job_id: Any) -> None:
    error = {"type": EVIL, "message": f"{EVIL}\n{EVIL}", "where": [EVIL]}
    made = states.Status(state, 1, EVIL, EVIL, EVIL, EVIL, 1, job_id, 1, error, 2, EVIL)
    job.status.write_text(states.encode(made))


def checked(capfd: pytest.CaptureFixture[str]) -> str:
    """Return what was printed, in which there is nothing to obey."""
    out, err = capfd.readouterr()
    for text in (out, err):
        found = FORBIDDEN.search(text)
        assert found is None, repr(text[max(0, found.start() - 60) : found.end() + 60])
    return out + err


COMMANDS: dict[str, Sequence[str]] = {
    "status": ["status", "DIR"],
    "status of one": ["status", "DIR/0"],
    "status, JSON": ["status", "DIR", "--json"],
    "logs": ["logs", "DIR", "1"],
    "logs, followed": ["logs", "DIR", "1", "-f"],
    "logs, none": ["logs", "DIR", "1", "--attempt", "7"],
    "cancel": ["cancel", "DIR"],
    "retry": ["retry", "DIR"],
    "retry, dry": ["retry", "DIR", "--dry-run", "hydra/launcher=submitit_apptainer_local"],
    "submit": ["submit", "DIR", "hydra/launcher=submitit_apptainer_local"],
    "submit, dry": ["submit", "DIR", "hydra/launcher=submitit_apptainer_local", "--dry-run"],
    "submit, after": ["submit", "DIR", "hydra/launcher=submitit_apptainer", "--after", "DIR/0"],
    "run": ["run", "DIR"],
    "run one": ["run", "DIR/0", "--force"],
    "diff": ["diff", "DIR/0/job.yaml", "DIR/1/job.yaml"],
    "diff of jobs": ["diff", "DIR/0", "DIR/1", "--json"],
    "schema": ["schema", "DIR/0/job.yaml"],
    "check": ["check", "DIR"],
}


ASK_STATES = ("status", "status, JSON", "logs", "cancel", "retry", "run", "submit")
ROWS = [(name, states.FAILED) for name in COMMANDS]
ROWS += [(name, state) for name in ASK_STATES for state in (states.RUNNING, states.SUBMITTED, states.DONE, EVIL)]


@pytest.mark.parametrize(("name", "state"), ROWS)
def test_no_command_prints_what_a_file_says(
    evil: Sweep, name: str, state: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for job in evil.jobs:
        _say(job, state, {"job": EVIL, "task": 0, "cluster": EVIL})
    cli.main([word.replace("DIR", str(evil.paths.directory)) for word in COMMANDS[name]])
    assert checked(capfd)


@pytest.mark.parametrize(
    "place", ["0/job.yaml", "0/status.json", "submissions/1/submission.json", "submissions/1/settings.json"]
)
@pytest.mark.parametrize("text", [EVIL, f'{{"{EVIL}', f"{EVIL}: [\n{EVIL}", f'{{"state": "{EVIL}"}}', "\ud800x"])
def test_no_error_prints_what_a_damaged_file_says(
    evil: Sweep, place: str, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = evil.paths.directory / place
    file.unlink()
    file.write_bytes(text.encode(errors="surrogatepass"))
    for name in ("status", "cancel", "retry", "run one", "diff of jobs", "submit, dry"):
        cli.main([word.replace("DIR", str(evil.paths.directory)) for word in COMMANDS[name]])
        checked(capfd)


def test_what_a_cluster_says_is_shown_escaped(evil: Sweep) -> None:
    evil.paths.submission(1).record.unlink()
    for task, job in enumerate(evil.jobs):
        _say(job, states.SUBMITTED, {"job": "7", "task": task})
    slurm = Slurm({"7_0": EVIL, "7_1": f"PENDING{EVIL}"}, {"7_2": f"CANCELLED by {EVIL}"})
    found = overview(str(evil.paths.directory), with_slurm(slurm))
    for text in (*table.lines(found), *live.changes({}, found)):
        assert not FORBIDDEN.search(text)
    assert not FORBIDDEN.search(json_text(entries.records(found)))


def test_the_live_table_shows_it_escaped(evil: Sweep) -> None:
    from rich.console import Console

    out = io.StringIO()
    found = overview(str(evil.paths.directory), with_slurm(Slurm({})))
    jobs = [(states.RUNNING, entry) for entry in found.entries]
    heads = [column.head for column in table.COLUMNS]
    made = live.shown(jobs, lambda entry: table.row(entry, states.now()), heads, [*table.notes(found)])
    Console(file=out, force_terminal=False, width=400).print(made)
    assert not FORBIDDEN.search(out.getvalue())


def test_a_colour_of_ours_is_the_only_one_in_the_table(evil: Sweep) -> None:
    found = overview(str(evil.paths.directory), with_slurm(Slurm({})))
    for line in table.lines(found, colour=True):
        assert not FORBIDDEN.search(COLOUR.sub("", line))


def test_raw_logs_are_as_they_were_written(evil: Sweep, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["logs", str(evil.paths.directory), "1", "--out", "--raw"]) == 0
    assert capfdbinary.readouterr().out == evil.jobs[1].out(1).read_bytes()


def info() -> PathInfo:
    """Return a record of which every text is evil."""
    return PathInfo(
        EVIL, EVIL, {EVIL: [EVIL]}, EVIL, True, True, False, EVIL, EVIL, (EVIL,), "config", EVIL, 3, EVIL, EVIL, EVIL,
        EVIL,
    )  # fmt: skip


@pytest.mark.parametrize("format", formats.FORMATS)
@pytest.mark.parametrize("many", [False, True])
def test_a_listing_shows_it_escaped(format: str, many: bool) -> None:
    jobs = [JobListing(0, [EVIL], [info()])]
    out = io.StringIO()
    formats.print_jobs(jobs, format, many=many, out=out)
    assert not FORBIDDEN.search(out.getvalue())
    if format == "json":
        shown = json.loads(out.getvalue())
        assert (shown[0]["paths"] if many else shown)[0]["path"] == EVIL, "and is the same"
    if format == "yaml":
        shown = load(out.getvalue())
        assert (shown[0]["paths"] if many else shown)[0]["path"] == EVIL


def test_a_listing_on_a_terminal_shows_it_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [JobListing(0, [EVIL], [info()])]
    for width in (80, 200):
        for text in terminal.table(jobs, many=True, width=width):
            assert not FORBIDDEN.search(text)
    for line in terminal._trees(jobs, True):
        assert not FORBIDDEN.search(str(line))


def test_a_library_shows_it_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "lib"
    (folder / "model").mkdir(parents=True)
    name = f"small{EVIL}".replace("/", "")
    (folder / "model" / f"{name}.yaml").write_text(dump({"_target_": f"x.{EVIL}", EVIL: EVIL}))
    data = {
        "format": 1, "name": EVIL, "modules": [EVIL], "distributions": {EVIL: EVIL},
        "recipes": {f"model/{name}": [EVIL, EVIL, EVIL]}, "left_out": {EVIL: EVIL},
    }  # fmt: skip
    (folder / "library.json").write_text(json.dumps(data))
    for arguments in (["library"], ["library", "model"], ["library", "--json"], ["library", f"mode{EVIL}"]):
        cli.main([*arguments, "--library", str(folder)])
        assert checked(capfd)
    cli.main(["check", str(folder)])
    assert checked(capfd)
    for damaged in (f'{{"format": "{EVIL}', json.dumps({**data, "format": [EVIL]}), json.dumps({"format": 1, EVIL: 1})):
        (folder / "library.json").write_text(damaged)
        cli.main(["library", "--library", str(folder)])
        checked(capfd)


def test_an_app_shows_it_escaped(tmp_path: Path) -> None:
    """Values, names and docs in an app's own files, and errors about them."""
    app = App(tmp_path / "app")
    quoted = json.dumps(EVIL)
    (app.folder / "conf" / "evil.yaml").write_text(
        f"# @package _global_\n{quoted}: {quoted}\nopt:\n  _target_: shop.SGD\n  lr: {quoted}\n"
    )
    for arguments in (
        ["--cfg-paths", "+evil=x"], ["--cfg-paths", "+evil"], ["--cfg-paths=json", f"+x.y={quoted}"],
        ["--config-name", "evil", "--cfg-paths"], ["--config-name", "evil"], [f"+{EVIL}=1"], [f"nope={EVIL}"],
    ):  # fmt: skip
        done = app.run(*arguments)
        assert not FORBIDDEN.search(done.out), arguments
        assert not FORBIDDEN.search(done.err), arguments
