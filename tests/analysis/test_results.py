"""``nemo-hydra results`` and ``nph.results``: what came of the jobs of sweeps, a row a job."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import nemo_partial_hydra as nph
from nemo_partial_hydra.analysis import formats
from nemo_partial_hydra.analysis.metrics import Choice
from nemo_partial_hydra.analysis.records import OWN, Results, ordered, read
from nemo_partial_hydra.analysis.series import Series
from nemo_partial_hydra.analysis.swept import differing, short_names, typed, values_of
from nemo_partial_hydra.errors import JobError, UsageError
from nemo_partial_hydra.messages import escaped
from tests.support.made_jobs import Made
from tests.support.recipes import nemo_hydra, python, write

RECIPES = """
import os
from dataclasses import dataclass

import nemo_run as run

import nemo_partial_hydra as nph


@dataclass
class Opt:
    lr: float = 0.1


def train(opt: Opt, out: str, seed: int = 0) -> dict:
    os.makedirs(out + "/logs/version_0")
    with open(out + "/logs/version_0/metrics.csv", "w") as file:
        file.write("epoch,step,train_loss,val_loss\\n")
        for step in range(5):
            file.write(f",{step},{opt.lr * (5 - step)},\\n{step},{step},,{(step - 2) ** 2 + opt.lr}\\n")
    if seed == 2:
        raise ValueError("bad seed")
    return {"acc": 1 - opt.lr, "time": {"total": 3.5}}


nph.store(run.Partial(train, opt=run.Config(Opt), out="."), group="job", name="small")
"""
APP = """
import small

import nemo_partial_hydra as nph


@nph.main(config_path=None)
def main(cfg):
    return nph.run(cfg)


if __name__ == "__main__":
    main()
