"""Below a default that is an object each parameter can be overridden: that sets it and nothing else."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.decode import config_to_tree
from nemo_partial_hydra.composition.encode import tree_to_config
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.recipes.tree import Call, Map, Seq
from tests.support import deep
from tests.support.apps import App

HERE = "tests.support.deep."
ALLOW = ("tests",)
PATHS: dict[str, Any] = {
    "att.heads": 3,
    "att.name": "new",
    "att.rope.base": 5,
    "att.rope.scale": 0.25,
    "att.sizes": [1, 2],
    "rope.base": 6,
    "partial.name": "new",
    "partial.heads": 1,
    "partial.rope.base": 5,
    "lambda_.heads": 3,
    "lambda_.rope.scale": 7.0,
    "lambda_.rope.base": 7,
    "lambda_.sizes": [1],
    "many.0.heads": 3,
    "many.1.rope.base": 3,
    "many.1.name": "new",
    "named.a.base": 3,
    "named.b.scale": 3.5,
    "point.x": 3,
    "point.y": 3,
    "either.heads": 3,
    "depth": 9,
}


def made(name: str, /, **kwargs: Any) -> Call:
    return Call(HERE + name, kwargs)


def config(overrides: Mapping[str, Any] = {}, target: str = "Net") -> DictConfig:
    out = tree_to_config(made(target))
    OmegaConf.set_struct(out, True)
    for path, value in overrides.items():
        OmegaConf.update(out, path, value)
    return out


def tree(cfg: Any) -> Any:
    return config_to_tree(cfg, ALLOW)


@pytest.fixture(autouse=True)
def allowed(fresh_workspace: None) -> None:
    from nemo_partial_hydra.runtime import session

    session.workspace().allow.add("tests")


def put(obj: Any, path: str, value: Any) -> Any:
    """Return a copy of an object with a new value at a path."""
    head, _, rest = path.partition(".")
    if isinstance(obj, list):
        return [put(item, rest, value) if str(i) == head else item for i, item in enumerate(obj)]
    if isinstance(obj, dict):
        return {key: put(item, rest, value) if key == head else item for key, item in obj.items()}
    out = copy.copy(obj)
    object.__setattr__(out, head, put(getattr(obj, head), rest, value) if rest else value)
    return out


def test_without_an_override_nothing_is_set() -> None:
    assert tree(config()) == made("Net")
    assert tree(config(target="use")) == made("use")


@pytest.mark.parametrize("path", PATHS)
def test_each_path_takes_effect_alone(path: str) -> None:
    cfg = config({path: PATHS[path]})
    assert nph.run(cfg, allow=ALLOW) == put(deep.Net(), path, PATHS[path])
    assert set(tree(cfg).kwargs) == {path.partition(".")[0]}


@given(st.lists(st.sampled_from(sorted(PATHS)), unique=True))
def test_any_overrides_give_the_object_with_these_changes(paths: list[str]) -> None:
    from nemo_partial_hydra.runtime import session

    session.workspace().allow.add("tests")
    cfg = config({path: PATHS[path] for path in paths})
    expected: Any = deep.Net()
    for path in paths:
        expected = put(expected, path, PATHS[path])
    found = tree(cfg)
    assert nph.run(cfg, allow=ALLOW) == expected
    assert set(found.kwargs) == {path.partition(".")[0] for path in paths}
    for other in (copy.deepcopy(cfg), pickle.loads(pickle.dumps(cfg)), OmegaConf.merge(cfg), OmegaConf.merge({}, cfg)):
        assert tree(other) == found


def test_only_what_is_overridden_is_set() -> None:
    assert tree(config({"att.rope.base": 3})).kwargs == {"att": made("Att", rope=made("Rope", base=3))}


def test_what_the_default_itself_sets_comes_along() -> None:
    assert tree(config({"partial.name": "n"})).kwargs == {"partial": made("Att", heads=9, name="n")}
    assert tree(config({"many.1.name": "n"})).kwargs == {
        "many": Seq((made("Att"), made("Att", heads=2, name="n"))),
    }
    assert tree(config({"sizes.a": 5}, "use")).kwargs == {"sizes": Map((("a", 5), ("b", 2)))}


def test_another_object_takes_the_place_of_the_default_as_a_whole() -> None:
    other = {"_target_": f"{HERE}make_rope", "base": 1}
    for path in ("partial", "many.0", "named.a"):
        found: Any = tree(config({path: other}))
        text = OmegaConf.select(config({path: other}), path)
        assert OmegaConf.to_container(text) == other
        assert f"Call(target='{HERE}make_rope', kwargs={{'base': 1}}" in str(found)
    assert tree(config({"partial": {"_target_": f"{HERE}Att"}})).kwargs == {"partial": made("Att")}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("att.head", 1, "head"),
        ("att.heads", "many", "expected int, got 'many'"),
        ("att.rope.base", None, "expected int"),
    ],
)
def test_a_mistake_is_refused_at_once(path: str, value: Any, said: str) -> None:
    with pytest.raises(Exception, match=said):
        config({path: value})


def test_an_object_in_itself_ends() -> None:
    cfg = config(target="Left")
    assert OmegaConf.to_container(cfg.right, resolve=True) == {
        "_target_": f"{HERE}Right",
        "y": 2,
        "left": {"_target_": f"{HERE}Left", "x": 3, "right": "???"},
    }
    assert tree(cfg) == made("Left")
    assert tree(config({"right.left.x": 4}, "Left")).kwargs == {"right": made("Right", left=made("Left", x=4))}


def test_what_may_not_be_named_is_one_value() -> None:
    from nemo_partial_hydra.runtime import session

    session.workspace().allow.clear()
    cfg = tree_to_config(made("Net"))
    assert OmegaConf.is_missing(cfg, "att")
    assert tree(cfg) == made("Net")


# Files -------------------------------------------------------------------------------------------------------------

FILES = {
    "whole": f"_target_: {HERE}Net\natt: {{heads: 3}}\nlambda_: {{rope: {{base: 1}}}}\n",
    "model/net": f"_target_: {HERE}Net\n",
    "before": f"defaults: [_self_, model@net: net]\n_target_: {HERE}train\nnet: {{att: {{heads: 3}}, maybe: null}}\n",
    "after": f"defaults: [model@net: net, _self_]\n_target_: {HERE}train\nnet: {{att: {{heads: 3}}, maybe: null}}\n",
    "null": f"defaults: [_self_, model@net: net]\n_target_: {HERE}train\nnet: {{att: null}}\n",
    "other": f"defaults: [model@net: net, _self_]\n_target_: {HERE}train\nnet: {{partial: {{_target_: {HERE}Att}}}}\n",
}


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(tmp_path)
    for name, text in FILES.items():
        app.write(f"conf/{name}.yaml", text)
    return app


def composed(app: App, name: str, *overrides: str) -> Any:
    return config_to_tree(app.compose(*overrides, name=name, allow=ALLOW), ALLOW)


def test_a_file_sets_something_of_an_object(app: App) -> None:
    assert composed(app, "whole") == made(
        "Net", att=made("Att", heads=3), lambda_=made("Att", heads=5, rope=made("Rope", scale=0.5, base=1))
    )
    found = composed(app, "whole", "att.name=n", "lambda_.rope.scale=9")
    assert found.kwargs["att"] == made("Att", heads=3, name="n")
    assert found.kwargs["lambda_"].kwargs["rope"] == made("Rope", scale=9, base=1)


@pytest.mark.parametrize("name", ["before", "after"])
def test_a_file_around_the_object_does_too(app: App, name: str) -> None:
    assert composed(app, name).kwargs["net"].kwargs["att"] == made("Att", heads=3)
    found = composed(app, name, "net.att.rope.base=3", "net.point.y=1").kwargs["net"].kwargs
    assert found["att"] == made("Att", heads=3, rope=made("Rope", base=3))
    assert found["point"] == made("Point", x=5, y=1)


def test_null_of_an_earlier_file_stays(app: App) -> None:
    with pytest.raises(RecipeError, match=r"net.att: expected Att .* got None"):
        composed(app, "null")


def test_another_object_in_a_file_is_whole(app: App) -> None:
    assert composed(app, "other").kwargs["net"].kwargs == {"partial": made("Att")}


def test_plain_yaml_reads_alike() -> None:
    from nemo_partial_hydra.runtime import session

    text = FILES["whole"]
    read = session.workspace().read_yaml(text, ALLOW, resolved=lambda data: None)
    assert read == made(
        "Net", att=made("Att", heads=3), lambda_=made("Att", heads=5, rope=made("Rope", scale=0.5, base=1))
    )
