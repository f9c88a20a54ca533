"""The explorer without its screen: an edit is what the same override typed is, whatever it edits."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.explorer.edits import is_sweep
from nemo_partial_hydra.explorer.model import Composed, Model
from tests.support.apps import App
from tests.support.exploring import begun, of_records
from tests.support.laws import tries


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def modelled(app: App, *args: str) -> Model:
    """Return the model of a command line; it composes no more once it has been left."""
    found: list[Model] = []
    done = begun(app, *args, act=lambda model, levels: found.append(model))
    assert done.code == 0, done.err
    return found[0]


def edited(app: App, start: list[str], edits: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the records after edits, and the words that the explorer leaves."""
    found: list[Any] = []

    def act(model: Model, levels: int) -> None:
        for edit in edits:
            texts = model.edited(edit)
            model.accept(texts, model.compose(texts))
        found.append([info.record() for info in model.composed.records])
        found.append(model.line.words(model.overrides))

    done = begun(app, *start, act=act)
    assert done.code == 0, done.err
    return found[0], found[1]


def typed(app: App, words: list[str]) -> list[dict[str, Any]]:
    """Return the records of a command line that was typed."""
    done = app.inline("--cfg-paths=json", *words)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    return found[0]["paths"] if found and "paths" in found[0] else found  # type: ignore[no-any-return]