"""


@pytest.mark.matrix
def test_a_real_sweep_with_failures(tmp_path: Path) -> None:
    write(tmp_path, "app.py", APP)
    write(tmp_path, "small.py", RECIPES)
    given_ = [
        "+job=small",
        "job.opt.lr=0.5,1e-3",
        "job.seed=1,2",
        "hydra.sweep.dir=out",
        "job.out=${hydra:runtime.output_dir}",
    ]
    local = ["hydra/launcher=submitit_apptainer_local", "hydra.launcher.detach=false"]
    assert python(tmp_path, "app.py", "-m", *given_, *local).code == 1
    done = nemo_hydra(tmp_path, "results", "out", "--json", "--best", "val_loss")
    rows = {(row["lr"], row["seed"]): row for row in json.loads(done.out)}
    assert [*rows][:2] in ([(0.001, 1), (0.001, 2)], [(0.001, 2), (0.001, 1)]), done.err
    assert rows[0.001, 1]["train_loss"] == pytest.approx(0.003)
    assert rows[0.5, 1]["acc"] == 0.5
    assert rows[0.5, 1]["time.total"] == 3.5
    assert (rows[0.5, 2]["state"], rows[0.5, 2]["acc"], rows[0.5, 2]["val_loss"]) == ("failed", None, 0.5)
    last = nemo_hydra(tmp_path, "results", "out", "--sort", "lr", "--columns", "lr,seed,val_loss,state")
    assert last.out.splitlines()[0].split() == ["lr", "seed", "val_loss", "STATE"]
    assert last.out.splitlines()[1].split()[2] == "4.001"
    assert last.out.splitlines()[-1] == "4 jobs: 2 done, 2 failed"


def test_names_are_short_and_distinct_and_values_have_types(job: Made, tmp_path: Path) -> None:
    job(0, "model=a", "model.lr=1e-3", "optim.lr=1", "+seed=7", "x='a b'", result={"loss": 0.5, "seed": 3})
    job(1, "model=b", "model.lr=2e-3", "optim.lr=2", "+seed=7", "x=null", result={"loss": math.nan, "seed": 4})
    first, second = nph.results(tmp_path / "s")
    assert [*first] == ["sweep", "job", "state", "seconds", "model", "model.lr", "optim.lr", "x", "loss", "seed"]
    assert [*first.values()][1:] == [0, "done", 2.5, "a", 0.001, 1, "a b", 0.5, 3]
    assert math.isnan(second["loss"])
    assert second["x"] is None


def test_a_metric_and_a_value_of_one_name_are_two_columns(job: Made, tmp_path: Path) -> None:
    job(0, "net.loss=1", "state=x", result={"loss": 0.5, "job": "mine"})
    job(1, "net.loss=2", "state=y", result=0.25)
    records = nph.results(str(tmp_path / "s"))
    assert {"net.loss", "loss", "state=", "result.job", "result"} <= {*records[0]}
    assert (records[0]["net.loss"], records[0]["loss"], records[1]["result"]) == (1, 0.5, 0.25)
    assert (records[0]["state"], records[0]["state="]) == ("done", "x")


def test_columns_stand_below_each_other_whatever_characters_there_are(job: Made, tmp_path: Path) -> None:
    for number, name in enumerate(["plain", "\u6c49\u5b57", "e\u0301"]):
        job(number, f'name="{name}"', result={"loss": number})
    head, *lines = list(formats.table(read([tmp_path / "s"], Choice()), ["name", "loss", "job"]))[:4]
    assert {cell_len(line) for line in lines} == {len(head)}


@pytest.mark.parametrize("text", ['{"result": 1, "na', "[1]", "", "\xff"])
def test_a_result_that_is_not_whole_is_told(job: Made, tmp_path: Path, text: str) -> None:
    job(0, "lr=1", result={"loss": 1})
    paths = job(1, "lr=2")
    paths.result.write_bytes(text.encode("latin-1"))
    found = read([tmp_path / "s"], Choice())
    assert [note for note in found.notes if str(paths.result) in note and "not whole" in note]
    assert [record["loss"] for record in found.records] == [1, None]
    paths.result.unlink()
    assert not read([tmp_path / "s"], Choice()).notes


def test_several_sweeps_are_one_table(job: Made, tmp_path: Path) -> None:
    job(0, "lr=1", result={"loss": 1})
    job(0, "lr=1", "seed=2", result={"loss": 2}, sweep="t")
    found = read([tmp_path / "s", tmp_path / "t"], Choice())
    assert found.columns == ["sweep", "job", "state", "seconds", "seed", "loss"]
    assert [record["seed"] for record in found.records] == [None, 2]


def test_jobs_that_hydra_ran(tmp_path: Path) -> None:
    code = "import hydra\n\n@hydra.main(config_path=None, version_base=None)\ndef main(cfg):\n    pass\n\nmain()\n"
    write(tmp_path, "app.py", code)
    assert python(tmp_path, "app.py", "-m", "+lr=1,2,10", "hydra.sweep.dir=out").code == 0
    assert [(row["job"], row["lr"], row["state"]) for row in nph.results(tmp_path / "out")] == [
        (0, 1, ""),
        (1, 2, ""),
        (2, 10, ""),
    ]


def test_what_cannot_be_read_is_said_and_the_rest_is_there(job: Made, tmp_path: Path) -> None:
    paths = job(0, "lr=1", result={"loss": 1})
    os.mkfifo(paths.directory / "metrics.csv")
    (paths.directory / "logs").mkdir()
    (paths.directory / "logs" / "metrics.csv").symlink_to("/etc/passwd")
    other = job(1, "lr=2")
    other.result.write_text('{"result": ')
    (other.directory / "metrics.csv").write_bytes(b"step,loss\n1,\xff\n")
    (other.directory / "events.out.tfevents.1").write_bytes(b"no events")
    done = nemo_hydra(tmp_path, "results", "s", "--csv")
    assert done.code == 0
    assert [*csv.reader(io.StringIO(done.out))][1:] == [["0", "done", "2.5", "1", "1"], ["1", "done", "2.5", "2", ""]]
    said = [line.partition(": ")[0].removeprefix(f"{tmp_path}/s/") for line in done.err.splitlines()]
    first = ["0/logs/metrics.csv", "0/metrics.csv"]
    assert sorted(said) == [*first, "1/events.out.tfevents.1", "1/metrics.csv", "1/result.json"]
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["nowhere"], "nowhere: there is no such directory"),
        (["."], "no job is frozen there"),
        (["s", "--sort", "los"], "there is no column 'los'; did you mean 'loss'?"),
        (["s", "--best", "acc"], "there is no column 'acc'"),
        (["s", "--max"], "--min and --max say what is best: with --best METRIC"),
        (["s", "--reverse"], "--reverse: with --sort COLUMN"),
        (["s", "--top", "0"], "--top: at least 1, not 0"),
    ],
)
def test_a_mistake_is_one_line(job: Made, tmp_path: Path, line: list[str], message: str) -> None:
    job(0, "lr=1", result={"loss": 1})
    folder = tmp_path if line != ["."] else tmp_path / "s" / "0" / "attempts"
    folder.mkdir(exist_ok=True, parents=True)
    done = nemo_hydra(folder, "results", *line)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_texts_of_jobs_do_nothing_to_a_terminal_or_a_spreadsheet(job: Made, tmp_path: Path) -> None:
    job(0, "lr=1", result={"note": "\x1b[31mred", "sum\x1b": "=1+1"})
    done = nemo_hydra(tmp_path, "results", "s")
    assert "\x1b" not in done.out
    assert "'=1+1" in nemo_hydra(tmp_path, "results", "s", "--csv").out


def test_of_two_runs_of_a_logger_the_last_counts(job: Made, tmp_path: Path) -> None:
    paths = job(0)
    for version, rows in {2: "0,9\n1,8\n2,7\n", 10: "0,5\n1,4\n"}.items():
        folder = paths.directory / "logs" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"step,loss\n{rows}")
    assert nph.results(tmp_path / "s")[0]["loss"] == 4
    with pytest.raises(UsageError, match="there is no column 'acc'"):
        nph.results(tmp_path / "s", best="acc")


@pytest.mark.nemo  # which brings tensorboard
def test_event_files_of_tensorboard(job: Made, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    paths = job(0)
    with SummaryWriter(str(paths.directory / "tb")) as events:
        for step, value in enumerate((3.0, 1.0, 2.0)):
            events.add_scalar("val/loss", value, step)
    assert nph.results(tmp_path / "s")[0]["val/loss"] == 2.0
    assert nph.results(tmp_path / "s", best="val/loss")[0]["val/loss"] == 1.0


@pytest.mark.nemo
def test_an_event_file_that_is_none_is_neither_followed_nor_waited_for(job: Made, tmp_path: Path) -> None:
    folder = job(0, result=1).directory
    os.mkfifo(folder / "events.out.tfevents.1")
    (folder / "events.out.tfevents.2").symlink_to("/etc/passwd")
    done = nemo_hydra(tmp_path, "results", "s", "--json")
    assert [row["result"] for row in json.loads(done.out)] == [1]
    said = [line.partition(": ")[0].rpartition(".")[2] for line in done.err.splitlines() if "tfevents" in line]
    assert sorted(said) == ["1", "2"], done.err


def test_no_directory_and_no_job_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name the directory of a sweep"):
        nph.results()
    with pytest.raises(JobError, match="no job is frozen there"):
        nph.results(tmp_path)


# Laws --------------------------------------------------------------------------------------------------------------

KEYS = st.lists(st.lists(st.sampled_from("abc01"), min_size=1, max_size=4).map(".".join), unique=True, max_size=6)


@given(KEYS, st.sets(st.sampled_from(["a", "b", "a.b", "0.a"])))
def test_short_names_are_ends_and_distinct(keys: list[str], taken: set[str]) -> None:
    names = short_names(keys, taken)
    assert [*names] == keys
    assert len({*names.values()}) == len(keys)
    assert not taken & {*names.values()}
    for key, name in names.items():
        plain = name.removesuffix("=")
        assert key == plain or key.endswith(f".{plain}")


NUMBERS = (
    st.integers().map(str)
    | st.floats().map(repr)
    | st.from_regex(r"[-+]?[0-9_]{1,4}\.?[0-9_]{0,3}(e[0-9]{1,2})?", fullmatch=True)
)
TEXTS = NUMBERS | st.sampled_from(
    ["null", "true", "False", "nan", "-inf", "0x10", "007", "1_0", "'a'", "a b", "[1,2]", "a/b.c"]
)


@given(TEXTS | st.text("ab01.-_e'\\,[]{}:$ ", max_size=6))
def test_a_value_is_what_hydra_reads(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"x={text}")
    except HydraException:
        assert typed(text) == text
        return
    expected = None if override.is_sweep_override() else override.value()
    found = typed(text)
    if text == "":
        assert found == ""
    elif isinstance(expected, (bool, int, float, str)):
        assert type(found) is type(expected)
        assert repr(found) == repr(expected)
    elif expected is None and not override.is_sweep_override():
        assert found is None
    else:
        assert found == text


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(st.lists(st.fixed_dictionaries({"loss": VALUES}), max_size=8), st.booleans())
def test_sorting_loses_nothing_and_puts_numbers_first(rows: list[dict[str, Any]], largest: bool) -> None:
    found = Results([{**dict.fromkeys(OWN, ""), **row} for row in rows], {}, ["loss"])
    values = [record["loss"] for record in ordered(found, "loss", largest=largest).records]
    assert sorted(map(repr, values)) == sorted(repr(row["loss"]) for row in rows)
    numbers = [v for v in values if isinstance(v, (bool, int, float)) and not math.isnan(v)]
    assert numbers == sorted(numbers, reverse=largest) == values[: len(numbers)]


@given(st.dictionaries(st.integers(0, 9).map(float), st.floats(allow_infinity=False), min_size=1), st.booleans())
def test_the_best_step_is_the_first_with_the_best_value(points: dict[float, float], largest: bool) -> None:
    series = Series(points)
    step = series.best(largest=largest)
    numbers = [value for value in points.values() if not math.isnan(value)]
    if numbers:
        best = max(numbers) if largest else min(numbers)
        assert step == min(s for s, value in points.items() if value == best)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON, min_size=1, max_size=4))
def test_every_result_is_json_csv_and_a_table(values: list[Any]) -> None:
    found = Results([{**dict.fromkeys(OWN, "x"), "seconds": 1.0, "v": value} for value in values], {}, ["v"])
    assert len(json.loads(json.dumps(formats.records(found, ["v"]), allow_nan=False))) == len(values)
    assert len([*csv.reader(io.StringIO(formats.csv_text(found, ["job", "v"])))]) == len(values) + 1
    lines = [*formats.table(found, ["job", "v"])]
    assert len(lines) == len(values) + 1
    assert all(escaped(line) == line for line in lines)


def test_of_jobs_that_differ_in_nothing_no_value_is_shown() -> None:
    same: Mapping[str, Any] = values_of(["a=1", "+b=2", "~c"])
    assert same == {"a": 1, "b": 2, "c": None}
    assert differing([same, same]) == []
    assert differing([same]) == ["a", "b", "c"]
    assert differing([same, {**same, "a": 1.0}]) == ["a"]


def test_a_notebook_shows_records_paths_and_jobs_as_tables(job: Made, tmp_path: Path) -> None:
    from nemo_partial_hydra.jobs.job import read_job
    from tests.support.pages import Page

    frozen = read_job(job(0, "note=<b>", result={"loss": 0.5, "<i>": 1}))
    shown = [nph.results(tmp_path / "s"), nph.paths({"model": {"a": "<b>", "c": 2}}), frozen]
    pages = [Page(each._repr_html_()) for each in shown]  # type: ignore[attr-defined]
    assert [len(page.all_of("tr")) for page in pages] == [2, 4, 4]
    assert all(not {"b", "i", "script"} & {tag for tag, _ in page.tags} for page in pages)
    assert "_target_: tests.support.payloads.add" in pages[2].texts["pre"][0]
