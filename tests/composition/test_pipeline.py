"""Configs with ``_steps_``: in which order they run, what they give each other, and what is said of mistakes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.pipeline import pipeline_of
from nemo_partial_hydra.errors import ConfigError, RecipeError, ValidationError
from tests.support.pipelines import ALLOW, CHAIN, pipeline

STEP = {"_target_": "builtins.dict"}


def of(steps: Any, *names: str) -> Any:
    return OmegaConf.create({"_steps_": steps, **dict.fromkeys(names, STEP)})


def needs(config: Any) -> dict[str, tuple[str, ...]]:
    found = pipeline_of(config)
    assert found is not None
    return {step.name: step.needs for step in found.steps}


def test_a_list_is_a_chain() -> None:
    assert needs(of(["a", "b", "c"], "a", "b", "c")) == {"a": (), "b": ("a",), "c": ("b",)}


def test_a_mapping_says_what_each_waits_for() -> None:
    found = pipeline_of(of({"c": ["a", "b"], "b": "a", "a": None, "d": {"needs": ["c"], "after": "any"}}, *"abcd"))
    assert found is not None
    assert found.names == ("a", "b", "c", "d")  # each behind what it needs
    assert [step.after for step in found.steps] == ["ok", "ok", "ok", "any"]
    assert found.before("d") == {"a", "b", "c"}
    assert found.picture == "a; b after a; c after a and b; d after c (however that ended)"


def test_an_entry_of_a_list_may_run_whatever_became_of_the_one_before() -> None:
    found = pipeline_of(of(["a", {"b": {"after": "any"}}], "a", "b"))
    assert found is not None
    assert [(step.needs, step.after) for step in found.steps] == [((), "ok"), (("a",), "any")]


def test_the_steps_may_be_told_by_another_node() -> None:
    config = of("${order}", "a", "b")
    config.order = ["a", "b"]
    assert needs(config) == {"a": (), "b": ("a",)}
    config.order = None
    assert pipeline_of(config) is None


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (["a", "x"], "_steps_: 'x' is no recipe: no top-level node with _target_ stands there; there are a, b"),
        (["a", "aa"], "_steps_: 'aa' is no recipe: .*; did you mean 'a'"),
        (["a", "a"], "'a' stands there twice"),
        ({"a": ["b"], "b": ["a"]}, "these steps wait for each other: a -> b -> a"),
        ({"a": ["c"]}, "_steps_.a: needs 'c', which is no step"),
        ({"a": {"need": ["b"]}}, "there is no 'need': a step has needs and after"),
        ({"a": {"after": "never"}}, "after: expected ok or any, got 'never'"),
        (["a", 3], "_steps_: got 3; expected _steps_: .convert, train."),
        (3, "_steps_: got 3; expected"),
        ([], "_steps_: it has no step: expected"),
        (["plain"], "'plain' is no recipe"),
        (["a b"], "'a b' is no name of a step"),
    ],
)
def test_mistakes_are_named(steps: Any, says: str) -> None:
    config = of(steps, "a", "b", "a b")
    config.plain = {"x": 1}
    with pytest.raises(ConfigError, match=says):
        pipeline_of(config)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), min_size=1))
def test_no_step_comes_before_what_it_needs(graph: dict[str, set[str]]) -> None:
    config = of({name: sorted(needs) for name, needs in graph.items()}, *graph)
    left = dict(graph)
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        left = {name: needs for name, needs in left.items() if name not in free}
    if left or any(not needs <= graph.keys() for needs in graph.values()):
        with pytest.raises(ConfigError, match=r"wait for each other|which is no step"):
            pipeline_of(config)
        return
    found = pipeline_of(config)
    assert found is not None
    assert sorted(found.names) == sorted(graph)
    for index, step in enumerate(found.steps):
        assert set(step.needs) <= set(found.names[:index])


def test_the_steps_run_and_give_each_other_objects(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    done = app.run("train.lr=0.5")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[:1] == ["convert tiny"]
    wanted = r"train \{'model': 'tiny', 'layers': \[1, 2\]\} 0\.5 /\S+/outputs/\S+/convert/weights\.txt"
    assert re.fullmatch(wanted, lines[1])
    assert re.fullmatch(r"report 5\.0 /\S+/outputs/\S+/train ", lines[2])


def test_an_object_goes_as_it_is(tmp_path: Path) -> None:
    assert re.search(r"train <steps\.Weights object at \w+>", pipeline(tmp_path).run("convert.kind=object").out)


def test_what_is_wrong_with_a_step_is_said_before_the_first_one_runs(tmp_path: Path) -> None:
    done = pipeline(tmp_path).run("report.lss=1", "train.lr=fast")
    assert (done.code, done.out) == (2, "")
    done = pipeline(tmp_path).run("train.lr=fast")
    assert (done.code, done.out) == (2, "")
    assert "train.lr: expected float, got 'fast'" in done.err


REFERENCES = [
    (
        "train.source='${step:nope}'",
        "train.source: ${step:nope}: there is no step 'nope'; there are convert, train,",
    ),
    ("train.source='${step:convrt}'", "there is no step 'convrt'; did you mean 'convert'?"),
    ("train.source='${step:report}'", "${step:report}: report need not have run when train begins"),
    ("train.source='${step:train}'", "${step:train}: train is this step itself"),
    ("train.source='${step:convert.model}'", "write ${step:convert} for its result, or ${step:convert.dir}"),
    ("report.note='loss: ${step:train}'", "within a text only the directory of a step may stand"),
]


@pytest.mark.parametrize(("override", "says"), REFERENCES)
def test_references_that_lead_nowhere_are_named(tmp_path: Path, override: str, says: str) -> None:
    done = pipeline(tmp_path).run(override)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_references_may_go_by_other_nodes(tmp_path: Path) -> None:
    more = "paths: {weights: '${step:convert.dir}/w'}\n"
    done = pipeline(tmp_path, CHAIN + more).run("train.weights='${paths.weights}.bin'")
    assert done.code == 0, done.err
    assert re.search(r"/convert/w\.bin$", done.out.splitlines()[1])


def test_what_needs_a_step_that_failed_is_left_out_and_the_rest_runs(tmp_path: Path) -> None:
    config = CHAIN.replace("[convert, train, report]", "[convert, train, {report: {after: any}}]")
    config = config.replace("  loss: ${step:train}\n", "  loss: null\n")
    done = pipeline(tmp_path, config).run("train.fail=true")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("report None ")
    assert "ValueError: 0.1 is too much" in done.err
    done = pipeline(tmp_path / "chain").run("train.fail=true")
    assert done.code == 1
    assert "report" not in done.out
    assert "step report is left out: train has failed" in done.err


def test_the_last_step_is_what_the_pipeline_returns(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    with app.here():
        found = nph.run(app.compose(allow=ALLOW), allow=ALLOW)
    assert found["loss"] == 1.0
    assert Path(found["where"]) == tmp_path / "train"


def test_building_says_how(tmp_path: Path) -> None:
    app = pipeline(tmp_path)
    config = app.compose(allow=ALLOW)
    with pytest.raises(ConfigError, match=r"build that of a step: nph.build\(cfg.report\)"):
        nph.build(config, allow=ALLOW)
    with pytest.raises(ValidationError, match=r"\$\{step:convert\}: there is such a value only while a pipeline runs"):
        nph.run(config.train, allow=ALLOW)


def test_a_recipe_without_steps_knows_none(tmp_path: Path) -> None:
    config = OmegaConf.create({"_target_": "builtins.dict", "a": "${step:b}"})
    with pytest.raises(RecipeError, match=r"a: \$\{step:b\}: there is such a value only while a pipeline runs"):
        nph.run(config)


def test_a_resolver_of_an_app_keeps_its_name() -> None:
    OmegaConf.register_new_resolver("step", lambda text: f"own {text}")
    try:
        assert nph.run(OmegaConf.create({"_target_": "builtins.dict", "a": "${step:b}"})) == {"a": "own b"}
    finally:
        OmegaConf.clear_resolver("step")


def test_listings_show_the_steps_and_what_they_take(tmp_path: Path) -> None:
    done = pipeline(tmp_path).run("--cfg-paths")
    assert done.code == 0, done.err
    assert "Steps: convert -> train -> report" in done.out
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert "${step:convert}" in rows["train.source"]
    assert "report.loss" in rows


def test_a_plus_that_need_not_be_there(tmp_path: Path) -> None:
    done = pipeline(tmp_path).run("+report.note='rate ${train.lr}'", "+train.lr=0.2")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].endswith("rate 0.2")


def test_a_resolved_config_shows_references_as_they_are(tmp_path: Path) -> None:
    done = pipeline(tmp_path).run("--cfg", "job", "--resolve", "-p", "train")
    assert done.code == 0, done.err
    assert "source: ${step:convert}" in done.out
    assert "weights: ${step:convert.dir}/weights.txt" in done.out
    assert not OmegaConf.has_resolver("step")


@pytest.mark.parametrize("before", ["[convert]", "{convert: []}"])
def test_a_list_over_a_mapping_says_how_it_is_replaced(tmp_path: Path, before: str) -> None:
    config = CHAIN.replace("[convert, train, report]", before)
    after = "{convert: [], train: [convert]}" if before == "[convert]" else "[convert, train]"
    app = pipeline(tmp_path, config, more=f"defaults: [config, _self_]\n_steps_: {after}\n")
    done = app.run(f"_steps_={after}")
    way = "_steps_: a dict and a list are not merged; to replace what stands there: '~_steps_' '+_steps_=...'"
    assert (done.code, way in done.err) == (2, True), done.err
    assert app.run("~_steps_", f"+_steps_={after}").out.splitlines()[1].startswith("train ")
    done = app.run("--config-name=more")
    assert "In 'more': _steps_: a dict and a list are not merged; write it as it stands there before" in done.err


def test_a_step_that_is_left_out_is_named(tmp_path: Path) -> None:
    app = pipeline(tmp_path, CHAIN + "unsettled: ${oc.env:NO_SUCH}\n")
    done = app.run("_steps_=[train]")
    assert (done.code, done.out) == (2, "")
    says = "${step:convert}: _steps_ leaves it out; to have it run: '_steps_=[convert,train]', else give another value"
    assert f"train.source: {says}" in done.err
    assert app.run("_steps_=[train]", "train.source=x", "train.weights=y").out == "train x 0.1 y\n"


FIRST: Any = "${step:first}"
FOLDER: Any = "${step:first.dir}/weights"
MANY: Any = "${step:many}"
BY_WAY: Any = "${by_way}"


@dataclass
class Fields:
    """A step in the way of structured configs; OmegaConf converts what a reference in a field leads to."""

    _target_: str = "builtins.dict"
    number: int = FIRST
    maybe: float | None = FIRST
    folder: Path = FOLDER
    items: list[int] = MANY
    table: dict[str, int] = BY_WAY


def test_fields_of_dataclasses_take_what_steps_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = {"_target_": "builtins.int", "_args_": ["3"]}
    many = {"_target_": "builtins.list", "_args_": [[4, 5]]}
    table = {"_target_": "builtins.dict", "a": 6}
    steps = {"first": first, "many": many, "table": table, "last": OmegaConf.structured(Fields)}
    found = nph.run(OmegaConf.create({"_steps_": [*steps], **steps, "by_way": "${step:table}"}))
    assert found == {
        "number": 3, "maybe": 3, "folder": f"{tmp_path}/first/weights", "items": [4, 5], "table": {"a": 6},
    }  # fmt: skip
