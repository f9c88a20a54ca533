"""Entries of dicts whose keys no path of an override can name: changed, added and deleted one by one, and listed so."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import hydra
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.dialect.scalars import key_word, path_keys, path_text
from nemo_partial_hydra.dialect.yaml import dump
from nemo_partial_hydra.listing.override_text import value_text
from nemo_partial_hydra.listing.paths import paths
from nemo_partial_hydra.recipes.data import walk
from nemo_partial_hydra.recipes.keys import RESERVED
from tests.support.apps import App

pytestmark = pytest.mark.matrix

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6) | st.sampled_from(
    [
        "spark.yarn.max",
        "a/b",
        "x y",
        " ",
        "",
        ".",
        "..",
        "ü",
        "1",
        "null",
        "true",
        "1.5",
        'q"u',
        "it's",
        "c:d",
        "\\",
        "a\\.b",
    ]
)
names = texts.filter(lambda text: text not in RESERVED and text != "defaults" and "${" not in text)
keys = names | st.integers(-3, 10**6) | st.booleans() | st.floats(-9, 9, width=16).filter(lambda x: x != int(x))


def dicts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[Any, Any]]:
    """Make dicts, no two keys of which are written in the same way."""
    entries = st.lists(
        st.tuples(keys, values), min_size=1, max_size=4, unique_by=lambda pair: key_word(pair[0]).lower()
    )
    return entries.map(dict)


odd = dicts(st.integers(0, 9) | st.lists(st.integers(0, 9), min_size=1, max_size=2) | dicts(st.integers(0, 9)))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("app"))


@given(st.lists(texts, min_size=1).map(tuple))
def test_a_path_is_read_as_it_was_written(keys: tuple[str, ...]) -> None:
    written = path_text(keys)
    assert path_keys(written) == keys
    assert written.isascii()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a.b.0", ("a", "b", "0")),
        (r"a.b\.c", ("a", "b.c")),
        (r"a.\u00fc\U0001f600", ("a", "ü😀")),
        ("a.", ("a", "")),
        (r"a\\b", ("a\\b",)),
        ("a\\", ("a\\",)),
        (r"a.\=\[x\]", ("a", "=[x]")),  # as Hydra 1.4 writes keys
    ],
)
def test_the_escapes_of_a_path(text: str, keys: tuple[str, ...]) -> None:
    assert path_keys(text) == keys


def changed(data: Any) -> Any:
    """Return data with other numbers."""
    if isinstance(data, dict):
        return {key: changed(value) for key, value in data.items()}
    return [changed(item) for item in data] if isinstance(data, list) else data + 100


def write(app: App, number: int, tags: dict[Any, Any]) -> str:
    """Write a config with these tags and return its name."""
    app.write(f"conf/odd{number}.yaml", dump({"_target_": "shop.train", "_partial_": True, "tags": tags}))
    return f"odd{number}"


@given(odd, st.integers(0, 10**9))
def test_every_listed_override_takes_effect_whatever_the_keys(app: App, tags: dict[Any, Any], number: int) -> None:
    name = write(app, number, tags)
    with app.here():
        listed = [info for info in paths(app.compose(name=name), allow=["shop"]) if info.path.startswith("tags.")]
        leaves = [info for info in listed if isinstance(info.value, int)]
        assert len(leaves) == sum(1 for _, value in walk(tags) if isinstance(value, int))
        given = [shlex.split(str(info.override))[0] for info in leaves]
        assert None not in [info.override for info in leaves], leaves
        assert app.called(*given, name=name)["tags"] == tags
        others = [re.sub(r"\d+(?=\}*$)", lambda found: str(int(found[0]) + 100), text) for text in given]
        assert app.called(*others, name=name)["tags"] == changed(tags)
    (app.conf / f"{name}.yaml").unlink()


@given(odd, st.data())
def test_entries_are_deleted_and_added_one_by_one(app: App, tags: dict[Any, Any], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from([*map(repr, tags)])))
    doomed = [path_text(("tags", key)) for key in tags if repr(key) in gone]
    name = write(app, 0, tags)
    with app.here():
        left = app.called(f"+_delete_={value_text(doomed)}", name=name)["tags"]
        assert left == {key: value for key, value in tags.items() if repr(key) not in gone}
        key = data.draw(names.filter(lambda key: key not in [*map(key_word, tags)] and not key.isdigit()))
        added = app.called(f"++_replace_={{{path_text(('tags', key))}:3}}", name=name)["tags"]
        assert added == {**tags, key: 3}


TAGS: dict[Any, Any] = {
    "spark.yarn.max": 2,
    "": 4,
    "ü": 5,
    7: "one",
    True: "yes",
    "n": {"k.l": 1},
    "o.p": {"q": [1, 2]},
}


@pytest.mark.parametrize(
    ("path", "override"),
    [
        ("tags.spark.yarn.max", "tags={spark.yarn.max:2}"),
        ("tags.", "++_replace_={tags.:4}"),
        ("tags.ü", r"++_replace_={tags.\u00fc:5}"),
        ("tags.7", "tags={7:one}"),
        ("tags.n.k.l", "tags.n={k.l:1}"),
        ("tags.o.p.q", "tags={o.p:{q:[1,2]}}"),
        ("tags.o.p.q.1", r"++_replace_={tags.o\.p.q.1:2}"),
    ],
)
def test_how_an_entry_is_listed(app: App, path: str, override: str) -> None:
    name = write(app, 1, TAGS)
    with app.here():
        listed = {info.path: info.override for info in paths(app.compose(name=name), allow=["shop"])}
    assert shlex.split(str(listed[path])) == [override]


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("tags={spark.yarn.max: 9}", "spark.yarn.max", 9),
        ("++tags={new.key: 9}", "new.key", 9),
        ("tags={7: uno}", 7, "uno"),
        ("++tags={8: otto}", 8, "otto"),
        (r"++_replace_={tags.\u00e4\u00df: 1}", "äß", 1),
        (r"+_append_={tags.o\.p.q: [3]}", "o.p", {"q": [1, 2, 3]}),
    ],
)
def test_an_entry_is_changed_or_added(app: App, override: str, key: Any, value: Any) -> None:
    name = write(app, 2, TAGS)
    with app.here():
        assert app.called(override, name=name)["tags"] == {**TAGS, key: value}


def test_entries_are_swept(app: App) -> None:
    name = write(app, 3, TAGS)
    sweep = app.run(
        "-m",
        "-cn",
        name,
        r"++_replace_={tags.\u00fc: 1},{tags.\u00fc: 2}",
        "tags={spark.yarn.max: 3},{spark.yarn.max: 4}",
    )
    assert sweep.code == 0, sweep.err
    for number, (letter, spark) in enumerate([(1, 3), (1, 4), (2, 3), (2, 4)]):
        result = sweep.out.split("RESULT")[number + 1]
        assert f"'spark.yarn.max': {spark}" in result
        assert f"'ü': {letter}" in result


def test_a_number_names_a_key_that_is_one_where_hydra_takes_it_so(app: App) -> None:
    name = write(app, 5, {1: "one", 2: "two"})
    done = app.inline("-cn", name, "tags.1=uno")
    if hydra.__version__ < "1.4":
        assert "tags.1: the key is the int 1, no text; to set it: 'tags={1: ...}'" in done.err
        done = app.inline("-cn", name, "tags={1: uno}")
    assert "{1: 'uno', 2: 'two'}" in done.result, done.err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "tags.spark.yarn.max=4",
            "the key is 'spark.yarn.max', with its dots; to set it: 'tags={spark.yarn.max: ...}'",
        ),
        ("tags.true=x", "the key is the bool true, no text; to set it: 'tags={true: ...}'"),
    ],
)
def test_a_path_that_cannot_name_the_key_says_what_does(app: App, override: str, said: str) -> None:
    name = write(app, 4, TAGS)
    done = app.inline("-cn", name, override)
    assert done.code == 2
    assert said in done.err
    advised = said.rpartition("'")[0].rpartition("'")[2].replace("...", "9")
    assert "9" in app.inline("-cn", name, advised).result


def test_entries_outside_of_recipes_are_merged_too(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "extra: {spark.yarn.max: 2}\nrecipe: {_target_: shop.train, _partial_: true}\n"})
    listed = {info["path"]: info["override"] for info in json.loads(app.inline("--cfg-paths=json").out)}
    assert listed["extra.spark.yarn.max"] == "'extra={spark.yarn.max:2}'"
    shown = app.inline("--cfg", "job", "-p", "extra", "extra={spark.yarn.max: 3}")
    assert "spark.yarn.max: 3" in shown.out, shown.err