EDITS = [
    "steps=7", "ratio=1e-3", "name='a b'", 'name="${steps}"', "limit=null", "out=/tmp/x", "deadline=300",
    "optimizers.0.lr=0.125", "optimizers.0.nesterov=true", "optimizers.1.mode=SLOW", "optimizers.1.betas=[0.5,0.75]",
    "optimizers.1.kind=b", "optimizers.1.act=shop.relu", "model.config.layers=4", "model.config.sizes=[1,2,3]",
    "+model.depth=3", "++model.depth=5", "+tags.a=1", "tags={a: 1, b: [x]}", "opt=adam", "opt=sgd", "+experiment=fast",
    "+_replace_.optimizers.0={_target_: shop.Adam, lr: 1}", "+_replace_.model={_target_: shop.Model}",
    "+_append_.optimizers=[{_target_: shop.SGD, lr: 1}]", "+_delete_=[optimizers.0]", "~name", "steps=1,2",
    "opt=sgd,adam", "optimizers.1.lr=range(1,3)", "model.config=null", "hydra.job.name=other",
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_the_override_typed(app: App, edit: str) -> None:
    start = ["name=x"] if edit == "~name" else []
    records, words = edited(app, start, [edit])
    assert words[:2] == ["python", "app.py"]
    assert records == typed(app, words[2:])
    left = [edit] if edit == "~name" else [*start, edit]  # it takes the place of what it deletes
    assert words[2:] == [*(["-m"] if is_sweep(edit) else []), *left]


@limits(max_examples=tries(40))
@given(st.lists(st.sampled_from(EDITS), max_size=4), st.lists(st.sampled_from(EDITS), max_size=2))
def test_edits_are_the_command_line_that_is_left(edits: list[str], start: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        try:
            records, words = edited(app, start, edits)
        except AssertionError:
            return  # it cannot be composed, typed or edited
        assert records == typed(app, words[2:])


@pytest.mark.parametrize("path", ["steps", "optimizers.0.lr", "optimizers", "opt", "tags", "model.config.sizes"])
def test_what_an_edit_begins_with_changes_nothing(app: App, path: str) -> None:
    """What is prefilled is the value that holds: taken as it is, the config stays the same."""

    def act(model: Model, levels: int) -> None:
        number = model.view.forest.places[path]
        draft = model.draft(number)
        composed = model.compose(model.edited(draft.head + draft.text))
        before = {info.path: info.value for info in model.composed.records}
        assert {info.path: info.value for info in composed.records} == before

    assert begun(app, act=act).code == 0


def test_a_refusal_is_worded_as_the_app_words_it(app: App) -> None:
    from nemo_partial_hydra.composition.error_text import worded

    for override in ("steps=abc", "modle.x=1", "opt=nope", "+steps=1,2,x", "optimizers.1.kind=c"):
        said: list[str | None] = []

        def act(model: Model, levels: int, override: str = override, said: list[str | None] = said) -> None:
            edits, records = model.edits, model.composed
            try:
                model.compose(model.edited(override))
            except Exception as error:
                said.append(worded(error))
            assert (model.edits, model.composed) == (edits, records)

        assert begun(app, act=act).code == 0
        flags = ["-m"] if "," in override else []
        done = app.inline("--cfg-paths", *flags, override)
        assert said, override
        assert done.err.startswith(f"Error: {said[0]}"), override


def test_libraries_and_directories_of_the_line_are_taken_once(app: App) -> None:
    app.write("more/extra/a.yaml", "# @package _global_\nsteps: 11\n")

    def act(model: Model, levels: int) -> None:
        for edit in ("+extra=a", "ratio=0.5"):
            texts = model.edited(edit)
            model.accept(texts, model.compose(texts))
        assert {info.path: info.value for info in model.composed.records}["steps"] == 11

    assert begun(app, "-cd", str(app.folder / "more"), act=act).code == 0


def test_what_was_left_to_the_jobs_of_a_sweep_before_is_not_in_one_after(app: App) -> None:
    """``opt.betas`` is there for one of the options only, which the sweep's own config does not choose."""
    app.write("conf/opt/adam2.yaml", "_target_: shop.Adam\n")
    start = ["-m", "opt=adam,adam2", "opt.kind=b"]

    def act(model: Model, levels: int) -> None:
        assert {info.path: info.value for info in model.composed.records}["opt.kind"] == "b"
        edits = model.edited("opt.kind=a")
        model.accept(edits, model.compose(edits))
        assert {info.path: info.value for info in model.composed.records}["opt.kind"] == "a"
        edits = model.edited("opt=sgd")
        with pytest.raises(Exception, match="kind"):
            model.compose(edits)
        composed = model.line.compose(["opt=sgd", "steps=1,2"])
        assert {info.path: info.value for info in composed.records}["opt.lr"] == 0.25

    assert begun(app, *start, act=act).code == 0


def test_a_wrong_value_of_a_sweep_is_found_in_whatever_job_it_is(app: App) -> None:
    def act(model: Model, levels: int) -> None:
        for override in ("steps=1,2,x", "optimizers.1.kind=a,b,c"):
            with pytest.raises(Exception, match=r"steps|kind"):
                model.compose(model.edited(override))

    assert begun(app, "-m", "opt=sgd,adam", act=act).code == 0


def test_entries_of_one_dict_are_edited_and_taken_back_one_by_one(app: App) -> None:
    app.write("conf/experiment/dotted.yaml", "# @package _global_\ntags: {spark.max: 1, spark.min: 2, it's: 3}\n")

    def act(model: Model, levels: int) -> None:
        def edit(path: str, value: int) -> None:
            draft = model.draft(model.view.forest.places[path])
            edits = model.edited(draft.head + draft.text.replace(str(held()[path]), str(value)))
            model.accept(edits, model.compose(edits))

        def held() -> dict[str, Any]:
            return {info.path: info.value for info in model.composed.records}

        for path, value in (("tags.spark.max", 10), ("tags.spark.min", 20), ("tags.it's", 30), ("tags.spark.max", 100)):
            edit(path, value)
        assert [held()[f"tags.{name}"] for name in ("spark.max", "spark.min", "it's")] == [100, 20, 30]
        edits = model.reset(model.view.forest.places["tags.spark.min"])
        assert edits is not None
        model.accept(edits, model.compose(edits))
        assert [held()[f"tags.{name}"] for name in ("spark.max", "spark.min", "it's")] == [100, 2, 30]
        edits = model.reset(model.view.forest.places["tags"])
        assert edits is not None
        assert "spark" not in "".join(edits)

    assert begun(app, "+experiment=dotted", act=act).code == 0


def test_elements_that_were_appended_are_taken_back_where_they_are(app: App) -> None:
    def act(model: Model, levels: int) -> None:
        number = model.view.forest.places["optimizers"]
        draft = model.new_entry(number)
        edits = model.edited(f"{draft.head}[{{_target_: shop.SGD, lr: 1}}]")
        model.accept(edits, model.compose(edits))
        assert "optimizers.2.lr" in model.view.forest.places
        assert model.reset(model.view.forest.places["optimizers"]) == ()

    assert begun(app, act=act).code == 0


def test_a_list_outside_of_recipes_is_written_anew(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.write("conf/config.yaml", "sizes: [1, 2]\n")

    def act(model: Model, levels: int) -> None:
        draft = model.new_entry(model.view.forest.places["sizes"])
        assert (draft.head, draft.text) == ("sizes=", "[1,2]")
        edits = model.edited("sizes=[1,2,3]")
        assert {"sizes.0", "sizes.1", "sizes.2"} < {info.path for info in model.compose(edits).records}

    assert begun(app, "--config-name", "config", act=act).code == 0


def test_a_group_that_was_deleted_is_chosen_again(app: App) -> None:
    def act(model: Model, levels: int) -> None:
        edits = model.edited("~opt")
        model.accept(edits, model.compose(edits))
        draft = model.draft(model.view.forest.places["opt"])
        edits = model.edited(f"{draft.head}adam")
        model.accept(edits, model.compose(edits))
        assert model.overrides == ["opt=adam"]
        assert {info.path: info.value for info in model.composed.records}["opt"] == "adam"

    assert begun(app, act=act).code == 0


@pytest.mark.parametrize("edit", ["steps=glob(*)", "ratio=range(5,1)"])
def test_a_sweep_that_has_no_job_is_refused(app: App, edit: str) -> None:
    def act(model: Model, levels: int) -> None:
        with pytest.raises(UsageError, match="without a job"):
            model.compose(model.edited(edit))

    assert begun(app, act=act).code == 0


def test_hydras_own_settings_can_be_edited(app: App) -> None:
    def act(model: Model, levels: int) -> None:
        draft = model.draft(model.view.forest.places["hydra.job.name"])
        texts = model.edited(f"{draft.head}other")
        model.accept(texts, model.compose(texts))
        assert model.overrides == ["hydra.job.name=other"]

    assert begun(app, "-p", "hydra", act=act).code == 0


def test_what_cannot_be_edited_says_what_to_do(app: App) -> None:
    model = modelled(app)
    places = model.view.forest.places
    with pytest.raises(UsageError, match=r"\+model\.NAME=VALUE"):
        model.draft(places["model.**kwargs"])
    with pytest.raises(UsageError, match="nothing can be added"):
        model.new_entry(places["steps"])
    assert model.draft(places["model"]).head == "+_replace_.model="
    assert model.draft(places["model"]).text == "{_target_: shop.Model}"
    assert model.new_entry(places["model"]).head == "+model."
    assert model.new_entry(places["optimizers"]).head == "+_append_.optimizers="
    assert model.draft(places["experiment"]).head == "+experiment="


operations = st.lists(st.one_of(st.just("undo"), st.just("redo"), st.integers(0, 3)), max_size=12)


@given(operations)
def test_undo_and_redo_go_through_what_was(steps: list[str | int]) -> None:
    model = of_records([])
    past: list[tuple[str, ...]] = [()]
    at = 0
    for step in steps:
        if step == "undo":
            edits = model.undone()
            assert edits == (past[at - 1] if at else None)
            at -= bool(at)
        elif step == "redo":
            edits = model.redone()
            assert edits == (past[at + 1] if at + 1 < len(past) else None)
            at += at + 1 < len(past)
        else:
            edits = model.edited(f"k={step}")
            past[at + 1 :] = [edits]
            at += 1
        if edits is not None:
            model.accept(edits, Composed([]))
        assert model.edits == past[at]
    while (undone := model.undone()) is not None:
        model.accept(undone, Composed([]))
    assert (model.edits, model.overrides) == ((), [])


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12), max_size=4))
def test_the_command_is_read_by_a_shell_as_it_is_meant(values: list[str]) -> None:
    model = of_records([])
    for index, value in enumerate(values):
        model.accept(model.edited(f"k{index}={value.strip() or 'x'}"), Composed([]))
    assert shlex.split(model.command()) == ["python", "app.py", *model.overrides]
